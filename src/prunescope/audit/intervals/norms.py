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

from prunescope.audit.intervals.ends import Ends, of_ratio, student
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
        """Return the ends of the norms that the one observed does not refuse.

        Where the norm is θ, value² - chance has mean θ² and variance (4θ² + 2 chance) · variance.

        Examples
        --------
        >>> some = np.array([0.5, 0.1]), np.array(0.0025), np.array(np.inf), np.array(0.015)
        >>> [end.round(3).tolist() for end in Norm(*some, np.array(100.0)).ends(0.95)]
        [[0.395, 0.0], [0.594, 0.189]]
        """
        t = student(self.df, confidence)
        error = t**2 * self.variance
        centre = self.value**2 - self.chance + 2 * error
        half = np.sqrt(error * np.maximum(4 * (centre - error) + 2 * self.chance, 0))
        low, high = (np.sqrt(np.maximum(end, 0)) for end in (centre - half, centre + half))
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
    variance says: by what of either norm is not chance. A norm that may be 0 is taken for 0. An
    interval holds the difference of the values, though these be inflated.

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
    at, other_at = (np.where(end > 0, of.likely, 0) for end, of in ((low, one), (other_low, other)))
    r *= divide(at * other_at, one.value * other.value)

    def reach(mine: Floats, others: Floats) -> Floats:
        return np.sqrt(np.maximum(mine**2 + others**2 - 2 * r * mine * others, 0))

    likely, delta = at - other_at, one.value - other.value
    below, above = reach(at - low, other_high - other_at), reach(high - at, other_at - other_low)
    return np.minimum(likely - below, delta), np.maximum(likely + above, delta)
