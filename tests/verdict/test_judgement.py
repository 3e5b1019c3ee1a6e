"""Verdicts: the answer that follows, and all of it in words."""

import itertools

import pytest

from prunescope.verdict import WORDS, Criterion, Judge, Judged, ModelVerdict, Policy, Row, Verdict
from prunescope.verdict.judgement import shown

KINDS = {
    "severe": {"state": "broken", "severity": "severe"},
    "moderate": {"state": "broken", "severity": "moderate"},
    "open": {"state": "open"},
    "not judged": {"state": "not judged"},
    "held": {"state": "held"},
    "absent": {"state": "absent"},
}


def said(kind, decides=True, name="c"):
    return Judged(criterion=name, metric="accuracy", decides=decides, reason="why", **KINDS[kind])


def model(*kinds):
    """Sum up criteria: a kind, and whether it decides."""
    return ModelVerdict.of("m", [said(*kind) for kind in kinds])


ALL = list(itertools.product(KINDS, (True, False)))


@pytest.mark.parametrize(("first", "second"), list(itertools.combinations(ALL, 2)))
def test_the_answer_of_two_criteria(first, second):
    """As the table of docs/verdict.md says, cell by cell."""
    both = {first, second}
    kinds = {kind for kind, _ in both}
    decides = {kind for kind, deciding in both if deciding}
    if "severe" in kinds:
        expected = "stop"
    elif decides & {"open", "not judged"} or not kinds - {"absent", "not judged"}:
        expected = "unknown"
    elif kinds & {"moderate", "open", "not judged"}:
        expected = "care"
    else:
        expected = "ship"
    verdict = model(first, second)
    assert verdict.answer == expected
    assert verdict.passed == (expected in ("ship", "care"))
    assert model(second, first).answer == expected


def test_nothing_is_no_ship():
    assert model().answer == "unknown"
    assert model(("absent", False)).answer == "unknown"
    assert not model(("not judged", False)).passed


def test_what_keeps_a_model_from_being_shipped():
    several = [
        said("held", name="a"), said("moderate", name="b"), said("severe", False, "c"),
        said("open", name="d"), said("open", False, "e"), said("not judged", name="f"),
    ]  # fmt: skip
    stop = ModelVerdict.of("m", several)
    assert [one.criterion for one in stop.blocking] == ["c"]
    unknown = ModelVerdict.of("m", [one for one in several if one.criterion != "c"])
    assert [one.criterion for one in unknown.blocking] == ["d", "f"]
    care = ModelVerdict.of("m", [one for one in several if one.criterion in "abe"])
    assert (care.answer, care.blocking) == ("care", [])
    assert stop.text == "2 broken, 2 open, 1 not judged, 1 held"
    assert [one.criterion for one in stop.having("broken", "open")] == ["c", "b", "d", "e"]


PLACES = {"attribute": None, "group": None, "group_value": None}
USUAL = {
    "metric": "accuracy", "value": 0.9, "baseline": 0.95, "low": -0.06, "high": -0.04,
    "damage": 0.05, "reach": 0.058, "q": 0.001, "n": 900, "more": None, "unit": "images",
    "state": "severe", "reason": None, **PLACES,
}  # fmt: skip


@pytest.mark.parametrize(
    ("told", "place", "figure"),
    [
        ({}, "over all", "95.0 → 90.0% (−6.0 to −4.0 points)"),
        ({"attribute": "5-o-clock"}, "5-o-clock", None),
        ({"group": "Male"}, "Male", None),
        ({"attribute": "Bald", "group": "Male", "group_value": "True"}, "Bald by Male=True", None),
        ({"low": None}, "over all", "95.0 → 90.0%"),
        ({"baseline": None, "low": 0.88, "high": 0.92}, "over all", "90.0% (88.0 to 92.0%)"),
        ({"baseline": None, "low": None}, "over all", "90.0%"),
        ({"value": None, "reason": "too few"}, "over all", "too few"),
        ({"value": None}, "over all", "it has no value"),
        (
            {
                "metric": "rare_value_ratio",
                "value": 0.21,
                "baseline": 0.9,
                "low": -0.8,
                "high": -0.6,
            },
            "over all",
            "0.90 → 0.21 (−0.80 to −0.60)",
        ),
    ],
)
def test_a_row_in_words(told, place, figure):
    row = Row(**USUAL | told)
    assert row.place == place
    assert figure is None or row.figure == figure


