"""The additive statistics that every metric but the ranking ones is a function of.

Each statistic is a sum over samples of numbers that depend on one sample alone. So statistics of
two batches add up to those of both. Samples are dealt into K *blocks* and summed block by block
(the leading axis): summed over the blocks they give the estimate, and weighted by how often a
bootstrap replicate draws each block, the replicate. ``...`` stands for that axis: the blocks, the
replicates, or nothing.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, NamedTuple, ParamSpec, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaincc
from threadpoolctl import ThreadpoolController

from prunescope.data.samples import Task
from prunescope.metrics.slices import Slices

Floats = NDArray[np.floating[Any]]

N_BINS = 10
BAND = (0.1, 0.9)

MOST_PAIRED = 256
"""Attributes up to which their pairs are counted: K · A² numbers are kept."""

PIECE = 1 << 15
"""Samples that are worked on at once, so that what is computed of them stays in the cache."""


class Measure(NamedTuple):
    """A metric's value and what it rests on.

    ``value`` is NaN where the metric is not defined. ``support`` counts the samples that the data
    offer for it: the denominator of a rate, or the smaller of two sides that are compared. It does
    not depend on the model.
    """

    value: Floats
    support: Floats


class Moments(NamedTuple):
    """First and second moments of A binary columns, pair by pair; each broadcasts to (..., A, A).

    ``n[a, b]`` counts the samples where both columns are known, ``first[a, b]`` those of them
    where a is true, ``second[a, b]`` those where both are.
    """

    n: Floats
    first: Floats
    second: Floats


Sum = TypeVar("Sum", bound="Additive")
T = TypeVar("T")
P = ParamSpec("P")


@dataclass(frozen=True)
class Additive:
    """A record of arrays that are sums over samples; two of the same shape add up field by field.

    Each array's leading axis numbers the blocks.
    """

    def __add__(self: Sum, other: Sum) -> Sum:
        """Return the statistics of both batches together."""
        pairs = zip(self.arrays(), other.arrays(), strict=True)
        return type(self)(*(mine + theirs for mine, theirs in pairs))

    def arrays(self) -> list[Floats]:
        """Return the arrays, in the order of the fields."""
        return [getattr(self, field.name) for field in fields(self)]

    def total(self: Sum) -> Sum:
        """Return the sums over all blocks, without the leading axis: added up once."""
        return type(self)(*self._totals)

    @functools.cached_property
    def _totals(self) -> list[Floats]:
        return [np.asarray(array.sum(axis=0)) for array in self.arrays()]

    def weighted(self: Sum, weights: NDArray[np.float32]) -> Sum:
        """Return the sums of R replicates that draw block k `weights[r, k]` times.

        In float32, and so that the replicates of one number lie side by side in memory, though
        they are the leading axis: intervals are read off them.
        """
        return type(self)(*(_weigh(array, weights) for array in self.arrays()))


def _weigh(array: Floats, weights: NDArray[np.float32]) -> Floats:
    """Return the weighted sums over the leading axis, for each row of weights (R, K)."""
    flat = np.ascontiguousarray(np.moveaxis(array, 0, -1), np.float32).reshape(-1, len(array))
    counted = flat.any(axis=1)  # often a third is not: the unlabelled of a labelled data set
    if counted.all():
        sums = flat @ weights.T
    else:
        sums = np.zeros((len(flat), len(weights)), np.float32)
        sums[counted] = flat[counted] @ weights.T
    return np.moveaxis(sums.reshape(*array.shape[1:], len(weights)), -1, 0)


@dataclass(frozen=True)
class Statistics(Additive):
    """What one model's answers add up to.

    Parameters
    ----------
    counts : array (..., S, A, 3, 2)
        Samples per slice and attribute by label (0, 1, 2 = unlabelled) and decision.
    in_band : array (..., S, A)
        Those whose probability lies in the uncertainty band.
    gaps : array (..., S, A, B)
        Sum of probability - label over the labelled samples in each calibration bin.
    pairs : array (..., A, A)
        Samples with both decisions true; (..., 0, 0) beyond `MOST_PAIRED` attributes.
    """

    counts: Floats
    in_band: Floats
    gaps: Floats
    pairs: Floats

    @property
    def predicted(self) -> Moments:
        """The moments of the decisions over all samples."""
        n = self.counts[..., 0, :, :, :].sum(axis=(-2, -1))[..., :1, None]
        first = np.diagonal(self.pairs, axis1=-2, axis2=-1)[..., :, None]
        return Moments(n, first, self.pairs)


@dataclass(frozen=True)
class Labels(Additive):
    """What the labels add up to, pair by pair of attributes, as in `Moments`."""

    known: Floats
    first: Floats
    second: Floats

    @property
    def moments(self) -> Moments:
        """The moments over the samples where both labels are known."""
        return Moments(self.known, self.first, self.second)


@dataclass(frozen=True)
class Transitions(Additive):
    """Which answers changed from one model to another.

    Parameters
    ----------
    counts : array (..., S, A, 3, 2, 2)
        Samples by label (0, 1, 2 = unlabelled), decision of the first model, of the second.
    """

    counts: Floats


@dataclass(frozen=True)
class Layout:
    """How statistics are laid out: S slices, K blocks, B calibration bins, the uncertainty band."""

    slices: Slices
    n_blocks: int = 1
    n_bins: int = N_BINS
    band: tuple[float, float] = BAND


def pairs_kept(n_attributes: int, task: Task) -> bool:
    """Tell whether pairs of attributes are counted: of classes, each answer tells the others."""
    return task != "multiclass" and n_attributes <= MOST_PAIRED


@functools.cache
def _pools() -> ThreadpoolController:
    return ThreadpoolController()


def on_one_thread(count: Callable[P, T]) -> Callable[P, T]:
    """Keep the matrix products of a function on its own thread.

    Products of a few thousand numbers gain nothing from more threads, and on a busy machine lose
    a hundredfold by waiting for them.
    """

    @functools.wraps(count)
    def alone(*args: P.args, **kwargs: P.kwargs) -> T:
        with _pools().limit(limits=1, user_api="blas"):
            return count(*args, **kwargs)

    return alone


def moments(columns: NDArray[np.bool_], known: NDArray[np.bool_] | None = None) -> Moments:
    """Sum the pairwise moments of binary columns.

    Parameters
    ----------
    columns : array (N, A) of bool
        False where not known.
    known : array (N, A) of bool, optional
        Default: everything is.

    Examples
    --------
    >>> moments(np.array([[True, True], [True, False]])).second.tolist()
    [[2.0, 1.0], [1.0, 1.0]]
    """
    true = columns.astype(np.float64)
    told = np.ones(columns.shape) if known is None else known.astype(np.float64)
    return Moments(told.T @ told, true.T @ told, true.T @ true)


def divide(numerator: Any, denominator: Any) -> Floats:  # noqa: ANN401 - anything array-like
    """Divide; NaN, not a warning, where the denominator is 0.

    Examples
    --------
    >>> divide([1.0, 0.0], [2.0, 0.0]).tolist()
    [0.5, nan]
    """
    bottom = np.asarray(denominator)
    with np.errstate(divide="ignore", invalid="ignore"):
        result = np.asarray(np.asarray(numerator) / bottom)
    if not bottom.all():
        np.copyto(result, np.nan, where=bottom == 0)
    return result


def binomial_cdf(k: ArrayLike, n: ArrayLike, p: float) -> Floats:
    """Return how likely at most k of n independent trials succeed, each with probability p.

    By the incomplete beta function, to which scipy.stats comes as well, which loads slowly.

    Examples
    --------
    >>> binomial_cdf([0, 1, 2, 0], [2, 2, 2, 0], 0.5).tolist()
    [0.25, 0.75, 1.0, 1.0]
    """
    k, n = np.asarray(k), np.asarray(n)
    return np.asarray(betaincc(k + 1, n - k, p))
