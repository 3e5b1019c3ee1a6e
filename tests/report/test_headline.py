import pytest

from prunescope.audit import ModelInfo
from prunescope.predictions import Compression, Metadata
from prunescope.report.headline import headline, severity_of, story, subjects
from prunescope.report.structure import Estimate, Finding


def info(name, sparsity=0.9, method="gmp", **counted):
    how = Compression(method=method, sparsity=sparsity, **counted)
    return ModelInfo(name=name, baseline="dense", metadata=Metadata(name=name, compression=how))


def say(models, severities):
    names = [model.name for model in models]
    stories = {name: f"story of {name}" for name in names}
    return headline(models, stories, dict(zip(names, severities, strict=True)))


def test_one_model_is_told_as_it_is():
    assert say([info("a", 0.95)], ["severe"]) == ("95% of weights removed: story of a.", "a")
    assert say([info("int8", 0.0)], ["severe"]) == ("int8: story of int8.", "int8")


@pytest.mark.parametrize(
    ("severities", "text", "featured"),
    [
        (
            ("none", "none", "severe"),
            "No damage can be told from chance up to 80% of weights removed; at 95%: story of c.",
            "c",
        ),
        (
            ("slight", "moderate", "severe"),
            "No more than slight damage can be told from chance up to 50% of weights removed; "
            "at 80%: story of b.",
            "b",
        ),
        (("severe", "none", "severe"), "Already at 50% of weights removed: story of a.", "a"),
        (("severe", "none", "none"), "50% of weights removed: story of a.", "a"),
        (("none",) * 3, "No damage can be told from chance up to 95% of weights removed.", "c"),
        (
            ("none", "slight", "slight"),
            "No more than slight damage can be told from chance up to 95% of weights removed.",
            "c",
        ),
        (
            ("none", "unknown", "severe"),
            "No damage can be told from chance up to 50% of weights removed; at 95%: story of c.",
            "c",
        ),
        (("unknown",) * 3, "95% of weights removed: story of c.", "c"),
    ],
)
def test_several_models_are_told_up_to_where_damage_begins(severities, text, featured):
    models = [info("a", 0.5), info("b", 0.8), info("c", 0.95)]
    assert say(models, severities) == (text, featured)


def test_the_order_of_the_models_does_not_matter():
    models = [info("c", 0.95), info("a", 0.5), info("b", 0.8)]
    text, featured = say(models, ["severe", "none", "none"])
    assert text.startswith("No damage can be told from chance up to 80%")
    assert featured == "c"


def test_nothing_is_said_up_to_a_sparsity_that_one_method_does_not_stand():
    models = [info("a", 0.8, "gmp"), info("b", 0.8, "one-shot"), info("c", 0.9, "gmp")]
    text, featured = say(models, ["none", "severe", "none"])
    assert text == "80% of weights removed by one-shot: story of b."
    assert featured == "b"


def test_models_without_a_sparsity_go_by_their_names():
    models = [info("int8", 0.0), info("int4", 0.0)]
    assert say(models, ["none", "severe"])[0] == "int4: story of int4."
    assert say(models, ["none", "none"])[0] == (
        "No damage can be told from chance for any of the models."
    )


def test_subjects_tell_models_apart():
    models = [
        info("a", 0.8, "gmp"),
        info("b", 0.8, "one-shot"),
        info("c", 0.95, "gmp"),
        info("d", 0.95, "gmp"),
        info("e", 0.99),
        info("f", 0.0),
    ]
    assert subjects(models) == {
        "a": "80% of weights removed by gmp",
        "b": "80% of weights removed by one-shot",
        "c": "95% of weights removed (c)",
        "d": "95% of weights removed (d)",
        "e": "99% of weights removed",
        "f": "f",
    }


def accuracy(delta, supported=True, q_value=0.5, **more):
    fields = {"model": "m", "metric": "accuracy", "status": "ok", "value": 0.9, "delta": delta}
    return Estimate(**fields | {"supported": supported, "q_value": q_value} | more)


def found(severity, clause, row=None):
    rows = [row] if row else []
    metric = row.metric if row else "uncertainty"
    return Finding(model="m", severity=severity, metric=metric, text="", clause=clause, rows=rows)


@pytest.mark.parametrize(
    ("row", "findings", "text"),
    [
        (
            accuracy(-0.004),
            [found("severe", "x"), found("moderate", "y"), found("moderate", "z")],
            "accuracy −0.4 points, but x; y",
        ),
        (
            accuracy(-0.05),
            [found("severe", "fall", accuracy(-0.05)), found("moderate", "x")],
            "accuracy −5.0 points, and x",
        ),
        (
            accuracy(-0.05),
            [found("severe", "fall", accuracy(-0.05))],
            "accuracy −5.0 points",
        ),
        (
            accuracy(-0.001, supported=False),
            [found("slight", "x"), found("note", "y")],
            "accuracy unchanged within error (−0.1 points), and no more than slight damage",
        ),
        (accuracy(0.0, supported=False), [found("none", "no damage")],
         "accuracy unchanged, and no damage"),
        (None, [found("severe", "x")], "accuracy cannot be compared, but x"),
        (accuracy(-0.001, supported=False, q_value=None), [found("slight", "x")],
         "accuracy −0.1 points (not tested), and no more than slight damage"),
        (accuracy(-0.02, supported=False, q_value=None), [found("unknown", "nothing tested")],
         "accuracy −2.0 points (not tested); nothing tested"),
        (accuracy(-0.001, supported=False, q_value=0.01, verdict="negligible"),
         [found("severe", "x")], "accuracy −0.1 points, which is negligible, but x"),
        (accuracy(-0.2, metric="top1_accuracy"),
         [found("severe", "fall", accuracy(-0.2, metric="top1_accuracy"))],
         "top-1 accuracy −20.0 points"),
        (None, [found("unknown", "nothing compared")], "nothing compared"),
    ],
)  # fmt: skip
def test_a_story_begins_with_accuracy(row, findings, text):
    assert story(row, findings) == text


def test_notes_have_no_part_in_the_severity():
    assert severity_of([found("note", "x"), found("slight", "y")]) == "slight"
    assert severity_of([found("note", "x"), found("none", "y")]) == "none"


def test_what_was_removed_is_told_as_counted():
    narrow = info("narrow", 0.5, "structured", weights_kept=0.25, channels_kept=0.5)
    alone = "75% of weights removed (50% of the channels): story of narrow."
    assert say([narrow], ["none"]) == (alone, "narrow")
    assert say([narrow, info("a", 0.6)], ["severe", "none"]) == (
        "No damage can be told from chance up to 60% of weights removed; at 75% (50% of the "
        "channels): story of narrow.",
        "narrow",
    )


def test_what_keeps_all_weights_is_not_told_by_a_share():
    models = [info("int8", 0.0, "int8", bits=8), info("a", 0.6)]
    assert say(models, ["none", "none"])[0] == (
        "No damage can be told from chance for any of the models."
    )
    assert say(models, ["severe", "none"]) == ("int8: story of int8.", "int8")
