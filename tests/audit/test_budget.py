"""Constraints, read and judged: on rows written by hand, and on an audit."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunescope.audit import (
    JUDGEMENT_SCHEMA,
    SCHEMA,
    Budget,
    Constraint,
    Where,
    audit,
    decisive,
    outcome,
    place_of,
)
from prunescope.audit.budget import NO_CHANGE, OPERATORS, of_model
from prunescope.errors import ConfigError

limits = st.floats(allow_nan=False, allow_infinity=False)
wheres = st.sampled_from(
    [
        Where(),
        Where("*"),
        Where("Bald"),
        Where("*", "Male"),
        Where(None, "*"),
        Where(None, "a,b]", "<"),
    ]
)


@given(
    st.sampled_from(["accuracy", "tpr"]), st.sampled_from(list(OPERATORS)), limits, wheres,
    st.booleans(),
)  # fmt: skip
def test_what_is_written_is_read_again(metric, operator, limit, where, relative):
    constraint = Constraint(metric, operator, limit, relative, where)
    assert Constraint.parse(str(constraint)) == constraint


@pytest.mark.parametrize(
    ("text", "limit", "relative"),
    [
        ("accuracy>=0.9", 0.9, False),
        (" accuracy >= -0.005 ", -0.005, True),
        ("accuracy >= +0", 0.0, True),
        ("accuracy >= .5", 0.5, False),
        ("accuracy >= -1e-3", -0.001, True),
        ("accuracy >= (-0.1)", -0.1, False),
        ("accuracy >= ( 0.1 )", 0.1, False),
    ],
)
def test_a_sign_means_the_change_unless_in_parentheses(text, limit, relative):
    constraint = Constraint.parse(text)
    assert (constraint.limit, constraint.relative) == (limit, relative)


@pytest.mark.parametrize(
    "text",
    ["", "accuracy", "accuracy = 0.9", "accuracy >= ", "accuracy >= 5%", "accuracy => 1",
     "accuracy[Male >= 1", ">= 1", "bias amplification <= 1", "accuracy >= nan", "accuracy >= (1",
     "accuracy >= 1)"],
)  # fmt: skip
def test_what_is_no_constraint_is_echoed_with_an_example(text):
    with pytest.raises(ConfigError, match=r"expected METRIC.*'accuracy >= -0.005'") as raised:
        Constraint.parse(text)
    assert repr(text) in str(raised.value)


def test_limits_make_sense():
    with pytest.raises(ConfigError, match="finite"):
        Constraint.parse("accuracy >= 1e999")
    with pytest.raises(ConfigError, match="unknown operator '=='"):
        Constraint("accuracy", "==", 0.1)
    with pytest.raises(ConfigError, match="needs a constraint"):
        Budget.parse([])


def table_of(*rows):
    """Write a table of one sparse model; what a row leaves out is null."""
    usual = {"model": "sparse", "method": "gmp-pt", "metric": "accuracy", "status": "ok"}
    return pl.DataFrame([usual | row for row in rows], SCHEMA)


ROW = {
    "value": 0.9, "low": 0.88, "high": 0.92, "delta": -0.02, "delta_low": -0.03, "delta_high": 0.01
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "on", "value", "end", "excess", "holds"),
    [
        ("accuracy >= 0.87", "interval", 0.9, 0.88, -0.01, True),
        ("accuracy >= 0.89", "interval", 0.9, 0.88, 0.01, False),  # the value alone would hold
        ("accuracy >= 0.89", "value", 0.9, 0.9, -0.01, True),
        ("accuracy <= 0.91", "interval", 0.9, 0.92, 0.01, False),
        ("accuracy <= 0.91", "value", 0.9, 0.9, -0.01, True),
        ("accuracy >= -0.025", "interval", -0.02, -0.03, 0.005, False),
        ("accuracy >= -0.025", "value", -0.02, -0.02, -0.005, True),
        ("accuracy <= +0.02", "interval", -0.02, 0.01, -0.01, True),
        ("accuracy <= +0", "interval", -0.02, 0.01, 0.01, False),
        ("accuracy <= 0.92", "interval", 0.9, 0.92, 0.0, True),
        ("accuracy < 0.92", "interval", 0.9, 0.92, 0.0, False),
        ("accuracy >= 0.88", "interval", 0.9, 0.88, 0.0, True),
        ("accuracy > 0.88", "interval", 0.9, 0.88, 0.0, False),
    ],
)
def test_the_end_of_the_interval_decides(text, on, value, end, excess, holds):
    [row] = Constraint.parse(text).judge(table_of(ROW), on=on).to_dicts()
    assert (row["value"], row["end"], row["holds"]) == (value, end, holds)
    assert row["excess"] == pytest.approx(excess)
    assert row["reason"] is None
    side = "delta_" if text.split()[-1][0] in "+-" else ""
    assert (row["low"], row["high"]) == (ROW[f"{side}low"], ROW[f"{side}high"])


def test_a_judgement_has_its_columns_and_a_row_per_row():
    table = table_of(
        {**ROW, "group": "Male", "group_value": "True"},
        {**ROW, "group": "Male", "group_value": "False", "low": 0.5},
        ROW,
    )
    judged = Constraint.parse("accuracy[Male] >= 0.8").judge(table)
    assert judged.schema == pl.Schema(JUDGEMENT_SCHEMA)
    assert judged["holds"].to_list() == [True, False]
    assert judged["group_value"].to_list() == ["True", "False"]
    assert decisive(judged)["group_value"] == "False"
    assert place_of(decisive(judged)) == "Male=False"
    assert decisive(Constraint.parse("accuracy[Male] >= 1").judge(table))["excess"] == 0.5
    assert outcome(judged) == "broken"


@pytest.mark.parametrize("status", ["insufficient_support", "undefined"])
def test_what_cannot_be_told_does_not_count_as_met(status):
    lacking = {**ROW, "attribute": "Bald", "status": status, "reason": "9 true positives"}
    table = table_of({**ROW, "attribute": "Smiling"}, lacking)
    judged = Constraint.parse("accuracy[*] >= 0.8").judge(table)
    assert judged["holds"].to_list() == [True, None]
    assert judged["reason"].to_list() == [None, "9 true positives"]
    assert outcome(judged) == "cannot tell"
    assert decisive(judged)["attribute"] == "Bald"
    assert judged["status"].to_list() == ["ok", status]
    broken = Constraint.parse("accuracy[*] >= 0.89").judge(table)
    assert outcome(broken) == "broken"
    assert decisive(broken)["attribute"] == "Smiling"


def test_what_is_not_applicable_is_left_out_but_not_all_of_it():
    lacking = {"attribute": "Male", "status": "not_applicable", "reason": "Male is the group"}
    constraint = Constraint.parse("accuracy[*] >= 0.8")
    judged = constraint.judge(table_of({**ROW, "attribute": "Smiling"}, lacking))
    assert judged["attribute"].to_list() == ["Smiling"]
    assert outcome(judged) == "met"
    judged = constraint.judge(table_of(lacking, {**lacking, "attribute": "Young"}))
    [row] = judged.to_dicts()
    assert (row["holds"], row["attribute"]) == (None, None)
    assert row["reason"] == "Male is the group"
    assert outcome(judged) == "cannot tell"


def test_a_change_or_an_interval_that_is_not_in_the_table():
    bare = table_of({"value": 0.1})
    [row] = Constraint.parse("accuracy <= +0.5").judge(bare).to_dicts()
    assert (row["holds"], row["reason"]) == (None, NO_CHANGE)
    constraint = Constraint.parse("accuracy <= 0.5")
    [row] = constraint.judge(bare).to_dicts()
    assert (row["holds"], row["reason"]) == (None, "it has no interval")
    assert constraint.judge(bare, on="value")["holds"].to_list() == [True]


def test_of_several_models_one_is_judged():
    other = {"model": "other", "value": 0.1, "low": 0.0, "high": 0.2}
    dense = {"model": "dense", "method": "dense", "value": 1.0, "low": 1.0, "high": 1.0}
    constraint = Constraint.parse("accuracy >= 0.5")
    table = table_of(dense, ROW)
    assert constraint.judge(table)["value"].to_list() == [0.9]
    assert constraint.judge(table, "dense")["value"].to_list() == [1.0]
    table = table_of(dense, ROW, other)
    assert constraint.judge(table, "other")["value"].to_list() == [0.1]
    with pytest.raises(ConfigError, match="sparse, other: name the one"):
        constraint.judge(table)
    with pytest.raises(ConfigError, match="unknown model 'othr': did you mean other"):
        constraint.judge(table, "othr")
    assert of_model(table, "sparse").height == 1


def test_errors_name_the_constraint():
    with pytest.raises(ConfigError, match=r"constraint 'acuracy >= 0.5': unknown metric"):
        Budget.parse(["accuracy >= 0.5", "acuracy >= 0.5"]).judge(table_of(ROW))


def test_a_budget_is_all_its_constraints_once():
    budget = Budget.parse(["accuracy >= 0.5", "accuracy <= 0.9", "accuracy>=0.50"])
    assert [str(c) for c in budget.constraints] == ["accuracy >= 0.5", "accuracy <= 0.9"]
    judged = budget.judge(table_of(ROW))
    assert judged["constraint"].to_list() == ["accuracy >= 0.5", "accuracy <= 0.9"]
    assert outcome(judged) == "broken"
    assert decisive(judged)["constraint"] == "accuracy <= 0.9"


@pytest.fixture(scope="module")
def planted(build):
    """An audit of answers in which the sparse model answers 8 of 400 women's questions wrong."""
    n = 800
    labels = np.tile([[0], [1]], (n // 2, 1))
    men = np.arange(n) % 4 < 2
    logits = labels * 8.0 - 4.0
    wrong = np.flatnonzero(~men)[:8]
    sparse = logits.copy()
    sparse[wrong] *= -1
    groups = {"Male": men}
    dense = build(labels, logits, groups=groups, names=("Smiling",), name="dense")
    damaged = build(labels, sparse, groups=groups, names=("Smiling",), name="sparse")
    return audit(dense, damaged, train_rates=dense.samples.rates(), replicates=2000)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("accuracy >= -0.011", "met"),
        ("accuracy >= -0.009", "broken"),
        ("accuracy[Male=False] >= -0.021", "met"),
        ("accuracy[Male=False] >= -0.019", "broken"),
        ("accuracy[Male=True] >= +0", "met"),
        ("accuracy[Male] >= -0.019", "broken"),
        ("accuracy_difference[Male] <= +0.021", "met"),
        ("accuracy_difference[Male] <= +0.019", "broken"),
        ("flip_rate[attribute:Smiling, Male=False] <= 0.021", "met"),
        ("flip_rate[attribute:Smiling, Male=False] <= 0.019", "broken"),
    ],
)
def test_planted_damage_of_known_size(planted, text, expected):
    assert outcome(Constraint.parse(text).judge(planted.table, on="value")) == expected


def test_planted_damage_within_the_value_may_lie_outside_by_the_interval(planted):
    constraint = Constraint.parse("accuracy[Male=False] >= -0.021")
    assert outcome(constraint.judge(planted.table)) == "broken"
    # 8 in 400: a normal interval reaches 0.02 + 1.96 * 0.007 = 0.0337
    assert outcome(Constraint.parse("accuracy[Male=False] >= -0.04").judge(planted.table)) == "met"
    [row] = constraint.judge(planted.table).to_dicts()
    assert row["end"] == pytest.approx(-0.0337, abs=0.003)
