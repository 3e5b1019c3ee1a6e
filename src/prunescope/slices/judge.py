"""The test half: whether a slice that was found on other samples is one there, and how bad.

A slice's damage is the mean over its answers; *elsewhere* is that of the other samples, each
stratum of expected damage weighed as in the slice (direct standardisation). Where units are single
samples the test is exact: within strata it is a matter of chance which samples belong to the slice
if damage does not hang on it, so the slice's sum is one of draws without replacement. Where samples
come in clusters it is Student's t over them, by the jackknife.

A slice has few units, and where a few of them make up the damage, those that were drawn may happen
to show little of it, and little variance with it. So the interval of a slice's mean is as wide as
two say, each a score interval: one of the units' own variance, with as many degrees of freedom as
it has (`prunescope.audit.intervals.jackknife.spread`), and one by the correlation ρ of the damage
to answers of one unit, which all units of the half tell: A answers, of units with a_u of them, are
worth those of 1/f independent ones, f = ρ Σ a_u² / A² + (1 - ρ) / A.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr

from prunescope.audit.intervals.ends import Scale, of_value
from prunescope.audit.intervals.jackknife import Spread, spread
from prunescope.metrics.statistics import Floats
from prunescope.slices.damage import Target, strata_of
from prunescope.slices.rules import Flags

DRAWS = 20_000
"""Draws of the exact test: no p-value is below `LEAST_P`."""

LEAST_P = 1 / (DRAWS + 1)

ROUNDING = 1e-3
"""Sums of damage that differ by less are one: where it is a mean over seeds, it is no whole number.
"""

TINY = 0.1
"""Share of a mean that is left without a unit, at least: one that is all of it moves nothing."""


@dataclass(frozen=True)
class Judged:
    """A slice on one half.

    Parameters
    ----------
    n : int
        Samples of the slice, of which an answer could be damaged.
    units : int
        Independent units among them.
    damage, elsewhere : float
        Mean damage of an answer in the slice, and of others that are as likely to be damaged.
    excess, low, high : float
        The difference, with its interval.
    p_value : float
        One-sided, of "no more than elsewhere".
    alike : float
        How many times the variance of the difference is what it would be of single samples: at
        least 1; more where the samples of a unit are damaged alike.
    """

    n: int
    units: int
    damage: float
    elsewhere: float
    excess: float
    low: float
    high: float
    p_value: float
    alike: float


@dataclass(frozen=True)
class _Half:
    """The samples of a half whose answers could be damaged: (n,) each."""

    inside: Flags
    damage: Floats
    answers: Floats
    strata: NDArray[np.intp]
    units: NDArray[np.intp]

    @classmethod
    def of(cls, target: Target, inside: Flags, half: Flags, units: NDArray[np.uint64]) -> _Half:
        """Read a half, without samples of the slice that nothing elsewhere is like."""
        rows = np.flatnonzero(half & (target.answers > 0))
        strata = strata_of(target, rows)
        there = np.zeros(strata.max(initial=0) + 1, bool)
        there[strata[~inside[rows]]] = True
        rows, strata = rows[there[strata]], strata[there[strata]]
        return cls(
            inside[rows],
            target.damage[rows].astype(np.float64),
            target.answers[rows].astype(np.float64),
            strata,
            np.unique(units[rows], return_inverse=True)[1].astype(np.intp),
        )

    def by_unit(self, values: Floats) -> Floats:
        """Add values of samples up by unit: (K,)."""
        return np.asarray(np.bincount(self.units, values), np.float64)

    def by_stratum(self, values: Floats, rows: Flags) -> Floats:
        """Add values of some samples up by stratum, for each sample of it: (n,)."""
        sums = np.bincount(self.strata, np.where(rows, values, 0))[self.strata]
        return np.asarray(sums, np.float64)


@dataclass(frozen=True)
class _Side:
    """The mean damage of an answer in the slice, or of others weighed as in the slice.

    Parameters
    ----------
    here : _Half
    rows : array (n,) of bool
        The samples of this side.
    mean, changed : array (n,)
        Mean damage, and mean size of it, of an answer of this side: of the sample's stratum, or
        of the slice.
    pull : array (n,)
        What each sample adds to the value, beyond the mean.
    moves : array (K,)
        By how much the value is higher with a unit than without it.
    value, size : float
        The value, and the mean size of the damage.
    """

    here: _Half
    rows: Flags
    mean: Floats
    changed: Floats
    pull: Floats
    moves: Floats
    value: float
    size: float

    @classmethod
    def inside(cls, here: _Half) -> _Side:
        """Read the slice."""
        answers = np.where(here.inside, here.answers, 0)
        total = answers.sum()
        value = here.damage[here.inside].sum() / total
        size = np.abs(here.damage[here.inside]).sum() / total
        pull = np.where(here.inside, here.damage - value * here.answers, 0) / total
        left = np.maximum(1 - here.by_unit(answers) / total, TINY)
        moves, ones = here.by_unit(pull) / left, np.ones(len(answers))
        return cls(here, here.inside, value * ones, size * ones, pull, moves, value, size)

    @classmethod
    def elsewhere(cls, here: _Half) -> _Side:
        """Read the others."""
        out = ~here.inside
        of = np.maximum(here.by_stratum(here.answers, out), 1)
        mean = here.by_stratum(here.damage, out) / of
        changed = here.by_stratum(np.abs(here.damage), out) / of
        answers = np.where(here.inside, here.answers, 0)
        weight = here.by_stratum(answers, here.inside) / of / answers.sum()
        pull = np.where(out, weight * (here.damage - mean * here.answers), 0)
        moves = here.by_unit(pull / np.maximum(1 - here.answers / of, TINY))
        value, size = ((answers * each).sum() / answers.sum() for each in (mean, changed))
        return cls(here, out, mean, changed, pull, moves, value, size)

    @property
    def answers(self) -> Floats:
        """Answers of this side, by unit: (K,)."""
        return self.here.by_unit(np.where(self.rows, self.here.answers, 0))

    @property
    def effective(self) -> float:
        """How many units of equal size would say as much."""
        return float(self.answers.sum() ** 2 / (self.answers**2).sum())

    def interval(self, alike: float, confidence: float) -> tuple[float, float]:
        """Return the interval of the value, by a correlation of the answers of a unit."""
        answers = self.answers
        factor = alike / self.effective + (1 - alike) / answers.sum()
        own = spread_of(self.moves, answers > 0, self.effective)
        scale: Scale = "signed" if self.here.damage.min(initial=0) < 0 else "share"
        least = -1.0 if scale == "signed" else 0.0
        low, high = of_value(
            scale,
            np.full(2, min(max(self.value, least), 1.0)),
            np.array([own.variance, factor * (self.size - self.value**2)]),
            np.array([own.df, np.inf]),
            np.array([self.effective, 1 / factor]),
            confidence,
        )
        return float(low.min()), float(high.max())


def judge(
    target: Target,
    inside: Flags,
    half: Flags,
    units: NDArray[np.uint64],
    *,
    confidence: float = 0.95,
    rng: np.random.Generator | None = None,
    draws: int = DRAWS,
) -> Judged | None:
    """Judge a slice on one half; None where most of it has nothing elsewhere to compare with.

    Parameters
    ----------
    target : Target
    inside, half : array (N,) of bool
        Samples of the slice, and of the half.
    units : array (N,) of uint64
        Numbers of the independent units.
    confidence : float
    rng : numpy.random.Generator, optional
        For the exact test; without it the p-value is NaN.
    draws : int
        Of the exact test.
    """
    here = _Half.of(target, inside, half, units)
    if here.inside.sum() <= (half & inside & (target.answers > 0)).sum() / 2:
        return None
    slice_, others = _Side.inside(here), _Side.elsewhere(here)
    alike = _correlation(slice_, others)
    low_in, high_in = slice_.interval(alike, confidence)
    low_out, high_out = others.interval(alike, confidence)
    damage, elsewhere = slice_.value, others.value
    excess = damage - elsewhere
    if rng is None:
        p_value = np.nan
    elif len(here.units) == here.units.max() + 1:
        p_value = _exact(here, rng, draws)
    else:
        p_value = _students(excess, slice_, others)
    return Judged(
        n=int(here.inside.sum()),
        units=int((slice_.answers > 0).sum()),
        damage=float(damage),
        elsewhere=float(elsewhere),
        excess=float(excess),
        low=float(excess - np.hypot(damage - low_in, high_out - elsewhere)),
        high=float(excess + np.hypot(high_in - damage, elsewhere - low_out)),
        p_value=float(p_value),
        alike=_alike(here, slice_.pull - others.pull),
    )


def spread_of(moves: Floats, there: Flags, effective: float) -> Spread:
    """Return how surely a value is known that each unit (K,) moves, if it is `there`."""
    n = np.array(float(there.sum()))
    return spread(np.array(0.0), -moves, n, np.array(effective - 1))


def _correlation(one: _Side, other: _Side) -> float:
    """Return the correlation of the damage to two answers of one unit, in [0, 1]."""
    here = one.here
    mean, changed = (
        np.where(one.rows, mine, theirs)
        for mine, theirs in ((one.mean, other.mean), (one.changed, other.changed))
    )
    variance = here.by_unit(here.answers * (changed - mean**2))
    pairs = (variance * (here.by_unit(here.answers) - 1)).sum()
    together = (here.by_unit(here.damage - mean * here.answers) ** 2).sum() - variance.sum()
    return float(np.clip(together / pairs, 0, 1)) if pairs > 0 else 0.0


def _alike(here: _Half, pull: Floats) -> float:
    """Return the variance over units in variances over single samples, at least 1."""
    single = (pull**2).sum()
    return max(float((here.by_unit(pull) ** 2).sum() / single), 1.0) if single else 1.0


def _students(excess: float, one: _Side, other: _Side) -> float:
    """Return the one-sided p-value of the excess by Student's t over units."""
    found = spread_of(one.moves - other.moves, one.answers + other.answers > 0, one.effective)
    if found.variance <= 0 or (one.answers > 0).sum() < 2:
        return 1.0
    return float(stdtr(found.df, -excess / np.sqrt(found.variance)))


def _exact(here: _Half, rng: np.random.Generator, draws: int) -> float:
    """Return how often draws within the strata have as much damage as the slice, or more."""
    observed = here.damage[here.inside].sum()
    drawn = np.zeros(draws)
    for stratum in np.unique(here.strata):
        of = here.strata == stratum
        n_inside = int((of & here.inside).sum())
        if not n_inside:
            continue
        values, counts = np.unique(here.damage[of], return_counts=True)
        drawn += rng.multivariate_hypergeometric(counts, n_inside, size=draws) @ values
    return float((1 + (drawn >= observed - ROUNDING).sum()) / (draws + 1))
