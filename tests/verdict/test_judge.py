"""Rows written by hand, judged: which end decides, and what a row without a value means."""

import itertools

import pytest
from prunescope.gate import Condition
from prunescope.gate.judge import RANKS, check, sum_up

from prunescope.errors import ConfigError


def status_of(audit, **told):
    return check(Condition(**{"metric": "accuracy"} | told), audit.table, "sparse")


@pytest.mark.parametrize(
    ("told", "status"),
    [
        ({"gte": 0.88}, "pass"),
        ({"gte": 0.89}, "fail"),  # the value alone would pass
        ({"gte": 0.89, "by": "value"}, "pass"),
        ({"lte": 0.91}, "fail"),
        ({"lte": 0.92}, "pass"),
        ({"gte": -0.03, "relative": True}, "pass"),
        ({"gte": -0.029, "relative": True}, "fail"),
        ({"gte": -0.029, "relative": True, "by": "value"}, "pass"),
        ({"lte": 0.005, "relative": True}, "fail"),
        ({"gte": 0.87, "lte": 0.93}, "pass"),
        ({"gte": 0.87, "lte": 0.91}, "fail"),
        ({"gte": 0.89, "lte": 0.93}, "fail"),
        ({"gte": 0.89, "severity": "warning"}, "warn"),
        ({"gte": -1}, "pass"),
    ],
)
def test_the_unfavourable_end_decides_unless_the_value_is_asked(made, row, told, status):
    checked = status_of(made(row), **told)
    assert checked.status == status
    assert checked.n_rows == 1
    assert checked.n_broken == (status in ("fail", "warn"))


LEVELS = ("pass", "warn", "fail")


@pytest.mark.parametrize(
    ("key", "level", "severity"),
    [*itertools.product(("insufficient_support", "undefined"), LEVELS, ("error", "warning"))],
)
def test_a_row_without_a_value_is_what_the_policy_says(made, row, key, level, severity):
    """And no worse than a warning where the condition is one."""
    lacking = {"attribute": "Bald", "status": key, "reason": "why"}
    audit = made({**row, "attribute": "Smiling"}, lacking)
    checked = status_of(audit, attribute="*", gte=0.1, severity=severity, **{key: level})
    expected = "warn" if (severity, level) == ("warning", "fail") else level
    assert checked.status == expected
    assert (checked.n_rows, checked.n_broken, checked.n_untold) == (2, 0, 1)
    decides = "Smiling" if level == "pass" else "Bald"
    assert checked.row.attribute == decides
    assert ("why" in checked.text) == (level != "pass")
    assert checked.text.endswith("; none of 2 rows break it, 1 cannot be told")
    other = {"insufficient_support": "undefined", "undefined": "insufficient_support"}[key]
    assert status_of(audit, attribute="*", gte=0.1, **{other: "pass"}).status != "pass"


def test_by_default_too_little_support_warns_and_no_value_fails(made):
    few, none = ({"status": s, "reason": "why"} for s in ("insufficient_support", "undefined"))
    assert status_of(made(few), gte=0).status == "warn"
    assert status_of(made(none), gte=0).status == "fail"


def test_a_row_that_breaks_is_told_before_one_that_cannot_be_told(made, row):
    audit = made({**row, "attribute": "Smiling"}, {"attribute": "Bald", "status": "undefined"})
    checked = status_of(audit, attribute="*", gte=0.95)
    assert (checked.status, checked.row.attribute) == ("fail", "Smiling")
    assert (checked.n_broken, checked.n_untold) == (1, 1)


def test_what_fails_is_told_before_what_warns(made):
    rows = [
        {"attribute": "Bald", "status": "insufficient_support", "reason": "few"},
        {"attribute": "Smiling", "status": "undefined", "reason": "none"},
    ]
    assert status_of(made(*rows), attribute="*", gte=0).row.attribute == "Smiling"
    swapped = {"insufficient_support": "fail", "undefined": "warn"}
    assert status_of(made(*rows), attribute="*", gte=0, **swapped).row.attribute == "Bald"


