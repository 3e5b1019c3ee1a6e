"""What attributes and groups are in for, against the audit and loops."""

import numpy as np
import polars as pl
import pytest

from prunescope.audit import audit
from prunescope.audit.leaning import Leanings
from prunescope.forecast.choice import chances
from prunescope.forecast.criteria import expected_counts, expected_rows
from prunescope.forecast.drift import rise_probability
from prunescope.forecast.outlook import Outlook
from prunescope.metrics import Slices

KEY = ["metric", "attribute", "group", "group_value"]


def test_expected_counts_are_sums_of_probabilities(draw):
    model = draw(3, n=40)
    samples = model.samples
    slices = Slices.of(samples)
    p = np.random.default_rng(0).random(samples.labels.shape)
    found = expected_counts(samples, slices, p)
    for s, rows in enumerate(slices.members(samples)):
        for a in range(samples.labels.shape[1]):
            for code, label in enumerate((0, 1, -1)):
                inside = [i for i in rows if samples.labels[i, a] == label]
                yes = sum(p[i, a] for i in inside)
                assert found[s, a, code] == pytest.approx([len(inside) - yes, yes], abs=1e-4)


def test_where_answers_are_certain_the_forecast_is_the_audit(planted):
    """A scorer that knows the sparse logits expects exactly what the audit will find."""
    world = planted(2000)
    sparse = world.pruned(0.7 * world.z - 0.5)
    leanings = Leanings(
        world.dense.attributes, Slices.of(world.dense.samples), world.rates, min_support=10
    )
    sure = Outlook.expecting(world.dense.decisions, sparse.logits, np.float32(1e-6))
    found = expected_rows(world.dense.samples, world.dense.decisions, leanings, [(0.95, sure)])
    table = audit(world.dense, sparse, replicates=0).table.filter(
        pl.col("model") == "sparse",
        pl.col("metric").is_in(["flip_rate", "rare_value_ratio", "bias_amplification"]),
        pl.col("attribute").is_not_null(),
    )
    # of bias amplification the audit names the side, too
    side = pl.when(pl.col("metric") != "bias_amplification").then("group_value")
    table = table.with_columns(group_value=side)
    both = found.join(table, on=KEY, nulls_equal=True, suffix="_seen")
    assert both.height == found.height == table.height
    assert both["status"].to_list() == both["status_seen"].to_list()
    known = both.filter(pl.col("value").is_not_null())
    assert known["expected"].to_list() == pytest.approx(known["value"].to_list(), abs=1e-5)
    assert known["n"].to_list() == known["n_seen"].to_list()
    compared = known.filter(pl.col("delta").is_not_null())
    assert compared["change"].to_list() == pytest.approx(compared["delta"].to_list(), abs=1e-5)
    assert known.height > 20


def test_of_classes_expected_shares_add_up_to_one_and_an_image_changes_once(classes):
    world = classes(2000)
    dense, slices = world.dense, Slices.of(world.dense.samples)
    leanings = Leanings(dense.attributes, slices, world.rates, min_support=10)
    spread = np.array([0.5, 1.0, 0.8, 1.5])
    look = Outlook.choosing(dense.decisions, 0.8 * world.z, spread)
    found = expected_rows(dense.samples, dense.decisions, leanings, [(0.95, look)])
    whole = found.filter(pl.col("group").is_null())
    true = dense.samples.labels.mean(axis=0)
    rare = np.array([world.rates.prevalence[c] <= 0.5 for c in dense.attributes])
    ratio = np.array(whole.filter(metric="rare_value_ratio")["expected"])
    shares = np.where(rare, ratio * true, 1 - ratio * (1 - true))
    assert shares.sum() == pytest.approx(1, abs=1e-9)
    male = dense.samples.groups["Male"].to_series("m").to_numpy()
    p = chances(0.8 * world.z, spread)[np.arange(2000), world.z.argmax(axis=1)]
    for group, value, members in (
        (None, None, np.full(2000, True)), ("Male", "True", male), ("Male", "False", ~male),
    ):  # fmt: skip
        [row] = found.filter(
            pl.col("group").eq_missing(pl.lit(group)),
            pl.col("group_value").eq_missing(pl.lit(value)),
            metric="top1_flip_rate",
        ).to_dicts()
        assert row["attribute"] is None
        assert row["n"] == members.sum()
        assert row["dense"] == 0
        assert row["expected"] == pytest.approx(1 - p[members].mean(), abs=1e-9)


def test_where_classes_are_certain_the_forecast_is_the_audit(classes):
    world = classes(2000)
    dense, sparse = world.dense, world.pruned(0.7 * world.z + np.array([0.5, 0, 0, -1]))
    leanings = Leanings(dense.attributes, Slices.of(dense.samples), world.rates, min_support=10)
    sure = Outlook.choosing(dense.decisions, sparse.logits, np.float32(1e-5))
    found = expected_rows(dense.samples, dense.decisions, leanings, [(0.95, sure)])
    table = audit(dense, sparse, replicates=0).table
    table = table.filter(pl.col("group").is_null(), model="sparse")
    for metric, names in (("top1_flip_rate", [None]), ("rare_value_ratio", [*dense.attributes])):
        mine = found.filter(pl.col("group").is_null(), metric=metric)
        assert mine["attribute"].to_list() == names
        for name, expected in mine.select("attribute", "expected").rows():
            [seen] = table.filter(pl.col("attribute").eq_missing(pl.lit(name)), metric=metric)[
                "value"
            ]
            assert expected == pytest.approx(seen, abs=1e-6)


def test_an_estimate_that_cannot_be_made_says_why(build):
    model = build(
        [[1, 0]] * 4 + [[0, 0]] * 16,
        [[1.0, -1.0]] * 20,
        groups={"Old": [True] * 3 + [False] * 17},
        train_prevalence={"a0": 0.2, "a1": 0.1},
    )
    leanings = Leanings(
        model.attributes, Slices.of(model.samples), model.metadata.train_rates(), min_support=10
    )
    look = Outlook.expecting(model.decisions, model.logits, np.float32(1.0))
    found = expected_rows(model.samples, model.decisions, leanings, [(0.9, look)])

    def row(metric, attribute, group=None, value=None):
        return found.filter(
            pl.col("group").eq_missing(pl.lit(group)),
            pl.col("group_value").eq_missing(pl.lit(value)),
            metric=metric, attribute=attribute,
        ).to_dicts()[0]  # fmt: skip

    few = row("flip_rate", "a0", "Old", "True")
    assert (few["status"], few["expected"]) == ("insufficient_support", None)
    assert few["reason"] == "3 samples: at least 10 are needed"
    assert row("rare_value_ratio", "a1")["status"] == "insufficient_support"
    assert row("bias_amplification", "a0", "Old")["status"] == "not_applicable"
    assert row("flip_rate", "a0")["expected"] == pytest.approx(0.1587, abs=1e-3)


def test_the_probability_of_a_rise_rises_with_the_change():
    for metric in ("rare_value_ratio", "bias_amplification"):
        p = rise_probability(metric, np.array([-0.2, -0.01, 0.0, 0.01, 0.2]))
        assert (np.diff(p) > 0).all()
        assert 0 < p[0] < p[1] < 0.5 == p[2] < p[3] < p[4] < 1
    assert np.isnan(rise_probability("flip_rate", np.array([0.1]))).all()
