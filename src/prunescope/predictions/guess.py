"""Guessing how to read a table of another tool, to suggest it in an error: never to do it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import product
from typing import NamedTuple

from prunescope.predictions import layouts
from prunescope.predictions.columns import is_ours
from prunescope.predictions.layouts import Look, Side

MAX_LABELS = 3
"""More distinct values than this are no labels of one attribute: true, false, perhaps unknown."""


@dataclass(frozen=True)
class Guess:
    """How a table may be read.

    Parameters
    ----------
    names : dict
        Their column → our name.
    patterns : dict
        Our pattern → theirs, which may say the same in short.
    scores : tuple of str
        Their columns of scores.
    probable : bool
        Their names say that these are probabilities.
    counted : str, optional
        The column of labels that is taken for the place of a class among the scores.
    """

    names: Mapping[str, str] = field(default_factory=dict)
    patterns: Mapping[str, str] = field(default_factory=dict)
    scores: tuple[str, ...] = ()
    probable: bool = False
    counted: str | None = None


AddsUp = Callable[[Iterable[str]], bool]
"""Whether columns add up to 1 in every row, as the probabilities of classes do."""


def _never(_: Iterable[str]) -> bool:
    return False


def guess(looks: Mapping[str, Look], missing: Collection[str], adds_up: AddsUp = _never) -> Guess:
    """Return the first way to read labels and scores that fits: both of them, or what there is.

    Parameters
    ----------
    looks : dict
        Column → what it holds; without the ids.
    missing : collection of {"id", "y", "logit"}
        What is needed and not there.
    adds_up : callable
        Tells whether some columns add up to 1 in every row.

    Examples
    --------
    >>> looks = {"label": Look(frozenset({"0", "1"}), True), "score": Look(frozenset(), True)}
    >>> guess(looks, ["y", "logit"]).names
    {'label': 'y__positive', 'score': 'logit__positive'}
    """
    if not {"y", "logit"} & set(missing):
        return Guess()
    if "logit" in missing or _ours(looks, "logit__"):
        found = _attributes(looks) or _classes(looks, adds_up) or _one_attribute(looks)
        if found:
            return found
    labels, scores = (
        max(sides, key=lambda side: len(side.columns), default=None)
        for sides in (_labels(looks), _scores(looks))
    )
    if "logit" in missing and scores:
        return Guess() if labels else _of_sides(None, scores)
    if labels:
        return _of_sides(labels, None)
    named = layouts.called(_free(looks), layouts.LABEL_COLUMNS) if "y" in missing else []
    return Guess({name: "y" for name in named[:1] if not looks[name].is_nested})


def _attributes(looks: Mapping[str, Look]) -> Guess | None:
    """Read one label and one score per attribute."""
    free = _free(looks)
    labels = _ours(looks, "y__") or [
        *_labels(looks),
        Side("*", {name: name for name in free if looks[name].is_binary}),
    ]
    scores = _ours(looks, "logit__") or [
        *_scores(looks),
        Side("*", {name: name for name in free if looks[name].is_float}),
    ]
    best: tuple[tuple[float, ...], Side, Side] | None = None
    for label, score in product(labels, scores):
        both = [stem for stem in label.columns if stem in score.columns]
        if not both or label.pattern == score.pattern:
            continue
        if len(both) == 1 and not looks[label.columns[both[0]]].is_binary:
            continue
        rank = (
            len(both),
            label.pattern != "*",
            score.pattern != "*",
            score.word not in layouts.PROBABILITIES,
            len(label.pattern) + len(score.pattern),
        )
        if best is None or rank > best[0]:
            best = (rank, label.only(both), score.only(both))
    return None if best is None else _of_sides(best[1], best[2])


def _classes(looks: Mapping[str, Look], adds_up: AddsUp = _never) -> Guess | None:
    """Read one column of classes, by name or by place, and a score per class."""
    free = _free(looks)
    sides = _ours(looks, "logit__") or [
        *_scores(looks),
        Side("*", {name: name for name in free if looks[name].is_float}),
    ]
    sides = [side for side in sides if len(side.columns) > 1]
    labels = layouts.called([*free, *(["y"] if "y" in looks else [])], layouts.LABEL_COLUMNS)
    for name in labels:
        fits = [_fit(looks[name], side, adds_up) for side in sides if looks[name].values]
        if found := [fit for fit in fits if fit is not None]:
            best = max(found, key=lambda fit: (fit.n, fit.side.word not in layouts.PROBABILITIES))
            return _of_classes(name, best)
    named = {
        name: _Fit(len(looks[name].values), read)
        for side in sides
        for name in free
        if len(looks[name].values) > 1 and name not in (*labels, *side.columns.values())
        and not layouts.called([name], layouts.ANSWERS)
        and (read := _by_name(looks[name], side))
    }  # fmt: skip
    return _of_classes(*named.popitem()) if len(named) == 1 else None


class _Fit(NamedTuple):
    """Scores by class, how many values of a column name one, and whether values count them."""

    n: int
    side: Side
    counted: bool = False


def _fit(look: Look, side: Side, adds_up: AddsUp) -> _Fit | None:
    """Read scores by the class that a column of labels names or counts; None if it does neither."""
    n = len(look.values & set(side.columns))
    if (by_name := _by_name(look, side)) is not None:
        return _Fit(len(look.values), by_name)
    if side.word == "logit__":
        return None if look.is_binary else _Fit(n, side)  # they are ours, and may be others'
    if not side.word or (look.is_binary and not adds_up(side.columns.values())):
        return None
    if all(value.isdecimal() for value in look.values):
        counts = [int(value) for value in look.values]
        first, last = min(counts), max(counts)
        size = len(side.columns)
        if (first == 0 and last < size) or (first == 1 and last == size):
            places = map(str, range(first, first + size))
            columns = dict(zip(places, side.columns.values(), strict=True))
            return _Fit(n, replace(side, columns=columns), counted=True)
    return None if look.is_binary else _Fit(n, side)


def _by_name(look: Look, side: Side) -> Side | None:
    """Return scores by class where each value names one of them, in whatever case."""
    if look.values <= set(side.columns):
        return side
    spelled = {layouts.plain(value): value for value in look.values}
    stems = {layouts.plain(stem): stem for stem in side.columns}
    if len(spelled) < len(look.values) or len(stems) < len(side.columns):
        return None
    if not spelled.keys() <= stems.keys():
        return None
    columns = {spelled.get(plain, stem): side.columns[stem] for plain, stem in stems.items()}
    return replace(side, columns=columns)


def _of_classes(label: str, fit: _Fit) -> Guess:
    """Put a column of classes and the scores by class together."""
    found = _of_sides(None, fit.side, {} if label == "y" else {label: "y"})
    return replace(found, counted=label if fit.counted else None)


def _one_attribute(looks: Mapping[str, Look]) -> Guess | None:
    """Read one column of labels and one of scores, where they are not ours already."""
    free = _free(looks)
    binary = [name for name in (*free, "y") if name in looks and looks[name].is_binary]
    soft = [name for name in free if looks[name].is_number and not looks[name].is_binary]
    floats = [name for name in soft if looks[name].is_float]
    labels = layouts.called(binary, layouts.LABEL_COLUMNS) or (binary if len(binary) == 1 else [])
    scores = layouts.called(soft, layouts.SCORES) or (floats if len(floats) == 1 else [])
    found = {"y__": labels[:1], "logit__": scores[:1]}
    known = [stem for family in found for side in _ours(looks, family) for stem in side.columns]
    found = {family: named for family, named in found.items() if not _ours(looks, family)}
    if len(known) > 1 or not all(found.values()):
        return None
    attribute = known[0] if known else labels[0]
    if not known and layouts.plain(attribute) in layouts.LABEL_COLUMNS:
        attribute = "positive"
    return Guess(
        {name: family + attribute for family, named in found.items() for name in named},
        scores=tuple(found.get("logit__", ())),
        probable=layouts.plain(scores[0]) in layouts.PROBABILITIES if scores else False,
    )


def _free(looks: Mapping[str, Look]) -> list[str]:
    """Return the columns that have no name of ours."""
    return [name for name in looks if not is_ours(name)]


def _labels(looks: Mapping[str, Look]) -> list[Side]:
    """Return the ways in which columns are named as labels."""
    sides = layouts.sides(_free(looks), layouts.LABELS)
    few = {name for name, look in looks.items() if 0 < len(look.values) <= MAX_LABELS}
    return [kept for side in sides if (kept := side.of(few)).columns]


def _scores(looks: Mapping[str, Look]) -> list[Side]:
    """Return the ways in which columns are named as scores and hold more than answers."""
    sides = layouts.sides(_free(looks), layouts.SCORES)
    named = [side.of({name for name, look in looks.items() if look.is_number}) for side in sides]
    return [side for side in named if not all(looks[n].is_binary for n in side.columns.values())]


def _ours(looks: Mapping[str, Look], family: str) -> list[Side]:
    """Return the columns that have our names already, as one side or none."""
    columns = {name.removeprefix(family): name for name in looks if name.startswith(family)}
    return [Side(f"{family}*", columns, family)] if columns else []


def _of_sides(
    labels: Side | None, scores: Side | None, others: Mapping[str, str] | None = None
) -> Guess:
    """Put the names and patterns of labels and scores together."""
    names, patterns = dict(others or {}), {}
    for family, side in (("y__", labels), ("logit__", scores)):
        if side is not None and side.word != family:
            names |= {name: family + stem for stem, name in side.columns.items()}
            patterns[f"{family}*"] = side.pattern
    if scores is None or scores.word == "logit__":
        return Guess(names, patterns)
    probable = scores.word in layouts.PROBABILITIES
    return Guess(names, patterns, tuple(scores.columns.values()), probable)
