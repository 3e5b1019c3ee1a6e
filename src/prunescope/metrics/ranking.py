"""How well scores rank true above false: AUC and average precision, slice by slice, exactly."""

from __future__ import annotations

import functools
import itertools
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from prunescope.data.samples import Group
from prunescope.metrics.slices import Slices
from prunescope.metrics.statistics import Additive, Floats, divide
from prunescope.metrics.tied import FALSE, TRUE, Tied, curve, influence

UNLABELLED = 2

AT_ONCE = 16
"""Attributes whose scores are asked for at once: those of classes lie side by side in memory."""

LONGEST = 1 << 17
"""Scores of several groups' slices that are worked on at once, so that they stay in the cache."""


@dataclass(frozen=True)
class RankingSums(Additive):
    """Each sample's share in the ranking metrics of all samples, summed block by block.

    Parameters
    ----------
    n : array (..., A, 2)
        False and true samples.
    auc : array (..., A, 2)
        Their structural components (DeLong et al., 1988): for a true sample the share of false
        ones that it outranks, for a false one the share of true ones that outrank it; ties count
        half.
    average_precision : array (..., A)
        Their influence.
    """

    n: Floats
    auc: Floats
    average_precision: Floats


@dataclass(frozen=True)
class Ranking:
    """AUC and average precision of each slice and attribute, and what they rest on.

    Parameters
    ----------
    auc, average_precision : array (S, A)
        In [0, 1]; NaN where a class is absent.
    auc_error, average_precision_error : array (S, A)
        What buckets can hide: the exact value is at most so far away. 0 where scores were exact.
    n_positive, n_negative : array (S, A)
        True and false samples.
    auc_influence, average_precision_influence : array (K, S, A)
        How far the samples of each block move the value, to first order: by how much it changes
        when their weight grows by 1. Over the blocks, they add up to 0, and their squares to the
        value's variance where blocks are drawn at random.
    sums : RankingSums
        By block.
    """

    auc: Floats
    average_precision: Floats
    auc_error: Floats
    average_precision_error: Floats
    n_positive: Floats
    n_negative: Floats
    auc_influence: Floats
    average_precision_influence: Floats
    sums: RankingSums

    def replicates(self, weights: NDArray[np.float32]) -> tuple[Floats, Floats]:
        """Return AUC and average precision of all samples (R, A) in every replicate.

        AUC is the mean of its components over the drawn samples of each class; average precision
        moves by its influence. Both leave out terms of second order in the weights, which vanish
        as samples grow.
        """
        drawn = self.sums.weighted(weights)
        auc = divide(drawn.auc, drawn.n).sum(axis=-1) - self.auc[0]
        moved = drawn.average_precision - self.sums.average_precision.sum(axis=0)
        return np.clip(auc, 0, 1), np.clip(self.average_precision[0] + moved, 0, 1)


class Ranked(NamedTuple):
    """One attribute ranked: the fields of `Ranking`, its influence as (S, K), and its `sums`."""

    auc: Floats
    average_precision: Floats
    auc_error: Floats
    average_precision_error: Floats
    n_positive: Floats
    n_negative: Floats
    auc_influence: Floats
    average_precision_influence: Floats
    n: Floats
    auc_sums: Floats


def collect(found: Sequence[Ranked]) -> Ranking:
    """Put the attributes side by side."""
    columns = [np.stack(column) for column in zip(*found, strict=True)]
    values = {
        field.name: column.T
        for field, column in zip(fields(Ranking)[:-1], columns[:8], strict=True)
    }
    n, auc = (np.moveaxis(column, 0, 1) for column in columns[8:])
    return Ranking(**values, sums=RankingSums(n, auc, columns[7].T[:, 0]))


def rank(
    scores: Sequence[Floats] | Floats,
    labels: NDArray[np.uint8],
    blocks: NDArray[np.int64] | None = None,
    n_blocks: int = 1,
    slices: Slices | None = None,
    groups: Mapping[str, Group] | None = None,
) -> Ranking:
    """Rank samples by their scores, attribute by attribute and slice by slice, exactly.

    Parameters
    ----------
    scores : sequence of A arrays (N,)
        Higher = rather true. Some are asked for at a time, by threads.
    labels, blocks, n_blocks, slices, groups
        As for `Ranker`, which ranks by the scores of several models.

    Examples
    --------
    >>> ranking = rank([np.array([3.0, 2.0, 2.0, 1.0])], np.array([[1, 1, 0, 0]], np.uint8))
    >>> ranking.auc.tolist(), ranking.average_precision.round(4).tolist()
    ([[0.875]], [[0.8333]])
    """
    return Ranker(labels, blocks, n_blocks, slices, groups).rank(scores)


