"""The headline: the whole audit in a sentence that claims no more than the data support."""

from __future__ import annotations

from collections import Counter

from prunescope.audit import ModelInfo
from prunescope.report.findings import SEVERITIES
from prunescope.report.structure import Estimate, Finding, Severity
from prunescope.verdict.glossary import GLOSSARY
from prunescope.verdict.numbers import removal, removed

WORTH_A_HEADLINE: tuple[Severity, ...] = ("severe", "moderate")
MOST_CLAUSES = 2
ACCURACIES = ("accuracy", "top1_accuracy")


def subjects(compressed: list[ModelInfo]) -> dict[str, str]:
    """Say what was done to each model, in words that tell it from the others.

    Returns
    -------
    dict
        Name of the model → "95% of weights removed", with the method or the name added where
        models share that.
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


def severity_of(findings: list[Finding]) -> Severity:
    """Return the worst severity among findings about one model; notes do not count."""
    found = {finding.severity for finding in findings}
    return next((s for s in SEVERITIES if s in found and s != "note"), "none")


def story(accuracy: Estimate | None, findings: list[Finding]) -> str:
    """Tell what happened to one model: accuracy first, then what accuracy hides."""
    serious = [f for f in findings if f.severity in WORTH_A_HEADLINE]
    told = _told(accuracy)
    others = [f.clause for f in serious if not _is_accuracy(f)][:MOST_CLAUSES]
    if others:
        lost = any(_is_accuracy(f) and f.severity == "severe" for f in serious)
        return f"{told}, {'and' if lost else 'but'} {'; '.join(others)}"
    severity = severity_of(findings)
    if severity == "unknown":
        clause = findings[0].clause
        return f"{told}; {clause}" if accuracy is not None and accuracy.delta else clause
    if severity == "none":
        return f"{told}, and {findings[0].clause}"
    return f"{told}, and no more than slight damage" if severity == "slight" else told


def _is_accuracy(finding: Finding) -> bool:
    """Whether a finding is about the mean accuracy, with which every story begins."""
    return finding.metric in ACCURACIES and finding.rows[0].attribute is None


def _told(accuracy: Estimate | None) -> str:
    if accuracy is None or accuracy.delta is None:
        return "accuracy cannot be compared"
    entry = GLOSSARY[accuracy.metric]
    name, text = entry.label.lower(), entry.unit.change(accuracy.delta)
    if not accuracy.delta:
        return f"{name} unchanged"
    if accuracy.supported:
        return f"{name} {text}"
    if accuracy.verdict == "negligible":
        return f"{name} {text}, which is negligible"
    if accuracy.q_value is None:
        return f"{name} {text} (not tested)"
    return f"{name} unchanged within error ({text})"


def headline(
    compressed: list[ModelInfo],
    stories: dict[str, str],
    severities: dict[str, Severity],
) -> tuple[str, str]:
    """Say the whole audit in a sentence, and name the model that it is most about.

    With several models: up to which share of the weights removed nothing serious is supported, and
    what happens at the first at which something is.
    """
    names = subjects(compressed)
    if len(compressed) == 1:
        name = compressed[0].name
        return f"{names[name]}: {stories[name]}.", name

    def worst(models: list[ModelInfo]) -> ModelInfo:
        return min(models, key=lambda m: SEVERITIES.index(severities[m.name]))

    compared = [m for m in compressed if severities[m.name] != "unknown"]
    if not compared:
        name = max(compressed, key=lambda m: m.metadata.compression.removed).name
        return f"{names[name]}: {stories[name]}.", name
    by_removed = sorted(compared, key=lambda m: m.metadata.compression.removed)
    harmed = [m for m in compressed if severities[m.name] in WORTH_A_HEADLINE]
    if not harmed:
        most = by_removed[-1]
        share = removed(most.metadata.compression.removed)
        pruned = all(model.metadata.compression.removed > 0 for model in by_removed)
        where = f"up to {share} of weights removed" if pruned else "for any of the models"
        return f"{_clear(by_removed, severities)} {where}.", most.name
    first = min(m.metadata.compression.removed for m in harmed)
    spared = [m for m in by_removed if m.metadata.compression.removed < first]
    subject = worst([m for m in harmed if m.metadata.compression.removed == first])
    at, told = names[subject.name], stories[subject.name]
    if spared and spared[-1].metadata.compression.removed > 0:
        upto = removed(spared[-1].metadata.compression.removed)
        clear = _clear(spared, severities)
        at = at.replace(" of weights removed", "", 1)
        return f"{clear} up to {upto} of weights removed; at {at}: {told}.", subject.name
    if first > 0 and len(harmed) > 1:
        return f"Already at {at}: {told}.", subject.name
    return f"{at}: {told}.", subject.name


def _clear(models: list[ModelInfo], severities: dict[str, Severity]) -> str:
    slight = any(severities[model.name] == "slight" for model in models)
    return f"{'No more than slight' if slight else 'No'} damage can be told from chance"
