"""One sentence for several models, and for several audits."""

import pytest

from prunescope.audit import ModelInfo
from prunescope.predictions import Compression, Metadata
from prunescope.verdict import ModelVerdict, together
from prunescope.verdict.answers import conclude


def told(answers, members=None, sparsities=None):
    """Conclude for models of some answers; a name is its sparsity in percent, where it is one."""
    sparsities = sparsities or {}
    judged = [ModelVerdict(model=name, answer=a, criteria=[]) for name, a in answers.items()]
    members = members or {}
    inside = {seed for seeds in members.values() for seed in seeds}
    models = [
        ModelInfo(
            name=name,
            baseline="dense",
            metadata=Metadata(
                name=name,
                compression=Compression(
                    sparsity=sparsities.get(name, int(name) / 100 if name.isdigit() else 0)
                ),
            ),
        )
        for name in [*members, *(name for name in answers if name not in inside)]
    ]
    return conclude(judged, models, members)


@pytest.mark.parametrize(
    ("answers", "answer", "text"),
    [
        ({"80": "ship"}, "ship", "Ship."),
        ({"80": "care"}, "care", "Ship with care."),
        ({"80": "stop"}, "stop", "Do not ship."),
        ({"80": "unknown"}, "unknown", "Cannot tell."),
        ({"80": "ship", "90": "ship"}, "ship", "Ship any of them."),
        ({"80": "care", "90": "care"}, "care", "Ship any of them with care."),
        ({"80": "stop", "90": "stop"}, "stop", "Do not ship any of them."),
        ({"80": "unknown", "90": "unknown"}, "unknown", "Cannot tell for any of them."),
        (
            {"80": "ship", "90": "care", "95": "stop", "99": "stop"},
            "ship",
            "Ship: at most 80% of weights removed. Ship with care: at most 90% of weights removed. "
            "Do not ship: more than 90% removed.",
        ),
        (
            {"80": "ship", "95": "stop"},
            "ship",
            "Ship: at most 80% of weights removed. Do not ship: more than 80% removed.",
        ),
        ({"80": "stop", "95": "ship"}, "ship", "Ship: 95. Do not ship: 80."),
        (
            {"80": "unknown", "95": "ship"}, "ship", "Ship: 95. Cannot tell: 80.",
        ),
        (
            {"80": "ship", "90": "stop", "95": "unknown"},
            "ship",
            "Ship: at most 80% of weights removed. Do not ship: 90. Cannot tell: 95.",
        ),
        ({"int8": "ship", "80": "stop"}, "ship", "Ship: int8. Do not ship: 80."),
        (
            {"int8": "ship", "80": "ship", "95": "stop"},
            "ship",
            "Ship: int8 and at most 80% of weights removed. Do not ship: more than 80% removed.",
        ),
        ({"a": "care", "b": "unknown"}, "care", "Ship with care: a. Cannot tell: b."),
    ],
)  # fmt: skip
def test_several_models(answers, answer, text):
    verdict = told(answers)
    assert (verdict.answer, verdict.answers, verdict.text) == (answer, answers, text)


@pytest.mark.parametrize(
    ("seeds", "answer", "disagree"),
    [
        (["ship", "ship"], "ship", []),
        (["ship", "care"], "care", ["Ship: p-0. Ship with care: p-1."]),
        (["care", "unknown"], "unknown", ["Ship with care: p-0. Cannot tell: p-1."]),
        (["unknown", "stop"], "stop", ["Do not ship: p-1. Cannot tell: p-0."]),
        (["stop", "stop"], "stop", []),
    ],
)
def test_a_population_is_as_good_as_its_worst_seed(seeds, answer, disagree):
    """One of them is shipped; that seeds disagree is told."""
    names = [f"p-{i}" for i in range(len(seeds))]
    verdict = told(dict(zip(names, seeds, strict=True)), {"p": names})
    assert verdict.answer == verdict.answers["p"] == answer
    assert verdict.seeds_disagree == [f"The seeds of p disagree. {one}" for one in disagree]
    assert verdict.passed == (answer in ("ship", "care"))


def test_names_cannot_break_the_line():
    verdict = told({"a\x1b[2J\n": "ship", "b": "stop"})
    assert verdict.text == "Ship: a�[2J. Do not ship: b."


def test_one_audit_stands_as_it_is_and_of_several_models_go_by_both_names():
    first, second = told({"80": "ship", "95": "stop"}), told({"80": "unknown"})
    assert together({"a": first}) is first
    both = together({"runs/a": first, "b": second})
    assert [one.model for one in both.models] == ["80 (runs/a)", "95 (runs/a)", "80 (b)"]
    assert both.text == (
        "runs/a – Ship: at most 80% of weights removed. Do not ship: more than 80% removed. "
        "b – Cannot tell."
    )
    assert both.answers == {"80 (runs/a)": "ship", "95 (runs/a)": "stop", "80 (b)": "unknown"}
    assert (both.answer, both.passed) == ("ship", False)
    assert both.gate == "not passed by 2 of 3 models: 95 (runs/a) and 80 (b)"


def test_of_several_audits_seeds_that_disagree_are_told_with_the_audit():
    disagree = told({"p-0": "ship", "p-1": "stop"}, {"p": ["p-0", "p-1"]})
    both = together({"a": disagree, "b": told({"80": "ship"})})
    assert both.seeds_disagree == ["a: The seeds of p disagree. Ship: p-0. Do not ship: p-1."]
