"""The jackknife: how far an estimate hangs on each unit, and so how surely it is known.

A *replicate* is the estimate without one block of samples: a unit (a sample, or a cluster such as
one person's images), or many units that were dealt into one block at random. What the replicates
of two models are of the same block can be subtracted, those of several attributes or seeds
averaged: every comparison is paired, and a mean over attributes allows for their correlation.

From the replicates come the variance of an estimate and its *degrees of freedom*: how many units
the variance rests on. Where a handful of units make up all of it, though there be thousands, a
handful is what Student's t is told of (Satterthwaite, 1946, with the fourth moment as observed).

References
----------
Efron and Stein (1981), The jackknife estimate of variance. Annals of Statistics 9.
Bell and McCaffrey (2002), Bias reduction in standard errors for linear regression with multi-stage
samples. Survey Methodology 28.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from prunescope.metrics.statistics import Floats, Sum

ROUNDING = 1e-24
"""A block's share of a sum of squares that is no more than rounding error."""

HINGE = 1.0
"""How far an estimate counts as moved by a block without which it has no value."""


class Spread(NamedTuple):
    """The variance of estimates, its degrees of freedom, their bias and skewness, by estimate.

    The bias is that of a metric which chance moves one way, (K - 1) times as much as it is for
    samples without one of K blocks.
    """

    variance: Floats
    df: Floats
    bias: Floats
    skew: Floats

    def at_least(self, least: Floats | None, *, exact: bool) -> Spread:
        """Return the same with variances of `least` or more, which is known if `exact`."""
        if least is None:
            return self
        over = least > self.variance
        df = np.where(over & exact, np.inf, self.df)
        return self._replace(variance=np.where(over, least, self.variance), df=df)


def without_each(sums: Sum) -> Sum:
    """Return the sums over all samples but those of block k, for each k: (K, ...).

    Examples
    --------
    >>> from prunescope.metrics import Transitions
    >>> without_each(Transitions(np.array([1.0, 2.0, 4.0]))).counts.tolist()
    [6.0, 5.0, 3.0]
    """
    pairs = zip(sums.total().arrays(), sums.arrays(), strict=True)
    return type(sums)(*(total - array for total, array in pairs))


def jackknife(sums: Sum) -> tuple[Sum, Sum]:
    """Return the sums over all samples, and over all but those of each block."""
    return sums.total(), without_each(sums)


def hinged(value: Floats, replicates: Floats) -> Floats:
    """Fill the replicates that have no value, where the estimate has one: it hinges on a block.

    Examples
    --------
    >>> hinged(np.array([0.5, np.nan]), np.array([[0.4, np.nan], [np.nan, np.nan]])).tolist()
    [[0.4, nan], [-0.5, nan]]
    """
    missing = np.isnan(replicates)
    return np.where(missing, value - HINGE, replicates) if missing.any() else replicates


def spread(value: Floats, replicates: Floats, blocks: Floats, limit: Floats) -> Spread:
    """Return how surely estimates are known.

    With d_k how far the estimate moves without block k, and m blocks that hold samples which it
    rests on, the variance is (m - 1)/m · Σ(d_k - mean d)². Its degrees of freedom are
    2 (Σd²)² / (Σd⁴ - (Σd²)²/m): m - 1 or more if blocks weigh alike, twice as many as the blocks
    that make up the variance if these are few. The skewness is -Σ(d_k - mean d)³ over the 1.5th
    power of Σ(d_k - mean d)²: block k moves the estimate by -d_k.

    Parameters
    ----------
    value : array (...)
    replicates : array (K, ...)
    blocks : array (...)
        Blocks with samples that the estimate rests on; the others move nothing.
    limit : array (...)
        Most degrees of freedom: independent units less one.

    Examples
    --------
    The mean of m numbers: the variance is s²/m.

    >>> x = np.array([1.0, 2.0, 3.0, 6.0])
    >>> found = spread(np.array(3.0), (x.sum() - x) / 3, np.array(4), np.array(3.0))
    >>> bool(np.isclose(found.variance, x.var(ddof=1) / 4)), found.df.tolist()
    (True, 3.0)
    """
    apart = np.asarray(replicates - value, np.float64)
    m = np.maximum(np.asarray(blocks, np.float64), 1)
    total = apart.sum(axis=0)
    square = apart * apart
    second = square.sum(axis=0) - total**2 / m
    third = np.einsum("k...,k...->...", square, apart) - total / m * (3 * second + total**2 / m)
    second = np.where(second > ROUNDING * m, second, 0)
    np.square(square, out=square)
    fourth = square.sum(axis=0)
    unsteady = fourth - second**2 / m
    with np.errstate(divide="ignore", invalid="ignore"):
        told = (second > 0) & (unsteady > 1e-9 * second**2)
        df = np.where(told, 2 * second**2 / unsteady, np.inf)
        skew = np.where(second > 0, -third / second**1.5, 0.0)
    df = np.clip(df, 1, np.maximum(limit, 1))
    return Spread((m - 1) / m * second, df, (m - 1) / m * total, np.clip(skew, -1, 1))
