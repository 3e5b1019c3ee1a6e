from importlib import import_module

import polars as pl
import pytest

from prunescope.audit import Audit
from prunescope.audit.roles import roles
from prunescope.report import build, figures
from prunescope.report.table import Table


@pytest.fixture(scope="module")
def table(harmed):
    return Table(harmed)


def test_a_curve_has_a_point_per_model_with_a_value(many):
    drawn = figures.curves(many, Table(many), roles(many.info))
    curves = {(c.metric, c.group): c for c in drawn}
    assert len(curves["accuracy", None].points) == 7
    assert sum(point.dense for point in curves["accuracy", None].points) == 1
    assert len(curves["flip_rate", None].points) == 6
    leaning = curves["bias_amplification", "Male"].points
    at_95 = [point.estimate.value for point in leaning if point.sparsity == 0.95]
    assert at_95 == pytest.approx([240 / 300 - 240 / 360] * 2)


def test_curves_stand_at_what_was_counted_and_what_keeps_all_weights_is_not_on_them(counted):
    drawn = figures.curves(counted, Table(counted), roles(counted.info))
    accuracy = next(curve for curve in drawn if curve.metric == "accuracy")
    places = {(point.method, point.sparsity) for point in accuracy.points}
    assert places == {("dense", 0.0), ("structured", 0.749), ("gmp", 0.6)}


def test_a_point_says_over_how_many_attributes_it_is(many):
    curves = {c.metric: c for c in figures.curves(many, Table(many), roles(many.info))}
    assert {point.over for point in curves["accuracy"].points} == {4}
    assert {point.over for point in curves["bias_amplification"].points} == {1}
    assert {point.over for point in curves["flip_rate"].points} == {4}


def test_attributes_stand_in_order_of_change(table):
    by_metric = {f.metric: f for f in figures.attribute_figures(table, "sparse95")}
    fading = by_metric["rare_value_ratio"].rows
    assert [row.attribute for row in fading[:2]] == ["Bald", "Big_Nose"]


def test_what_is_worse_above_stands_with_the_largest_rise_first(harmed):
    place = pl.int_range(pl.len()).cast(pl.Float64) / 1000
    table = Table(Audit(harmed.table.with_columns(delta=place), harmed.info))
    by_metric = {f.metric: f for f in figures.attribute_figures(table, "sparse95")}
    risen = [row.delta for row in by_metric["uncertainty"].rows]
    assert risen == sorted(risen, reverse=True)
    fallen = [row.delta for row in by_metric["accuracy"].rows]
    assert fallen == sorted(fallen)


def test_rows_without_a_comparison_come_last(harmed):
    lost = pl.col("attribute") == "Bald"
    changed = Audit(
        harmed.table.with_columns(delta=pl.when(lost).then(None).otherwise("delta")), harmed.info
    )
    first, *_ = figures.attribute_figures(Table(changed), "sparse95")
    assert first.rows[-1].attribute == "Bald"


def test_long_figures_say_what_they_leave_out(harmed, monkeypatch):
    monkeypatch.setattr(figures, "MOST_ROWS", 3)
    table = Table(harmed)
    first, *_ = figures.attribute_figures(table, "sparse95")
    assert (len(first.rows), first.n_left_out) == (3, 1)
    bias = figures.bias_map(table, "sparse95")
    assert (len(bias.attributes), len(bias.rows), bias.n_left_out) == (3, 3, 1)


def test_groups_are_compared_value_by_value(table):
    figure = figures.group_figure(table, "sparse95")
    assert {(row.group, row.group_value) for row in figure.rows} == {
        ("Male", "False"),
        ("Male", "True"),
    }
    assert all(row.attribute is None for row in figure.rows)


def test_the_bias_map_is_a_full_rectangle_with_every_status(table):
    bias = figures.bias_map(table, "sparse95")
    assert bias.groups == ["Male"]
    assert bias.attributes[0] == "Big_Nose"
    assert [len(row) for row in bias.rows] == [1] * 4
    by_name = dict(zip(bias.attributes, bias.rows, strict=True))
    assert by_name["Male"][0].status == "not_applicable"
    assert by_name["Male"][0].value is None


