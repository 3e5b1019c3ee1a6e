"""`decide`: may the compressed models be shipped? One word for each, one sentence for all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from prunescope.audit import ModelInfo
from prunescope.report.findings import SEVERITIES
from prunescope.report.structure import Answer, Decision, Finding, Severity
from prunescope.verdict.numbers import listing, removed

N_WORST = 3
"""Findings that stand beside the decision."""

ANSWERS: Mapping[Severity, Answer] = {
    "none": "ship",
    "slight": "ship",
    "moderate": "care",
    "severe": "stop",
    "unknown": "unknown",
}
"""Worst severity of the findings about a model → what to do with it."""

WORDS: Mapping[Answer, str] = {
    "ship": "Ship",
    "care": "Ship with care",
    "stop": "Do not ship",
    "unknown": "Cannot tell",
}
ALL: Mapping[Answer, str] = {
    "ship": "Ship any of them",
    "care": "Ship with care, any of them",
    "stop": "Do not ship any of them",
    "unknown": "Cannot tell of any of them",
}


def decide(
    models: Sequence[ModelInfo],
    severities: Mapping[str, Severity],
    findings: Sequence[Finding],
    featured: str,
    members: Mapping[str, Sequence[ModelInfo]],
) -> Decision:
    """Say which of some compressed models may be shipped.

    A model's answer follows from the worst severity of its findings alone (`ANSWERS`): slight or no
    damage, ship; moderate, with care; severe, do not; nothing compared or tested, cannot tell. That
    of a population is the answer to its worst seed; where its seeds disagree, that is told.

    Parameters
    ----------
    models : sequence of ModelInfo
        The compressed ones that the story is about.
    severities : mapping
        Of each and of each member, by name.
    findings : sequence of Finding
    featured : str
        The model whose worst findings are told.
    members : mapping
        Name of a population → the models in it.
    """
    answers = {model.name: ANSWERS[severities[model.name]] for model in models}
    of_seeds = {
        model.name: {seed.name: ANSWERS[severities[seed.name]] for seed in members[model.name]}
        for model in models
        if model.name in members
    }
    told = [f for f in findings if f.model == featured and f.severity != "note"]
    told.sort(key=lambda finding: SEVERITIES.index(finding.severity))
    kinds = [kind for kind in WORDS if kind in answers.values()]
    if len(kinds) == 1:
        text = WORDS[kinds[0]] if len(models) == 1 else ALL[kinds[0]]
    else:
        parts = [_part(kind, models, answers) for kind in kinds]
        text = "; ".join([f"{WORDS[kinds[0]]} {parts[0]}", *_rest(kinds[1:], parts[1:])])
    return Decision(
        answer=kinds[0],
        text=text + ".",
        answers=answers | {name: one for seeds in of_seeds.values() for name, one in seeds.items()},
        about=featured,
        worst=told[:N_WORST],
        seeds_disagree=[_apart(*one) for one in of_seeds.items() if len(set(one[1].values())) > 1],
    )


def _apart(population: str, answers: Mapping[str, Answer]) -> str:
    """Say which seeds of a population have which answer."""
    parts = []
    for kind, word in WORDS.items():
        chosen = [name for name, answer in answers.items() if answer == kind]
        if chosen:
            of = "of " if kind == "unknown" else ""
            parts.append(f"{word.lower()} {of}{listing(chosen)}")
    return f"The seeds of {population} disagree: {'; '.join(parts)}."


def _rest(kinds: Sequence[Answer], parts: Sequence[str]) -> list[str]:
    words = {"care": "with care", "stop": "not", "unknown": "cannot tell of"}
    return [f"{words[kind]} {part}" for kind, part in zip(kinds, parts, strict=True)]


def _part(kind: Answer, models: Sequence[ModelInfo], answers: Mapping[str, Answer]) -> str:
    """Name the models with an answer: by the share removed where that says which, else by name.

    Those that keep all weights, such as quantised ones, go by name.
    """
    places = {answer: place for place, answer in enumerate(WORDS)}
    shares = {model.name: model.metadata.compression.removed for model in models}
    chosen = [name for name in shares if answers[name] == kind]
    whole = [name for name in chosen if not shares[name]]
    if kind in ("ship", "care"):
        most = max(shares[name] for name in chosen)
        below = [name for name in shares if 0 < shares[name] <= most]
        if most > 0 and all(places[answers[name]] <= places[kind] for name in below):
            return listing([*whole, f"up to {removed(most)} of weights removed"])
    spared = max((shares[name] for name in shares if answers[name] in ("ship", "care")), default=0)
    if kind == "stop" and 0 < spared < min(shares[name] for name in chosen):
        return "beyond"
    return listing(chosen)
