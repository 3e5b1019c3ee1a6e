import warnings

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from scipy.special import logit
from scipy.stats import binomtest, norm

from prunescope.audit import SCHEMA, audit
from prunescope.audit.intervals.ends import of_paired
from prunescope.data.samples import TrainRates
from prunescope.errors import ConfigError, DataError
from prunescope.predictions import Compression

FAST = {"replicates": 100}
STATUSES = {"ok", "insufficient_support", "undefined", "not_applicable"}
SIGNED = ("bias_amplification", "backdoor_bias_amplification", "excess_accuracy_gap",
          "excess_top1_gap")  # fmt: skip
LEAST = dict.fromkeys(SIGNED, -1)
ENDLESS = {"rare_value_ratio", "correlation_shift", "cie_odds_ratio", "cie_rare_odds_ratio"}
PERCENTILES = {"ece", "top_label_ece", "ece_difference"}
"""Metrics whose intervals may have no width where no sample is on either side of a bin."""


def check(result):
    """Assert what must be true of every audit."""
    table = result.table
    assert dict(table.schema) == SCHEMA
    ok = pl.col("status") == "ok"
    for name in ("model", "method", "sparsity", "metric", "n", "status"):
        assert table[name].null_count() == 0, name
    assert set(table["status"]) <= STATUSES
    numbers = table.select(pl.selectors.float())
    assert not any(column.is_nan().any() or column.is_infinite().any() for column in numbers)
    assert table.select((ok == pl.col("value").is_not_null()).all()).item()
    assert table.filter(~ok)["reason"].null_count() == 0
    silent = table.filter(~ok).select("low", "high", "delta", "delta_low", "delta_high", "p_value")
    assert silent.null_count().row(0) == (silent.height,) * 6
    for low, value, high in (("low", "value", "high"), ("delta_low", "delta", "delta_high")):
        told = table.filter(pl.col(low).is_not_null())
        outside = (pl.col(low) > pl.col(value) + 1e-9) | (pl.col(high) < pl.col(value) - 1e-9)
        assert not told.filter(outside).height
        still = told.filter(pl.col(low) >= pl.col(high), ~pl.col("metric").is_in(PERCENTILES))
        assert not still.height, still
    if table["low"].count():
        cells = table.filter(ok, ~pl.col("metric").str.starts_with("cie_"))
        assert cells.select(pl.col("low", "high").null_count()).row(0) == (0, 0)
    least = pl.col("metric").replace_strict(LEAST, default=0, return_dtype=pl.Float64)
    assert table.filter(pl.col("low") < least - 1e-9).is_empty()
    assert table.filter(pl.col("high") > 1 + 1e-9, ~pl.col("metric").is_in(ENDLESS)).is_empty()
    bounded = table.filter(~pl.col("metric").is_in([*ENDLESS, *LEAST]))
    assert bounded.filter((pl.col("delta_low") < -1) | (pl.col("delta_high") > 1)).is_empty()
    assert (table["units"].drop_nulls() <= table["n"].max()).all()
    assert table["p_value"].drop_nulls().is_between(0, 1).all()
    both = table.filter(pl.col("p_value").is_not_null())
    assert (both["q_value"] >= both["p_value"] - 1e-12).all()
    paired = table.filter(pl.col("delta").is_not_null())
    assert np.allclose(paired["delta"], paired["value"] - paired["baseline"])
    assert (table["n"] >= 0).all()
    key = ["model", "metric", "attribute", "group"]
    one_per_group = table.filter(
        pl.col("metric").str.contains("_difference$|^worst|bias_amplification")
    )
    assert not one_per_group.select(key).is_duplicated().any()
    rest = table.join(one_per_group, on=table.columns, how="anti", nulls_equal=True)
    assert not rest.select(*key, "group_value").is_duplicated().any()
    return table


# Degenerate input


@settings(max_examples=12)
@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.sampled_from([1, 2, 5, 40]),
    a=st.integers(1, 3),
    least=st.sampled_from([1, 10]),
)
def test_any_small_audit_finishes_without_a_warning(draw, seed, n, a, least):
    models = draw(seed, n=n, a=a, models=3)
    trigger = "Male" if models[0].samples.groups["Male"].values else None
    check(audit(models[:2], models[2], min_support=least, trigger=trigger, **FAST))


