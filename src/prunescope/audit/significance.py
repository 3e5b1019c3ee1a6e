"""Intervals, p-values and their correction for many comparisons."""

from __future__ import annotations

from copy import copy
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import stdtr
from scipy.stats import binom

from prunescope.metrics.statistics import Floats, divide

FEW = 10
"""Replicates in a tail below which its share is too coarse to be a p-value."""


def deviation(replicates: Floats) -> Floats:
    """Return the standard deviation over the leading axis; NaN are left out, 0 without replicates.

    Examples
    --------
    >>> deviation(np.array([[1.0], [np.nan], [3.0]])).round(4).tolist()
    [1.4142]
    """
    n: Any = len(replicates)
    if np.isnan(np.sum(replicates)):
        known = ~np.isnan(replicates)
        n, replicates = known.sum(axis=0), np.where(known, replicates, 0)
        mean = divide(np.sum(replicates, axis=0, dtype=np.float64), n)
        apart = np.where(known, replicates - mean.astype(replicates.dtype), 0)
    else:
        mean = divide(np.sum(replicates, axis=0, dtype=np.float64), n)
        apart = replicates - mean.astype(replicates.dtype)
    np.square(apart, out=apart)
    return np.asarray(np.sqrt(np.sum(apart, axis=0, dtype=np.float64) / np.maximum(n - 1, 1)))


class Spread:
    """How one number each of n rows varies over R replicates.

    Parameters
    ----------
    replicates : array (n, R)
        NaN where the number is not defined in a replicate: left out.
    centre : array (n,), optional
        The estimates, of a metric that chance moves one way, and resampling once more: each row is
        shifted to have this mean.
    reflect : bool
        Shift as far again: what resampling added to the estimate, the estimate itself has too
        much (the bias that the bootstrap estimates is taken off).
    """

    def __init__(
        self, replicates: Floats, centre: Floats | None = None, *, reflect: bool = False
    ) -> None:
        rows = np.sort(replicates, axis=1)  # NaN come last
        self.n = np.full(len(rows), rows.shape[1])
        partial = np.isnan(rows[:, -1:]).any(axis=1)
        if partial.any():
            self.n[partial] -= np.isnan(rows[partial]).sum(axis=1)
        if centre is not None:
            moved = (centre - self._mean(rows)) * (2 if reflect else 1)
            rows += moved.astype(rows.dtype)[:, None]
        self._sorted = rows

    def take(self, rows: NDArray[np.bool_]) -> Spread:
        """Return how some of the numbers vary."""
        if rows.all():
            return self
        some = copy(self)
        some.n, some._sorted = self.n[rows], self._sorted[rows]
        return some

    def _mean(self, rows: Floats) -> Floats:
        defined = np.arange(rows.shape[1]) < self.n[:, None]
        return divide(np.sum(rows, axis=1, where=defined, dtype=np.float64), self.n)

    @property
    def error(self) -> Floats:
        """Standard deviation of each row: (n,)."""
        return deviation(self._sorted.T)

    def interval(self, confidence: float) -> tuple[Floats, Floats]:
        """Return the percentile interval, each end (n,); NaN where no replicate is defined.

        Examples
        --------
        >>> [end.tolist() for end in Spread(np.array([[4.0, 1, 2, 3, np.nan]])).interval(0.5)]
        [[1.75], [3.25]]
        """
        tail = (1 - confidence) / 2
        low, high = (self._quantile(share) for share in (tail, 1 - tail))
        return low, high

    def _quantile(self, share: float) -> Floats:
        if not self._sorted.shape[1]:
            return np.full(len(self.n), np.nan)
        place = share * np.maximum(self.n - 1, 0)
        below = np.floor(place).astype(np.int64)
        above = np.minimum(below + 1, np.maximum(self.n - 1, 0))
        rows = np.arange(len(self.n))
        left = self._sorted[rows, below].astype(np.float64)
        right = self._sorted[rows, above].astype(np.float64)
        return np.asarray(left + (place - below) * (right - left))

    def p_value(
        self, value: Floats, error: Floats | None = None, df: Floats | None = None
    ) -> Floats:
        """Return the two-sided p-value of "it is 0": (n,).

        2 · the share of replicates on the far side of 0, with one more replicate counted so that
        it is never 0 (Davison and Hinkley, 1997, section 4.4). Where fewer than ten lie there,
        Student's t of value / standard error takes over, if it is smaller: shares of a thousand
        replicates cannot tell one in a hundred thousand, which many comparisons ask for.

        Parameters
        ----------
        value : array (n,)
        error, df : array (n,), optional
            Standard error and its degrees of freedom; default: the replicates' own, no limit.
        """
        if not self._sorted.shape[1]:
            return np.full(len(self.n), np.nan)
        tail = np.minimum(_count(self._sorted <= 0), _count(self._sorted >= 0))
        share = np.minimum(2 * (tail + 1) / (self.n + 1), 1.0)
        far = tail < FEW
        spread = self.take(far).error if error is None else error[far]
        normal = 2 * stdtr(np.inf if df is None else df[far], -np.abs(divide(value[far], spread)))
        share[far] = np.where((normal < share[far]) & (spread > 0), normal, share[far])
        return np.where(self.n > 0, share, np.nan)


