"""Intervals that stay inside a metric's range, and are never of no width by chance.

Each is the set of truths that a score test does not refuse: of a share Wilson's, of a change of a
share Tango's, of a ratio the like for a Poisson count. They need a variance alone, so samples that
come in clusters, weighted means and means over seeds have them too: a share p of variance V is one
of p(1 - p)/V independent samples (Korn and Graubard, 1998). Where no unit differs from another the
variance is 0, and the units themselves say how far that can be chance.

References
----------
Wilson (1927), Probable inference, the law of succession, and statistical inference.
Tango (1998), Equivalence test and confidence interval for the difference in proportions for the
paired-sample design. Statistics in Medicine 17.
Korn and Graubard (1998), Confidence intervals for proportions with small expected number of
positive counts estimated from survey data. Survey Methodology 24.
Hall (1992), On the removal of skewness by transformation. JRSS B 54.
Agresti and Coull (1998), Approximate is better than "exact" for interval estimation of binomial
proportions. The American Statistician 52.
Newcombe (2001), Logit confidence intervals and the inverse sinh transformation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
from scipy.special import stdtr, stdtrit

from prunescope.metrics.statistics import Floats, divide

Scale = Literal["share", "signed", "positive"]
"""The range of a metric: [0, 1], [-1, 1], or 0 and more."""

REACH: Mapping[Scale, float] = {"share": 1.0, "signed": 2.0, "positive": np.inf}
"""How far apart two values of a metric can lie."""

Ends = tuple[Floats, Floats]

CLOSE, MOST_STEPS = 1e-13, 100
"""Ends of Tango's interval are found to this accuracy, in so many steps (seven, as a rule)."""


def student(df: Floats, confidence: float) -> Floats:
    """Return the quantile of Student's t that leaves (1 - confidence)/2 above it.

    Examples
    --------
    >>> student(np.array([1.0, np.inf]), 0.95).round(3).tolist()
    [12.706, 1.96]
    """
    return np.asarray(stdtrit(np.minimum(df, 1e9), (1 + confidence) / 2))


def skewed(t: Floats, skew: Floats) -> Floats:
    """Return how many standard errors above an estimate its interval ends; t, were it not skewed.

    An estimate that is skewed upwards has too small an error where it lies below the truth, so an
    end t standard errors above it misses too often. Hall's cubic transformation moves that end
    further; no end is moved nearer, as skewness is itself an estimate.

    Examples
    --------
    >>> skewed(np.array(1.645), np.array([0.0, 0.2, -0.2])).round(3).tolist()
    [1.645, 1.912, 1.645]
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        further = 3 / skew * (1 - np.cbrt(1 - skew * (t + skew / 6)))
    return np.asarray(np.where(skew > 0, np.fmax(t, further), t))


def two_sided(value: Floats, variance: Floats, df: Floats) -> Floats:
    """Return the p-value of "it is 0", by Student's t; 1 where it is 0.

    Examples
    --------
    >>> two_sided(np.array([0.0, 1.96]), np.array([0.0, 1.0]), np.array([3.0, np.inf])).round(3)
    array([1.  , 0.05])
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(value == 0, 0.0, np.abs(value) / np.sqrt(variance))
    return np.asarray(2 * stdtr(np.minimum(df, 1e9), -t))


def of_share(p: Floats, n: Floats, t: Floats) -> Ends:
    """Return Wilson's interval of a share p of n independent samples.

    Examples
    --------
    >>> [end.round(3).item() for end in of_share(np.array(1.0), np.array(15), np.array(1.96))]
    [0.796, 1.0]
    """
    square = divide(t * t, n)
    centre = (p + square / 2) / (1 + square)
    half = np.sqrt(square * np.maximum(p * (1 - p), 0) + square**2 / 4) / (1 + square)
    low = np.where(p <= 0, 0.0, np.clip(centre - half, 0, 1))
    return low, np.where(p >= 1, 1.0, np.clip(centre + half, 0, 1))


def of_ratio(r: Floats, n: Floats, t: Floats) -> Ends:
    """Return the interval of a ratio r that n events make: low · high = r².

    From 0 events up to t² of `n` that were expected are ruled out.

    Examples
    --------
    >>> [end.round(3).item() for end in of_ratio(np.array(0.5), np.array(100.0), np.array(1.96))]
    [0.411, 0.608]
    """
    square = divide(t * t, n)
    half = np.sqrt(square + square**2 / 4)
    shrink = 1 + square / 2 - half
    return np.maximum(r * shrink, 0), np.where(r > 0, r * (1 + square / 2 + half), square)


