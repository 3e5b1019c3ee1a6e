"""Verdicts in words."""

import pytest
from prunescope.gate import Condition, Policy, Row, Verdict
from prunescope.gate.judge import check
from prunescope.gate.verdict import shown


def row_with(**told):
    usual = dict.fromkeys(("attribute", "group", "group_value", "low", "high", "n", "reason"))
    usual |= {"value": 0.05, "status": "ok", "operator": "<=", "limit": 0.05, "excess": 0.0}
    return Row(**{**usual, "relative": False} | told)


@pytest.mark.parametrize(
    ("told", "text"),
    [
        ({}, "over all: 0.05, limit 0.05"),
        ({"value": 0.050001}, "over all: 0.050001, limit 0.05"),  # not 0.0500, which would pass
        ({"value": 0.00001}, "over all: 0.00001, limit 0.05"),
        ({"attribute": "5-o-clock"}, "5-o-clock: 0.05, limit 0.05"),
        ({"group": "Male"}, "Male: 0.05, limit 0.05"),
        ({"group": "Male", "group_value": "True"}, "Male=True: 0.05, limit 0.05"),
        (
            {"attribute": "Bald", "group": "Male", "value": -0.12, "low": -0.2, "high": 0.1,
             "limit": -0.1, "relative": True},
            "Bald by Male: −0.1200 (−0.2000 to +0.1000), limit −0.1",
        ),
        ({"relative": True, "limit": 0.0, "value": 0.0}, "over all: +0, limit +0"),
        (
            {"value": 0.04, "low": 0.02, "high": 0.06, "excess": 0.01},
            "over all: 0.0400 (0.0200 to 0.0600), limit 0.05, exceeded by the high end",
        ),
        (
            {"value": 0.06, "low": 0.04, "high": 0.07, "excess": 0.01, "operator": ">="},
            "over all: 0.0600 (0.0400 to 0.0700), limit 0.05, missed by the low end",
        ),
        ({"value": 0.04, "excess": -0.01}, "over all: 0.0400, limit 0.05"),
        ({"value": None, "excess": None, "reason": "why"}, "over all: why"),
    ],
)  # fmt: skip
def test_a_row_in_words(told, text):
    assert row_with(**told).text == text


def test_names_are_shown_on_one_line_without_control_characters():
    assert shown("a\n b\tc") == "a b c"
    assert shown("a\x1b[2J\x00\u202e") == "a�[2J��"
    assert len(shown("x" * 1000)) == 80
    place = row_with(attribute="a\x1b", group="g\n", group_value="\x00").place
    assert place == "a� by g =�"


def test_the_whole_in_one_line(made, row):
    audit = made(*[{**row, "model": m} for m in "abcde"], models=tuple("abcde"))
    text = "{version: 1, conditions: [{metric: accuracy, gte: %s, severity: %s}]}"
    told = {
        (0.1, "error"): "passed by 5 of 5 models: a, b, c and 2 more",
        (0.9, "error"): "not passed by 5 of 5 models: a, b, c and 2 more",
        (0.9, "warning"): "passed, with warnings for 5 of 5 models: a, b, c and 2 more",
    }
    for values, expected in told.items():
        verdict = Policy.parse(text % values).judge(audit)
        assert verdict.text == expected
        assert verdict.passed == (values != (0.9, "error"))


def test_a_verdict_comes_back_from_json(hostile):
    policy = Policy(
        version=1, conditions=[{"metric": "accuracy", "attribute": "*", "group": "*", "gte": 0}]
    )
    verdict = policy.judge(hostile)
    assert Verdict.model_validate_json(verdict.model_dump_json()) == verdict


def test_one_row_is_told_without_counting(made, row):
    checked = check(Condition(metric="accuracy", gte=0.1), made(row).table, "sparse")
    assert checked.text == "over all: 0.9000 (0.8800 to 0.9200), limit 0.1"
