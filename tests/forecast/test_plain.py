"""What is said of a forecast beside the plainest rules, where it is planted which is better."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from scipy.stats import spearmanr

from prunescope.data.samples import Samples
from prunescope.forecast import forecast, score
from prunescope.forecast.plain import Finding, agreements, findings, rarities
from prunescope.predictions import Compression, Metadata, Predictions

A, N = 12, 6000


@pytest.fixture(scope="module")
def world():
    """Attributes from rare to common; pruned ones lose positives by their rarity alone."""
    rng = np.random.default_rng(0)
    rates = np.linspace(0.04, 0.45, A)
    z = (1.5 * np.log(rates / (1 - rates)) + rng.normal(0, 2, (N, A))).astype("f4")
    labels = (z + rng.logistic(0, 1, z.shape) > 0).astype(np.int8)
    samples = Samples(
        pl.Series([str(i) for i in range(N)]), tuple(f"a{i}" for i in range(A)), labels
    )
    metadata = Metadata(name="dense", train_prevalence=dict(samples.rates().prevalence))
    told = forecast(Predictions(samples, z, metadata), sparsity=0.95)
    how = Compression(method="gmp-ri", sparsity=0.95)
    sparse = Predictions(
        samples, z - np.linspace(1.5, 0.1, A).astype("f4"), Metadata(name="s", compression=how)
    )
    return told, score(told, sparse, replicates=100)


def said(found, part):
    [one] = [finding for finding in found if part in finding.text]
    return one


def with_levels(judged, **rhos):
    """Return a score in which predictors rank the rare-value ratio as given."""
    rows = judged.levels.filter(metric="rare_value_ratio", predictor="forecast").to_dicts()
    ahead = rhos["forecast"] - max(abs(rho) for name, rho in rhos.items() if name != "forecast")
    told = {"p_value": 0.001, "rho_lead": ahead, "rho_low": ahead - 0.1, "rho_high": ahead + 0.1}
    rows = [rows[0] | told | {"predictor": name, "rho": rho} for name, rho in rhos.items()]
    return replace(judged, levels=pl.DataFrame(rows, schema=judged.levels.schema))


def test_both_rank_correlations_stand_beside_each_other(world):
    _, judged = world
    levels = judged.levels.filter(metric="rare_value_ratio")
    rho = dict(levels.select("predictor", "rho").rows())
    text = said(findings(judged), "rare-value ratio: rank").text
    assert f"{rho['forecast']:+.2f} by spectral-shrink" in text
    assert f"{rho['rarity']:+.2f} by rarity" in text
    assert f"{rho['dense']:+.2f} by the dense model's figure" in text


@pytest.mark.parametrize(
    ("rhos", "words", "better"),
    [
        ({"forecast": 0.36, "rarity": 0.87, "dense": 0.2}, "no better than rarity alone", False),
        ({"forecast": 0.6, "rarity": -0.7, "dense": 0.2}, "no better than rarity alone", False),
        (
            {"forecast": 0.6, "rarity": 0.1, "dense": 0.65},
            "no better than the dense model's",
            False,
        ),
        (
            {"forecast": 0.9, "rarity": 0.1, "dense": 0.65},
            "better than the plainest rules (+0.25 [+0.15, +0.35])",
            True,
        ),
        (
            {"forecast": 0.7, "rarity": 0.1, "dense": 0.65},
            "no better than the dense model's figure beyond chance (+0.05 [-0.05, +0.15])",
            False,
        ),
    ],
)
def test_a_criterion_that_loses_to_a_plain_rule_is_told(world, rhos, words, better):
    found = said(findings(with_levels(world[1], **rhos)), "rare-value ratio: rank")
    assert words in found.text
    assert found.better is better


def test_a_rank_correlation_that_may_be_chance_is_no_evidence(world):
    judged = with_levels(world[1], forecast=0.3, rarity=0.1)
    doubtful = replace(judged, levels=judged.levels.with_columns(p_value=0.4))
    found = said(findings(doubtful), "rare-value ratio: rank")
    assert "no evidence that it ranks them at all (p = 0.4)" in found.text
    assert found.better is False


def test_the_direction_stands_beside_the_rule_that_it_is_always_the_same(world):
    judged = with_levels(world[1], forecast=0.9, rarity=0.1)
    for rising, brier, always, better in ((0, 0.2, "0.00", False), (6, 0.2, "0.50", True)):
        levels = judged.levels.with_columns(
            n=pl.lit(12, pl.Int64), n_rising=pl.lit(rising, pl.Int64), brier=brier
        )
        found = said(findings(replace(judged, levels=levels)), "rose")
        assert f"{rising} of 12 rose" in found.text
        assert f"0.20, {always} if one says that it always falls" in found.text
        assert found.better is better


def test_attributes_that_are_too_few_are_not_compared(world, planted):
    few = planted(1000)
    judged = score(forecast(few.dense), few.pruned(0.5 * few.z - 0.2), replicates=100)
    found = said(findings(judged), "rare-value ratio")
    assert "not compared with the plainest rules: too few attributes" in found.text
    assert found.better is None


def test_whether_a_scorer_beats_the_margin_is_said_in_words(classes):
    world = classes(3000)
    drift = 0.7 * world.z + 0.3 * np.log(
        [world.rates.prevalence[c] for c in world.dense.attributes]
    )
    sparse = world.pruned(drift + world.rng.normal(0, 0.4, world.z.shape))
    words = {}
    for name in ("prior-shrink", "band", "margin", "temperature"):
        told = forecast(world.dense, sparsity=0.95, scorer=name, validation=world.dense)
        found = findings(score(told, sparse, replicates=200))
        words[name] = [one for one in found if "ranks flips" in one.text]
    [better], [worse], none, [same] = words.values()
    assert "prior-shrink ranks flips better than the margin (+0" in better.text
    assert better.better
    assert "band ranks flips worse than the margin (-0" in worse.text
    assert "go by the margin" in worse.text
    assert not worse.better
    assert none == []
    assert "temperature ranks flips no better than the margin beyond chance" in same.text
    assert not same.better


def test_expected_flips_stand_beside_those_seen(world):
    _, judged = world
    for predicted, better in ((0.1, True), (0.2, False)):
        off = judged.reliability.with_columns(predicted=predicted, observed=0.11)
        found = said(findings(replace(judged, reliability=off)), "expected to flip")
        want = f"gmp-ri 95%: {predicted:.1%} of the answers were expected to flip, 11.0% did."
        assert found == Finding(want, better)


def test_a_forecast_tells_how_far_its_order_is_that_of_the_plainest_rules(world):
    told, _ = world
    rows = told.at().filter(metric="rare_value_ratio")
    rare = rarities(told)
    by_rarity = spearmanr(rows["change"], [-rare[name] for name in rows["attribute"]])[0]
    by_dense = spearmanr(rows["change"], rows["dense"])[0]
    [text] = agreements(told)  # there is no group
    assert f"{by_rarity:+.2f} with rarity and {by_dense:+.2f} with the dense" in text
    assert "go by the plain rule" in text
    at_b = replace(told, attributes=told.attributes.with_columns(tier=pl.lit("B")))
    assert "tier B ranked the changes better than these at 95%" in agreements(at_b)[0]
    few = replace(told, attributes=told.attributes.filter(pl.col("attribute").is_in(["a0", "a1"])))
    assert agreements(few) == []


def test_rarity_is_that_of_the_rarer_value_in_training(build):
    dense = build([[1, 0]] * 9, [[1.0, -1.0]] * 9, train_prevalence={"a0": 0.9, "a1": 0.3})
    assert rarities(forecast(dense)) == pytest.approx({"a0": 0.1, "a1": 0.3})
