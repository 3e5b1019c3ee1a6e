"""An audit of classes: every figure recomputed with scikit-learn, fairlearn and scipy."""

from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from fairlearn.metrics import MetricFrame
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax
from scipy.stats import binned_statistic, binomtest
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    f1_score,
    precision_score,
    recall_score,
    roc_auc_score,
)

import prunescope as ps
from prunescope.audit.measure import OF_ATTRIBUTES

SEEDS = st.integers(0, 2**32 - 1)
K, N = 4, 260
SETTINGS = {"replicates": 100, "min_support": 5, "n_affected": 0}
CHANGES = ("top1_flip_rate", "top1_harmful_flip_rate", "top1_helpful_flip_rate", "excess_top1_gap")


def drawn(build, seed, n=N):
    """A dense and a compressed model of four classes, one of them rare, by two groups."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(K, n, p=[0.4, 0.3, 0.2, 0.1])
    truth[:20] = np.arange(20) % K
    g = rng.choice(["x", "y", "z", None], n, p=[0.4, 0.3, 0.2, 0.1])
    truth[(g == "z") & (truth == K - 1)] = 0  # which z has no samples of, but answers
    labels = np.eye(K, dtype=int)[truth]
    unlabelled = rng.random(n) < 0.15
    labels[unlabelled] = -1
    h = rng.random(n) < 0.5
    models = [
        build(
            labels,
            rng.normal(size=(n, K)) + strength * np.eye(K)[truth],
            groups={"g": g.tolist(), "h": h.tolist()},
            task="multiclass",
            name=name,
        )
        for name, strength in (("d", 2.0), ("s", 1.0))
    ]
    return SimpleNamespace(
        models=models,
        truth=truth,
        known=~unlabelled,
        groups={"g": np.array([str(x) for x in g]), "h": np.array([str(x) for x in h])},
        p=[softmax(np.asarray(m.logits, np.float64), axis=1) for m in models],
        top=[m.logits.argmax(axis=1) for m in models],
        names=models[0].attributes,
        table=ps.audit(*models, **SETTINGS).table,
    )


def slices(data):
    """Every slice of the table, and its samples."""
    yield (None, None), np.ones(len(data.truth), bool)
    for name, column in data.groups.items():
        for value in sorted(set(column) - {"None"}):
            yield (name, value), column == value


def cells(data, metric, model, attribute=None):
    """The rows of a metric of one model by slice, where it has a value."""
    rows = data.table.filter(
        pl.col("attribute").eq_missing(pl.lit(attribute)), metric=metric, model="ds"[model]
    )
    return {(row["group"], row["group_value"]): row for row in rows.iter_rows(named=True)}


def compare_with(data, metric, wanted, attribute=None):
    """Compare every slice of both models with wanted(model, samples), and how they changed.

    `wanted` gives the value and how many samples it rests on.
    """
    for model in range(2):
        rows = cells(data, metric, model, attribute)
        assert len(rows) == 6
        for cell, inside in slices(data):
            row, (value, n) = rows[cell], wanted(model, inside)
            assert row["n"] == row["units"] == n, (metric, cell)
            if n < SETTINGS["min_support"]:
                assert row["status"] == "insufficient_support"
                continue
            assert row["value"] == pytest.approx(value, abs=1e-9), (metric, cell)
            assert row["low"] <= row["value"] <= row["high"]
            if model and metric not in CHANGES:
                before, _ = wanted(0, inside)
                assert row["baseline"] == pytest.approx(before, abs=1e-9)
                assert row["delta"] == pytest.approx(value - before, abs=1e-9)


@settings(max_examples=4)
@given(seed=SEEDS)
def test_figures_of_the_one_answer(build, seed):
    data = drawn(build, seed)

    def on_labelled(score, **options):
        def figure(model, inside):
            rows = inside & data.known
            return score(data.truth[rows], data.top[model][rows], **options), rows.sum()

        return figure

    def macro(score):
        def figure(model, inside):
            rows = inside & data.known
            held = sorted(set(data.truth[rows]))
            found = score(
                data.truth[rows], data.top[model][rows], labels=held, average="macro",
                zero_division=0,
            )  # fmt: skip
            return found, rows.sum()

        return figure

    def ece(model, inside):
        rows = inside & data.known
        sure = data.p[model][rows].max(axis=1)
        right = data.top[model][rows] == data.truth[rows]
        gaps = binned_statistic(sure, sure - right, "sum", bins=10, range=(0, 1)).statistic
        return np.abs(gaps).sum() / rows.sum(), rows.sum()

    def uncertain(model, inside):
        sure = data.p[model][inside].max(axis=1)
        return ((sure > 0.1) & (sure < 0.9)).mean(), inside.sum()

    compare_with(data, "top1_accuracy", on_labelled(accuracy_score))
    compare_with(data, "macro_recall", macro(recall_score))
    compare_with(data, "macro_f1", macro(f1_score))
    compare_with(data, "top_label_ece", ece)
    compare_with(data, "uncertainty", uncertain)


@settings(max_examples=4)
@given(seed=SEEDS)
def test_figures_of_the_changes_of_the_one_answer(build, seed):
    data = drawn(build, seed)
    dense, sparse = data.top

    def shares(hit, of):
        def figure(_, inside):
            return hit[inside & of].mean(), (inside & of).sum()

        return figure

    every = np.ones(len(data.truth), bool)
    was, now = dense == data.truth, sparse == data.truth
    for metric, figure in (
        ("top1_flip_rate", shares(dense != sparse, every)),
        ("top1_harmful_flip_rate", shares(was & ~now, data.known)),
        ("top1_helpful_flip_rate", shares(~was & now, data.known)),
    ):
        rows = cells(data, metric, 1)
        assert not cells(data, metric, 0)
        assert len(rows) == 6
        for cell, inside in slices(data):
            value, n = figure(1, inside)
            assert (rows[cell]["value"], rows[cell]["n"]) == (pytest.approx(value), n)
            wilson = binomtest(round(value * n), int(n)).proportion_ci(0.95, method="wilson")
            assert (rows[cell]["low"], rows[cell]["high"]) == pytest.approx(
                (wilson.low, wilson.high), abs=1e-6
            )

    def lost(inside):
        rows = inside & data.known
        return was[rows].mean() - now[rows].mean()

    gaps = cells(data, "excess_top1_gap", 1)
    assert gaps[None, None]["status"] == "not_applicable"
    for cell, inside in list(slices(data))[1:]:
        assert gaps[cell]["value"] == pytest.approx(lost(inside) - lost(every), abs=1e-12)
        assert gaps[cell]["n"] == (inside & data.known).sum()

    # McNemar's test of top-1 accuracy
    for cell, inside in slices(data):
        rows = inside & data.known
        lose, gain = (was & ~now)[rows].sum(), (~was & now)[rows].sum()
        wanted = binomtest(int(lose), int(lose + gain)).pvalue if lose + gain else 1
        assert cells(data, "top1_accuracy", 1)[cell]["p_value"] == pytest.approx(wanted)
        for metric in ("top1_harmful_flip_rate", "top1_helpful_flip_rate"):  # no churn is known
            assert cells(data, metric, 1)[cell]["p_value"] is None


@settings(max_examples=4)
@given(seed=SEEDS)
def test_gaps_and_the_worst_group_of_the_one_answer_agree_with_fairlearn(build, seed):
    data = drawn(build, seed, n=400)
    for model in range(2):
        for name, column in data.groups.items():
            rows = data.known & (column != "None")
            frame = MetricFrame(
                metrics=accuracy_score,
                y_true=data.truth[rows],
                y_pred=data.top[model][rows],
                sensitive_features=column[rows],
            )
            found = {
                metric: [row for row in cells(data, metric, model).values() if row["group"] == name]
                for metric in ("accuracy_difference", "worst_group_accuracy", "ece_difference")
            }
            [gap] = found["accuracy_difference"]
            assert gap["value"] == pytest.approx(frame.difference("between_groups"))
            [worst] = found["worst_group_accuracy"]
            assert worst["value"] == pytest.approx(frame.group_min())
            assert worst["value"] == pytest.approx(frame.by_group[worst["group_value"]])
            assert gap["n"] == worst["n"] == frame.by_group.index.map(
                {value: (rows & (column == value)).sum() for value in set(column)}
            ).min()  # fmt: skip
            eces = [
                row["value"]
                for (group, _), row in cells(data, "top_label_ece", model).items()
                if group == name
            ]
            [ece] = found["ece_difference"]
            assert ece["value"] == pytest.approx(max(eces) - min(eces))
    gaps = data.table.filter(pl.col("metric").is_in(["accuracy_difference", "ece_difference"]))
    assert set(gaps["attribute"]) == {None}


@settings(max_examples=4)
@given(seed=SEEDS)
def test_figures_of_a_class(build, seed):
    data = drawn(build, seed)
    prevalence = [(data.truth[data.known] == c).mean() for c in range(K)]
    assert max(prevalence) < 0.5
    for c, name in enumerate(data.names):
        true = data.truth == c

        def recall(model, inside, c=c, true=true):
            rows = inside & data.known
            n = (rows & true).sum()
            y, called = true[rows], data.top[model][rows] == c
            return recall_score(y, called, zero_division=np.nan), n

        def ratio(model, inside, c=c, true=true):
            rows = inside & data.known
            n = (rows & true).sum()
            return (data.top[model][rows] == c).sum() / max(n, 1), n

        def auc(model, inside, c=c, true=true):
            rows = inside & data.known
            n = min((rows & true).sum(), (rows & ~true).sum())
            value = roc_auc_score(true[rows], data.p[model][rows, c]) if n else np.nan
            return value, n

        def ap(model, inside, c=c, true=true):
            rows = inside & data.known
            n = (rows & true).sum()
            value = average_precision_score(true[rows], data.p[model][rows, c]) if n else np.nan
            return value, n

        def selected(model, inside, c=c):
            return (data.top[model][inside] == c).mean(), inside.sum()

        compare_with(data, "tpr", recall, name)
        compare_with(data, "rare_value_ratio", ratio, name)
        compare_with(data, "auc", auc, name)
        compare_with(data, "average_precision", ap, name)
        compare_with(data, "selection_rate", selected, name)
        for model in range(2):
            for cell, inside in slices(data):
                row, rows = cells(data, "precision", model, name)[cell], inside & data.known
                called = data.top[model][rows] == c
                assert row["n"] == rows.sum()
                answers = int(called.sum())
                needed = SETTINGS["min_support"]
                if answers >= needed:
                    assert row["value"] == pytest.approx(precision_score(true[rows], called))
                elif answers:
                    things = "predicted positive" + "s" * (answers > 1)
                    assert row["reason"] == f"{answers} {things}: at least {needed} are needed"
                    assert row["status"] == "insufficient_support"
                else:
                    assert row["reason"] == "nothing was predicted positive"


def test_what_says_nothing_of_a_class_is_not_applicable(build):
    data = drawn(build, 0)
    for metric, instead in OF_ATTRIBUTES.items():
        rows = data.table.filter(pl.col("attribute").is_not_null(), metric=metric)
        assert set(rows["attribute"]) == set(data.names), metric
        assert set(rows["status"]) == {"not_applicable"}, metric
        assert set(rows["reason"]) == {f"one class is chosen: see {instead}"}
        assert rows["verdict"].null_count() == rows.height
    over_all = data.table.filter(pl.col("attribute").is_null(), pl.col("group").is_null())
    assert not over_all.select("model", "metric").is_duplicated().any()
    assert "correlation_shift" not in data.table["metric"]
    assert data.table.filter(pl.col("metric").is_in(["flip_rate", "churn"]))["value"].count() == 0


def test_a_class_that_is_lost_is_found(build):
    """The compressed model never gives the rarest class."""
    rng = np.random.default_rng(0)
    truth = np.repeat(np.arange(3), [150, 100, 50])
    labels = np.eye(3, dtype=int)[truth]
    logits = rng.normal(size=labels.shape) + 4 * labels
    lost = logits - [0, 0, 20]
    dense, sparse = (
        build(labels, z, task="multiclass", name=name) for z, name in ((logits, "d"), (lost, "s"))
    )
    table = ps.audit(dense, sparse, **SETTINGS).table
    for metric in ("tpr", "rare_value_ratio"):
        [row] = table.filter(metric=metric, attribute="a2", model="s").iter_rows(named=True)
        assert (row["value"], row["verdict"]) == (0, "worse")
        assert row["low"] == 0 < row["high"] < 0.2
    [row] = table.filter(metric="top1_accuracy", model="s").iter_rows(named=True)
    assert row["verdict"] == "worse"
    [row] = table.filter(metric="macro_recall", model="s").iter_rows(named=True)
    assert row["delta_high"] < -0.2


def test_the_one_answer_of_clusters_rests_on_them(build):
    rng = np.random.default_rng(0)
    who = rng.integers(0, 40, 300)
    truth = rng.integers(0, 3, 300)
    labels = np.eye(3, dtype=int)[truth]
    models = [
        build(labels, rng.normal(size=labels.shape) + 2 * labels, task="multiclass", name=name,
              groups={"who": who.tolist(), "h": (who % 2 == 0).tolist()}, cluster="who")
        for name in "ds"
    ]  # fmt: skip
    table = ps.audit(*models, **SETTINGS).table.filter(pl.col("attribute").is_null(), model="s")
    for metric in ("top1_accuracy", "macro_recall", "macro_f1", "top1_flip_rate", "uncertainty"):
        rows = table.filter(metric=metric)
        units = dict(rows.select("group_value", "units").iter_rows())
        assert units == {
            None: len(set(who)),
            "True": len(set(who[who % 2 == 0])),
            "False": len(set(who[who % 2 == 1])),
        }, metric
    tpr = ps.audit(*models, **SETTINGS).table.filter(
        pl.col("group").is_null(), metric="tpr", attribute="a1", model="s"
    )
    assert tpr["units"].to_list() == [len(set(who[truth == 1]))]