def case(**options):
    rng = np.random.default_rng(0)
    n, a = options.pop("shape", (40, 3))
    labels = rng.integers(0, 2, (n, a))
    return {"labels": labels, "logits": rng.normal(0, 2, (n, a)) + labels, **options}


DEGENERATE = {
    "one sample": case(shape=(1, 2)),
    "one attribute": case(shape=(40, 1)),
    "one sample of one attribute": case(shape=(1, 1), groups={"g": [True]}),
    "one class only": case(labels=np.ones((40, 3))),
    "nothing labelled": case(labels=np.full((40, 3), -1)),
    "all answers the same": case(logits=np.full((40, 3), -3.0)),
    "zero everywhere": case(logits=np.zeros((40, 3))),
    "two scores only": case(logits=np.sign(np.random.default_rng(1).normal(size=(40, 3)))),
    "collinear attributes": case(
        labels=np.repeat(np.arange(40)[:, None] % 2, 3, axis=1),
        logits=np.repeat((np.arange(40)[:, None] % 3 - 1) * 2.0, 3, axis=1),
    ),
    "huge logits": case(logits=np.sign(np.random.default_rng(1).normal(size=(40, 3))) * 1e30),
    "no groups": case(groups={}),
    "an absent side": case(groups={"g": [True] * 40}),
    "a group that nobody knows": case(groups={"g": [None] * 40, "h": [True, False] * 20}),
    "a group with two members": case(groups={"g": ["x"] * 2 + ["y"] * 38}),
    "every sample a group of its own": case(groups={"g": list(range(40))}),
    "one value": case(groups={"g": [7] * 40}),
    "one cluster": case(groups={"who": ["p"] * 40}, cluster="who"),
    "unknown cluster": case(groups={"who": [None] * 40}, cluster="who"),
    "a group named as an attribute": case(groups={"a0": [True, False] * 20}),
    "certain classes": case(
        labels=np.eye(3)[np.arange(40) % 3],
        logits=np.eye(3)[np.arange(40) % 3] * 800.0,
        task="multiclass",
    ),
    "unlabelled classes": case(labels=np.full((40, 3), -1), task="multiclass"),
    "two classes": case(
        shape=(40, 2),
        labels=np.eye(2)[np.arange(40) % 2],
        task="multiclass",
        groups={"g": [True, None] * 20},
    ),
}


@pytest.mark.parametrize("name", DEGENERATE)
def test_degenerate_data_is_told_in_words(build, name):
    options = dict(DEGENERATE[name])
    labels, logits = options.pop("labels"), options.pop("logits")
    dense = build(labels, logits, name="d", **options)
    sparse = build(labels, np.roll(logits, 1, axis=0), name="s", **options)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = check(audit(dense, sparse, **FAST))
    if name == "nothing labelled":
        needs = table.filter(pl.col("metric").is_in(["accuracy", "tpr", "auc", "ece", "precision"]))
        assert set(needs["status"]) == {"insufficient_support"}
    if name == "all answers the same":
        for metric in ("interdependence", "correlation_shift", "precision"):
            assert set(table.filter(metric=metric)["status"]) == {"undefined"}, metric
    if name == "collinear attributes":
        explained = table.filter(metric="interdependence", model="d")
        assert explained["value"].to_list() == pytest.approx([1] * 4)
    if name == "an absent side":
        absent = table.filter(metric="accuracy", group_value="False")
        assert set(absent["status"]) == {"insufficient_support"}
        assert absent["n"].to_list() == [0] * absent.height


def test_a_group_that_nobody_knows_is_told(build):
    groups = {"g": [None] * 4, "h": [True, False] * 2}
    models = [build([[1]] * 4, [[1.0]] * 4, groups=groups, name=name) for name in "ds"]
    info = audit(*models, **FAST).info
    assert "No value of g is known, so nothing is measured by it." in info.warnings
    assert set(audit(*models, **FAST).table["group"]) == {None, "h"}
    assert len(audit(*models, identity=["h"], **FAST).info.warnings) == 1


