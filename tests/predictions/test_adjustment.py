"""Adjustments: curves, thresholds, files, and the same answers wherever they are applied."""

import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from sklearn.metrics import roc_auc_score

from prunescope.audit import audit
from prunescope.audit.large_files.streaming import audit_files
from prunescope.errors import ConfigError, DataError, PrunescopeWarning
from prunescope.predictions import (
    Adjustment,
    Adjustments,
    Curve,
    Predictions,
    adjust,
    read_adjustments,
    settle,
)
from prunescope.predictions.shards import Shards
from prunescope.predictions.sketch import share_among, sketch

KNOTS = st.lists(st.floats(-30, 30), min_size=2, max_size=6, unique=True).map(sorted)


def test_a_curve_is_straight_between_its_knots_and_beyond():
    curve = Curve(knots=(0, 1, 3), values=(0, 2, 3))
    assert curve.of(np.array([0.5, 2.0, 1.0])).tolist() == [1.0, 2.5, 2.0]
    assert curve.of(np.array([-2.0, 5.0])).tolist() == [-4.0, 4.0]


@given(KNOTS, st.data())
def test_inside_a_curve_is_numpys_interpolation(knots, data):
    rises = data.draw(st.lists(st.floats(0.1, 9), min_size=len(knots), max_size=len(knots)))
    values = np.cumsum(rises).tolist()
    x = np.linspace(knots[0], knots[-1], 17)
    found = Curve(knots=knots, values=values).of(x)
    np.testing.assert_allclose(found, np.interp(x, knots, values), atol=1e-9)


@pytest.mark.parametrize(
    ("knots", "values"),
    [((0,), (0,)), ((0, 1), (0,)), ((1, 0), (0, 1)), ((0, 1), (1, 1)), ((0, 1), (1, 1 + 1e-9))],
)
def test_a_curve_must_rise(knots, values):
    with pytest.raises(ValidationError, match="expected"):
        Curve(knots=knots, values=values)


def test_ranking_is_exactly_unchanged_by_a_curve():
    rng = np.random.default_rng(0)
    z = np.unique(rng.normal(0, 3, 5000).astype(np.float32))  # neighbours a rounding apart, too
    z = np.concatenate([z, np.nextafter(z, np.float32(np.inf))])
    curve = Curve(knots=(-3, -1, 0, 2), values=(-9, -0.002, 0.001, 0.5))
    assert (np.argsort(z, kind="stable") == np.argsort(curve.of(z), kind="stable")).all()
    assert len(np.unique(curve.of(z))) == len(np.unique(z))
    labels = rng.random(len(z)) < 0.3
    assert roc_auc_score(labels, curve.of(z)) == roc_auc_score(labels, z)


def test_thresholds_by_value_fall_back_to_the_usual_one(build):
    model = build(
        [[1], [1], [1], [1]],
        [[0.5]] * 4,
        names=("Bald",),
        groups={"town": ["a", "b", "c", None]},
        name="sparse",
    )
    mine = Adjustment(
        thresholds={"Bald": 1.0}, group="town", by_value={"a": {"Bald": 0.0}, "b": {"Bald": 0.75}}
    )
    with pytest.warns(PrunescopeWarning, match="sparse: town = c has no thresholds of its own"):
        found = adjust(model, mine)
    assert found.decisions[:, 0].tolist() == [True, False, False, False]
    assert found.thresholds[:, 0].tolist() == [0.0, 0.75, 1.0, 1.0]
    assert found.take(np.array([2, 0])).decisions[:, 0].tolist() == [False, True]


def test_settled_logits_decide_at_0_as_thresholds_do(build):
    rng = np.random.default_rng(1)
    model = replace(
        build(np.ones((50, 2)), rng.normal(0, 1, (50, 2)).astype("f4")),
        thresholds=np.array([0.3, -0.7]),
    )
    settled = settle(model)
    assert settled.thresholds is None
    assert (settled.decisions == model.decisions).all()
    assert settle(settled) is settled


