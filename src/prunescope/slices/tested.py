"""What is told of one model's slices: searched on one half, judged on the other, worst first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from prunescope.audit.intervals.significance import benjamini_hochberg
from prunescope.slices.damage import Losses, Target
from prunescope.slices.features import shares_within
from prunescope.slices.judge import Judged, judge
from prunescope.slices.result import ALPHA, Loss, Share, SliceInfo
from prunescope.slices.rules import Column, Feature, Flags
from prunescope.slices.search import Candidate, search
from prunescope.slices.space import typical

SHOWN = 8
"""Samples of a slice that are named."""

SEARCHED = 3
"""Rules that the search returns for each that is tested."""

MOST_TRAITS = 3
"""Traits of a slice, and attributes that lose most, that are named."""


@dataclass(frozen=True)
class Subject:
    """What is searched: the same for all compressed models.

    Parameters
    ----------
    ids : polars.Series (N,)
    columns : dict
        Features of the samples.
    units : array (N,) of uint64
        Numbers of the independent units.
    searched, judged : array (N,) of bool
        Samples that the search may look at, and those that judge.
    embeddings : array (N, D) of float32, optional
    min_support, most : int
    confidence : float
    seed : int
    """

    ids: pl.Series
    columns: Mapping[Feature, Column]
    units: NDArray[np.uint64]
    searched: Flags
    judged: Flags
    embeddings: NDArray[np.float32] | None
    min_support: int
    most: int
    confidence: float
    seed: int


@dataclass(frozen=True)
class Tested:
    """A slice on the search half, `seen`, and once it is judged on the test half, `there`.

    Of `known` samples it is known whether they are `inside`. The q-value is NaN where the test half
    has too few samples of it.
    """

    candidate: Candidate
    target: Target
    inside: Flags
    known: Flags
    seen: Judged
    there: Judged | None = None
    q_value: float = np.nan

    @property
    def is_found(self) -> bool:
        """Whether the test half confirms it."""
        return self.q_value <= ALPHA

    @property
    def place(self) -> tuple[bool, float]:
        """Where it stands: those found first, and first where an image loses most answers."""
        if self.there is None:
            return True, np.inf
        told = self.target.answers[self.inside & (self.target.answers > 0)]
        return not self.is_found, -self.there.excess * float(told.mean())

    def row(self, model: str, number: int, least: int) -> dict[str, Any]:
        """Return its row of the table."""
        seen, there = self.seen, self.there
        row: dict[str, Any] = {
            "model": model,
            "slice": number,
            "rule": str(self.candidate.rule),
            "attribute": self.candidate.target,
            "n": int(self.inside.sum()),
            "n_search": seen.n,
            "n_test": 0 if there is None else there.n,
            "units_test": 0 if there is None else there.units,
            "damage_search": seen.excess,
            "status": "ok",
        }
        if there is None or np.isnan(self.q_value):
            reason = (
                f"{row['units_test']} independent units of it in the test half with others like "
                f"them elsewhere: expected {least} or more"
            )
            return row | {"status": "insufficient_support", "reason": reason}
        return row | {
            "damage": there.excess,
            "low": there.low,
            "high": there.high,
            "inside": there.damage,
            "elsewhere": there.elsewhere,
            "p_value": there.p_value,
            "q_value": float(self.q_value),
        }


def slices_of(subject: Subject, losses: Losses) -> list[Tested]:
    """Search for the slices of one model, and judge them."""
    chosen = _most_striking(subject, losses)
    tested = [_judged(subject, number, one) for number, one in enumerate(chosen)]
    enough = [
        number
        for number, one in enumerate(tested)
        if one.there is not None and one.there.units >= subject.min_support
    ]
    p = [one.there.p_value for number in enough if (one := tested[number]).there is not None]
    q = dict(zip(enough, benjamini_hochberg(np.array(p)), strict=True)) if enough else {}
    return [replace(one, q_value=float(q.get(at, np.nan))) for at, one in enumerate(tested)]


def _most_striking(subject: Subject, losses: Losses) -> list[Tested]:
    """Return slices as the search half has them, the most striking in units first.

    The search counts samples. Those of one unit are damaged alike, so that a few persons with much
    damage look like a slice: what is striking is divided by how many times more chance there is in
    it, which is 1 where units are single samples.
    """
    found = search(
        subject.columns, losses, subject.searched,
        least=subject.min_support, most=SEARCHED * subject.most,
    )  # fmt: skip
    told = []
    for one in found:
        inside, known = one.rule.holds(subject.columns)
        target = losses.target(one.target)
        seen = judge(target, inside, subject.searched & known, subject.units)
        if seen is not None and seen.excess > 0 and seen.units >= subject.min_support:
            told.append(Tested(one, target, inside, known, seen))
    told.sort(key=lambda one: -one.candidate.score / one.seen.alike)
    return told[: subject.most]


def _judged(subject: Subject, number: int, one: Tested) -> Tested:
    """Judge a slice on the test half; its number seeds the draws."""
    there = judge(
        one.target, one.inside, subject.judged & one.known, subject.units,
        confidence=subject.confidence, rng=np.random.default_rng([subject.seed, number]),
    )  # fmt: skip
    return replace(one, there=there)


def told_of(subject: Subject, losses: Losses, one: Tested, number: int) -> SliceInfo:
    """Tell what the samples of a slice are like, and what they lose, by the test half."""
    inside, target = one.inside, one.target
    named = {feature.name for feature in one.candidate.rule.features}
    traits = [
        Share(words=words, inside=share, outside=rest)
        for name, words, share, rest in shares_within(subject.columns, inside)
        if name not in named
    ]
    here = np.flatnonzero(inside & subject.judged)
    excess = (target.damage - target.expected)[here]
    hurt = here[np.argsort(-excess, kind="stable")][: min(SHOWN, int((excess > 0).sum()))]
    middle = here[:0]
    if subject.embeddings is not None:
        middle = typical(subject.embeddings, np.flatnonzero(inside), SHOWN)
    return SliceInfo(
        slice=number,
        rule=one.candidate.rule,
        about=traits[:MOST_TRAITS],
        losses=_losses(subject, losses, inside, one.known),
        typical=subject.ids.gather(middle).to_list(),
        hurt=subject.ids.gather(hurt).to_list(),
    )


def _losses(subject: Subject, losses: Losses, inside: Flags, known: Flags) -> list[Loss]:
    """Return the attributes or classes that lose most, chosen on one half, told of the other.

    Of `known` samples it is known whether they belong to the slice.
    """
    found = []
    for name in losses.names if len(losses.names) > 1 else ():
        target = losses.target(name)
        seen = judge(target, inside, subject.searched & known, subject.units)
        if seen is not None and seen.units >= subject.min_support and seen.excess > 0:
            found.append((-seen.excess, name, target))
    told = []
    for _, name, target in sorted(found, key=lambda one: one[:2])[:MOST_TRAITS]:
        there = judge(target, inside, subject.judged & known, subject.units)
        if there is not None and there.excess > 0:
            told.append(Loss(name=name, inside=there.damage, elsewhere=there.elsewhere))
    return told