def test_an_attribute_without_train_rate_has_no_rare_value(draw):
    dense, sparse = draw(2, n=60, models=2)
    rates = TrainRates({"a0": 0.3}, {"Male": {"True": {"a0": 0.3}, "False": {"a0": 0.1}}})
    table = check(audit(dense, sparse, train_rates=rates, min_support=1, **FAST))
    ratio = table.filter(pl.col("metric") == "rare_value_ratio", pl.col("attribute") == "a1")
    assert "ok" not in ratio["status"]
    leaning = table.filter(pl.col("metric") == "bias_amplification", pl.col("attribute") == "a1")
    assert set(leaning["status"]) == {"not_applicable"}


def test_rates_may_be_any_mapping(build):
    from types import MappingProxyType

    rates = TrainRates(
        MappingProxyType({"a0": 0.3}),
        MappingProxyType(
            {"g": MappingProxyType({"True": MappingProxyType({"a0": 0.3}), "False": {"a0": 0.1}})}
        ),
    )
    labels, groups = [[1], [0]] * 40, {"g": [True, True, False, False] * 20}
    dense, sparse = (build(labels, labels, groups=groups, name=name) for name in "ds")
    table = audit(dense, sparse, train_rates=rates, **FAST).table
    assert set(table.filter(metric="rare_value_ratio", model="d")["status"]) == {"ok"}
    assert set(table.filter(metric="bias_amplification", model="d")["status"]) == {"ok"}


# Planted answers