def of_value(
    scale: Scale, value: Floats, variance: Floats, df: Floats, units: Floats, confidence: float
) -> Ends:
    """Return the interval of a metric's value.

    Parameters
    ----------
    scale : {"share", "signed", "positive"}
    value, variance, df : arrays
        `df` are the degrees of freedom of the variance.
    units : array
        Effective units, which count where the variance is 0, or the value at an end of its range.
    confidence : float

    Examples
    --------
    >>> some = np.array(0.9), np.array(0.0009), np.array(np.inf), np.array(50.0)
    >>> [end.round(3).item() for end in of_value("share", *some, 0.95)]
    [0.826, 0.945]
    """
    t = student(df, confidence)
    if scale == "signed":
        low, high = of_value("share", (value + 1) / 2, variance / 4, df, units, confidence)
        still, unseen = variance <= 0, divide(t * t, units + t * t)
        low = np.where(still, np.maximum(value - unseen, -1), 2 * low - 1)
        return low, np.where(still, np.minimum(value + unseen, 1), 2 * high - 1)
    binomial = value * (1 - value) if scale == "share" else value**2
    steady = (variance <= 0) | (value <= 0) | (binomial <= 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        n = np.where(steady, units, binomial / variance)
    return of_share(value, n, t) if scale == "share" else of_ratio(value, n, t)


def of_change(
    scale: Scale,
    delta: Floats,
    variance: Floats,
    df: Floats,
    units: Floats,
    confidence: float,
    skew: Floats | float = 0.0,
) -> Ends:
    """Return the interval of a change: delta ± t · √variance, inside the range of changes.

    It reaches further to the side that the estimate is skewed to (`skewed`). Where no unit changed,
    up to t² / (units + t²) of them may have: as Tango's interval has it.

    Examples
    --------
    >>> some = np.array(0.0), np.array(0.0), np.array(np.inf), np.array(96.16)
    >>> [end.round(3).item() for end in of_change("share", *some, 0.95)]
    [-0.038, 0.038]
    """
    t, z = student(df, confidence), student(np.asarray(np.inf), confidence)
    unseen = divide(t * t, units + t * t)
    reach = REACH[scale]
    below, above = (
        np.where(
            variance > 0,
            np.fmax(t, skewed(z, side * np.asarray(skew))) * np.sqrt(variance),
            unseen,
        )
        for side in (-1, 1)
    )
    return np.clip(delta - below, -reach, reach), np.clip(delta + above, -reach, reach)


def of_shares_apart(everyone: Floats, inside: Floats) -> Floats:
    """Return the variance of how far two shares lie apart, of two sets that share some samples.

    v = p(1 - p) · (1/m + 1/n - 2 b/(m n)), with m and n samples in the sets, b in both, and p the
    share in both together, as a score test takes it, with t²/2 samples more of either kind (Agresti
    and Coull, 1998). So it is not 0 because all of a few samples are of one kind, but because the
    sets are the same. NaN where a set is empty.

    Parameters
    ----------
    everyone : array (..., 2, 2)
        Samples by: whether in the first set, whether in the second.
    inside : array (..., 2, 2)
        Those of them that the shares count.

    Examples
    --------
    Of 12 answers 8 were women's, of the 3 that are left all: 1.44 standard errors, no surprise.

    >>> everyone, women = np.array([[0, 0], [9, 3]]), np.array([[0, 0], [5, 3]])
    >>> variance = of_shares_apart(everyone, women)
    >>> float(round((1 - 8 / 12) / variance**0.5, 2))
    1.44
    """
    m, n = everyone[..., 1, :].sum(axis=-1), everyone[..., 1].sum(axis=-1)
    count = inside[..., 1, :].sum(axis=-1) + inside[..., 1].sum(axis=-1)
    square = student(np.asarray(np.inf), 0.95) ** 2
    p = (count + square / 2) / (m + n + square)
    return np.asarray(p * (1 - p) * divide(m + n - 2 * everyone[..., 1, 1], m * n))


def of_paired(gained: Floats, lost: Floats, n: Floats, t: Floats) -> Ends:
    """Return Tango's interval of the change of a share, of n pairs that `gained` or `lost`.

    Examples
    --------
    >>> ends = of_paired(np.array(0.0), np.array(0.0), np.array(50.0), np.array(1.96))
    >>> [end.round(3).item() for end in ends]
    [-0.071, 0.071]
    """
    gained, lost, n, t = np.broadcast_arrays(gained, lost, n, t)
    ends = _most(np.stack([lost, gained]), np.stack([gained, lost]), n, t)  # the least by mirror
    low, high = np.where(n > 0, ends, np.nan)
    return -low, high


def _most(gained: Floats, lost: Floats, n: Floats, t: Floats) -> Floats:
    """Return the largest change d that Tango's test does not refuse.

    It solves (gained - lost - n d)² = t² v(d), with v the variance of the left side's root if d is
    the truth: q of the pairs change against d, q + |d| with it, q as likely as can be. As v is at
    most n, the solution lies between d̂ and d̂ + t/√n; Newton's steps that leave what is left of
    that are replaced by halving it.
    """
    changed, change = gained + lost, gained - lost
    near = divide(change, n)
    at = far = np.minimum(near + divide(t, np.sqrt(n)), 1)
    for _ in range(MOST_STEPS):
        sign, size = np.where(at < 0, -1.0, 1.0), np.abs(at)
        against, rest = np.where(at < 0, gained, lost), 2 * n - sign * change
        b = rest * size - changed
        root = np.sqrt(b * b + 8 * n * against * size * (1 - size))
        q = divide(root - b, 4 * n)
        q_slope = divide(against * (1 - 2 * size) - rest * q, root)
        apart, square = n * at - change, t * t * n
        excess = apart**2 - square * (2 * q + size * (1 - size))
        slope = 2 * n * apart - sign * square * (2 * q_slope + 1 - 2 * size)
        near, far = np.where(excess > 0, near, at), np.where(excess > 0, at, far)
        before, at = at, at - divide(excess, slope)
        at = np.where((near <= at) & (at <= far), at, (near + far) / 2)
        if not (np.abs(at - before) > CLOSE).any():
            break
    return at
