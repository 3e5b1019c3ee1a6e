"""Counting the additive statistics of a batch of samples."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunescope.metrics.by_class import ByClass
from prunescope.metrics.slices import Partition, Slices
from prunescope.metrics.statistics import (
    BAND,
    N_BINS,
    PIECE,
    Floats,
    Labels,
    Layout,
    Statistics,
    Transitions,
    on_one_thread,
    pairs_kept,
)
from prunescope.predictions.batch import Answers, Batch
from prunescope.predictions.record import Predictions

SHORT = 1 << 12
"""Samples whose pairs are counted at once, likewise."""


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
        return pairs_kept(self.n_attributes, self.batch.models[0].task)

    @property
    def multiclass(self) -> bool:
        """Whether models choose one class."""
        return self.batch.models[0].task == "multiclass"

    @on_one_thread
    def statistics(self, answers: Answers) -> Statistics:
        """Count what one model's answers add up to."""
        pairs = self._pairs(answers.decisions, answers.decisions) if self.paired else self._no_pairs
        if self.multiclass:
            best = answers.top.best
            counts = self._by_class.counts([best], lambda of: best == of, 2)
            return Statistics(counts, *self._by_class.calibration(answers), pairs)
        n_bins, n_blocks = self.layout.n_bins, self.layout.n_blocks
        shape = self.n_attributes, len(self.layout.slices)
        counts = np.empty((*shape, 3, 2, n_blocks))
        in_band = np.empty((*shape, n_blocks))
        gaps = np.empty((*shape, n_bins, n_blocks))

        for a in range(self.n_attributes):
            code, place, gap = self._codes(answers, a)
            cells = self._tabulate(code, 12).reshape(-1, 3, 2, 2, n_blocks)
            cells.sum(axis=-2, out=counts[a])
            cells[..., 1, :].sum(axis=(1, 2), out=in_band[a])
            gaps[a] = self._tabulate(place, n_bins, gap)
        return Statistics(_blocks_first(counts), _blocks_first(in_band), _blocks_first(gaps), pairs)

    @on_one_thread
    def transitions(self, before: Answers, after: Answers) -> Transitions:
        """Count which answers change from one model to another."""
        if self.multiclass:
            first, second = before.top.best, after.top.best
            codes = self._by_class.counts(
                [first, second], lambda of: 2 * (first == of) + (second == of), 4
            )
            return Transitions(codes.reshape(*codes.shape[:-1], 2, 2))
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
        if self.multiclass:
            return self._exemplars_of_classes(dense, compressed)
        yes, ties = zip(
            *(_majority([one.decisions for one in side]) for side in (dense, compressed)),
            strict=True,
        )
        compared = ~(ties[0] | ties[1])
        differs = compared & (yes[0] ^ yes[1])
        return self._changes(compared, differs)

    def _exemplars_of_classes(
        self, dense: Sequence[Answers], compressed: Sequence[Answers]
    ) -> Transitions:
        sides = [[answers.top.best for answers in side] for side in (dense, compressed)]

        def code(of: NDArray[np.int64]) -> NDArray[np.int64]:
            yes, ties = zip(
                *(_majority([best == of for best in side]) for side in sides), strict=True
            )
            compared = ~(ties[0] | ties[1])
            return np.asarray(2 * compared + (compared & (yes[0] ^ yes[1])))

        codes = self._by_class.counts([*sides[0], *sides[1]], code, 4, rest=2)
        return Transitions(codes.reshape(*codes.shape[:-1], 2, 2))

    @on_one_thread
    def labels(self) -> Labels:
        """Count the moments of the labels."""
        if not self.paired:
            return Labels(self._no_pairs, self._no_pairs, self._no_pairs)
        true, known = self.batch.labels == 1, self.batch.labels != 2
        second = self._pairs(true, true)
        if known.all():
            sizes = np.bincount(self.blocks, minlength=self.layout.n_blocks).astype(np.float64)
            first = np.diagonal(second, axis1=-2, axis2=-1)[..., :, None]
            return Labels(sizes[:, None, None], first, second)
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
    def _by_class(self) -> ByClass:
        return ByClass(self.batch, self.layout, self.blocks)

    @property
    def _no_pairs(self) -> Floats:
        return np.zeros((self.layout.n_blocks, 0, 0))

    @functools.cached_property
    def _by_block(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Samples in the order of their blocks, and where each block begins."""
        order = np.argsort(self.blocks, kind="stable")
        starts = np.searchsorted(self.blocks[order], np.arange(self.layout.n_blocks + 1))
        return order, starts

    def _pairs(self, left: NDArray[np.bool_], right: NDArray[np.bool_]) -> Floats:
        """Count the samples where both of two columns (A, n) are true, by block: (K, A, A)."""
        n_blocks, a = self.layout.n_blocks, self.n_attributes
        pairs = np.zeros((n_blocks, a, a))
        order, starts = self._by_block
        for k in range(n_blocks):
            for start in range(starts[k], starts[k + 1], SHORT):
                rows = order[start : min(start + SHORT, starts[k + 1])]
                first = left[:, rows].astype(np.float32)
                second = first if right is left else right[:, rows].astype(np.float32)
                pairs[k] += first @ second.T
        return pairs


def _majority(votes: Sequence[NDArray[np.bool_]]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return where most models say yes, and where as many say no, from what each says."""
    n = np.zeros(votes[0].shape, np.int16)
    for yes in votes:
        n += yes
    return n * 2 > len(votes), n * 2 == len(votes)


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


def _blocks_first(array: Floats) -> Floats:
    """View (A, S, ..., K) as (K, S, A, ...)."""
    return np.moveaxis(np.moveaxis(array, -1, 0), 1, 2)