def test_a_file_holds_all_of_it(tmp_path):
    one = Adjustment(
        curves={"Bald": Curve(knots=(-1, 1), values=(-2, 2))},
        thresholds={"Bald": 0.25},
        group="Male",
        by_value={"True": {"Bald": 0.5}},
        criterion="f1",
        calibration="temperature",
    )
    Adjustments(adjustments={"sparse": one}).save(tmp_path / "a.json")
    read = read_adjustments(tmp_path / "a.json")
    assert read.of("sparse") == one
    assert read.of("dense") is None
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_plain_thresholds_are_adjustments(tmp_path):
    (tmp_path / "t.json").write_text('{"*": {"a": 1, "b": 2}, "sparse": {"b": 0.5}}')
    read = read_adjustments(tmp_path / "t.json")
    assert read.of("sparse").thresholds == {"a": 1.0, "b": 0.5}
    assert read.of("other").thresholds == {"a": 1.0, "b": 2.0}
    (tmp_path / "p.json").write_text('{"a": 0.5}')
    assert read_adjustments(tmp_path / "p.json", "probability").of("m").thresholds == {"a": 0.0}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"adjustments": {"m": {"tresholds": {}}}}, "m.tresholds: Extra inputs are not permitted"),
        ({"adjustments": {"m": {"thresholds": {"a": "x"}}}}, "should be a valid number"),
        ({"adjustments": {"m": {"by_value": {"True": {}}}}}, "need the group's name"),
        ({"adjustments": {"m": {"thresholds": {"a": 1}, "offsets": {"a": 1}}}}, "expected one"),
        (
            {"adjustments": {"m": {"offsets": {"a": 1}, "by_value": {"x": {}}}}},
            "offsets by value need",
        ),
        ({"adjustments": {"m": {}}, "format_version": 2}, "format_version: Input should be 1"),
    ],
)
def test_a_damaged_file_says_where(tmp_path, content, message):
    (tmp_path / "a.json").write_text(json.dumps(content))
    with pytest.raises(ConfigError, match=message):
        read_adjustments(tmp_path / "a.json")


def test_what_does_not_fit_is_refused(build):
    model = build([[1, 1]], [[0.0, 0.0]], names=("Bald", "Male"), name="sparse")
    with pytest.raises(DataError, match=r"unknown attribute 'Blad': did you mean Bald"):
        adjust(model, Adjustment(thresholds={"Blad": 1.0}))
    with pytest.raises(DataError, match=r"depend on 'Young', which must be known.*groups are none"):
        adjust(model, Adjustment(group="Young"))
    with pytest.raises(DataError, match=r"unknown model 'spars': did you mean sparse"):
        Adjustments(adjustments={"spars": Adjustment()}).check(["sparse"], model.attributes)
    pets = build([[1, 0]], [[1.0, 0.0]], task="multiclass", name="pets", names=("cat", "dog"))
    with pytest.raises(DataError, match=r"^pets is multiclass.*leave out the thresholds"):
        adjust(pets, Adjustment(thresholds={"cat": 1.0}))
    curve = Curve(knots=(0, 1), values=(0, 2))
    with pytest.raises(DataError, match=r"expected one curve for all classes"):
        adjust(pets, Adjustment(curves={"cat": curve}))
    assert adjust(pets, Adjustment(curves={"cat": curve, "dog": curve})).logits[0, 0] == 2.0


@pytest.mark.parametrize("by_group", [False, True])
def test_files_larger_than_memory_are_answered_alike(tmp_path, answers, by_group):
    paths = answers(tmp_path)
    told = {"thresholds": {"Bald": 0.4}, "curves": {"Smiling": Curve(knots=(0, 1), values=(0, 3))}}
    if by_group:
        told |= {"group": "Male", "by_value": {"True": {"Bald": -1.0}, "False": {}}}
    mine = Adjustment(**told)
    dense, sparse = (Predictions.load(path) for path in paths)
    whole = audit(dense, adjust(sparse, mine), replicates=0)
    parts = audit_files([paths[0]], [Shards.scan(paths[1]).adjusted(mine)], replicates=0, rows=64)
    ranked = pl.col("metric").is_in(["auc", "average_precision"])
    left, right = (a.table.filter(~ranked).select("metric", "value") for a in (whole, parts))
    assert left["metric"].to_list() == right["metric"].to_list()
    np.testing.assert_allclose(
        left["value"].to_numpy(), right["value"].to_numpy(), atol=1e-12, equal_nan=True
    )
    moved = audit(dense, sparse, replicates=0).table
    assert not moved.filter(~ranked)["value"].equals(left["value"])


