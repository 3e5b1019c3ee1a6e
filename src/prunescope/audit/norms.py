"""Intervals of a norm, and of the change of one.

Chance adds to the square of a norm, on average, the variance of what the norm is of; so intervals
are formed on the square, with that taken off. Near 0 a norm is nothing like normal, its interval
lopsided; the change of one has the two intervals put together (Zou and Donner, 2008), as far as
the two norms vary alone.

References
----------
Zou and Donner (2008), Construction of confidence limits about effect measures. Statistics in
Medicine 27.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from prunescope.audit.intervals import Ends, of_ratio, student
from prunescope.metrics.statistics import Floats, divide


class Norm(NamedTuple):
    """Norms, how surely they are known, and what chance adds to their squares; arrays of one shape.

    `units` are effective units, which count where the variance is 0.
    """

    value: Floats
    variance: Floats
    df: Floats
    chance: Floats
    units: Floats

    @property
    def likely(self) -> Floats:
        """The norm without what chance adds; 0 where chance alone adds as much.

        Examples
        --------
        >>> one, none = np.array(1.0), np.array(0.0)
        >>> Norm(np.array([0.5, 0.1]), one, one, np.array(0.09), none).likely.tolist()
        [0.4, 0.0]
        """
        return np.sqrt(np.maximum(self.value**2 - self.chance, 0))

    def ends(self, confidence: float) -> Ends:
        """Return the norms whose square, with what chance adds, the one observed may be.

        The variance of a square is 4 · norm² · variance, at the larger of the two norms: so
        low² = value² - chance - 2t · value · √variance, and high² - 2t · high · √variance is
        value² - chance.

        Examples
        --------
        >>> some = np.array([0.5, 0.1]), np.array(0.0025), np.array(np.inf), np.array(0.015)
        >>> [end.round(3).tolist() for end in Norm(*some, np.array(100.0)).ends(0.95)]
        [[0.37, 0.0], [0.593, 0.166]]
        """
        t = student(self.df, confidence)
        square, error = self.value**2 - self.chance, t * np.sqrt(self.variance)
        low = np.sqrt(np.maximum(square - 2 * self.value * error, 0))
        high = error + np.sqrt(np.maximum(square + error**2, 0))
        still = of_ratio(self.value, self.units, t)
        varies = self.variance > 0
        return np.where(varies, low, still[0]), np.where(varies, high, still[1])

    def interval(self, confidence: float) -> Ends:
        """Return the ends; an interval holds its value, though that be inflated."""
        low, high = self.ends(confidence)
        return low, np.maximum(high, self.value)


def norms_apart(one: Norm, other: Norm, variance: Floats, confidence: float) -> Ends:
    """Return the interval of one norm less another, which has this variance.

    The ends of both intervals are put together as their errors are, these being correlated as the
    variance says: by what of either norm is not chance. An interval holds the difference of the values, though these be inflated.

    Examples
    --------
    Of norms that vary by themselves: √(0.1² + 0.1²) to each side.

    >>> none, many = np.array(0.0), np.array(np.inf)
    >>> norm = Norm(np.array(100.0), np.array((0.1 / 1.96) ** 2), many, none, many)
    >>> low, high = norms_apart(norm, norm, 2 * norm.variance, 0.95)
    >>> low.round(3).item(), high.round(3).item()
    (-0.141, 0.141)
    """
    (low, high), (other_low, other_high) = one.ends(confidence), other.ends(confidence)
    alone = 2 * np.sqrt(one.variance * other.variance)
    r = np.clip(divide(one.variance + other.variance - variance, alone), -1, 1)
    r *= divide(one.likely * other.likely, one.value * other.value)

    def reach(mine: Floats, others: Floats) -> Floats:
        return np.sqrt(np.maximum(mine**2 + others**2 - 2 * r * mine * others, 0))

    likely, delta = one.likely - other.likely, one.value - other.value
    below = reach(one.likely - low, other_high - other.likely)
    above = reach(high - one.likely, other.likely - other_low)
    return np.minimum(likely - below, delta), np.maximum(likely + above, delta)
