"""AUC and average precision of scores that are too many to keep: counted in narrow buckets.

The values come from narrow buckets, and what those can hide is bounded. How much each block moves
them comes from wide ones, as a count for every block, slice and bucket is large.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunescope.metrics.ranking import Ranked, Ranking, collect
from prunescope.metrics.slices import Partition
from prunescope.metrics.statistics import Additive, divide
from prunescope.metrics.tied import FALSE, TRUE, Tied, curve, hidden, influence

N_BUCKETS = 2048
"""Narrow buckets, of equal width between -`REACH` and `REACH` in log-odds."""
N_WIDE = 128
"""Wide buckets, each of as many narrow ones."""
REACH = 16.0


def bucket(log_odds: NDArray[np.floating[Any]]) -> NDArray[np.int64]:
    """Return the narrow bucket of each score, 0 for the lowest."""
    place = log_odds * (N_BUCKETS / (2 * REACH))
    place += N_BUCKETS / 2
    np.clip(place, 0, N_BUCKETS - 1, out=place)
    return place.astype(np.int64)


@dataclass(frozen=True)
class Histogram(Additive):
    """Scores of labelled samples counted by slice, attribute, label and bucket.

    Parameters
    ----------
    narrow : array (1, S, A, 2, N_BUCKETS)
        All blocks together.
    wide : array (K, S, A, 2, N_WIDE)
        Block by block.
    """

    narrow: NDArray[np.uint32]
    wide: NDArray[np.uint32]

    @classmethod
    def empty(cls, n_blocks: int, n_slices: int, n_attributes: int) -> Histogram:
        """Return one of no samples."""
        shape = n_slices, n_attributes, 2
        narrow = np.zeros((1, *shape, N_BUCKETS), np.uint32)
        return cls(narrow, np.zeros((n_blocks, *shape, N_WIDE), np.uint32))

    def count(
        self,
        attribute: int,
        buckets: NDArray[np.int64],
        labels: NDArray[np.uint8],
        blocks: NDArray[np.int64],
        parts: Sequence[tuple[Partition, NDArray[np.int64]]],
    ) -> None:
        """Count n samples by their scores of one attribute.

        Parameters
        ----------
        attribute : int
        buckets : array (n,) of int
            From `bucket`.
        labels : array (n,) of uint8
            1, 0, or 2 = unlabelled and left out.
        blocks : array (n,) of int
        parts : sequence of pairs
            Partitions that make up the slices, and the cell of each sample: (n,).
        """
        n_slices = self.wide.shape[1]
        place = buckets + labels * np.int64(N_BUCKETS)
        wide_place = place // (N_BUCKETS // N_WIDE) + blocks * (3 * N_WIDE)
        for partition, cells in parts:
            members = partition.membership.astype(np.float64)
            for table, at, n_buckets in (
                (self.narrow[:, :, attribute], place, N_BUCKETS),
                (self.wide[:, :, attribute], wide_place, N_WIDE),
            ):
                shape = members.shape[1], len(table), 3, n_buckets
                found = np.bincount(cells * math.prod(shape[1:]) + at, minlength=math.prod(shape))
                labelled = found.reshape(shape)[:, :, :2].reshape(shape[0], -1)
                of_slices = (members @ labelled).reshape(n_slices, len(table), 2, n_buckets)
                table += of_slices.swapaxes(0, 1).astype(np.uint32)


def rank_histogram(histogram: Histogram) -> Ranking:
    """Rank samples that were counted by bucket.

    Samples of a wide bucket are taken to move the values alike: as they do on average.
    """
    narrow, wide = histogram.narrow[0], histogram.wide
    return collect([_ranked(narrow[:, a], wide[:, :, a]) for a in range(narrow.shape[1])])


def _ranked(narrow: NDArray[np.uint32], wide: NDArray[np.uint32]) -> Ranked:
    """Rank the samples of one attribute: (S, 2, N_BUCKETS) and (K, S, 2, N_WIDE)."""
    falling = narrow[..., ::-1].astype(np.float64)
    n = falling.sum(axis=2)
    tied = Tied.of(falling[:, TRUE], falling[:, FALSE])
    found = curve(tied)
    by_block = wide[..., ::-1].astype(np.float64)
    n_by_block = by_block.sum(axis=-1)
    moved = []
    for table in influence(tied, found):
        each = np.swapaxes(table.reshape(2, len(n), -1), 0, 1) * falling
        parts = *n.shape, N_WIDE, -1
        mean = divide(each.reshape(parts).sum(axis=-1), falling.reshape(parts).sum(axis=-1))
        moved.append(np.einsum("kslt,slt->skl", by_block, np.nan_to_num(mean)))
    auc, precision = moved
    of_all = n_by_block[:, 0]
    sums = auc[0] * n[0] + of_all * np.nan_to_num(found.auc[0])
    return Ranked(
        *found, *hidden(tied), n[:, TRUE], n[:, FALSE], auc.sum(-1), precision.sum(-1), of_all, sums
    )
