"""The additive statistics that every metric but the ranking ones is a function of.

Each statistic is a sum over samples of numbers that depend on one sample alone. So statistics of
two batches add up to those of both. Samples are dealt into K *blocks* and summed block by block
(the leading axis): summed over the blocks they give the estimate, and weighted by how often a
bootstrap replicate draws each block, the replicate. ``...`` stands for that axis: the blocks, the
replicates, or nothing.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple, ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from prunescope.metrics.slices import Partition, Slices
from prunescope.predictions.batch import Answers, Batch
from prunescope.predictions.record import Predictions

Floats = NDArray[np.floating[Any]]

N_BINS = 10
BAND = (0.1, 0.9)

MOST_PAIRED = 256
"""Attributes up to which their pairs are counted: K · A² numbers are kept."""

PIECE = 1 << 15
"""Samples that are worked on at once, so that what is computed of them stays in the cache."""


SHORT = 1 << 12
"""Samples whose pairs are counted at once, likewise."""


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
        """Return the sums over all blocks, without the leading axis."""
        return type(self)(*(array.sum(axis=0) for array in self.arrays()))

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
    """What the labels add up to, pair by pair of attributes: (..., A, A), as in `Moments`."""

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


class Counter:
    """Counts the statistics of one batch of samples, block by block, exactly.

    Parameters
    ----------
    batch : Batch
        n samples with A attributes.
    layout : Layout
    blocks : array (n,) of int, optional
        The block of each sample; default: all in one.
    """

    def __init__(
        self, batch: Batch, layout: Layout, blocks: NDArray[np.int64] | None = None
    ) -> None:
        self.batch, self.layout = batch, layout
        self.blocks = np.zeros(batch.n, np.int64) if blocks is None else blocks
        self._partitions = [
            (part, part.cells(batch.groups, batch.n)) for part in layout.slices.partitions()
        ]
        self._base: dict[int, list[tuple[Partition, NDArray[np.int64]]]] = {}
        self._index, self._gap = np.empty(batch.n, np.int64), np.empty(batch.n)  # used again

    @property
    def n_attributes(self) -> int:
        """Number of attributes."""
        return len(self.batch.labels)

    @property
    def paired(self) -> bool:
        """Whether pairs of attributes are counted."""
        return self.n_attributes <= MOST_PAIRED

    def sizes(self) -> NDArray[np.int64]:
        """Count the samples in each slice: (S,)."""
        return sum(
            (
                partition.membership @ np.bincount(cells, minlength=partition.membership.shape[1])
                for partition, cells in self._partitions
            ),
            start=np.zeros(len(self.layout.slices), np.int64),
        )

    @on_one_thread
    def statistics(self, answers: Answers) -> Statistics:
        """Count what one model's answers add up to."""
        n_bins, shape = self.layout.n_bins, (self.n_attributes, len(self.layout.slices))
        counts = np.empty((*shape, 12, self.layout.n_blocks))
        gaps = np.empty((*shape, n_bins, self.layout.n_blocks))

        for a in range(self.n_attributes):
            code, place, gap = self._codes(answers, a)
            counts[a] = self._tabulate(code, 12)
            gaps[a] = self._tabulate(place, n_bins, gap)
        by = _blocks_first(counts)
        cells = by.reshape(*by.shape[:3], 3, 2, 2)
        return Statistics(
            cells.sum(axis=-1),
            cells[..., 1].sum(axis=(-2, -1)),
            _blocks_first(gaps),
            self._pairs(answers.decisions, answers.decisions),
        )

    @on_one_thread
    def transitions(self, before: Answers, after: Answers) -> Transitions:
        """Count which answers change from one model to another."""
        return self._changes(before.decisions, after.decisions)

    def _changes(self, before: NDArray[np.bool_], after: NDArray[np.bool_]) -> Transitions:
        """Count labels by two binary columns of each attribute (A, n)."""
        counts = np.empty((self.n_attributes, len(self.layout.slices), 12, self.layout.n_blocks))

        for a in range(self.n_attributes):
            code = self.batch.labels[a] * np.uint8(4)
            code += before[a] * np.uint8(2)
            code += after[a]
            counts[a] = self._tabulate(code, 12)
        by = _blocks_first(counts)
        return Transitions(by.reshape(*by.shape[:3], 3, 2, 2))

    @on_one_thread
    def exemplars(self, dense: Sequence[Answers], compressed: Sequence[Answers]) -> Transitions:
        """Count where the commonest answer of one population differs from that of another.

        As transitions from "compared" (no tie on either side) to "differs".
        """
        yes, ties = zip(*(_commonest(models) for models in (dense, compressed)), strict=True)
        compared = ~(ties[0] | ties[1])
        differs = compared & (yes[0] ^ yes[1])
        return self._changes(compared, differs)

    @on_one_thread
    def labels(self) -> Labels:
        """Count the moments of the labels."""
        true, known = self.batch.labels == 1, self.batch.labels != 2
        second = self._pairs(true, true)
        if known.all():
            sizes = np.bincount(self.blocks, minlength=self.layout.n_blocks).astype(np.float64)
            first = np.diagonal(second, axis1=-2, axis2=-1)[..., :, None]
            everyone = np.broadcast_to(sizes[:, None, None], second.shape)
            return Labels(everyone, np.broadcast_to(first, second.shape), second)
        return Labels(self._pairs(known, known), self._pairs(true, known), second)

    def _codes(
        self, answers: Answers, a: int
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint16], NDArray[np.float64]]:
        """Code each sample's label, decision and band; return its bin and its gap."""
        n, n_bins = self.batch.n, self.layout.n_bins
        low, high = self.layout.band
        label, decision = self.batch.labels[a], answers.decisions[a]
        code, place, gap = np.empty(n, np.uint8), np.empty(n, np.uint16), self._gap
        for start in range(0, n, PIECE):
            rows = slice(start, start + PIECE)
            p, known = answers.probabilities(a, rows), label[rows]
            code[rows] = known * np.uint8(4) + decision[rows] * np.uint8(2)
            code[rows] += (low < p) & (p < high)
            np.subtract(p, known, out=gap[rows])
            gap[rows] *= known != 2
            place[rows] = p * n_bins
        return code, np.minimum(place, n_bins - 1, out=place), gap

    def _tabulate(
        self, code: NDArray[Any], n_codes: int, amounts: NDArray[np.float64] | None = None
    ) -> Floats:
        """Count the samples of each code (or add up amounts): (S, n_codes, K)."""
        n_blocks = self.layout.n_blocks
        total = np.zeros((len(self.layout.slices), n_codes * n_blocks))
        for partition, base in self._bases(n_codes):
            index = np.multiply(code, n_blocks, out=self._index, dtype=np.int64)
            index += base
            n_cells = partition.membership.shape[1]
            table = np.bincount(index, amounts, n_cells * n_codes * n_blocks)
            total += partition.membership.astype(np.float64) @ table.reshape(n_cells, -1)
        return total.reshape(-1, n_codes, n_blocks)

    def _bases(self, n_codes: int) -> list[tuple[Partition, NDArray[np.int64]]]:
        """Return the place of each sample's code 0 in a table of cells × codes × blocks."""
        if n_codes not in self._base:
            n_blocks = self.layout.n_blocks
            self._base[n_codes] = [
                (partition, cells * (n_codes * n_blocks) + self.blocks)
                for partition, cells in self._partitions
            ]
        return self._base[n_codes]

    @functools.cached_property
    def _by_block(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Samples in the order of their blocks, and where each block begins."""
        order = np.argsort(self.blocks, kind="stable")
        starts = np.searchsorted(self.blocks[order], np.arange(self.layout.n_blocks + 1))
        return order, starts

    def _pairs(self, left: NDArray[np.bool_], right: NDArray[np.bool_]) -> Floats:
        """Count the samples where both of two columns (A, n) are true, by block: (K, A, A)."""
        n_blocks, a = self.layout.n_blocks, self.n_attributes if self.paired else 0
        pairs = np.zeros((n_blocks, a, a))
        if not a:
            return pairs
        order, starts = self._by_block
        for k in range(n_blocks):
            for start in range(starts[k], starts[k + 1], SHORT):
                rows = order[start : min(start + SHORT, starts[k + 1])]
                first = left[:, rows].astype(np.float32)
                second = first if right is left else right[:, rows].astype(np.float32)
                pairs[k] += first @ second.T
        return pairs


def _commonest(models: Sequence[Answers]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return where most models say yes, and where as many say no: (A, n) each."""
    votes = np.zeros(models[0].decisions.shape, np.int16)
    for answers in models:
        votes += answers.decisions
    return votes * 2 > len(models), votes * 2 == len(models)


def count(
    predictions: Predictions,
    slices: Slices,
    *,
    n_bins: int = N_BINS,
    band: tuple[float, float] = BAND,
) -> Statistics:
    """Count the statistics of one model on all samples, without blocks.

    Parameters
    ----------
    predictions : Predictions
        N samples × A attributes.
    slices : Slices
        Of the same samples.
    n_bins : int
        Calibration bins of equal width.
    band : pair of float
        A probability strictly inside is called uncertain.

    Examples
    --------
    >>> import polars as pl
    >>> from prunescope.data.samples import Samples
    >>> from prunescope.predictions import Metadata
    >>> samples = Samples(pl.Series(["a", "b"]), ("Bald",), np.array([[1], [0]], np.int8))
    >>> model = Predictions(samples, np.array([[2.0], [3.0]]), Metadata())
    >>> count(model, Slices.of(samples)).counts[0, 0].tolist()
    [[0.0, 1.0], [0.0, 1.0], [0.0, 0.0]]
    """
    batch = Batch.of([predictions])
    counter = Counter(batch, Layout(slices, n_bins=n_bins, band=band))
    return counter.statistics(batch.models[0]).total()


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


def _blocks_first(array: Floats) -> Floats:
    """View (A, S, ..., K) as (K, S, A, ...)."""
    return np.moveaxis(np.moveaxis(array, -1, 0), 1, 2)


def divide(numerator: Any, denominator: Any) -> Floats:  # noqa: ANN401 - anything array-like
    """Divide; NaN, not a warning, where the denominator is 0.

    Examples
    --------
    >>> divide([1.0, 0.0], [2.0, 0.0]).tolist()
    [0.5, nan]
    """
    bottom = np.asarray(denominator)
    with np.errstate(divide="ignore", invalid="ignore"):
        result = np.asarray(numerator) / bottom
    return result if bottom.all() else np.where(bottom == 0, np.nan, result)
