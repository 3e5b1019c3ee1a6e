import pytest

from prunescope.report import notes, words
from prunescope.report.structure import Estimate


def row(value, dense=1.0, metric="rare_value_ratio", attribute="Bald", **more):
    delta = round(value - dense, 9)
    fields = {"model": "m", "status": "ok", "metric": metric, "attribute": attribute}
    return Estimate(**fields | {"value": value, "delta": delta} | more)


def tell(kind, rows, total=1, noun="attribute", n_broken=0):
    return words.sentence(kind, rows, total, noun, n_broken)


@pytest.mark.parametrize(
    ("rows", "clause"),
    [
        ([row(0.0, 0.1)], "the rarer answer is never given any more for Bald"),
        ([row(0.001, 0.1)], "the rarer answer is given too seldom for Bald"),
        (
            [row(0.001)],
            "the rarer answer is given less than half as often as it is true for Bald",
        ),
        ([row(0.6)], "the rarer answer is given too seldom for Bald"),
        (
            [row(0.4, attribute="a"), row(0.0, 0.3, attribute="b")],
            "the rarer answer is never given any more for b",
        ),
        (
            [row(0.4, attribute=name) for name in "abcd"],
            "the rarer answer is given less than half as often as it is true for a, b and 2 more",
        ),
    ],
)
def test_rare_values_fade_is_no_stronger_than_the_numbers(rows, clause):
    assert tell(("rare_value_ratio", True, False, "falls"), rows, 5)[1] == clause


def test_a_long_list_names_the_worst_three():
    rows = [row(0.1 * i, attribute=f"a{i}") for i in range(1, 6)]
    text, _ = tell(("rare_value_ratio", True, False, "falls"), rows, 40)
    assert text == (
        "on 5 of 40 attributes the rarer answer is given too seldom, and more seldom than by the "
        "dense model. Most: a1 (1.00 → 0.10), a2 (1.00 → 0.20) and a3 (1.00 → 0.30)."
    )


@pytest.mark.parametrize(
    ("n_broken", "told"),
    [
        (0, "falls on 3 of 40 attributes:"),
        (2, "falls on 3 of 40 attributes (2 at or beyond a limit):"),
        (3, "falls on 3 of 40 attributes:"),
    ],
)
def test_how_many_are_at_a_limit_is_told_where_not_all_are_or_none(n_broken, told):
    rows = [row(0.9, metric="accuracy", attribute=name) for name in "abc"]
    assert told in tell(("accuracy", True, False, None), rows, 40, n_broken=n_broken)[0]


@pytest.mark.parametrize(
    ("value", "side"),
    [("True", "Age"), ("False", "not Age"), ("old", "Age = old"), (None, "Age")],
)
def test_sides_of_a_group(value, side):
    at = row(0.1, metric="bias_amplification", group="Age", group_value=value)
    assert words.side(at) == side


def test_a_change_carries_its_interval_where_it_has_one():
    bare = row(0.9, 0.95, metric="accuracy")
    assert words.change(bare) == "−5.0 points"
    whole = bare.model_copy(update={"delta_low": -0.08, "delta_high": -0.02})
    assert words.change(whole) == "−5.0 points (−8.0 to −2.0)"


def test_gaps_between_groups():
    wider = row(0.3, 0.1, metric="equal_opportunity_difference", attribute=None, group="Male")
    text, clause = tell(("equal_opportunity_difference", False, True, None), [wider])
    assert text == "the gap between groups widens, for Male by +20.0 points."
    assert clause == "the gap in true positive rate by Male widens by 20.0 points"


def test_flips_without_labels():
    flips = row(0.5, metric="flip_rate", attribute=None).model_copy(update={"delta": None})
    harmful = flips.model_copy(update={"value": None})
    text, _ = notes.flips(flips, harmful, harmful)
    assert text.startswith("50.0% of answers differ from those of the dense model. How many would")


def flipping(**more):
    flips = row(0.07, 0.05, metric="flip_rate", attribute=None, baseline=0.05, **more)
    return notes.flips(flips, None, None)[0]


@pytest.mark.parametrize(
    ("more", "text"),
    [
        (
            {"supported": True, "q_value": 0.01, "verdict": "worse"},
            "so compression changes more than a new seed does: +2.0 points.",
        ),
        (
            {"q_value": 0.2, "verdict": "no evidence"},
            "; that compression changes another number of answers than a new seed cannot be told "
            "from chance: +2.0 points.",
        ),
        (
            {"q_value": 0.01, "verdict": "negligible"},
            "; that compression changes more is negligible: +2.0 points.",
        ),
        ({}, "; the difference is +2.0 points, not tested."),
    ],
)
def test_flips_stand_beside_churn_with_their_difference(more, text):
    told = flipping(**more)
    assert "Two dense models differ in 5.0% (churn)" in told
    assert told.endswith(text)


def test_fewer_flips_than_churn_are_told_so():
    flips = row(0.03, 0.05, metric="flip_rate", attribute=None, q_value=0.01, supported=True)
    assert (
        "so compression changes less than a new seed does: −2.0"
        in notes.flips(flips, None, None)[0]
    )


def test_right_answers_that_are_lost():
    lost = row(0.07, metric="harmful_flip_rate", attribute=None).model_copy(update={"delta": None})
    text, clause = tell(("harmful_flip_rate", False, False, None), [lost])
    assert (text, clause) == (f"{clause}.", "7.0% of labelled answers went from right to wrong")
    beyond = lost.model_copy(update={"delta": 0.02, "delta_low": 0.01, "delta_high": 0.03})
    assert tell(("top1_harmful_flip_rate", False, False, None), [beyond], noun="class")[0] == (
        "7.0% of labelled images went from right to wrong, +2.0 points (+1.0 to +3.0) beyond churn."
    )


def test_means_that_drift_and_lean():
    drift = row(0.8, 1.0, metric="rare_value_ratio", attribute=None)
    text, clause = tell(("rare_value_ratio", False, False, None), [drift])
    assert text == "the mean rare-value ratio is further from 1, from 1.00 to 0.80, −0.20."
    assert clause == "the mean rare-value ratio goes from 1.00 to 0.80"
    lean = row(-0.05, 0.01, metric="bias_amplification", attribute=None, group="Male")
    text, clause = tell(("bias_amplification", False, True, None), [lean])
    assert text == (
        "over all attributes, away from Male (+1.0 → −5.0 points), further than with the dense "
        "model."
    )
    assert clause == "answers lean 6.0 points further away from Male on average"
