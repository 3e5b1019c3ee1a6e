"""Offsets that raise a sum over classes, one class at a time, each time to the best of all cuts."""

from __future__ import annotations

from collections.abc import Callable
from itertools import cycle
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunescope.metrics.statistics import Floats

Logits = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]

Score = Callable[[Ints, Ints, Ints], Floats]
"""Hits, answers and the class that they are of, all (n,) → what the class adds to the sum (n,)."""

ROUNDING = 1e-10
"""Sums that differ by no more are equal."""


def total(score: Score, answers: Ints, labels: Ints, n_classes: int) -> float:
    """Return the sum of all classes' scores for answers and labels (N,), both of classes.

    Examples
    --------
    >>> def hits(hits, answers, of):
    ...     return hits.astype(float)
    >>> total(hits, np.array([0, 1, 1]), np.array([0, 1, 0]), 2)
    2.0
    """
    right = np.bincount(labels[answers == labels], minlength=n_classes)
    given = np.bincount(answers, minlength=n_classes)
    return float(score(right, given, np.arange(n_classes)).sum())


def climb(z: Logits, labels: Ints, score: Score, start: Floats, turns: Ints) -> Floats:
    """Move one class's offset at a time to where the sum is highest, until no class can gain.

    Classes are taken in turn. The sum changes only where an image goes from one class to another,
    so all cuts of a class are tried. Of equals it takes none, or the nearest: the sum is never less
    than at the start.

    Parameters
    ----------
    z : array (N, K)
    labels : array (N,) of int
    score : callable
    start : array (K,)
    turns : array (K,) of int
        The order in which classes have their turn.

    Examples
    --------
    >>> z = np.array([[1.0, 0.0], [3.0, 0.0]])
    >>> climb(z, np.array([1, 0]), lambda hits, *_: hits * 1.0, np.zeros(2), np.arange(2))
    array([-2.,  0.])
    """
    b, tops = start.copy(), _Tops(z, start)
    best = total(score, tops.first, labels, len(b))
    waiting = len(b)  # classes that may gain
    for k in cycle(turns.tolist()):
        if not waiting:
            break
        waiting -= 1
        found = _cut(tops, k, labels, score, b[k], best)
        if found is not None:
            b[k] = found
            tops.move(k, b)
            best = total(score, tops.first, labels, len(b))
            waiting = len(b) - 1
    return b


class _Tops:
    """The highest and the second highest class of each image, of equals the first."""

    def __init__(self, z: Logits, b: Floats) -> None:
        self.z = z
        self.first, self.second = np.empty((2, len(z)), np.intp)
        self.high, self.next = np.empty((2, len(z)))
        rows = max(1, 2**18 // z.shape[1])
        for at in range(0, len(z), rows):
            self._look_at(np.arange(at, min(at + rows, len(z))), b)

    def _look_at(self, rows: NDArray[np.intp], b: Floats) -> None:
        sums, each = self.z[rows] + b, np.arange(len(rows))
        self.first[rows] = first = sums.argmax(axis=1)
        self.high[rows] = sums[each, first]
        sums[each, first] = -np.inf
        self.second[rows] = second = sums.argmax(axis=1)
        self.next[rows] = sums[each, second]

    def rivals(self, k: int) -> tuple[NDArray[np.intp], Floats]:
        """Return the best class but k of each image, and how high it is."""
        mine = self.first == k
        return np.where(mine, self.second, self.first), np.where(mine, self.next, self.high)

    def move(self, k: int, b: Floats) -> None:
        """Take note that the offset of class k is another."""
        v = self.z[:, k] + b[k]
        again = (self.first == k) | (self.second == k)
        above = ~again & ((v > self.high) | ((v == self.high) & (k < self.first)))
        between = ~again & ~above & ((v > self.next) | ((v == self.next) & (k < self.second)))
        self.second[above], self.next[above] = self.first[above], self.high[above]
        self.first[above], self.high[above] = k, v[above]
        self.second[between], self.next[between] = k, v[between]
        self._look_at(np.flatnonzero(again), b)


def _cut(tops: _Tops, k: int, labels: Ints, score: Score, now: float, best: float) -> float | None:
    """Return the offset of class k under which the sum is highest; None if that is no gain."""
    rival, high = tops.rivals(k)
    z = tops.z[:, k].astype(np.float64)
    order = np.argsort(high - z)  # in any order where they tie: no cut parts them
    gaps, rival, labels = (high - z)[order], rival[order], labels[order]
    # class k takes, one after the other, the images whose gap its offset exceeds
    joined = np.arange(len(gaps) + 1)
    sums = score(np.append(0, (labels == k).cumsum()), joined, np.full(len(joined), k))
    sums += _others(rival, labels, k, score, len(tops.z.T))
    least = 8 * np.spacing(max(abs(high).max(), abs(z).max()))
    cuts = np.flatnonzero(np.append(gaps[1:] - gaps[:-1] > least, True)) + 1  # 0 is none
    at = np.concatenate(
        [[gaps[0] - 1], (gaps[cuts[:-1] - 1] + gaps[cuts[:-1]]) / 2, [gaps[-1] + 1]]
    )
    sums = sums[np.append(0, cuts)]
    if sums.max() <= best + ROUNDING:
        return None
    equals = at[sums >= sums.max() - ROUNDING]
    return float(equals[abs(equals - now).argmin()])


def _others(rival: Ints, labels: Ints, k: int, score: Score, n_classes: int) -> Floats:
    """Return what the classes but k add to the sum, while k takes more and more images (N + 1,)."""
    right = rival == labels
    given = np.bincount(rival, minlength=n_classes)
    hits = np.bincount(rival[right], minlength=n_classes)
    everyone = np.delete(np.arange(n_classes), k)
    by_class = np.argsort(rival.astype(np.min_scalar_type(-n_classes)), kind="stable")  # fast
    of, lost = rival[by_class], right[by_class].cumsum()
    first = np.cumsum(given) - given  # of each class, where its images begin
    taken = np.arange(len(of)) - first[of] + 1
    lost -= np.append(0, lost)[first][of]
    after = score(hits[of] - lost, given[of] - taken, of)
    before = score(hits[of] - lost + right[by_class], given[of] - taken + 1, of)
    change = np.empty(len(of) + 1)
    change[0] = score(hits[everyone], given[everyone], everyone).sum()
    change[by_class + 1] = after - before
    return change.cumsum()
