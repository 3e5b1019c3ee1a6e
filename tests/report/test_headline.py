"""The headline says why a model gets its answer, and no more than the judge does."""

import pytest

from prunescope.audit import ModelInfo
from prunescope.predictions import Compression, Metadata
from prunescope.report.headline import featured, story, subjects
from prunescope.report.structure import Estimate, Finding
from prunescope.verdict import Judged, ModelVerdict, Row, Verdict


def info(name, sparsity=0.9, method="gmp", **counted):
    how = Compression(method=method, sparsity=sparsity, **counted)
    return ModelInfo(name=name, baseline="dense", metadata=Metadata(name=name, compression=how))


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
    narrow = info("narrow", 0.5, "structured", weights_kept=0.25, channels_kept=0.5)
    assert subjects([narrow]) == {"narrow": "75% of weights removed (50% of the channels)"}


def judged(state, damage=0.0, reach=0.0, *, severity=None, name="Accuracy falls", **more):
    """Return a criterion of which one row tells."""
    about = {"metric": "accuracy", "attribute": None, "group": None, "group_value": None}
    row = about | {
        "value": 0.9, "baseline": 0.9 + (damage or 0), "low": None, "high": None, "damage": damage,
        "reach": reach, "q": None, "n": 100, "more": None, "unit": "images", "state": state,
        "reason": None,
    }  # fmt: skip
    row |= {name: more.pop(name) for name in list(more) if name in row}
    return Judged(
        criterion=name, metric=row["metric"], state=state, severity=severity, rows=[Row(**row)],
        n_rows=1, **more,
    )  # fmt: skip


def other(state, name="Scores rank worse", **more):
    return judged(state, name=name, metric="auc", **more)


def of(*criteria):
    return ModelVerdict.of("m", criteria)


def found(severity, clause, metric="uncertainty", **row):
    rows = [Estimate(model="m", metric=metric, status="ok", **row)]
    return Finding(model="m", severity=severity, metric=metric, text="", clause=clause, rows=rows)


HELD, BROKEN = judged("held", 0.0, 0.003), judged("broken", 0.05, 0.06, severity="severe")
OPEN = judged("open", 0.08, 0.25)


@pytest.mark.parametrize(
    ("criteria", "findings", "answer", "text"),
    [
        ([HELD], [], "ship",
         "accuracy is at most 0.3 points worse, and every damage beyond the limits is ruled out"),
        ([judged("held", -0.01, -0.001)], [found("slight", "x")], "ship",
         "accuracy is not worse, and every damage beyond the limits is ruled out"),
        ([OPEN], [], "unknown",
         "these data cannot tell; accuracy may be up to 25.0 points worse"),
        ([OPEN, other("open")], [found("moderate", "x")], "unknown",
         "these data cannot tell; accuracy may be up to 25.0 points worse; x"),
        ([HELD, other("open"), other("not judged", "Rates of answers drift")], [], "unknown",
         "accuracy is at most 0.3 points worse, but these data leave open: Scores rank worse "
         "and Rates of answers drift"),
        ([judged("not judged", None, None)], [], "unknown",
         "these data cannot tell; accuracy cannot be compared"),
        ([judged("open", 0.02, None)], [], "unknown",
         "these data cannot tell; accuracy −2.0 points (without an interval)"),
        ([HELD, Judged.of_shared("Samples in common", 99, 0.33, 0.95)], [], "unknown",
         "these data cannot tell; the files share 99 of 300 samples (33.0%); 95% are asked for: "
         "answer the others, too, or audit with --allow-missing"),
        ([BROKEN], [found("severe", "fall", "accuracy")], "stop", "accuracy −5.0 points"),
        ([BROKEN, other("broken", severity="severe")],
         [found("severe", "fall", "accuracy"), found("severe", "x")], "stop",
         "accuracy −5.0 points, and x"),
        ([HELD, other("broken", severity="severe")],
         [found("severe", "x"), found("moderate", "y"), found("moderate", "z")], "stop",
         "accuracy is at most 0.3 points worse, but x; y"),
        ([HELD, other("broken", severity="moderate")], [found("moderate", "x")], "care",
         "accuracy is at most 0.3 points worse, but x"),
        ([HELD, other("open", decides=False)], [], "care",
         "accuracy is at most 0.3 points worse; cannot be ruled out: Scores rank worse"),
    ],
)  # fmt: skip
def test_a_story_says_why(criteria, findings, answer, text):
    model = of(*criteria)
    assert model.answer == answer
    assert story([model], findings, None) == text


def test_places_stand_before_means_and_the_severe_before_all():
    model = of(HELD, other("broken", severity="severe"))
    told = [
        found("moderate", "a recall", "tpr", attribute="cat"),
        found("severe", "a mean", "rare_value_ratio"),
        found("severe", "a rate", "rare_value_ratio", attribute="Bald"),
        found("severe", "uncertain"),
    ]
    assert story([model], told, None).endswith("worse, but a rate; a mean")


def test_of_several_seeds_the_worst_accuracy_is_told():
    first = of(HELD, other("broken", severity="severe"))
    second = of(judged("broken", 0.01, 0.02, severity="moderate"))
    assert story([first, second], [found("severe", "x")], None) == "accuracy −1.0 points, and x"
    assert story([of(HELD), of(judged("held", 0.0, 0.004))], [], None).startswith(
        "accuracy is at most 0.4 points worse"
    )


def test_without_a_criterion_on_accuracy_its_change_is_told():
    row = Estimate(
        model="m", metric="top1_accuracy", status="ok", value=0.9, delta=-0.004,
        delta_low=-0.005, delta_high=-0.003,
    )  # fmt: skip
    assert story([of(other("held"))], [], row) == (
        "top-1 accuracy −0.4 points (−0.5 to −0.3), and every damage beyond the limits is ruled out"
    )
    assert story([of(other("open"))], [], None) == (
        "accuracy cannot be compared, but these data leave open: Scores rank worse"
    )


@pytest.mark.parametrize(
    ("answers", "name"),
    [
        (("ship", "ship", "ship"), "c"),
        (("ship", "stop", "stop"), "b"),
        (("stop", "ship", "stop"), "a"),
        (("unknown", "stop", "ship"), "b"),
        (("care", "unknown", "unknown"), "b"),
        (("care", "care", "ship"), "a"),
    ],
)
def test_the_first_of_the_worst_answer_is_told_of(answers, name):
    models = [info("c", 0.95), info("a", 0.5), info("b", 0.8)]
    told = Verdict(
        answer="ship", text="", answers=dict(zip("abc", answers, strict=True)), models=[]
    )
    assert featured(models, told, dict.fromkeys("abc", 0)) == name


def test_of_models_alike_the_one_with_most_broken_is_told_of():
    told = Verdict(answer="stop", text="", answers={"a": "stop", "b": "stop"}, models=[])
    assert featured([info("a"), info("b")], told, {"a": 1, "b": 2}) == "b"