def test_shards_without_the_group_are_refused(tmp_path, answers):
    shards = Shards.scan(answers(tmp_path)[1])
    with pytest.raises(DataError, match=r"depend on 'Young'.*its groups are Male"):
        shards.adjusted(Adjustment(group="Young"))
    with pytest.raises(DataError, match=r"are for Male = 1; the samples say False, True: write"):
        shards.adjusted(Adjustment(group="Male", by_value={"1": {"Bald": 1.0}}))


def test_group_values_that_are_written_otherwise_are_refused(build):
    model = build([[1], [1]], [[0.5]] * 2, names=("Bald",), groups={"Male": [1, 0]}, name="sparse")
    by_value = {"True": {"Bald": 0.0}, "False": {"Bald": 1.0}}
    with pytest.raises(DataError, match=r"are for Male = True, False; the samples say 0, 1: write"):
        adjust(model, Adjustment(group="Male", by_value=by_value))


def test_a_curve_alone_takes_thresholds_along(build):
    rng = np.random.default_rng(0)
    model = build(np.ones((50, 2)), rng.normal(0, 2, (50, 2)), names=("Bald", "Smiling"))
    curve = Adjustment(curves={"Bald": Curve(knots=(0, 1), values=(0.5, 0.7))})
    for thresholds in (np.array([1.0, -1.0]), rng.normal(0, 1, (50, 2))):
        cut = replace(model, thresholds=thresholds)
        found = adjust(cut, curve)
        assert not np.array_equal(found.logits, cut.logits)
        assert np.array_equal(found.decisions, cut.decisions)


def test_what_is_adjusted_is_not_adjusted_again(build, tmp_path):
    model = build([[1], [1]], [[0.5]] * 2, names=("Bald",), name="sparse")
    mine = Adjustment(thresholds={"Bald": 1.0}, fitted_on=sketch(["x", "y"]))
    once = adjust(model, mine)
    assert once.metadata.fitted_on == mine.fitted_on
    with pytest.raises(DataError, match="sparse is adjusted already: what was fitted to its own"):
        adjust(once, mine)
    settle(once).save(tmp_path / "settled.parquet")
    read = Predictions.load(tmp_path / "settled.parquet")
    with pytest.raises(DataError, match="sparse is adjusted already"):
        adjust(read, mine)
    with pytest.raises(DataError, match="sparse is adjusted already"):
        Shards.scan(tmp_path / "settled.parquet").adjusted(mine)
    Adjustments(adjustments={"sparse": mine}).save(tmp_path / "a.json")
    assert read_adjustments(tmp_path / "a.json").of("sparse") == mine


def test_a_sketch_tells_the_share_that_two_sets_have_in_common():
    everyone = [f"{i:06}.jpg" for i in range(20_000)]
    mine = sketch(everyone[:10_000])
    assert len(mine) == 128
    assert share_among(mine, reversed(everyone)) == 1.0
    assert share_among(mine, everyone[10_000:]) == 0.0
    assert share_among(mine, everyone[7_500:]) == pytest.approx(0.25, abs=0.12)
    assert sketch(everyone[:10_000][::-1]) == mine


def test_the_audit_says_when_it_looks_at_what_thresholds_were_fitted_to(build):
    rng = np.random.default_rng(0)
    dense, sparse = (build(np.ones((50, 1)), rng.normal(0, 1, (50, 1)), name=name)
                     for name in ("dense", "sparse"))  # fmt: skip
    mine = Adjustment(thresholds={"a0": 0.1}, fitted_on=sketch(sparse.samples.ids))
    told = audit(dense, adjust(sparse, mine), replicates=0).info.warnings
    assert any(
        "sparse: its thresholds or calibration were fitted to these samples" in w for w in told
    )
    elsewhere = mine.model_copy(update={"fitted_on": sketch(["other"])})
    quiet = audit(dense, adjust(sparse, elsewhere), replicates=0).info.warnings
    assert not any("fitted to these samples" in w for w in quiet)


