import pytest

from prunescope.audit import ModelInfo
from prunescope.predictions import Compression, Metadata
from prunescope.report import build
from prunescope.report.decision import ANSWERS, decide
from prunescope.report.findings import SEVERITIES
from prunescope.report.structure import Finding


def compressed(name, sparsity, **counted):
    how = Compression(method="gmp", sparsity=sparsity, **counted)
    return ModelInfo(name=name, baseline="dense", metadata=Metadata(name=name, compression=how))


def told(*severities, sparsities=None):
    """Decide on models a, b, … of the severities, at 50%, 60%, … or at other sparsities."""
    sparsities = sparsities or [0.5 + i / 10 for i in range(len(severities))]
    models = [compressed("abcdefg"[i], s) for i, s in enumerate(sparsities)]
    names = {m.name: severity for m, severity in zip(models, severities, strict=True)}
    return decide(models, names, [], "a", {}).text


@pytest.mark.parametrize(
    ("severity", "text"),
    [
        ("none", "Ship."),
        ("slight", "Ship."),
        ("moderate", "Ship with care."),
        ("severe", "Do not ship."),
        ("unknown", "Cannot tell."),
    ],
)
def test_one_model_is_decided_by_its_gravest_finding(severity, text):
    assert told(severity) == text


def test_every_severity_of_a_model_has_an_answer():
    assert set(ANSWERS) == set(SEVERITIES) - {"note"}


@pytest.mark.parametrize(
    ("severities", "text"),
    [
        (["none", "slight"], "Ship any of them."),
        (["moderate", "moderate"], "Ship with care, any of them."),
        (["severe", "severe"], "Do not ship any of them."),
        (["unknown", "unknown"], "Cannot tell of any of them."),
        (["none", "slight", "severe"], "Ship up to 60% of weights removed; not beyond."),
        (
            ["none", "moderate", "severe"],
            "Ship up to 50% of weights removed; with care up to 60% of weights removed; "
            "not beyond.",
        ),
        (["moderate", "severe"], "Ship with care up to 50% of weights removed; not beyond."),
        (["severe", "none"], "Ship b; not a."),
        (["severe", "unknown"], "Do not ship a; cannot tell of b."),
        (["none", "unknown"], "Ship up to 50% of weights removed; cannot tell of b."),
    ],
)
def test_several_models_are_named_by_sparsity_where_that_tells_which(severities, text):
    assert told(*severities) == text


def test_models_of_one_sparsity_are_named():
    assert told("none", "severe", sparsities=[0.5, 0.5]) == "Ship a; not b."
    assert told("none", "severe", sparsities=[0, 0]) == "Ship a; not b."


def test_the_worst_three_are_the_gravest_of_the_model_that_is_told_of():
    def finding(model, severity, text):
        return Finding(model=model, severity=severity, metric=None, text=text, clause="")

    findings = [
        finding("a", "note", "0"),
        finding("b", "severe", "1"),
        *(finding("a", kind, kind) for kind in ("slight", "moderate", "slight", "severe")),
    ]
    decision = decide([compressed("a", 0.5)], {"a": "severe"}, findings, "a", {})
    assert [one.text for one in decision.worst] == ["severe", "moderate", "slight"]


def test_reports_decide(harmed, unharmed, few, many):
    assert build(harmed).decision.text == "Do not ship."
    assert build(unharmed).decision.answer == "ship"
    assert build(few).decision.text == "Cannot tell."
    decision = build(many).decision
    assert decision.answers == {
        f"{method}-{sparsity}-0": "stop" if sparsity == 0.95 else "ship"
        for method in ("gmp", "one-shot")
        for sparsity in (0.5, 0.8, 0.95)
    }


def test_models_that_keep_all_weights_go_by_name():
    assert told("none", "none", "severe", sparsities=[0.0, 0.5, 0.6]) == (
        "Ship a and up to 50% of weights removed; not beyond."
    )
    assert told("severe", "none", "none", sparsities=[0.0, 0.5, 0.6]) == (
        "Ship up to 60% of weights removed; not a."
    )


def test_the_share_is_the_counted_one():
    models = [compressed("a", 0.5, weights_kept=0.25), compressed("b", 0.6)]
    severities = {"a": "severe", "b": "none"}
    assert decide(models, severities, [], "a", {}).text == (
        "Ship up to 60% of weights removed; not beyond."
    )