def test_the_worst_of_several_rows_decides(made, row):
    rows = [{**row, "attribute": f"a{i}", "low": 0.9 - i / 100} for i in range(5)]
    checked = status_of(made(*rows), attribute="*", gte=0.875)
    assert checked.row.attribute == "a4"
    assert checked.row.excess == pytest.approx(0.015)
    assert (checked.n_rows, checked.n_broken) == (5, 2)
    chosen = status_of(made(*rows), attribute=["a0", "a1"], gte=0.875)
    assert (chosen.status, chosen.row.attribute, chosen.n_rows) == ("pass", "a1", 2)


def test_every_group_and_one_value(made, row):
    rows = [
        {**row, "group": "Male", "group_value": "True"},
        {**row, "group": "Male", "group_value": "False", "low": 0.5},
        {**row, "group": "Young", "group_value": "True", "low": 0.4},
    ]
    audit = made(*rows)
    assert status_of(audit, group="*", gte=0.3).row.place == "Young=True"
    assert status_of(audit, group="Male", gte=0.3).row.place == "Male=False"
    assert status_of(audit, group=["Male", "Young"], gte=0.3).n_rows == 3
    alone = status_of(audit, group="Male", group_value=True, gte=0.8)
    assert (alone.status, alone.n_rows) == ("pass", 1)


def test_support_below_the_policys_is_insufficient(made, row):
    audit = made({**row, "n": 99})
    assert status_of(audit, gte=0.8, min_support=99).status == "pass"
    checked = status_of(audit, gte=0.8, min_support=100)
    assert checked.status == "warn"
    assert checked.text == "over all: rests on 99 samples: the policy asks for 100"
    kept = {"status": "undefined", "reason": "constant", "n": 5}
    assert status_of(made(kept), gte=0.8, min_support=100).status == "fail"


def test_what_is_not_applicable_is_skipped_and_said(made, row):
    lacking = {"attribute": "Male", "status": "not_applicable", "reason": "Male is the group"}
    checked = status_of(made(lacking), attribute="*", gte=0)
    assert (checked.status, checked.text) == ("skip", "over all: Male is the group")
    mixed = status_of(made(lacking, {**row, "attribute": "Bald"}), attribute="*", gte=0)
    assert (mixed.status, mixed.n_rows) == ("pass", 1)


def test_a_change_that_no_row_has_is_an_error_and_one_that_some_lack_is_undefined(made, row):
    bare = {"value": 0.1, "low": 0.0, "high": 0.2}
    with pytest.raises(ConfigError, match=r"has no change from dense .* 'relative: false'"):
        status_of(made(bare), lte=0.5, relative=True)
    why = "the dense model has no value: constant"
    audit = made({**row, "attribute": "Bald"}, {**bare, "attribute": "Smiling", "reason": why})
    checked = status_of(audit, attribute="*", lte=0.5, relative=True)
    assert (checked.status, checked.row.attribute) == ("fail", "Smiling")
    assert why in checked.text
    let = status_of(audit, attribute="*", lte=0.5, relative=True, undefined="pass")
    assert let.status == "pass"


def test_a_row_without_an_interval_is_undefined(made, row):
    audit = made({**row, "attribute": "Bald"}, {"value": 0.9, "attribute": "Smiling"})
    checked = status_of(audit, attribute="*", gte=0.1)
    assert (checked.status, checked.text[:30]) == ("fail", "Smiling: it has no interval; n")
    assert status_of(audit, attribute="*", gte=0.1, by="value").status == "pass"


def test_a_model_is_as_good_as_its_worst_condition_and_fails_where_nothing_is_judged(made, row):
    audit = made(row)
    checks = {s: status_of(audit, gte=0.1).model_copy(update={"status": s}) for s in RANKS}
    for some in itertools.product(RANKS, repeat=2):
        found = sum_up("sparse", [checks[s] for s in some]).status
        worst = next(s for s in reversed(RANKS) if s in some)
        assert found == ("fail" if worst == "skip" else worst)
    assert sum_up("sparse", [checks["skip"]]).text == "1 skip: nothing was judged"
    told = sum_up("sparse", [checks[s] for s in (*RANKS, "pass")])
    assert told.text == "1 fail, 1 warn, 2 pass, 1 skip"
