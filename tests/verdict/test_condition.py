"""What a condition stands for, and what makes no condition."""

import pytest
from prunescope.gate import Condition
from pydantic import ValidationError


@pytest.mark.parametrize(
    ("told", "title"),
    [
        ({"gte": 0.9}, "accuracy >= 0.9"),
        ({"gte": -0.005, "relative": True}, "accuracy >= -0.005"),
        ({"gte": -0.005}, "accuracy >= (-0.005)"),
        ({"lte": 0, "relative": True}, "accuracy <= +0.0"),
        ({"gte": 0.8, "lte": 1.2}, "accuracy >= 0.8 and accuracy <= 1.2"),
        ({"gte": 1, "attribute": "*", "group": "*"}, "accuracy[attribute:*, group:*] >= 1.0"),
        (
            {"gte": 1, "attribute": ["Bald", "a,b"], "group": "Male", "group_value": True},
            'accuracy[attribute:Bald, Male=True] >= 1.0 and accuracy[attribute:"a,b", Male=True] '
            ">= 1.0",
        ),
        ({"gte": 1, "name": "mine"}, "mine"),
    ],
)
def test_a_condition_is_a_budget(told, title):
    assert Condition(metric="accuracy", **told).title == title


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({}, "no limit: expected 'gte: NUMBER'"),
        ({"gte": 1, "lte": 0.5}, r"no number is at least 1.0 \(gte\) and at most 0.5 \(lte\)"),
        ({"lte": "0.05"}, r"'0.05' is text: expected a number, such as 0.05 or 1.0e-3"),
        ({"lte": float("nan")}, "finite number"),
        ({"lte": float("inf")}, "finite number"),
        ({"lte": True}, "valid number"),
        ({"lte": 1, "attribute": 5}, "5: expected a name or a list of names, numbers in quotes"),
        ({"lte": 1, "group": ["a", None]}, "expected a name or a list of names"),
        ({"lte": 1, "group": []}, "an empty list names nothing"),
        ({"lte": 1, "group_value": "True"}, "value 'True' of no group"),
        ({"lte": 1, "group": "*", "group_value": "True"}, "value 'True' of every group"),
        ({"lte": 1, "group": "Male", "group_value": 0.5}, "expected a value of the group"),
        ({"lte": 1, "name": "a\nb"}, "expected one line of text"),
        ({"lte": 1, "name": " "}, "expected one line of text"),
        ({"lte": 1, "severity": "info"}, "'error' or 'warning'"),
        ({"lte": 1, "min_support": -1}, "greater than or equal to 0"),
        ({"lte": 1, "max": 1}, "Extra inputs"),
    ],
)
def test_what_is_no_condition(told, message):
    with pytest.raises(ValidationError, match=message):
        Condition(metric="accuracy", **told)
