"""One sentence for the answers about several models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from prunescope.audit import ModelInfo
from prunescope.verdict.judgement import WORDS, WORST_FIRST, Answer, shown
from prunescope.verdict.numbers import listing, removed
from prunescope.verdict.of_models import ModelVerdict, Verdict

ALL: Mapping[Answer, str] = {
    "ship": "Ship any of them",
    "care": "Ship any of them with care",
    "stop": "Do not ship any of them",
    "unknown": "Cannot tell for any of them",
}


def conclude(
    judged: Sequence[ModelVerdict],
    models: Sequence[ModelInfo],
    members: Mapping[str, Sequence[str]],
    confidence: float = 0.95,
) -> Verdict:
    """Put what is said of single models together.

    `models` are those to tell of, populations and models of none; `members` are those of a
    population that were judged; `confidence` is the level at which damage is ruled out.
    """
    answers = {one.model: one.answer for one in judged}
    of_seeds = {name: {seed: answers[seed] for seed in seeds} for name, seeds in members.items()}
    for name, seeds in of_seeds.items():
        answers[name] = min(seeds.values(), key=WORST_FIRST.index)
    told = {model.name: answers[model.name] for model in models}
    kinds = [kind for kind in WORDS if kind in told.values()]
    if len(kinds) == 1:
        text = WORDS[kinds[0]] if len(models) == 1 else ALL[kinds[0]]
    else:
        text = ". ".join([f"{WORDS[kind]}: {_part(kind, models, told)}" for kind in kinds])
    return Verdict(
        answer=kinds[0],
        text=text + ".",
        answers=answers,
        models=list(judged),
        confidence=confidence,
        seeds_disagree=[_apart(*one) for one in of_seeds.items() if len(set(one[1].values())) > 1],
    )


def together(verdicts: Mapping[str, Verdict]) -> Verdict:
    """Put the verdicts on several audits into one, in which models go by "model (audit)".

    Parameters
    ----------
    verdicts : mapping
        Name of an audit → what is said of it. Of one alone that stands as it is.
    """
    if len(verdicts) == 1:
        return next(iter(verdicts.values()))
    each = list(verdicts.items())
    answers = {f"{model} ({name})": a for name, one in each for model, a in one.answers.items()}
    return Verdict(
        answer=next(kind for kind in WORDS if kind in answers.values()),
        text=" ".join(f"{name} – {one.text}" for name, one in each),
        answers=answers,
        models=[
            model.model_copy(update={"model": f"{model.model} ({name})"})
            for name, one in each
            for model in one.models
        ],
        confidence=min(one.confidence for one in verdicts.values()),
        seeds_disagree=[f"{name}: {text}" for name, one in each for text in one.seeds_disagree],
    )


def _apart(population: str, answers: Mapping[str, Answer]) -> str:
    """Say which seeds of a population have which answer."""
    parts = []
    for kind, word in WORDS.items():
        chosen = [name for name, answer in answers.items() if answer == kind]
        if chosen:
            parts.append(f"{word}: {listing(list(map(shown, chosen)))}.")
    return f"The seeds of {shown(population)} disagree. {' '.join(parts)}"


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
            return listing([*map(shown, whole), f"at most {removed(most)} of weights removed"])
    spared = max((shares[name] for name in shares if answers[name] in ("ship", "care")), default=0)
    beyond = [name for name in shares if shares[name] > spared]
    if kind == "stop" and spared and chosen == beyond:
        return f"more than {removed(spared)} removed"
    return listing(list(map(shown, chosen)))