@pytest.fixture
def planted(build):
    """Predictions whose every count is known, of 200 women and 200 men.

    80 women and 20 men are true. Dense finds 60 and 15 and is wrong about none of the others;
    sparse finds 48 and 2, and calls 10 women and no man besides.
    """
    labels = np.repeat([1, 0, 1, 0], [80, 120, 20, 180])[:, None]

    def decided(*runs):
        return np.repeat([1.0, -1.0] * (len(runs) // 2), runs)[:, None] * 3

    women = {"Female": [True] * 200 + [False] * 200}
    dense = build(
        labels, decided(60, 140, 15, 185), groups=women, name="dense", names=("Blond",), seed=0
    )
    sparse = build(
        labels,
        decided(48, 32, 10, 110, 2, 198),
        groups=women,
        name="sparse",
        names=("Blond",),
        compression=Compression(method="gmp-ri", sparsity=0.95),
    )
    return dense, sparse


def only(table, metric, **cells):
    [row] = table.filter(metric=metric, attribute="Blond", **cells).iter_rows(named=True)
    return row


def test_planted_bias_is_found(planted):
    result = audit(*planted, train_rates=planted[0].samples.rates(), **FAST)
    table = check(result)
    assert result.info.warnings == []
    sparse = table.filter(model="sparse")

    row = only(sparse, "bias_amplification")
    # women: 80% of the true, 80% of dense's positives, 58 of sparse's 60
    assert (row["group"], row["group_value"], row["n"]) == ("Female", "True", 20)
    assert (row["value"], row["baseline"]) == pytest.approx((58 / 60 - 0.8, 0.0))
    assert row["delta_low"] > 0
    assert row["p_value"] <= 0.05

    whole = sparse.filter(pl.col("group").is_null())
    ratio = only(whole, "rare_value_ratio")
    assert (ratio["value"], ratio["baseline"], ratio["n"]) == (0.6, 0.75, 100)
    tpr = only(whole, "tpr")
    assert (tpr["value"], tpr["baseline"], tpr["delta"]) == pytest.approx((0.5, 0.75, -0.25))
    assert only(sparse, "tpr", group_value="False")["value"] == pytest.approx(0.1)

    gap = only(sparse, "equal_opportunity_difference")
    assert (gap["value"], gap["baseline"]) == pytest.approx((0.5, 0.0))
    odds = only(sparse, "equalized_odds_difference")
    assert odds["value"] == pytest.approx(max(0.5, 10 / 120))
    parity = only(sparse, "demographic_parity_difference")
    assert (parity["value"], parity["baseline"]) == pytest.approx((56 / 200, 45 / 200))
    worst = only(sparse, "worst_group_accuracy")
    assert (worst["value"], worst["group_value"]) == (158 / 200, "True")

    # flips: women lose 12 true and gain 10 false, men lose 13 true
    assert only(whole, "flip_rate")["value"] == pytest.approx(35 / 400)
    assert only(whole, "harmful_flip_rate")["value"] == pytest.approx(35 / 400)
    assert only(whole, "helpful_flip_rate")["value"] == 0
    excess = only(sparse, "excess_accuracy_gap", group_value="True")
    assert excess["value"] == pytest.approx(22 / 200 - 35 / 400)
    assert 0 < excess["p_value"] < 1
    assert only(whole, "flip_rate")["p_value"] is None
    assert only(whole, "excess_accuracy_gap")["status"] == "not_applicable"
    assert set(sparse["method"]) == {"gmp-ri"}
    assert set(sparse["sparsity"]) == {0.95}


def test_a_model_compared_with_itself_did_not_change(planted, build):
    dense = planted[0]
    twin = build(
        dense.samples.labels,
        dense.logits,
        names=("Blond",),
        groups={"Female": dense.samples.groups["Female"].to_series("g").to_list()},
        name="twin",
    )
    table = audit(dense, twin, **FAST).table.filter(pl.col("delta").is_not_null())
    assert table.height > 40
    assert (table["delta"] == 0).all()
    assert (table["p_value"] == 1).all()
    assert (table["q_value"] == 1).all()
    assert (table["delta_low"] < 0).all()
    assert (table["delta_high"] > 0).all()
    # of 400 samples none changed: up to z² / (400 + z²) may have
    row = only(table.filter(pl.col("group").is_null()), "accuracy")
    reach = norm.ppf(0.975) ** 2
    assert row["delta_high"] == pytest.approx(reach / (400 + reach), abs=1e-9)


@pytest.mark.parametrize("confidence", [0.95, 0.99])
def test_the_interval_of_accuracy_is_wilsons_and_of_its_change_tangos(build, confidence):
    labels = np.ones((400, 1))
    right = np.where(np.arange(400) < 320, 1.0, -1.0)[:, None]
    dense = build(labels, right, name="d")
    sparse = build(labels, np.roll(right, 10), name="s")
    table = audit(dense, sparse, confidence=confidence, **FAST).table
    rows = table.filter(metric="accuracy", attribute="a0")
    wanted = binomtest(320, 400).proportion_ci(confidence, method="wilson")
    for low, high in rows.select("low", "high").iter_rows():
        assert (low, high) == pytest.approx((wanted.low, wanted.high))
    z = norm.ppf((1 + confidence) / 2)
    ends = of_paired(np.array(10.0), np.array(10.0), np.array(400.0), np.array(z))
    found = rows.filter(model="s").select("delta_low", "delta_high").row(0)
    assert found == pytest.approx([end.item() for end in ends])
    assert rows["p_value"].drop_nulls().to_list() == [1]


# Units


def clustered(build, who, seed=0, n=240, copies=1):
    """A dense and a compressed model on samples of clusters, each several times over."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, (n, 2))
    logits = [labels * 2 - 1 + rng.normal(0, 1.5, (n, 2)) for _ in range(2)]
    groups = {"who": who, "g": [bool(int(w) % 2) for w in who]}
    repeat = np.repeat(np.arange(n), copies)
    return [
        build(
            labels[repeat],
            z[repeat],
            name=name,
            groups={k: [v[i] for i in repeat] for k, v in groups.items()},
            cluster="who",
        )
        for z, name in zip(logits, "ds", strict=True)
    ]


def test_copies_of_each_image_tell_no_more_than_one(build):
    """A person with six copies of an image is known as well as one with the image alone."""
    who = [str(i) for i in range(240)]
    one, six = (
        audit(*clustered(build, who, copies=k), identity=["g"], replicates=240).table
        for k in (1, 6)
    )
    assert (six["n"] == 6 * one["n"]).all()
    assert (six["units"] == one["units"]).filter(six["units"].is_not_null()).all()
    exact = ~pl.col("metric").is_in(["interdependence"])
    ends = ["metric", "value", "low", "high", "delta", "delta_low", "delta_high", "p_value"]
    assert_frame_equal(
        six.filter(exact).select(ends), one.filter(exact).select(ends), check_exact=False,
        abs_tol=1e-6,
    )  # fmt: skip


def test_units_are_counted_exactly(build):
    rng = np.random.default_rng(1)
    who = [str(i) for i in rng.integers(0, 60, 240)]
    models = clustered(build, who)
    labels, who = models[0].samples.labels, np.array(who)
    side = np.array([int(w) % 2 for w in who])
    table = audit(*models, identity=["g"], **FAST).table
    kinds = {
        "selection_rate": labels >= 0, "accuracy": labels >= 0, "tpr": labels == 1,
        "fpr": labels == 0, "flip_rate": labels >= 0,
    }  # fmt: skip
    for metric, kind in kinds.items():
        rows = table.filter(pl.col("attribute").is_not_null(), metric=metric, model="s")
        assert rows.height == 6
        for row in rows.iter_rows(named=True):
            mine = kind[:, int(row["attribute"][1])]
            if row["group_value"] is not None:
                mine = mine & (side == (row["group_value"] == "True"))
            assert (row["n"], row["units"]) == (mine.sum(), len(set(who[mine]))), row
    both = table.filter(pl.col("group").is_null(), metric="auc", attribute="a0", model="s")
    smaller = min(len(set(who[labels[:, 0] == y])) for y in (0, 1))
    assert both["units"].to_list() == [smaller]
    gap = table.filter(metric="accuracy_difference", attribute="a0", model="s")
    assert gap["units"].item() in [len(set(who[side == v])) for v in (0, 1)]


def test_one_person_of_many_images_is_too_little(build):
    table = audit(*clustered(build, ["7"] * 240), identity=["g"], **FAST).table
    measured = table.filter(~pl.col("status").is_in(["undefined", "not_applicable"]))
    assert set(measured["status"]) == {"insufficient_support"}
    assert set(measured["verdict"]) == {"insufficient support"}
    row = table.filter(pl.col("group").is_null(), metric="accuracy", attribute="a0", model="s")
    assert row["reason"].to_list() == [
        "240 labelled samples, which come from 1 cluster: at least 10 are needed"
    ]


def test_a_side_of_few_persons_is_too_little_however_many_images(build):
    """True samples come from nine persons, false ones from a hundred and one."""
    n = 1100
    label = (np.arange(n) < 540).astype(int)[:, None]
    who = [str(i % 9) if i < 540 else str(9 + i % 101) for i in range(n)]
    rng = np.random.default_rng(0)
    models = [
        build(label, label * 2 - 1 + rng.normal(size=label.shape), name=name,
              groups={"who": who}, cluster="who")
        for name in "ds"
    ]  # fmt: skip
    table = audit(*models, **FAST).table.filter(attribute="a0", model="s")
    status = dict(table.select("metric", "status").iter_rows())
    few = {"tpr", "fnr", "auc", "balanced_accuracy", "average_precision", "rare_value_ratio"}
    assert {m for m, s in status.items() if s == "insufficient_support"} == few
    reason = dict(table.select("metric", "reason").iter_rows())
    told = "540 true positives, which come from 9 clusters: at least 10 are needed"
    assert reason["tpr"] == told


def test_mcnemars_p_value_is_exact_without_clusters_alone(build):
    who = [str(i) for i in range(240)]
    models = clustered(build, who, seed=3)
    free = audit(*models, cluster=None, identity=[], **FAST)
    assert free.info.settings.cluster == "who"
    alone = [
        build(m.samples.labels, m.logits, name=name) for m, name in zip(models, "ds", strict=True)
    ]
    right = [(m.decisions[:, 0] == m.samples.labels[:, 0]) for m in models]
    lost, gained = sum(right[0] & ~right[1]), sum(~right[0] & right[1])
    wanted = binomtest(int(lost), int(lost + gained)).pvalue

    def p_values(result):
        rows = result.table.filter(
            pl.col("group").is_null(), metric="accuracy", attribute="a0", model="s"
        )
        return rows["p_value"].to_list()

    assert p_values(audit(*alone, **FAST)) == pytest.approx([wanted])
    assert p_values(free) == pytest.approx([wanted], rel=0.35)
    assert p_values(free) != pytest.approx([wanted])


def test_another_group_changes_nothing_that_is_told_without_it(draw):
    """Families are by group: verdicts on attributes do not hang on what else is looked at."""
    rng = np.random.default_rng(0)
    dense, sparse = draw(4, n=120, a=6, models=2)
    noise = rng.random(dense.logits.shape) < 0.2
    sparse = sparse.__class__(
        sparse.samples, np.where(noise, -dense.logits - 1, dense.logits), sparse.metadata
    )
    every = audit(dense, sparse, min_support=5, **FAST).table
    assert every["verdict"].is_in(["worse"]).sum() > 5
    for groups in ([], ["Male"], ["town", "Male"]):
        some = audit(dense, sparse, identity=groups, min_support=5, **FAST).table
        mine = every.filter(pl.col("group").is_null() | pl.col("group").is_in(groups))
        assert_frame_equal(some, mine, check_row_order=False)


def test_one_sample_of_many_classes_counts_for_each(build):
    """Recall is that of a class; one class is chosen, so accuracy is of the one answer."""
    truth = np.array([0, 1, 2, 2] * 10)
    answer = np.array([0, 1, 1, 2] * 10)
    dense = build(np.eye(3)[truth], np.eye(3)[truth], task="multiclass", name="d")
    sparse = build(np.eye(3)[truth], np.eye(3)[answer], task="multiclass", name="s")
    table = check(audit(dense, sparse, **FAST)).filter(model="s")
    recall = dict(table.filter(metric="tpr").select("attribute", "value").iter_rows())
    assert recall == pytest.approx({"a0": 1, "a1": 1, "a2": 0.5, None: 2.5 / 3})
    assert set(table.filter(metric="accuracy")["status"]) == {"not_applicable"}
    accuracy = dict(table.filter(metric="top1_accuracy").select("attribute", "value").iter_rows())
    assert accuracy == pytest.approx({None: 0.75})


# Pairing, clusters, groups


def test_the_baseline_is_the_dense_model_of_the_same_seed(draw):
    models = draw(1, n=30, models=5)
    dense = [
        model.__class__(
            model.samples, model.logits, model.metadata.model_copy(update={"seed": seed})
        )
        for model, seed in zip(models[:2], (10, 11), strict=True)
    ]
    sparse = [
        model.__class__(
            model.samples, model.logits, model.metadata.model_copy(update={"seed": seed})
        )
        for model, seed in zip(models[2:], (11, 12, None), strict=True)
    ]
    result = audit(dense, sparse, min_support=1, **FAST)
    assert {model.name: model.baseline for model in result.info.models} == {
        "model0": None,
        "model1": None,
        "model2": "model1",
        "model3": "model0",
        "model4": "model0",
    }
    rate = result.table.filter(pl.col("group").is_null(), metric="selection_rate", attribute="a0")
    value = dict(rate.select("model", "value").iter_rows())
    told = dict(rate.select("model", "baseline").iter_rows())
    assert told["model2"] == value["model1"]
    assert told["model3"] == told["model4"] == value["model0"]
    seeds = dict(rate.select("model", "seed").iter_rows())
    assert [seeds[f"model{i}"] for i in range(5)] == [10, 11, 11, 12, None]
    assert seeds["dense (2 seeds)"] is None


def test_churn_is_the_flips_between_two_dense_models(draw):
    models = draw(3, n=50, a=2, models=4)
    table = check(audit(models[:2], models[2:], **FAST))
    churn = table.filter(metric="churn")
    assert set(churn["model"]) == {"model2", "model3"}
    overall = churn.filter(pl.col("group").is_null(), model="model3", attribute="a1")
    flipped = models[0].decisions[:, 1] != models[1].decisions[:, 1]
    assert overall["value"].to_list() == pytest.approx([flipped.mean()])
    assert overall["high"].item() >= overall["low"].item()
    same = [churn.filter(model=name).drop("model") for name in ("model2", "model3")]
    assert_frame_equal(*same)


def test_churn_takes_two_dense_models(draw):
    dense, sparse = draw(3, n=50, models=2)
    [row] = audit(dense, sparse, **FAST).table.filter(metric="churn").iter_rows(named=True)
    assert (row["model"], row["status"], row["value"]) == ("model1", "undefined", None)
    assert row["reason"] == "it takes two dense models of different seeds"


def test_the_cluster_of_the_files_is_used_and_is_no_group(build):
    who = {"who": ["p", "q"] * 10, "g": [True] * 20}
    dense, sparse = (
        build([[1]] * 20, [[1.0]] * 20, groups=who, cluster="who", name=name) for name in "ds"
    )
    result = audit(dense, sparse, **FAST)
    assert result.info.settings.cluster == "who"
    assert set(result.table["group"]) == {None, "g"}


def test_identity_names_the_groups_to_slice_by(draw):
    dense, sparse = draw(1, models=2)
    every = audit(dense, sparse, **FAST)
    some = audit(dense, sparse, identity=["town"], **FAST)
    assert set(every.table["group"]) == {None, "Male", "band", "town"}
    assert set(some.table["group"]) == {None, "town"}
    assert some.info.settings.groups == ("town",)
    assert set(audit(dense, sparse, identity=[], **FAST).table["group"]) == {None}
    both = every.table.filter(pl.col("group").is_null() | (pl.col("group") == "town"))
    cells = ["model", "metric", "attribute", "group", "group_value", "value", "low", "high"]
    assert_frame_equal(both.select(cells), some.table.select(cells))


def test_twice_the_same_group_is_once(draw):
    dense, sparse = draw(1, models=2)
    once, twice = (
        audit(dense, sparse, identity=names, **FAST).table
        for names in (["Male", "town"], ["Male", "town", "Male"])
    )
    assert_frame_equal(once, twice)


def test_a_group_of_many_values_is_refused(build):
    groups = {"who": list(range(65)), "few": [*range(64), 0]}
    models = [build([[1]] * 65, [[1.0]] * 65, groups=groups, name=name) for name in "ds"]
    message = r"^group 'who' has 65 values, more than 64: name the groups to use, name this one as"
    with pytest.raises(ConfigError, match=message):
        audit(*models, **FAST)
    for options in ({"cluster": "who"}, {"identity": ["few"]}):
        assert set(audit(*models, **options, **FAST).table["group"]) == {None, "few"}


# Settings and errors


def test_the_seed_decides_who_shares_a_block(draw):
    dense, sparse = draw(1, n=400, models=2)
    first, same, other = (audit(dense, sparse, seed=seed, **FAST).table for seed in (5, 5, 6))
    assert_frame_equal(first, same)
    assert not first.equals(other)
    alone, others = (audit(dense, sparse, seed=seed, replicates=400).table for seed in (5, 6))
    assert_frame_equal(alone, others)  # a block for each sample
    values = ["value", "n", "status", "baseline", "delta"]
    assert_frame_equal(first.select(values), other.select(values))


def test_another_order_of_the_files_rows_changes_no_value(draw):
    dense, sparse = draw(1, n=40, models=2)
    result = audit(dense, sparse.take(np.arange(39, -1, -1)), **FAST)
    assert result.info.notes == [
        "model1: samples stood in another order; joined by id",
        "model1: the file does not tell how the model was compressed, so the method is given as "
        "'compressed', and the sparsity as 0.",
    ]
    assert_frame_equal(result.table, audit(dense, sparse, **FAST).table)


def test_settings_reach_the_metrics(build):
    labels, p = [[1], [0], [1], [0]] * 5, [[0.15], [0.35], [0.62], [0.85]] * 5
    dense, sparse = (build(labels, logit(p), name=name) for name in "ds")

    def row(metric, **options):
        table = audit(dense, sparse, **options, **FAST).table
        return table.filter(metric=metric, attribute="a0", model="d").row(0, named=True)

    def value(metric, **options):
        return row(metric, **options)["value"]

    assert value("uncertainty") == 1
    middle = row("uncertainty", band=(0.3, 0.7))
    assert middle["low"] < middle["value"] == 0.5 < middle["high"]
    assert value("ece") == pytest.approx((0.85 + 0.35 + 0.38 + 0.85) / 4)
    coarse = row("ece", n_bins=2)
    assert coarse["value"] == pytest.approx((abs(0.5 - 1) + abs(1.47 - 1)) / 4)
    assert coarse["low"] < coarse["value"] < coarse["high"] < row("ece")["high"]
    assert value("tpr", min_support=10) == 0.5
    assert value("tpr", min_support=11) is None


def test_progress_counts_models(draw):
    seen = []
    models = draw(1, models=3)
    audit(models[0], models[1:], progress=lambda done, of: seen.append((done, of)), **FAST)
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_the_rates_of_training_come_from_the_argument_a_file_or_the_labels(build):
    """Positives are 60% of the labels, but (a file says) 20% and (the argument says) 40%."""
    labels = np.array([[1]] * 60 + [[0]] * 40)

    def ratio(prevalence=None, given=None):
        models = [
            build(labels, np.where(labels, 1, -1), name=name, train_prevalence=rates)
            for name, rates in (("d", None), ("s", prevalence))
        ]
        result = audit(*models, train_rates=given, **FAST)
        rows = result.table.filter(metric="rare_value_ratio", attribute="a0", model="d")
        return rows["n"].item(), len(result.info.warnings)

    assert ratio() == (40, 1)
    assert ratio(prevalence={"a0": 0.2}) == (60, 0)
    assert ratio(prevalence={"a0": 0.8}, given=TrainRates({"a0": 0.4}, {})) == (60, 0)
    assert ratio(prevalence={"a0": 0.2}, given=TrainRates({"a0": 0.6}, {})) == (40, 0)


def test_the_warning_about_stand_in_rates_says_what_to_do(draw):
    dense, sparse = draw(1, models=2)
    [warning] = audit(dense, sparse, **FAST).info.warnings
    assert "the rates of the evaluated labels stand in" in warning
    assert "Pass the training labels" in warning


def test_the_most_affected_images_are_kept(draw):
    models = draw(1, n=40, models=3)
    result = audit(models[0], models[1:], n_affected=5, **FAST)
    assert [item.model for item in result.info.affected] == ["model1"] * 5 + ["model2"] * 5
    assert audit(models[0], models[1:], n_affected=0, **FAST).info.affected == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"replicates": 5},
            r"^audit settings: replicates: .*expected 0, for no intervals, or at least 16 \(got 5",
        ),
        ({"confidence": 95}, r"confidence: .*less than 1 \(got 95; 95 percent is 0.95\)"),
        ({"bins": 10}, r"bins: Extra inputs are not permitted \(got 10\)"),
        ({"band": (0.9, 0.1)}, "band: .*expected two probabilities, the lower one first"),
        ({"identity": "Male"}, r"groups: .*\(got 'Male'\)"),
        ({"identity": ["Mael"]}, r"^unknown group 'Mael': did you mean Male\?"),
        ({"cluster": "who"}, r"^unknown cluster column 'who': choose one of Male, band, town"),
        ({"trigger": "patch"}, r"^unknown group 'patch'"),
        (
            {"trigger": "band"},
            r"^trigger 'band' must be a group of booleans; it has \(10, 20, 30\)",
        ),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused(draw, options, message):
    dense, sparse = draw(1, models=2)
    with pytest.raises(ConfigError, match=message):
        audit(dense, sparse, **{**FAST, **options})


def test_two_models_of_one_name_are_refused(draw):
    dense, _ = draw(1, models=2)
    with pytest.raises(ConfigError, match="two models are called model0: expected a name of its"):
        audit(dense, dense, **FAST)


def test_a_side_without_any_model_is_refused(draw):
    dense = draw(1)
    for pair in (([], dense), (dense, [])):
        with pytest.raises(ConfigError, match="at least one dense and one compressed model"):
            audit(*pair, **FAST)


def test_files_that_do_not_fit_are_refused(build):
    dense = build([[1]], [[1.0]], name="d")
    with pytest.raises(DataError, match="disagree on 1 labels"):
        audit(dense, build([[0]], [[1.0]], name="s"), **FAST)
