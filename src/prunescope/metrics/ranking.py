"""Metrics of how well scores rank true above false: AUC and average precision.

They are functions of how many true and false samples share each score. That is exact where the
scores are the samples' own; where there are too many of those, scores are counted in narrow
buckets, and what that can hide is bounded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from prunescope.metrics.statistics import Additive, Floats, divide

N_BUCKETS = 2048
"""Buckets of a score histogram, of equal width between -`REACH` and `REACH` in log-odds."""
REACH = 16.0

TRUE, FALSE = 1, 0


@dataclass(frozen=True)
class RankingSums(Additive):
    """Each sample's share in the ranking metrics, summed block by block.

    Parameters
    ----------
    n : array (..., A, 2)
        False and true samples.
    auc : array (..., A, 2)
        Their structural components (DeLong et al., 1988): for a true sample the share of false
        ones that it outranks, for a false one the share of true ones that outrank it; ties count
        half.
    average_precision : array (..., A)
        Their influence: by how much average precision changes, to first order, when a sample's
        weight grows by 1.
    """

    n: Floats
    auc: Floats
    average_precision: Floats


@dataclass(frozen=True)
class Ranking:
    """AUC and average precision of each attribute, with what replicates need.

    Parameters
    ----------
    auc, average_precision : array (A,)
        In [0, 1]; NaN where a class is absent.
    auc_error, average_precision_error : array (A,)
        What buckets can hide: the exact value is at most so far away. 0 where scores were exact.
    sums : RankingSums
        By block.
    """

    auc: Floats
    average_precision: Floats
    auc_error: Floats
    average_precision_error: Floats
    sums: RankingSums

    @property
    def n_positive(self) -> Floats:
        """True samples of each attribute: (A,)."""
        return np.asarray(self.sums.n.sum(axis=0)[:, TRUE])

    @property
    def n_negative(self) -> Floats:
        """False samples of each attribute: (A,)."""
        return np.asarray(self.sums.n.sum(axis=0)[:, FALSE])

    @property
    def auc_influence(self) -> Floats:
        """How much each block's samples move AUC, to first order: (K, A)."""
        apart = self.sums.auc - self.sums.n * np.nan_to_num(self.auc)[:, None]
        return np.asarray(divide(apart, self.sums.n.sum(axis=0)).sum(axis=-1))

    @property
    def average_precision_influence(self) -> Floats:
        """How much each block's samples move average precision, to first order: (K, A)."""
        return self.sums.average_precision

    def replicates(self, weights: NDArray[np.float32]) -> tuple[Floats, Floats]:
        """Return AUC and average precision (R, A) in every replicate, to first order.

        AUC is the mean of its components over the drawn samples of each class; average precision
        moves by its influence function (the infinitesimal jackknife). Both leave out terms of
        second order in the weights, which vanish as samples grow.
        """
        drawn = self.sums.weighted(weights)
        auc = divide(drawn.auc, drawn.n).sum(axis=-1) - self.auc
        moved = drawn.average_precision - self.sums.average_precision.sum(axis=0)
        return np.clip(auc, 0, 1), np.clip(self.average_precision + moved, 0, 1)


class Tied(NamedTuple):
    """Samples that share each of T scores, highest first, and what lies above: (T,) each."""

    true: Floats
    false: Floats
    above_true: Floats
    above_false: Floats
    precision: Floats

    @classmethod
    def of(cls, true: Floats, false: Floats) -> Tied:
        """Add up how many true and false samples lie at or above each score."""
        return cls(true, false, *_precise(np.cumsum(true), np.cumsum(false)))

    @classmethod
    def above(cls, true: Floats, false: Floats) -> Tied:
        """Tell how many have each score from how many lie at or above it."""
        own = np.diff(true, prepend=0.0), np.diff(false, prepend=0.0)
        return cls(*own, *_precise(true, false))

    @property
    def n_true(self) -> float:
        """True samples in all."""
        return float(self.above_true[-1]) if len(self.true) else 0.0

    @property
    def n_false(self) -> float:
        """False samples in all."""
        return float(self.above_false[-1]) if len(self.false) else 0.0


def _precise(above_true: Floats, above_false: Floats) -> tuple[Floats, Floats, Floats]:
    """Add the precision to how many lie above."""
    return above_true, above_false, above_true / np.maximum(above_true + above_false, 1)


