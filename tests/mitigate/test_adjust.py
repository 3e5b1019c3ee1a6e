"""Fitted adjustments move a planted bias the known way, on data that did not fit them."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from prunescope.audit import audit
from prunescope.errors import ConfigError, DataError
from prunescope.mitigate import CRITERIA, fit_adjustment
from prunescope.predictions import adjust, read_adjustments

SHIFT, GAP, HEAT = 1.5, 1.0, 2.0  # as conftest.py plants them


def rate(model, rows=slice(None)):
    return model.decisions[rows, 0].mean()


def test_matching_the_dense_rate_finds_the_planted_shift(planted):
    (dense, sparse), (dense_test, sparse_test) = planted("val"), planted("test")
    found = fit_adjustment(sparse, criterion="dense-rate", dense=dense)
    assert -SHIFT - GAP < found.adjustment.thresholds["rare"] < -SHIFT
    assert rate(sparse_test) < 0.3 * rate(dense_test)
    assert rate(found.apply(sparse_test)) == pytest.approx(rate(dense_test), abs=0.01)


def test_thresholds_by_group_find_the_shift_of_each(planted):
    (dense, sparse), (dense_test, sparse_test) = planted("val"), planted("test")
    found = fit_adjustment(sparse, criterion="dense-rate", dense=dense, group="Male", floors=[])
    of = found.adjustment.by_value
    assert of["True"]["rare"] == pytest.approx(-SHIFT, abs=0.15)
    assert of["False"]["rare"] == pytest.approx(-SHIFT - GAP, abs=0.15)
    assert found.adjustment.needs == "Male of each sample"
    after = found.apply(sparse_test)
    for code in (0, 1):
        rows = dense_test.samples.groups["Male"].codes == code
        assert rate(after, rows) == pytest.approx(rate(dense_test, rows), abs=0.015)


def of_audit(dense, model, metric, **where):
    table = audit(dense, model, replicates=0).table
    return table.filter(pl.col("model") == "sparse", metric=metric, attribute="rare", **where)[
        "value"
    ][0]


def test_matching_prevalence_brings_the_rare_value_ratio_to_1_and_takes_bias_back(planted):
    (_, sparse), (dense_test, sparse_test) = planted("val"), planted("test")
    after = fit_adjustment(sparse, criterion="prevalence").apply(sparse_test)
    assert of_audit(dense_test, sparse_test, "rare_value_ratio") < 0.3
    assert of_audit(dense_test, after, "rare_value_ratio") == pytest.approx(1, abs=0.1)
    apart = fit_adjustment(sparse, criterion="prevalence", group="Male", floors=[])
    assert of_audit(dense_test, after, "bias_amplification", group="Male") > 0.1
    assert of_audit(
        dense_test, apart.apply(sparse_test), "bias_amplification", group="Male"
    ) == pytest.approx(0, abs=0.05)


@pytest.mark.parametrize("criterion", [c for c in CRITERIA if not c.startswith("equal")])
def test_auc_stays_exactly_and_the_choice_is_the_same_again(planted, criterion):
    (dense, sparse), (dense_test, sparse_test) = planted("val"), planted("test")
    found = fit_adjustment(sparse, criterion=criterion, dense=dense, calibration="isotonic")
    again = fit_adjustment(sparse, criterion=criterion, dense=dense, calibration="isotonic")
    assert again.adjustment == found.adjustment
    before, after = (
        audit(dense_test, model, replicates=0).table.filter(metric="auc", model="sparse")["value"]
        for model in (sparse_test, found.apply(sparse_test))
    )
    assert before.to_list() == after.to_list()


def tprs(model):
    found = []
    for code in (0, 1):
        rows = (model.samples.groups["Male"].codes == code) & (model.samples.labels[:, 0] == 1)
        found.append(model.decisions[rows, 0].mean())
    return found


def test_equal_tpr_levels_up_and_not_down(planted):
    (_, sparse), (_, sparse_test) = planted("val"), planted("test")
    found = fit_adjustment(sparse, criterion="equal-tpr", group="Male")
    women, men = tprs(sparse_test)
    after_women, after_men = tprs(found.apply(sparse_test))
    assert men - women > 0.1
    assert abs(after_men - after_women) < 0.06
    assert after_men == pytest.approx(men, abs=0.01)
    assert found.adjustment.thresholds["rare"] == 0.0


def test_a_floor_keeps_every_value_of_the_group_from_losing(planted):
    _, sparse = planted("val")
    free = fit_adjustment(sparse, criterion="prevalence", group="Male", floors=[])
    bound = fit_adjustment(sparse, criterion="prevalence", group="Male", floors=["tpr >= 0.9"])
    for code, value in enumerate(("False", "True")):
        found = [tprs(one.apply(sparse))[code] for one in (free, bound)]
        assert found[0] < 0.85 < 0.9 <= found[1], value
    none = fit_adjustment(sparse, criterion="prevalence", floors=["tpr >= 1", "tnr >= 1"])
    assert none.table["status"].unique().to_list() == ["no_threshold"]
    assert set(none.adjustment.thresholds.values()) == {0.0}


def test_calibration_finds_the_planted_heat(planted):
    _, sparse = planted("val", 20_000)
    found = fit_adjustment(sparse, calibration="temperature")
    assert found.adjustment.curves["common"].of(np.array([HEAT]))[0] == pytest.approx(1, abs=0.1)
    assert found.table.is_empty()


def test_thresholds_stand_on_the_calibrated_scale(planted):
    _, sparse = planted("val")
    plain = fit_adjustment(sparse, criterion="prevalence")
    both = fit_adjustment(sparse, criterion="prevalence", calibration="temperature")
    assert (both.apply(sparse).decisions == plain.apply(sparse).decisions).all()
    assert both.adjustment.thresholds["common"] == pytest.approx(
        plain.adjustment.thresholds["common"] / HEAT, abs=0.05
    )


def test_a_group_of_three_keeps_the_threshold_for_all(planted):
    _, sparse = planted("val", women=0.0005)
    n_women = (sparse.samples.groups["Male"].codes == 0).sum()
    assert 0 < n_women < 10
    found = fit_adjustment(sparse, criterion="prevalence", group="Male")
    rows = found.table.filter(group_value="False")
    assert rows["status"].unique().to_list() == ["insufficient_support"]
    assert "of at least 10 samples" in rows["reason"][0]
    assert found.adjustment.by_value["False"] == found.adjustment.thresholds


def test_it_starts_from_the_thresholds_that_a_model_has(planted):
    _, sparse = planted("val")
    moved = replace(sparse, thresholds=np.array([-2.0, 0.0, 0.0]))
    row = fit_adjustment(moved, criterion="f1").table.row(0, named=True)
    assert row["threshold_before"] == -2.0
    assert row["before"] > fit_adjustment(sparse, criterion="f1").table["before"][0]


def test_a_file_applies_it(planted, tmp_path):
    (_, sparse), (_, sparse_test) = planted("val"), planted("test")
    found = fit_adjustment(sparse, criterion="prevalence", calibration="isotonic", group="Male")
    found.file().save(tmp_path / "a.json")
    read = read_adjustments(tmp_path / "a.json").of("sparse")
    again = adjust(sparse_test, read)
    assert (again.decisions == found.apply(sparse_test).decisions).all()
    assert (again.logits == found.apply(sparse_test).logits).all()


def test_what_cannot_be_fitted_says_why(planted, build):
    dense, sparse = planted("val")
    for wrong, message in (
        ({}, "nothing to fit"),
        ({"criterion": "prevelance"}, "did you mean prevalence"),
        ({"calibration": "platt"}, "unknown calibration 'platt'"),
        ({"criterion": "dense-rate"}, "give its predictions on the same validation split"),
        ({"criterion": "equal-tpr"}, "compares the values of a group: name one"),
        ({"criterion": "f1", "group": "Mal"}, "unknown group 'Mal': did you mean Male"),
        ({"calibration": "isotonic", "group": "Male"}, "need a criterion"),
        ({"criterion": "f1", "floors": ["tpr <= 1"]}, "expected 'METRIC >= NUMBER'"),
    ):
        with pytest.raises(ConfigError, match=message):
            fit_adjustment(sparse, **wrong)
    other = replace(dense, samples=replace(dense.samples, ids=dense.samples.ids + "x"))
    with pytest.raises(DataError, match=r"dense lacks 6,000 of the 6,000 samples of sparse"):
        fit_adjustment(sparse, criterion="dense-rate", dense=other)
    named = replace(dense, samples=replace(dense.samples, attributes=("seldom", "common", "same")))
    with pytest.raises(DataError, match=r"the attributes of sparse and dense differ"):
        fit_adjustment(sparse, criterion="dense-rate", dense=named)
    bare = replace(
        sparse, samples=replace(sparse.samples, labels=np.full_like(sparse.samples.labels, -1))
    )
    with pytest.raises(DataError, match=r"has no labels of rare, common, same"):
        fit_adjustment(bare, criterion="prevalence")
    assert fit_adjustment(bare, criterion="dense-rate", dense=dense).adjustment.thresholds
    pets = build([[1, 0]], [[1.0, 0.0]], task="multiclass", name="pets", names=("cat", "dog"))
    with pytest.raises(DataError, match=r"pets is multiclass"):
        fit_adjustment(pets, criterion="f1")


def test_another_models_adjustment_is_refused(planted):
    dense, sparse = planted("val")
    found = fit_adjustment(sparse, criterion="f1")
    with pytest.raises(DataError, match=r"was fitted to 'sparse', not to 'dense'"):
        found.apply(dense)


def test_it_looks_well_in_a_notebook(planted):
    _, sparse = planted("val")
    found = fit_adjustment(sparse, criterion="prevalence")
    assert repr(found) == f"FittedAdjustment('sparse': {found.table.height} thresholds)"
    assert "<table" in found._repr_html_()
    assert "rare" in found._repr_html_()