def pets(build, n=200, seed=0, **options):
    """Return answers of a model of classes, drawn at random."""
    rng = np.random.default_rng(seed)
    labels = np.eye(3)[rng.choice(3, n, p=[0.6, 0.3, 0.1])]
    z = (labels * 2 + rng.normal(0, 1.5, (n, 3))).astype("f4")
    options = {"name": "pets", "names": ("cat", "dog", "owl")} | options
    return build(
        labels, z, task="multiclass", groups={"town": rng.choice(["a", "b"], n)}, **options
    )


BY_TOWN = Adjustment(
    offsets={"cat": -1.0, "owl": 0.5},
    group="town",
    by_value={"a": {"owl": 2.0}, "b": {}},
    curves=dict.fromkeys(("cat", "dog", "owl"), Curve(knots=(0, 1), values=(0, 0.5))),
)


def test_offsets_are_added_on_the_curves_scale_by_the_groups_value(build):
    model = pets(build)
    found = adjust(model, BY_TOWN)
    assert found.thresholds is None
    assert settle(found) is found
    for z, new, town in zip(model.logits, found.logits, model.samples.groups["town"].codes,
                            strict=True):  # fmt: skip
        own = [-1.0, 0.0, [2.0, 0.5][town]]
        assert new.tolist() == [float(x) / 2 + b for x, b in zip(z, own, strict=True)]
    everyone = adjust(model, Adjustment(offsets={"owl": 100.0}))
    assert everyone.decisions.sum(axis=0).tolist() == [0, 0, len(model.samples)]


@pytest.mark.parametrize("mine", [Adjustment(offsets={"dog": 1.25, "owl": 0.5}), BY_TOWN])
def test_classes_larger_than_memory_are_answered_alike(build, tmp_path, mine):
    dense, sparse = pets(build, name="dense"), pets(build, seed=0)
    sparse = replace(sparse, logits=sparse.logits - np.array([0, 1, 1], "f4"))
    for model in (dense, sparse):
        model.save(tmp_path / f"{model.name}.parquet")
    whole = audit(dense, adjust(sparse, mine), replicates=0)
    shards = Shards.scan(tmp_path / "pets.parquet").adjusted(mine)
    parts = audit_files([tmp_path / "dense.parquet"], [shards], replicates=0, rows=64)
    ranked = pl.col("metric").is_in(["auc", "average_precision"])
    key = ["model", "metric", "attribute", "group", "group_value"]
    left, right = (a.table.filter(~ranked).select(*key, "value").sort(key) for a in (whole, parts))
    both = left.join(right, on=key, nulls_equal=True)
    assert both.filter(metric="tpr", model="pets").height > 3
    np.testing.assert_allclose(both["value"], both["value_right"], atol=1e-12, equal_nan=True)
    moved = audit(dense, sparse, replicates=0).table.filter(~ranked).select(*key, "value").sort(key)
    assert not moved["value"].equals(left["value"])


def test_offsets_are_for_classes_alone(build):
    model = build([[1, 1]], [[0.0, 0.0]], names=("Bald", "Male"), name="sparse")
    with pytest.raises(DataError, match=r"sparse answers attributes.*leave out the offsets"):
        adjust(model, Adjustment(offsets={"Bald": 1.0}))
    by_value = {"a": {"cat": 1.0}, "b": {}}
    with pytest.raises(DataError, match=r"pets is multiclass.*leave out the thresholds"):
        adjust(pets(build), Adjustment(group="town", by_value=by_value))
    with pytest.raises(DataError, match=r"unknown attribute 'cow'"):
        adjust(pets(build), Adjustment(offsets={"cow": 1.0}))
    with pytest.raises(DataError, match=r"the offsets of pets depend on 'farm'"):
        adjust(pets(build), Adjustment(offsets={"cat": 1.0}, group="farm"))
    with pytest.warns(PrunescopeWarning, match="town = b has no offsets of its own"):
        adjust(pets(build), Adjustment(offsets={"cat": 1.0}, group="town", by_value={"a": {}}))
