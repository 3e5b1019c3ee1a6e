"""What a criterion stands for, and what makes none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from prunescope.audit.where import Where
from prunescope.errors import ConfigError
from prunescope.verdict import Criterion


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
        ({"severe": 0.02}, "accuracy worse by 0.02"),
        ({"moderate": 0.005, "severe": 0.02}, "accuracy worse by 0.005"),
        (
            {"moderate": 0.1, "metric": "rare_value_ratio", "attribute": "*", "way": "falls"},
            "rare_value_ratio[attribute:*] falls by 0.1",
        ),
        (
            {"moderate": 0, "attribute": ["Bald", "Smiling"]},
            "accuracy[attribute:Bald] and accuracy[attribute:Smiling] worse by 0",
        ),
    ],
)
def test_titles(told, title):
    criterion = Criterion(**{"metric": "accuracy"} | told)
    assert criterion.title == str(criterion) == title


NO_LIMIT = "expected limits of the damage, 'moderate: NUMBER' and 'severe: NUMBER', or a bound"


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({}, NO_LIMIT),
        ({"gte": 0.1, "severe": 0.1}, NO_LIMIT),
        ({"gte": 1, "lte": 0.5}, r"no number is at least 1.0 \(gte\) and at most 0.5 \(lte\)"),
        ({"moderate": 0.2, "severe": 0.1}, r"moderate \(0.2\) lies beyond severe \(0.1\)"),
        ({"moderate": -0.1}, "greater than or equal to 0"),
        ({"severe": "5%"}, "'5%' is text: expected a number"),
        ({"lte": 1, "way": "falls"}, "'way' belongs to 'moderate' and 'severe'"),
        ({"severe": 1, "way": "down"}, "'falls' or 'rises'"),
        ({"severe": 1, "relative": True}, "'relative' belongs to 'gte' and 'lte'"),
        (
            {"severe": 1, "metric": "interdependence"},
            "interdependence is neither better nor worse: bound it, with 'gte' or 'lte'",
        ),
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
        ({"lte": 1, "severity": "info"}, "'moderate' or 'severe'"),
        ({"lte": 1, "task": "regression"}, "'multilabel' or 'multiclass'"),
        ({"lte": 1, "optional": "yes"}, "valid boolean"),
        ({"lte": 1, "max": 1}, "Extra inputs"),
    ],
)
def test_what_is_no_criterion(told, message):
    with pytest.raises(ValidationError, match=message):
        Criterion(**{"metric": "accuracy"} | told)


@pytest.mark.parametrize(
    ("told", "limits", "to_rule_out"),
    [
        ({"moderate": 0.005, "severe": 0.02}, [("severe", 0.02), ("moderate", 0.005)], 0.005),
        (
            {"moderate": 0.005, "severe": 0.02, "attribute": "*"},
            [("severe", 0.02), ("moderate", 0.005)],
            0.02,
        ),
        ({"severe": 0.02}, [("severe", 0.02)], 0.02),
        ({"moderate": 0.005, "attribute": "Bald"}, [("moderate", 0.005)], 0.005),
        ({"gte": 0.9}, [("severe", 0.0)], 0.0),
        ({"gte": 0.9, "severity": "moderate", "attribute": "*"}, [("moderate", 0.0)], 0.0),
    ],
)
def test_limits(told, limits, to_rule_out):
    """Single attributes are named where severe damage is open; all together, where moderate is."""
    criterion = Criterion(metric="accuracy", **told)
    assert (criterion.limits, criterion.to_rule_out) == (limits, to_rule_out)


def test_places():
    told = Criterion(metric="tpr", gte=0, attribute=["a", "b"], group="Male", group_value=False)
    assert told.wheres == [Where("a", "Male", "False"), Where("b", "Male", "False")]
    assert told.single
    assert not Criterion(metric="tpr", gte=0, group="Male").single


names = st.none() | st.text(min_size=1).map(str.strip).filter(bool)


@given(
    names,
    names,
    st.sampled_from(["gte", "lte"]),
    st.floats(-1e6, 1e6).map(lambda x: round(x, 6) + 0.0),
    st.booleans(),
)
def test_a_bound_is_read_as_it_is_written(attribute, group, side, number, relative):
    written = Criterion(
        metric="accuracy", attribute=attribute, group=group, relative=relative, **{side: number}
    )
    assert Criterion.parse(str(written)) == written


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("accuracy>=.9", {"gte": 0.9}),
        (" accuracy > -0.005 ", {"gte": -0.005, "relative": True}),
        ("accuracy < (-0.1)", {"lte": -0.1}),
        ("accuracy <= ( 0.1 )", {"lte": 0.1}),
        ("accuracy <= +1e-3", {"lte": 0.001, "relative": True}),
        ("accuracy[Male=True] <= 1", {"lte": 1, "group": "Male", "group_value": "True"}),
        ("accuracy[group:*, *] <= 1", {"lte": 1, "attribute": "*", "group": "*"}),
    ],
)
def test_bounds_in_text(text, told):
    assert Criterion.parse(text) == Criterion(metric="accuracy", **told)


@pytest.mark.parametrize(
    "text",
    ["", "accuracy", "accuracy = 1", "accuracy >= one", "accuracy >= 1%", "accuracy >= (1",
     "a b <= 1", "accuracy[ >= 1", "accuracy[] >= 1", "accuracy[Male=] <= 1", "accuracy >= nan",
     ">= 1"],
)  # fmt: skip
def test_texts_that_are_no_bounds(text):
    with pytest.raises(ConfigError, match="expected"):
        Criterion.parse(text)