def _count(where: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Count what is true in each row, eight at a time."""
    return np.asarray(np.bitwise_count(np.packbits(where, axis=1)).sum(axis=1, dtype=np.int64))


def mcnemar(one_way: Floats, other_way: Floats) -> Floats:
    """Return the exact two-sided p-value that changes go both ways equally often.

    Given n changes in all, those of one way are Binomial(n, 1/2) if neither is likelier. Exact for
    independent samples (McNemar, 1947).

    Examples
    --------
    >>> mcnemar(np.array([1, 5, 0]), np.array([9, 5, 0])).round(4).tolist()
    [0.0215, 1.0, 1.0]
    """
    n = one_way + other_way
    return np.asarray(np.minimum(2 * binom.cdf(np.minimum(one_way, other_way), n, 0.5), 1.0))


def exact_p_values(transitions: Floats) -> dict[str, Floats]:
    """Return McNemar's test for every metric that counts right or positive answers: (S, A) each.

    Parameters
    ----------
    transitions : array (S, A, 3, 2, 2)
        Samples by label, decision of the baseline, decision of the other model.
    """
    gone, come = transitions[..., 1, 0], transitions[..., 0, 1]  # (S, A, 3): yes → no, no → yes
    worse = gone[..., 1] + come[..., 0]
    better = come[..., 1] + gone[..., 0]
    right, found, false = (
        mcnemar(worse, better), mcnemar(gone[..., 1], come[..., 1]),
        mcnemar(gone[..., 0], come[..., 0]),
    )  # fmt: skip
    return {
        "accuracy": right,
        "harmful_flip_rate": right,
        "helpful_flip_rate": right,
        "tpr": found,
        "fnr": found,
        "fpr": false,
        "tnr": false,
        "selection_rate": mcnemar(gone.sum(axis=-1), come.sum(axis=-1)),
    }


def benjamini_hochberg(p: Floats) -> Floats:
    """Return the q-values of one family: the least false discovery rate to reject each at.

    min over all j from i on of p_(j) · m / j, in the order of p. Source: Benjamini and Hochberg
    (1995).

    Examples
    --------
    >>> benjamini_hochberg(np.array([0.02, 0.01, 0.9])).round(3).tolist()
    [0.03, 0.03, 0.9]
    """
    order, m = np.argsort(p), len(p)
    q = np.empty(m)
    scaled = p[order] * (m / np.arange(1, m + 1))
    q[order[::-1]] = np.minimum.accumulate(scaled[::-1])
    return np.minimum(q, 1)


def add_q_values(table: pl.DataFrame) -> pl.DataFrame:
    """Fill `q_value`: Benjamini-Hochberg over the rows of each metric of one model.

    Averages over attributes are a family of their own.
    """
    p = table["p_value"].to_numpy()
    q = np.full(len(p), np.nan)
    family = pl.struct("metric", pl.col("attribute").is_null()).rank("dense")
    families = table.select(family).to_series().to_numpy()
    for number in np.unique(families):
        tested = (families == number) & ~np.isnan(p)
        if tested.any():
            q[tested] = benjamini_hochberg(p[tested])
    return table.with_columns(pl.Series("q_value", q).fill_nan(None))
