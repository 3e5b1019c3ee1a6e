"""The headline: the answer's reasons in a sentence that claims no more than the data support."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from prunescope.audit import ModelInfo
from prunescope.report import words
from prunescope.report.structure import Estimate, Finding, Severity
from prunescope.verdict import Judged, ModelVerdict, Row, Verdict
from prunescope.verdict.glossary import GLOSSARY, size
from prunescope.verdict.judgement import WORST_FIRST
from prunescope.verdict.numbers import listing, removal, removed

WORTH_A_HEADLINE: tuple[Severity, ...] = ("severe", "moderate")
MOST_CLAUSES = 2
FIRST = ("tpr", "rare_value_ratio", "bias_amplification", "excess_accuracy_gap", "excess_top1_gap")
"""Metrics of what is told before all else, of single attributes and cells before means."""

ACCURACIES = ("accuracy", "top1_accuracy")

LOUDEST = ("broken", "not judged", "open", "held")
"""States of a criterion, that which is told of several seeds first."""


def subjects(compressed: Sequence[ModelInfo]) -> dict[str, str]:
    """Say of each model, by name, what was done to it: "95% of weights removed".

    The method or the name is added where models share that.
    """
    made = {model.name: model.metadata.compression for model in compressed}
    shares = Counter(removed(c.removed) for c in made.values() if c.removed > 0)
    alike = Counter((removed(c.removed), c.method) for c in made.values())
    result = {}
    for name, how in made.items():
        share = removed(how.removed)
        if how.removed <= 0:
            result[name] = name
        elif shares[share] == 1:
            result[name] = removal(how)
        elif alike[share, how.method] == 1:
            result[name] = f"{removal(how)} by {how.method}"
        else:
            result[name] = f"{removal(how)} ({name})"
    return result


def story(
    seeds: Sequence[ModelVerdict], findings: Sequence[Finding], accuracy: Estimate | None
) -> str:
    """Say why a model gets its answer: accuracy first, then what it hides, or what is missing.

    `seeds` are those that its name stands for, or it alone, the one that decides first; `accuracy`
    is told where no criterion is about the accuracy over everything.
    """
    judged = _accuracy([one for seed in seeds for one in seed.criteria])
    told = _measured(accuracy) if judged is None else _told(judged)
    serious = [
        one for one in findings if one.severity in WORTH_A_HEADLINE and not _is_accuracy(one)
    ]
    clauses = "; ".join([one.clause for one in sorted(serious, key=_rank)[:MOST_CLAUSES]])
    if seeds[0].answer == "unknown":
        return _missing(seeds[0], told, judged) + (f"; {clauses}" if clauses else "")
    if clauses:
        lost = judged is not None and (judged.severity == "severe" or judged.state != "held")
        return f"{told}, {'and' if lost else 'but'} {clauses}"
    if seeds[0].answer == "care" and (left := seeds[0].having("open", "not judged")):
        return f"{told}; cannot be ruled out: {listing([one.criterion for one in left])}"
    if seeds[0].answer == "ship":
        return f"{told}, and every damage beyond the limits is ruled out"
    return told


def _missing(model: ModelVerdict, told: str, accuracy: Judged | None) -> str:
    """Say what these data cannot tell: how much worse accuracy may be, else what is open."""
    blocking = [one for one in model.blocking if one is not accuracy]
    unshared = next((one.text for one in blocking if not one.metric), None)
    if unshared is not None:
        return f"these data cannot tell; {unshared}"
    if accuracy is None or accuracy.state in ("broken", "held"):
        return f"{told}, but these data leave open: {listing([b.criterion for b in blocking])}"
    return f"these data cannot tell; {told}"


def _accuracy(judged: Sequence[Judged]) -> Judged | None:
    """Return what is judged of the accuracy over everything; of several seeds, the worst."""
    found = [
        one
        for one in judged
        if one.metric in ACCURACIES and not one.bounded and one.rows and _whole(one.rows[0])
    ]
    return min(
        found,
        key=lambda one: (LOUDEST.index(one.state), -(one.rows[0].reach or 0.0)),
        default=None,
    )


def _whole(row: Row | Estimate) -> bool:
    return row.attribute is None and row.group is None


def _is_accuracy(finding: Finding) -> bool:
    """Whether a finding is about the mean accuracy, with which every story begins."""
    return finding.metric in ACCURACIES and _whole(finding.rows[0])


def _rank(finding: Finding) -> tuple[bool, int, bool]:
    place = FIRST.index(finding.metric) if finding.metric in FIRST else len(FIRST)
    return finding.severity != "severe", place, finding.rows[0].attribute is None


def _told(judged: Judged) -> str:
    """Tell of accuracy what the judge says of it."""
    row = judged.rows[0]
    entry = GLOSSARY[row.metric]
    name = entry.label.lower()
    if judged.state == "not judged" or row.damage is None:
        return f"{name} cannot be compared"
    change = f"{name} {entry.unit.change(-row.damage)}"
    if judged.state == "broken" or row.reach is None:
        return change if judged.state == "broken" else f"{change} (without an interval)"
    worse = f"{size(row.metric, row.reach)} worse"
    if judged.state == "open":
        return f"{name} may be up to {worse}"
    return f"{name} is at most {worse}" if row.reach > 0 else f"{name} is not worse"


def _measured(accuracy: Estimate | None) -> str:
    if accuracy is None or accuracy.delta is None:
        return "accuracy cannot be compared"
    return f"{GLOSSARY[accuracy.metric].label.lower()} {words.change(accuracy)}"


def featured(compressed: Sequence[ModelInfo], verdict: Verdict, broken: Mapping[str, int]) -> str:
    """Name the model that is told of first.

    That is the one of the worst answer from which least was removed, and of those the one with
    most that is `broken`; where all may be shipped, the one from which most was removed.
    """
    worst = min((verdict.answers[model.name] for model in compressed), key=WORST_FIRST.index)
    those = [model for model in compressed if verdict.answers[model.name] == worst]
    if worst == "ship":
        return max(those, key=lambda model: model.metadata.compression.removed).name
    return min(those, key=lambda m: (m.metadata.compression.removed, -broken[m.name])).name