class Ranker:
    """Ranks samples by the scores of one model or another.

    Samples are sorted once for each attribute; those below the lowest true one, which all true
    ones outrank, are not.

    Parameters
    ----------
    labels : array (A, N) of uint8
        1, 0, or 2 = unlabelled and left out.
    blocks : array (N,) of int, optional
        The block of each sample; default: all in one.
    n_blocks : int
    slices : Slices, optional
        Default: all samples together alone.
    groups : mapping of str to Group, optional
        The groups of the slices.
    """

    def __init__(
        self,
        labels: NDArray[np.uint8],
        blocks: NDArray[np.int64] | None = None,
        n_blocks: int = 1,
        slices: Slices | None = None,
        groups: Mapping[str, Group] | None = None,
    ) -> None:
        n, slices = labels.shape[1], slices or Slices.of_values({})
        self.labels, self.n_blocks = labels, n_blocks
        self.blocks = np.zeros(n, np.int64) if blocks is None else blocks
        self.numbers = slices.numbers(groups or {}, n)
        starts = [slices.of_group(name).start for name in slices.group_names()]
        self.starts = [0, *starts, len(slices)]  # of the slices of each row of numbers
        self.size = self._count(np.arange(n))
        self.by_label = functools.cache(self._by_label)  # no model changes it

    def rank(self, scores: Sequence[Floats] | Floats, threads: int | None = None) -> Ranking:
        """Rank the samples by A arrays of scores (N,), on some threads: one for each processor."""

        def some(first: int) -> list[Ranked]:
            part = scores[first : first + AT_ONCE]
            return [self.ranked(of_one, a) for a, of_one in enumerate(part, first)]

        with ThreadPoolExecutor(threads or os.cpu_count()) as pool:
            parts = pool.map(some, range(0, len(self.labels), AT_ONCE))
            return collect(list(itertools.chain.from_iterable(parts)))

    def ranked(self, scores: Floats, a: int) -> Ranked:
        """Rank the samples of one attribute."""
        label, scores = self.labels[a], np.ascontiguousarray(scores)
        is_true, is_known = label == TRUE, label != UNLABELLED
        true, by_label = np.flatnonzero(is_true), self.by_label(a)
        upper = np.flatnonzero((scores >= scores[true].min()) & is_known) if len(true) else true
        rows = upper[_fall(scores[upper])]
        step, last = max(1, LONGEST // max(1, len(rows))), len(self.numbers)
        parts = [
            self._part(scores, is_true, rows, by_label, first, min(first + step, last))
            for first in range(0, last, step)
        ]
        auc, precision, moved, moved_precision = (
            np.concatenate(part) for part in zip(*parts, strict=True)
        )
        exact, (n_false, n_true) = np.zeros(len(auc)), by_label.sum(axis=2)
        n = by_label[:, 0].T
        sums = moved[0] * [n_false[0], n_true[0]] + n * np.nan_to_num(auc[0])
        kept = (auc, precision, exact, exact, n_true, n_false)
        moved_auc = moved[..., FALSE] + moved[..., TRUE]
        return Ranked(*kept, moved_auc, moved_precision, n, sums)

    def _part(
        self,
        scores: Floats,
        is_true: NDArray[np.bool_],
        rows: NDArray[np.intp],
        by_label: Floats,
        first: int,
        last: int,
    ) -> tuple[Floats, ...]:
        """Return the curve of some groups' slices, and how blocks move it: (s, K, 2) and (s, K)."""
        start, stop = self.starts[first], self.starts[last]
        rows, starts = self._slice_by_slice(rows, first, last)
        true, by_label = is_true[rows], by_label[:, start:stop]
        n_false, n_true = by_label.sum(axis=2)
        sizes, tied = _tied(scores[rows], true, starts, n_true, n_false)
        found = curve(tied)
        if self.n_blocks == 1:
            return (*found, np.zeros((stop - start, 1, 2)), np.zeros((stop - start, 1)))
        moved = influence(tied, found)
        of_rest = np.where(np.isnan(found.auc), 0, 1 - found.auc) / np.maximum(n_false, 1)
        moved.auc[FALSE] -= tied.each(of_rest)  # what a false one below them all has
        place = np.repeat(np.arange(len(sizes)), sizes)
        place += true * len(sizes)
        at = np.repeat(np.arange(stop - start) * self.n_blocks, np.diff(starts))
        at += self.blocks[rows]
        at *= 2
        at += true
        shape = -1, self.n_blocks, 2
        auc, precision = (
            np.bincount(at, table.take(place), by_label.size).astype(np.float64).reshape(shape)
            for table in moved
        )
        auc[..., FALSE] += by_label[FALSE] * of_rest[:, None]
        return (*found, auc, precision[..., FALSE] + precision[..., TRUE])

    def _slice_by_slice(
        self, rows: NDArray[np.intp], first: int, last: int
    ) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Repeat rows for each slice that they are in: return them, and where each slice begins."""
        if last == 1:
            return rows, np.array([0, len(rows)])
        slices = self.numbers[first:last].take(rows, axis=1).ravel()
        order = np.argsort(slices, kind="stable")
        bounds = np.arange(self.starts[first], self.starts[last] + 1, dtype=slices.dtype)
        starts = np.searchsorted(slices[order], bounds)
        return np.tile(rows, last - first)[order[starts[0] :]], starts - starts[0]

    def _by_label(self, a: int) -> Floats:
        """Count the false and the true samples of one attribute: (2, S, K)."""
        true, unknown = (
            self._count(np.flatnonzero(self.labels[a] == of)) for of in (TRUE, UNLABELLED)
        )
        return np.stack([self.size - true - unknown, true])

    def _count(self, rows: NDArray[np.intp]) -> Floats:
        """Count some samples by slice and block: (S, K)."""
        counts = np.zeros((self.starts[-1] + 1, self.n_blocks))  # the last: of unknown values
        for numbers in self.numbers if len(rows) else ():
            at = numbers[rows] * np.int64(self.n_blocks) + self.blocks[rows]
            at[at < 0] += counts.size
            counts += np.bincount(at, minlength=counts.size).reshape(counts.shape)
        return counts[:-1]


def _tied(
    scores: Floats,
    is_true: NDArray[np.bool_],
    starts: NDArray[np.intp],
    n_true: Floats,
    n_false: Floats,
) -> tuple[NDArray[np.intp], Tied]:
    """Count the samples of each score: return how many have it, and what they make up.

    False samples between two true ones may share a score: that they differ moves nothing.
    """
    n = len(scores)
    first = starts[:-1][starts[:-1] < starts[1:]]
    differs = np.ones(n, bool)
    np.not_equal(scores[1:], scores[:-1], out=differs[1:])
    differs[first] = True
    bounds = np.append(np.flatnonzero(differs), n)
    true_so_far = np.append(0, np.cumsum(is_true))
    so_far = true_so_far[bounds]
    has_true = so_far[1:] > so_far[:-1]
    kept = has_true.copy()
    kept[1:] |= has_true[:-1]
    kept[np.searchsorted(bounds, first)] = True
    bounds = np.append(bounds[:-1].compress(kept), n)

    so_far, of_scores = true_so_far[bounds], np.searchsorted(bounds[:-1], starts)
    sizes, true, n_scores = np.diff(bounds), np.diff(so_far), np.diff(of_scores)
    above_true = so_far[1:] - np.repeat(true_so_far[starts[:-1]], n_scores)
    above_false = bounds[1:] - np.repeat(starts[:-1], n_scores) - above_true
    counts = [one.astype(np.float64) for one in (true, sizes - true, above_true, above_false)]
    return sizes, Tied(of_scores, counts[0], counts[1], counts[2], counts[3], n_true, n_false)


def _fall(scores: Floats) -> NDArray[np.intp]:
    """Return the order of falling scores."""
    if scores.dtype != np.float32:
        return np.argsort(-scores)
    bits = (scores + np.float32(0)).view(np.int32)  # -0 is 0
    rising = bits ^ (bits >> 31 & 0x7FFFFFFF)
    width = len(scores).bit_length()
    packed = np.invert(rising, dtype=np.int64) << width  # with its place in one whole number,
    packed |= np.arange(len(scores))  # which sorts much faster
    packed.sort()
    return np.asarray(packed & ((1 << width) - 1))
