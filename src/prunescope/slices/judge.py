"""The test half: whether a slice that was found on other samples is one there, and how bad.

A slice's damage is the mean over its answers; *elsewhere* is that of the other samples, each
stratum of expected damage weighed as in the slice (direct standardisation). Where units are single
samples the test is exact: within strata it is a matter of chance which samples belong to the slice
if damage does not hang on it, so the slice's sum is one of draws without replacement. Where samples
come in clusters it is Student's t over them, of the units' influence on the difference.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr

from prunescope.audit.intervals import Scale, of_value
from prunescope.metrics.statistics import Floats
from prunescope.slices.damage import Target, strata_of
from prunescope.slices.rules import Flags

DRAWS = 20_000
"""Draws of the exact test: no p-value is below 1 / (DRAWS + 1)."""


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

    @property
    def elsewhere(self) -> tuple[Floats, Floats]:
        """Mean damage of an answer outside, by stratum of each sample, and what weighs it: (n,)."""
        n, out = int(self.strata.max()) + 1, ~self.inside
        lost = np.bincount(self.strata[out], self.damage[out], minlength=n)
        of = np.maximum(np.bincount(self.strata[out], self.answers[out], minlength=n), 1)
        within = np.bincount(self.strata[self.inside], self.answers[self.inside], minlength=n)
        return (lost / of)[self.strata], (within / of)[self.strata]


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
    means, weights = here.elsewhere
    n_answers = here.answers[here.inside].sum()
    damage = here.damage[here.inside].sum() / n_answers
    elsewhere = (here.answers * means)[here.inside].sum() / n_answers
    spread_in = np.where(here.inside, here.damage - damage * here.answers, 0) / n_answers
    spread_out = np.where(here.inside, 0, weights * (here.damage - means * here.answers))
    spread_out /= n_answers
    single = len(here.units) == here.units.max() + 1
    ends = [
        _interval(value, here, spread, rows, confidence)
        for value, spread, rows in (
            (damage, spread_in, here.inside), (elsewhere, spread_out, ~here.inside)
        )
    ]  # fmt: skip
    (low_in, high_in), (low_out, high_out) = ends
    excess = damage - elsewhere
    n_units = len(np.unique(here.units[here.inside]))
    if rng is None:
        p_value = np.nan
    elif single:
        p_value = _exact(here, rng, draws)
    else:
        p_value = _students(excess, here, spread_in - spread_out, n_units)
    return Judged(
        n=int(here.inside.sum()),
        units=n_units,
        damage=float(damage),
        elsewhere=float(elsewhere),
        excess=float(excess),
        low=float(excess - np.hypot(damage - low_in, high_out - elsewhere)),
        high=float(excess + np.hypot(high_in - damage, elsewhere - low_out)),
        p_value=float(p_value),
        alike=_alike(here, spread_in - spread_out),
    )


def _alike(here: _Half, spread: Floats) -> float:
    """Return the variance over units in variances over single samples, at least 1."""
    single = (spread**2).sum()
    return max(float((np.bincount(here.units, spread) ** 2).sum() / single), 1.0) if single else 1.0


def _interval(
    value: float, here: _Half, spread: Floats, rows: Flags, confidence: float
) -> tuple[float, float]:
    """Return the interval of a mean, whose difference has that of Newcombe's hybrid score."""
    of_units = np.bincount(here.units, spread)
    n = len(np.unique(here.units[rows]))
    variance = (of_units**2).sum() * n / max(n - 1, 1)
    scale: Scale = "signed" if here.damage.min(initial=0) < 0 else "share"
    whole = np.array(min(max(value, -1.0 if scale == "signed" else 0.0), 1.0))
    low, high = of_value(
        scale, whole, np.array(variance), np.array(max(n - 1.0, 1.0)), np.array(float(n)),
        confidence,
    )  # fmt: skip
    return float(low), float(high)


def _students(excess: float, here: _Half, spread: Floats, n_units: int) -> float:
    """Return the one-sided p-value of the excess by Student's t over units."""
    of_units = np.bincount(here.units, spread)
    variance = (of_units**2).sum()
    if variance <= 0 or n_units < 2:
        return 1.0
    # As many degrees of freedom as there are units that matter for the variance (Kish).
    squares = of_units**2
    df = max(min(squares.sum() ** 2 / (squares**2).sum(), n_units) - 1, 1.0)
    error = np.sqrt(variance * n_units / (n_units - 1))
    return float(stdtr(df, -excess / error))


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
    return float((1 + (drawn >= observed).sum()) / (draws + 1))