class Curve(NamedTuple):
    """AUC and average precision of one attribute; NaN where a class is absent."""

    auc: float
    average_precision: float


def curve(tied: Tied) -> Curve:
    """Return the ranking metrics.

    AUC = P(score of a true sample > that of a false one) + half of P(equal). Average precision =
    Σ (recall_k - recall_(k-1)) · precision_k.

    Examples
    --------
    >>> found = curve(Tied.of(np.array([1.0, 1, 0]), np.array([0.0, 1, 1])))
    >>> found.auc, round(found.average_precision, 4)
    (0.875, 0.8333)
    """
    n_true, n_false = tied.n_true, tied.n_false
    if not n_true:
        return Curve(np.nan, np.nan)
    lost = tied.true @ tied.above_false - 0.5 * (tied.true @ tied.false)
    auc = 1 - float(lost / (n_true * n_false)) if n_false else np.nan
    return Curve(auc, float(tied.true @ tied.precision / n_true))


class Shares(NamedTuple):
    """What a sample of each score adds to the ranking metrics, by its label: (2, T) each."""

    auc: Floats
    average_precision: Floats


def shares(tied: Tied) -> Shares:
    """Return what each sample adds to AUC and average precision (see `RankingSums`).

    Examples
    --------
    >>> shares(Tied.of(np.array([1.0, 1, 0]), np.array([0.0, 1, 1]))).auc.tolist()
    [[0.25, 0.75, 1.0], [1.0, 0.75, 0.25]]
    """
    true, false, above_true, above_false, precision = tied
    n_true, n_false = tied.n_true, tied.n_false
    auc, influence = np.zeros((2, len(true))), np.zeros((2, len(true)))
    if not n_true:
        return Shares(auc, influence)
    if n_false:
        auc[FALSE] = (above_true - 0.5 * true) / n_true
        auc[TRUE] = (n_false - above_false + 0.5 * false) / n_false
    # a sample enters the precision at its own score and at every lower one where a true one stands
    weight = true / np.maximum(above_true + above_false, 1)
    below = np.cumsum(weight[::-1])[::-1]
    influence[FALSE] = np.cumsum((weight * precision)[::-1])[::-1]
    np.subtract(below, influence[FALSE], out=influence[TRUE])
    influence[FALSE] *= -1
    influence[TRUE] += precision - true @ precision / n_true
    influence /= n_true
    return Shares(auc, influence)


def hidden(true: NDArray[Any], false: NDArray[Any]) -> tuple[float, float]:
    """Bound how far AUC and average precision move when samples of one score are put in order.

    At best a score's true samples come first, at worst its false ones.

    Parameters
    ----------
    true, false : array (T,)
        How many samples have each score, highest first.

    Examples
    --------
    >>> hidden(np.array([1, 0]), np.array([1, 2]))
    (0.16666666666666666, 0.5)
    """
    n_true, n_false = true.sum(), false.sum()
    if not n_true:
        return 0.0, 0.0
    auc = float((true * false).sum() / (2 * n_true * n_false)) if n_false else 0.0
    above = np.cumsum(true)
    n_above = above + np.cumsum(false)
    best = true * divide(above, n_above - false)
    worst = true * divide(above - true + 1, n_above - true + 1)
    tied = true * divide(above, n_above)
    spread = np.maximum(best - tied, tied - worst)
    return auc, float(spread[(true > 0) & (true + false > 1)].sum() / n_true)


