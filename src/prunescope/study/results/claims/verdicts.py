"""From an interval and a bound to a verdict, and from verdicts to one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from prunescope.study.results.claim import Verdict

LEVEL = 0.95
"""Of the intervals that are made here; those of audits have the study's own."""

DRAWS = 2000
"""Bootstrap replicates over attributes."""


class Interval(NamedTuple):
    """An estimate with its interval.

    Examples
    --------
    >>> Interval(0.1, 0.05, 0.15).at_least(0), Interval(0.1, -0.05, 0.15).at_least(0)
    ('held', 'undecided')
    >>> str(Interval(0.1, 0.05, 0.15))
    '+0.100 [+0.050, +0.150]'
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return self._worded("+.3f")

    def plain(self) -> str:
        """Word a figure that is no difference, without signs.

        Examples
        --------
        >>> Interval(0.1, 0.05, 0.15).plain()
        '0.100 [0.050, 0.150]'
        """
        return self._worded(".3f")

    def _worded(self, form: str) -> str:
        if np.isnan(self.value):
            return "unknown"
        if np.isnan(self.low):
            return f"{self.value:{form}} (one seed: no interval)"
        return f"{self.value:{form}} [{self.low:{form}}, {self.high:{form}}]"

    def at_least(self, bound: float) -> Verdict:
        """Say whether the quantity is at least so large."""
        if np.isnan([self.low, self.high]).any():
            return "undecided"
        return "held" if self.low >= bound else "failed" if self.high < bound else "undecided"

    def above(self, bound: float) -> Verdict:
        """Say whether the quantity is larger."""
        if np.isnan([self.low, self.high]).any():
            return "undecided"
        return "held" if self.low > bound else "failed" if self.high <= bound else "undecided"

    def within(self, bound: float) -> Verdict:
        """Say whether its size is at most so large."""
        if np.isnan([self.low, self.high]).any():
            return "undecided"
        if max(abs(self.low), abs(self.high)) <= bound:
            return "held"
        return "failed" if self.low > bound or self.high < -bound else "undecided"

    def __neg__(self) -> Interval:
        return Interval(-self.value, -self.high, -self.low)

    def minus(self, number: float) -> Interval:
        """Take a number off, as if it were known exactly."""
        return Interval(self.value - number, self.low - number, self.high - number)


UNKNOWN = Interval(np.nan, np.nan, np.nan)


def all_of(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the verdict on several conditions that must all be met.

    Examples
    --------
    >>> all_of(["held", "undecided"]), all_of(["held", "failed", "undecided"]), all_of([])
    ('undecided', 'failed', 'undecided')
    """
    found = set(verdicts)
    for verdict in ("failed", "undecided"):
        if verdict in found:
            return verdict
    return "held" if found else "undecided"


def over_seeds(values: Sequence[float]) -> Interval:
    """Return the mean of one figure for each seed, with Student's interval.

    One seed has no interval: both ends are NaN.

    Examples
    --------
    >>> over_seeds([1.0, 2.0, 3.0])
    Interval(value=2.0, low=-0.484..., high=4.484...)
    """
    known = np.array([value for value in values if not np.isnan(value)])
    if not len(known):
        return UNKNOWN
    mean = float(known.mean())
    if len(known) == 1:
        return Interval(mean, np.nan, np.nan)
    error = known.std(ddof=1) / np.sqrt(len(known))
    reach = float(stats.t.ppf((1 + LEVEL) / 2, len(known) - 1) * error)
    return Interval(mean, mean - reach, mean + reach)


def between_seeds(one: Sequence[float], other: Sequence[float]) -> Interval:
    """Return the mean over seeds of `one` less that of `other`, which have seeds of their own.

    Welch's interval; at least two seeds of each.

    Examples
    --------
    >>> between_seeds([1.0, 2.0, 3.0], [0.0, 1.0, 2.0]).value
    1.0
    """
    a, b = (np.array([value for value in side if not np.isnan(value)]) for side in (one, other))
    if not len(a) or not len(b):
        return UNKNOWN
    value = float(a.mean() - b.mean())
    if min(len(a), len(b)) < 2:
        return Interval(value, np.nan, np.nan)
    parts = a.var(ddof=1) / len(a), b.var(ddof=1) / len(b)
    if sum(parts) == 0:
        return Interval(value, value, value)
    freedom = sum(parts) ** 2 / (parts[0] ** 2 / (len(a) - 1) + parts[1] ** 2 / (len(b) - 1))
    reach = float(stats.t.ppf((1 + LEVEL) / 2, freedom) * np.sqrt(sum(parts)))
    return Interval(value, value - reach, value + reach)


def over_attributes(values: Sequence[float], *, median: bool = False, seed: int = 0) -> Interval:
    """Return the mean (or median) of one figure for each attribute, with a bootstrap interval.

    It says how the figure would vary with other attributes of the kind.

    Examples
    --------
    >>> over_attributes([1.0, 2.0, 9.0], median=True).value
    2.0
    """
    known = np.array([value for value in values if not np.isnan(value)])
    if len(known) < 2:
        return UNKNOWN if not len(known) else Interval(float(known[0]), np.nan, np.nan)
    statistic = np.median if median else np.mean
    drawn = np.random.default_rng(seed).choice(known, (DRAWS, len(known)))
    low, high = np.quantile(statistic(drawn, axis=1), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(statistic(known)), float(low), float(high))


def between_attributes(one: Sequence[float], other: Sequence[float]) -> Interval:
    """Return the mean over some attributes less that over others, each with a bootstrap of its own.

    Examples
    --------
    >>> between_attributes([1.0, 1.0], [0.5, 0.5])
    Interval(value=0.5, low=0.5, high=0.5)
    """
    a, b = over_attributes(one), over_attributes(other, seed=1)
    value, reach = a.value - b.value, float(np.hypot(a.high - a.low, b.high - b.low) / 2)
    return Interval(value, value - reach, value + reach)


def share(hits: NDArray[np.bool_]) -> Interval:
    """Return a share, with Wilson's interval; of nothing it is unknown.

    Examples
    --------
    >>> share(np.array([True, True, False, True]))
    Interval(value=0.75, low=0.3006..., high=0.9544...)
    """
    n = len(hits)
    if not n:
        return UNKNOWN
    found = stats.binomtest(int(hits.sum()), n).proportion_ci(LEVEL, "wilson")
    return Interval(float(hits.mean()), float(found.low), float(found.high))
