"""Counting the answers of models that choose one of C classes.

Each class is counted against all others, as an attribute would be. But a sample gives another
answer than "not this class" to few of them: to its own, and to those that models choose. So only
these are counted, and the rest follows.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunescope.metrics.statistics import Floats, Layout
from prunescope.predictions.batch import CELLS, Answers, Batch

Classes = NDArray[np.int64]
UNLABELLED = 2


@dataclass(frozen=True)
class ByClass:
    """Samples of a multi-class task, and the slices and blocks that they are counted in.

    Parameters
    ----------
    batch : Batch
        n samples with C classes.
    layout : Layout
    blocks : array (n,) of int
    """

    batch: Batch
    layout: Layout
    blocks: NDArray[np.int64]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Blocks, slices and classes."""
        return self.layout.n_blocks, len(self.layout.slices), len(self.batch.labels)

    def counts(
        self,
        touched: Sequence[Classes],
        code: Callable[[Classes], NDArray[Any]],
        n_codes: int,
        rest: int = 0,
    ) -> Floats:
        """Count the samples of each class by label and code: (K, S, C, 3, n_codes).

        Parameters
        ----------
        touched : sequence of arrays (n,)
            The classes, beside its own, whose code may differ from `rest` for a sample.
        code : callable
            A class for each sample (n,) → their codes for these samples (n,).
        n_codes : int
        rest : int
            The code of every other class.
        """
        truth, (_, _, n_classes) = self.batch.truth, self.shape
        columns, rows, cells = [truth, *touched], [], []
        for i, column in enumerate(columns):
            new = column >= 0
            for earlier in columns[:i]:
                new &= column != earlier
            label = np.where(truth < 0, UNLABELLED, column == truth)
            at = (self.blocks * n_classes + column) * (3 * n_codes) + label * n_codes + code(column)
            rows.append(np.flatnonzero(new))
            cells.append(at[new])
        of_row, at = np.concatenate(rows), np.concatenate(cells)
        counts = np.empty((*self.shape, 3, n_codes))
        for s, inside in self._members():
            found = self._add_up(at[inside[of_row]], None, 3 * n_codes)
            for first, size, alike in ((0, 2, truth >= 0), (2, 1, truth < 0)):
                n = np.bincount(self.blocks[inside & alike], minlength=len(found))
                counted = found[..., first * n_codes : (first + size) * n_codes].sum(axis=-1)
                found[..., first * n_codes + rest] += n[:, None] - counted
            counts[:, s] = found.reshape(*found.shape[:2], 3, n_codes)
        return counts

    def calibration(self, answers: Answers) -> tuple[Floats, Floats]:
        """Return `Statistics.in_band` (K, S, C) and `Statistics.gaps` (K, S, C, B).

        A sample gives nearly all classes a probability in the first bin and below the band. So
        that bin gets the sum over all samples at once, and the others are taken out of it.
        """
        _, n_slices, n_classes = self.shape
        n_bins, (low, high) = self.layout.n_bins, self.layout.band
        in_band, gaps = np.zeros(self.shape), np.zeros((*self.shape, n_bins))
        truth, members = self.batch.truth, np.zeros((n_slices, self.batch.n), bool)
        for s, inside in self._members():
            members[s] = inside
        known, parts = members & (truth >= 0), []
        for k, rows in self._by_block():
            p = answers.shares(rows)
            gaps[k, :, :, 0] += known[:, rows].astype(np.float64) @ p
            apart = p >= min(1 / n_bins, low)
            labelled = np.flatnonzero(truth[rows] >= 0)
            apart[labelled, truth[rows[labelled]]] = True
            place, classes = np.nonzero(apart)
            parts.append((rows[place], classes, p[place, classes]))
        rows, classes, p = (np.concatenate(part) for part in zip(*parts, strict=True))
        at = self.blocks[rows] * n_classes + classes
        bins = np.minimum((p * n_bins).astype(np.int64), n_bins - 1)
        uncertain, gap = (low < p) & (p < high), p - (truth[rows] == classes)
        for s in range(n_slices):
            here = np.flatnonzero(members[s, rows] & uncertain)
            in_band[:, s] = self._add_up(at[here], None, 1)[..., 0]
            here = np.flatnonzero(known[s, rows])
            gaps[:, s] += self._add_up(at[here] * n_bins + bins[here], gap[here], n_bins)
            gaps[:, s, :, :1] -= self._add_up(at[here], p[here], 1)
        return in_band, gaps

    def _add_up(self, at: NDArray[np.int64], values: Floats | None, n: int) -> Floats:
        """Add up values, or count, by block, class and code: (K, C, n)."""
        n_blocks, _, n_classes = self.shape
        table = np.bincount(at, values, n_blocks * n_classes * n)
        return table.reshape(n_blocks, n_classes, n).astype(np.float64)

    def _members(self) -> Iterator[tuple[int, NDArray[np.bool_]]]:
        """Yield each slice and which samples are in it."""
        slices = self.layout.slices
        numbers = slices.numbers(self.batch.groups, self.batch.n)
        rows = [0, *(1 + slices.group_names().index(str(name)) for name in slices.groups[1:])]
        for s, row in enumerate(rows):
            yield s, numbers[row] == s

    def _by_block(self) -> Iterator[tuple[int, NDArray[np.intp]]]:
        """Yield the samples of each block, some at a time."""
        order = np.argsort(self.blocks, kind="stable")
        starts = np.searchsorted(self.blocks[order], np.arange(self.layout.n_blocks + 1))
        step = max(1, CELLS // len(self.batch.labels))
        for k, (start, stop) in enumerate(itertools.pairwise(starts.tolist())):
            for first in range(start, stop, step):
                yield k, order[first : min(first + step, stop)]