TEXTS = {
    "broken": ({"n_broken": 3, "n_rows": 18}, {"attribute": "Bald"},
        "Bald: 95.0 → 90.0% (−6.0 to −4.0 points), limit 2.0 points; and 2 more of 18 at "
        "or beyond a limit"),
    "broken alone": ({"n_broken": 1}, {}, "95.0 → 90.0% (−6.0 to −4.0 points), limit 2.0 points"),
    "open": ({"n_open": 1}, {"more": 1234, "state": "open"},
        "95.0 → 90.0% (−6.0 to −4.0 points); 5.8 points worse cannot be ruled out, limit 2.0 "
        "points; about 1,200 more images would tell"),
    "open and others": ({"n_open": 3, "n_untold": 2, "n_rows": 9}, {"state": "open"},
        "95.0 → 90.0% (−6.0 to −4.0 points); 5.8 points worse cannot be ruled out, limit 2.0 "
        "points; 2 more open; 2 not judged"),
    "open without interval": ({"n_open": 1},
        {"state": "open", "reach": None, "low": None, "reason": "it has no interval"},
        "95.0 → 90.0%, it has no interval"),
    "open, not judged": ({"n_untold": 2, "n_rows": 5},
        {"state": "not judged", "reason": "too few", "attribute": "Bald"},
        "Bald: too few; so for 2 of 5"),
    "not judged": ({}, {"state": "not judged", "reason": "too few", "group": "Male"},
        "Male: too few"),
    "held": ({}, {"reach": 0.012, "attribute": "Bald"},
        "Bald: at most 1.2 points worse, limit 2.0 points"),
    "held, almost": ({}, {"reach": 0.01999}, "at most 1.999 points worse, limit 2.0 points"),
    "held, better": ({}, {"reach": -0.01, "value": 0.97, "low": 0.01, "high": 0.03},
        "not worse (95.0 → 97.0% (+1.0 to +3.0 points))"),
}  # fmt: skip


@pytest.mark.parametrize(("counts", "row", "text"), TEXTS.values(), ids=TEXTS)
def test_a_criterion_in_words(request, counts, row, text):
    state = request.node.callspec.id.split(",")[0].split(" alone")[0].split(" and")[0]
    state = {"open without interval": "open"}.get(state, state)
    one = Judged(
        criterion="c", metric="accuracy", state=state, limit=0.02, rows=[Row(**USUAL | row)],
        **{"n_rows": 1, **counts},
    )  # fmt: skip
    assert one.text == text


@pytest.mark.parametrize(
    ("told", "state", "text"),
    [
        ({"gte": 0.89}, "open", "90.0% (88.0 to 92.0%), limit at least 89.0%; about"),
        ({"gte": 0.95}, "broken", "90.0% (88.0 to 92.0%), limit at least 95.0%"),
        (
            {"gte": 0.1, "lte": 0.99},
            "held",
            "90.0% (88.0 to 92.0%), limit at least 10.0% and at most 99.0%",
        ),
        (
            {"gte": -0.03, "relative": True},
            "held",
            "91.0 → 90.0% (−2.0 to ±0 points), limit at least −3.0 points from dense",
        ),
    ],
)
def test_a_bound_tells_what_it_is_about_and_its_limit(made, row, told, state, text):
    """A bound on the value shows the value and its interval, not the change."""
    policy = Policy(version=2, criteria=[Criterion(metric="accuracy", name="mine", **told)])
    [found] = Judge(made(row), policy).findings("sparse")
    assert found.judged.state == state
    assert found.judged.text.startswith(text)
    assert (found.judged.bounded, found.judged.limit) == (True, None)


def test_names_are_shown_on_one_line_without_control_characters():
    assert shown("a\n b\tc") == "a b c"
    assert shown("a\x1b[2J\x00\u202e") == "a�[2J��"
    assert len(shown("x" * 1000)) == 80
    place = Row(**USUAL | {"attribute": "a\x1b", "group": "g\n", "group_value": "\x00"}).place
    assert place == "a� by g =�"


def test_the_gate_in_one_line():
    models = [
        ModelVerdict(model=name, answer=answer, criteria=[])
        for name, answer in zip("abcdef", [*WORDS, "ship", "stop"], strict=True)
    ]
    verdict = Verdict(answer="ship", text="", answers={}, models=models)
    assert verdict.gate == "not passed by 3 of 6 models: c, d and f"
    assert not verdict.passed
    fine = verdict.model_copy(update={"models": models[:2]})
    assert (fine.gate, fine.passed) == ("passed by 2 models: a and b", True)
    one = verdict.model_copy(update={"models": models[2:3]})
    assert one.gate == "not passed by 1 of 1 model: c"
    assert verdict.of("d").answer == models[3].answer


def test_a_verdict_comes_back_from_json(hostile):
    told = {"metric": "accuracy", "attribute": "*", "group": "*", "gte": 0}
    verdict = Policy(version=2, criteria=[Criterion(**told)]).judge(hostile)
    assert Verdict.model_validate_json(verdict.model_dump_json()) == verdict
    assert "NaN" not in verdict.model_dump_json()