def test_without_groups_there_is_no_bias_map(ungrouped):
    table = Table(ungrouped)
    assert figures.bias_map(table, "sparse") is None
    assert figures.group_figure(table, "sparse") is None
    assert figures.group_names(ungrouped) == []


def test_gaps_count_every_estimate_that_could_not_be_made(few):
    gaps = figures.gaps(few)
    bad = few.table.filter(
        pl.col("status") != "ok",
        (pl.col("metric") != "excess_accuracy_gap") | pl.col("group").is_not_null(),
    )
    assert sum(gap.count for gap in gaps) == bad.height
    by_status = {(gap.status, gap.metric) for gap in gaps}
    assert by_status == set(bad.select("status", "metric").iter_rows())
    accuracy = [gap for gap in gaps if gap.metric == "accuracy"]
    reason = "labelled samples: at least 10 are needed"
    assert reason in {gap.reason for gap in accuracy}


def test_a_page_of_many_models_details_the_most_damaged(many, monkeypatch):
    monkeypatch.setattr(import_module("prunescope.report.build"), "MOST_DETAILS", 2)
    report = build(many)
    assert len(report.compressed) == 6
    assert {detail.model for detail in report.details} == {"gmp-0.95-0", "one-shot-0.95-0"}


def test_the_featured_model_is_never_left_out(hostile, monkeypatch):
    dense, milder, sparser = hostile.info.models
    info = hostile.info.model_copy(update={"models": [dense, sparser, milder]})
    monkeypatch.setattr(import_module("prunescope.report.build"), "MOST_DETAILS", 1)
    report = build(Audit(hostile.table, info))
    assert report.featured == milder.name
    assert [detail.model for detail in report.details] == [milder.name]


def test_the_curve_of_flips_has_the_churn_and_no_other_has(seeds, many):
    curves = figures.curves(seeds, Table(seeds), roles(seeds.info))
    churn = seeds.overall.filter(model="gmp 0.5 (3 seeds)", metric="churn")["value"].item()
    assert {c.metric: c.churn for c in curves if c.churn is not None} == {
        "flip_rate": pytest.approx(churn)
    }
    assert all(c.churn is None for c in figures.curves(many, Table(many), roles(many.info)))


def test_key_figures_of_classes_are_of_the_one_answer(classes, harmed):
    assert figures.key_metrics(Table(classes))[0] == "top1_accuracy"
    assert "flip_rate" not in figures.key_metrics(Table(classes))
    assert figures.key_metrics(Table(harmed))[0] == "accuracy"
    shown = [figure.metric for figure in figures.attribute_figures(Table(classes), "sparse")]
    assert shown == ["tpr", "precision", "rare_value_ratio", "auc"]
    assert figures.group_figure(Table(classes), "sparse") is None


def test_the_commonest_confusions_are_counted_over_all_seeds(class_seeds, classes):
    first, *others = figures.confusions(classes, ["sparse"])
    assert (first.label, first.dense, first.compressed, first.n) == ("newt", "newt", "cat", 160)
    assert others == []
    found = figures.confusions(class_seeds, ["sparse", "sparse1", "sparse2"])
    total = class_seeds.confusions["n"].sum()
    assert sum(one.n for one in found) == total > 160
    assert [one.n for one in found] == sorted((one.n for one in found), reverse=True)


def test_gaps_of_seeds_are_not_counted_beside_those_of_their_population(seeds):
    members = {name for p in seeds.info.populations for name in p.members}
    lacking = seeds.table.filter(
        pl.col("status") != "ok", ~pl.col("model").is_in(members), metric="cie_rate"
    )
    counted = sum(gap.count for gap in figures.gaps(seeds) if gap.metric == "cie_rate")
    assert counted == lacking.height
