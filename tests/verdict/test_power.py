"""How many images a policy needs, foretold from one dense model."""

import numpy as np
import polars as pl
import pytest
from scipy.stats import norm

from prunescope.audit import audit
from prunescope.data.samples import Group, Samples
from prunescope.errors import ConfigError
from prunescope.predictions import Metadata, Predictions
from prunescope.verdict import Judge, Policy
from prunescope.verdict.power import foretell

ACCURACY = "{version: 2, criteria: [{metric: accuracy, moderate: 0.005, severe: 0.02}]}"


def answers(n, width=1, seed=0, groups=None):
    """Return labels that are true half the time, and the logits of two models of one kind."""
    rng = np.random.default_rng(seed)
    labels = (rng.random((n, width)) < 0.5).astype(np.int8)
    told = {name: Group.from_series(pl.Series(values)) for name, values in (groups or {}).items()}
    ids = pl.Series([f"i{row}" for row in range(n)])
    samples = Samples(ids, tuple(f"a{k}" for k in range(width)), labels, told)
    signal = 2.0 * (2 * labels - 1) + rng.normal(0, 1.5, (n, width))
    both = [signal + 0.35 * rng.normal(0, 1, (n, width)) for _ in range(2)]
    return [Predictions(samples, z, Metadata(name=f"m{k}")) for k, z in enumerate(both)]


def chance_of(told, n):
    """The probability of ship, or ship with care, of `n` images."""
    return float(told.curve.filter(pl.col("n") == n)["ship_or_care"][0])


def test_accuracy_needs_as_many_images_as_the_binomial_says():
    dense, _ = answers(6_000)
    told = foretell(dense, 0.04, Policy.parse(ACCURACY), sizes=[2_000, 10_000, 40_000], pairs=16)
    # an answer changes accuracy by +1 or -1 with probability 0.02 each: its variance is 0.04
    sure = norm.ppf(0.95) + norm.ppf(0.8)
    needed = 0.04 * (sure / 0.005) ** 2
    [row] = told.rows.to_dicts()
    assert told.flips == pytest.approx(0.04, abs=0.002)
    assert row["needed"] == pytest.approx(needed, rel=0.1)
    assert told.needed == pytest.approx(needed, rel=0.1)
    for size in (2_000, 10_000, 40_000):
        chance = norm.cdf(0.005 / np.sqrt(0.04 / size) - norm.ppf(0.95))
        assert chance_of(told, size) == pytest.approx(chance, abs=0.05)


def test_what_was_foretold_happens():
    """Of models that are alike, as many are held as was foretold."""
    policy = Policy.parse(ACCURACY)
    dense, _ = answers(4_000, width=4)
    held, flips = [], []
    for seed in range(30):
        one, other = answers(800, width=4, seed=100 + seed)
        found = audit(one, other, train_rates=one.samples.rates(), replicates=100, n_affected=0)
        held.append(Judge(found, policy).model("m1").answer == "ship")
        flips.append((one.decisions != other.decisions).mean())
    told = foretell(dense, float(np.mean(flips)), policy, sizes=[800], pairs=16)
    spread = np.sqrt(chance_of(told, 800) * (1 - chance_of(told, 800)) / len(held))
    assert abs(np.mean(held) - chance_of(told, 800)) < 3 * spread


def test_more_images_are_never_worse_and_more_flips_never_better():
    dense, _ = answers(3_000, width=3)
    sizes = [100, 1_000, 10_000, 100_000]
    few, many = (
        foretell(dense, flips, Policy.parse(ACCURACY), sizes=sizes, pairs=8).curve["ship"].to_list()
        for flips in (0.02, 0.1)
    )
    assert few == sorted(few)
    assert all(a >= b for a, b in zip(few, many, strict=True))


def test_a_group_with_too_few_images_cannot_be_foretold():
    rare = np.zeros(500, bool)
    rare[:3] = True
    dense, _ = answers(500, groups={"Rare": rare})
    told = foretell(dense, 0.04, pairs=8, replicates=100)
    untold = told.rows.filter(pl.col("needed").is_null())
    assert untold.filter(pl.col("group") == "Rare").height > 0


def test_classes_are_foretold():
    rng = np.random.default_rng(0)
    label = rng.integers(0, 3, 2_000)
    labels = np.eye(3, dtype=np.int8)[label]
    ids = pl.Series([str(k) for k in range(2_000)])
    samples = Samples(ids, ("a", "b", "c"), labels, {}, task="multiclass")
    logits = 2.0 * labels + rng.normal(0, 1, labels.shape)
    dense = Predictions(samples, logits, Metadata(name="d", task="multiclass"))
    told = foretell(dense, 0.05, pairs=8, replicates=100)
    [top] = told.rows.filter(metric="top1_accuracy").to_dicts()
    assert top["needed"] == pytest.approx(0.05 * (2.4865 / 0.005) ** 2, rel=0.35)


@pytest.mark.parametrize("flips", [0.0, 0.5, -1.0])
def test_a_share_of_flips_that_makes_no_sense_is_refused(flips):
    with pytest.raises(ConfigError, match="expected a share"):
        foretell(answers(50)[0], flips)