def rank(
    scores: Sequence[NDArray[np.floating[Any]]],
    labels: NDArray[np.uint8],
    blocks: NDArray[np.int64] | None = None,
    n_blocks: int = 1,
) -> Ranking:
    """Rank samples by their scores, attribute by attribute, exactly.

    Parameters
    ----------
    scores : sequence of A arrays (N,)
        Higher = rather true.
    labels : array (A, N) of uint8
        1, 0, or 2 = unlabelled and left out.
    blocks : array (N,) of int, optional
        The block of each sample; default: all in one.
    n_blocks : int

    Examples
    --------
    >>> ranking = rank([np.array([3.0, 2.0, 2.0, 1.0])], np.array([[1, 1, 0, 0]], np.uint8))
    >>> ranking.auc.tolist(), ranking.average_precision.round(4).tolist()
    ([0.875], [0.8333])
    """
    places = 0 if blocks is None else blocks * 2

    def attribute(a: int) -> Ranked:
        known, score, tag = labels[a] != 2, np.asarray(scores[a]), places + labels[a]
        if not known.all():
            score, tag = score[known], tag[known]
        last, tag = _fall(score, tag, 2 * n_blocks)
        label, n = tag & np.int64(1), last + 1.0
        above_true = np.cumsum(label)[last].astype(np.float64)
        tied = Tied.above(above_true, n - above_true)
        found = curve(tied)
        if n_blocks == 1:
            return Ranked(found, (0.0, 0.0), *_whole(found, tied))
        place = np.repeat(np.arange(len(last)), np.diff(last, prepend=-1)) + label * len(last)
        auc, precision = (table.take(place) for table in shares(tied))
        sums = (
            np.bincount(tag, minlength=2 * n_blocks),
            np.bincount(tag, auc, 2 * n_blocks),
            np.bincount(tag >> 1, precision, n_blocks),
        )
        return Ranked(found, (0.0, 0.0), *(np.asarray(one, np.float64) for one in sums))

    return _collect(attribute, len(labels), n_blocks)


def _fall(
    scores: NDArray[np.floating[Any]], tags: NDArray[np.integer[Any]], n_tags: int
) -> tuple[NDArray[np.intp], NDArray[np.integer[Any]]]:
    """Sort samples by falling score: return where each score is last, and the tags in order."""
    ranked: NDArray[Any]
    if scores.dtype == np.float32:  # with its tag in one whole number, which sorts much faster
        bits = (scores + np.float32(0)).view(np.int32)  # -0 is 0
        rising = bits ^ (bits >> 31 & 0x7FFFFFFF)
        width = n_tags.bit_length()
        packed = np.invert(rising, dtype=np.int64) << width
        packed |= tags
        packed.sort()
        ranked, tags = packed >> width, packed & ((1 << width) - 1)
    else:
        order = np.argsort(-scores)
        ranked, tags = scores[order], tags[order]
    return np.flatnonzero(np.append(ranked[1:] != ranked[:-1], len(ranked) > 0)), tags


def bucket(log_odds: NDArray[np.floating[Any]]) -> NDArray[np.int64]:
    """Return the bucket of each score, 0 for the lowest: equal widths between -16 and 16."""
    place = log_odds * (N_BUCKETS / (2 * REACH))
    place += N_BUCKETS / 2
    np.clip(place, 0, N_BUCKETS - 1, out=place)
    return place.astype(np.int64)


def rank_histogram(counts: NDArray[Any]) -> Ranking:
    """Rank samples that were counted by bucket.

    Parameters
    ----------
    counts : array (K, A, 2, N_BUCKETS)
        Samples in each block, by attribute, label and bucket.
    """

    def attribute(a: int) -> Ranked:
        falling = counts[:, a, :, ::-1].astype(np.float64)
        total = falling.sum(axis=0)
        false, true = total
        tied = Tied.of(true, false)
        of = shares(tied)
        auc = np.einsum("klt,lt->kl", falling, of.auc)
        precision = np.einsum("klt,lt->k", falling, of.average_precision)
        return Ranked(curve(tied), hidden(true, false), falling.sum(axis=-1), auc, precision)

    return _collect(attribute, counts.shape[1], len(counts))


class Ranked(NamedTuple):
    """One attribute ranked, and what its samples add up to by block."""

    curve: Curve
    errors: tuple[float, float]
    n: Floats
    auc: Floats
    average_precision: Floats


def _whole(found: Curve, tied: Tied) -> tuple[Floats, Floats, Floats]:
    """Return the sums over all samples: the mean AUC share is AUC, and influences add up to 0."""
    n = np.array([tied.n_false, tied.n_true])
    return n, np.nan_to_num(n * found.auc), np.zeros(1)


def _collect(attribute: Callable[[int], Ranked], n: int, n_blocks: int) -> Ranking:
    """Rank each attribute and put the results side by side."""
    found = [attribute(a) for a in range(n)]
    values = np.array([(*one.curve, *one.errors) for one in found], np.float64)
    sums = RankingSums(
        np.stack([one.n.reshape(n_blocks, 2) for one in found], axis=1),
        np.stack([one.auc.reshape(n_blocks, 2) for one in found], axis=1),
        np.stack([one.average_precision for one in found], axis=1),
    )
    return Ranking(values[:, 0], values[:, 1], values[:, 2], values[:, 3], sums)
