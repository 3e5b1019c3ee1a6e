from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from prunescope.audit import Audit
from prunescope.data import Group
from prunescope.report.table import Table


@pytest.fixture(scope="module")
def table(harmed):
    return Table(harmed)


def test_overall_is_the_row_over_everything(harmed, table):
    found = harmed.overall.filter(model="sparse95", metric="accuracy")
    assert table.overall("sparse95", "accuracy").value == found["value"].item()
    assert table.overall("sparse95", "no such metric") is None
    assert table.overall("no such model", "accuracy") is None


@pytest.mark.parametrize(
    ("get", "where"),
    [
        ("by_attribute", pl.col("attribute").is_not_null() & pl.col("group").is_null()),
        ("by_group", pl.col("attribute").is_null() & pl.col("group").is_not_null()),
    ],
)
def test_slices(harmed, table, get, where):
    rows = getattr(table, get)("sparse95", "rare_value_ratio")
    expected = harmed.table.filter(
        where, pl.col("model") == "sparse95", pl.col("metric") == "rare_value_ratio"
    )
    assert [row.value for row in rows] == expected["value"].to_list()
    assert rows


def test_cells_have_an_attribute_and_a_group(table):
    rows = table.cells("sparse95", "bias_amplification")
    assert [(row.attribute, row.group) for row in rows] == [
        (attribute, "Male") for attribute in ("Smiling", "Bald", "Big_Nose", "Male")
    ]


def test_supported_is_a_matter_of_the_q_value_and_the_confidence(harmed):
    def supported(q_value, confidence):
        settings = harmed.info.settings.model_copy(update={"confidence": confidence})
        info = harmed.info.model_copy(update={"settings": settings})
        changed = harmed.table.with_columns(q_value=pl.lit(q_value, pl.Float64))
        return Table(Audit(changed, info)).overall("sparse95", "accuracy").supported

    assert supported(0.05, 0.95)
    assert not supported(0.051, 0.95)
    assert not supported(0.05, 0.99)
    assert supported(0.1, 0.9)
    assert not supported(None, 0.95)


def test_supported_agrees_with_the_verdict_on_every_row(planted):
    samples = planted.faces()
    answers = planted.lean_on_male(samples, planted.forget_bald(samples, planted.right(samples)))
    audit = planted.run(
        planted.model(samples, planted.right(samples), "dense"),
        planted.model(samples, answers, "sparse", sparsity=0.9),
        min_effect={"accuracy": 0.05, "rare_value_ratio": 0.5, "*": 0.001},
    )
    told = {"worse": True, "better": True, "changed": True}
    rows = [row for found in Table(audit)._rows.values() for row in found if row.verdict]
    assert {row.verdict for row in rows} >= {"worse", "negligible", "no evidence"}
    for row in rows:
        assert row.supported == told.get(row.verdict, False)


@pytest.mark.parametrize("name", ["harmed", "seeds", "class_seeds", "untested"])
def test_damage_agrees_with_the_verdict(request, name):
    rows = [row for found in Table(request.getfixturevalue(name))._rows.values() for row in found]
    judged = [row for row in rows if row.supported and row.verdict in ("worse", "better")]
    single = ("harmful_flip_rate", "helpful_flip_rate")  # of which one alone is no damage
    single += tuple(f"top1_{metric}" for metric in single)
    for row in judged:
        if row.metric not in single:
            assert (row.harm > 0) == (row.verdict == "worse")
    assert all(not row.harm for row in rows if row.verdict == "changed")
    assert judged


def test_changed_classes_stand_beside_the_churn_of_classes(class_seeds, planted):
    """Counted by hand from the classes that the models choose."""
    dense, compressed = planted.animals(seeds=(0, 1, 2))
    chosen = [model.logits.argmax(axis=1) for model in dense]
    churn = np.mean([np.mean(chosen[i] != chosen[j]) for i, j in ((0, 1), (0, 2), (1, 2))])
    pairs = zip(dense, compressed, strict=True)
    flips = [np.mean(a.logits.argmax(axis=1) != b.logits.argmax(axis=1)) for a, b in pairs]
    row = Table(class_seeds).overall("gmp 0.98 (3 seeds)", "top1_flip_rate")
    assert row.value == pytest.approx(np.mean(flips))
    assert row.baseline == pytest.approx(churn)
    assert row.delta == pytest.approx(np.mean(flips) - churn)
    assert row.delta_low <= row.delta <= row.delta_high


def test_the_accuracy_of_classes_is_that_of_the_one_answer(classes, harmed):
    assert Table(classes).accuracy("sparse").value == pytest.approx(0.84)
    assert Table(harmed).accuracy("sparse95").metric == "accuracy"


@pytest.mark.parametrize("name", ["harmed", "seeds", "class_seeds"])
def test_an_interval_has_both_ends_and_holds_its_value(request, name):
    """Also of interdependence near 0, from which chance is taken off."""
    for row in (r for found in Table(request.getfixturevalue(name))._rows.values() for r in found):
        assert (row.low is None) == (row.high is None)
        assert row.low is None or row.low <= row.value + 1e-12
        assert row.low is None or row.value <= row.high + 1e-12


def test_the_worst_of_all_groups_is_named(planted):
    """Top-1 accuracy is 0.6 where it is wet, 0.8 by day; all others are right more often."""
    dense, _ = planted.animals()
    row = np.arange(1000)
    wet, day = row % 10 < 5, row // 10 % 2 == 0
    groups = {"wet": Group.from_series(pl.Series(wet)), "day": Group.from_series(pl.Series(day))}
    samples = replace(dense[0].samples, groups=groups)
    answers = np.where(wet & (row % 5 < 2), (row + 1) % 5, row % 5)
    table = Table(
        planted.run(
            replace(dense[0], samples=samples),
            planted.model(samples, answers[:, None] == np.arange(5), "sparse", 0.9),
        )
    )
    worst = table.key("sparse", "worst_group_accuracy")
    assert (worst.value, worst.reason) == (pytest.approx(0.6), "wet")
    assert table.key("sparse", "top1_accuracy") == table.overall("sparse", "top1_accuracy")
