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

FIRST = 1024
"""Images that a class takes at most in the first search for its cut."""

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
    b, tops = start.copy(), _Tops(z, labels, start)
    everyone = np.arange(len(b))
    best = score(tops.hits, tops.given, everyone).sum()
    waiting = len(b)  # classes that may gain
    for k in cycle(turns.tolist()):
        if not waiting:
            break
        waiting -= 1
        found = _cut(tops, k, score, b[k], best)
        if found is not None:
            b[k] = found
            tops.move(k, b)
            best = score(tops.hits, tops.given, everyone).sum()
            waiting = len(b) - 1
    return b


class _Tops:
    """The highest and the second highest class of each image, of equals the first."""

    def __init__(self, z: Logits, labels: Ints, b: Floats) -> None:
        self.z, self.labels = z, labels
        self.first, self.second = np.empty((2, len(z)), np.intp)
        self.high, self.next = np.empty((2, len(z)))
        rows = max(1, 2**18 // z.shape[1])
        for at in range(0, len(z), rows):
            self._look_at(np.arange(at, min(at + rows, len(z))), b)
        self._count()

    def _count(self) -> None:
        """Count what each class is given, and how much of that is right."""
        n_classes = self.z.shape[1]
        self.given = np.bincount(self.first, minlength=n_classes)
        right = self.first[self.first == self.labels]
        self.hits = np.bincount(right, minlength=n_classes)

    def _look_at(self, rows: NDArray[np.intp], b: Floats) -> None:
        sums, each = self.z[rows] + b, np.arange(len(rows))
        self.first[rows] = first = sums.argmax(axis=1)
        self.high[rows] = sums[each, first]
        sums[each, first] = -np.inf
        self.second[rows] = second = sums.argmax(axis=1)
        self.next[rows] = sums[each, second]

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
        self._count()


def _cut(tops: _Tops, k: int, score: Score, now: float, best: float) -> float | None:
    """Return the offset of class k under which the sum is highest; None if that is no gain.

    Class k takes, one after the other, the images whose gap its offset exceeds. The search ends
    where the other classes have lost more than one class can gain.
    """
    z: Floats = tops.z[:, k].astype(np.float64)
    n, n_classes = tops.z.shape
    mine = np.flatnonzero(tops.first == k)
    rival, gaps = tops.second[mine], np.asarray(tops.high - z)
    gaps[mine] = tops.next[mine] - z[mine]
    # what the others have while class k has nothing
    given = tops.given + np.bincount(rival, minlength=n_classes)
    hits = tops.hits + np.bincount(rival[rival == tops.labels[mine]], minlength=n_classes)
    size = min(n, FIRST)
    while True:
        near = np.argpartition(gaps, size)[:size] if size < n else np.arange(n)
        near = near[np.argsort(gaps[near])]
        labels, rival = tops.labels[near], tops.first[near]
        rival = np.where(rival == k, tops.second[near], rival)
        others = _others(rival, labels, hits, given, k, score)
        if size == n or others[-1] < others[0] - 1:
            break
        size = min(n, 4 * size)
    right = np.append(0, (labels == k).cumsum())
    sums = others + score(right, np.arange(size + 1), np.full(size + 1, k))
    least = 8 * np.spacing(max(abs(tops.high[near]).max(), abs(z[near]).max()))
    at, reached = _at(gaps[near], sums, float(least), size == n)
    if reached.max() <= best + ROUNDING:
        return None
    equals = at[reached >= reached.max() - ROUNDING]
    return float(equals[abs(equals - now).argmin()])


def _at(gaps: Floats, sums: Floats, least: float, whole: bool) -> tuple[Floats, Floats]:
    """Return the offsets that part rising gaps which differ by more than `least`, and their sums.

    They lie halfway between neighbours, 1 below the first and, if these are all, 1 above the last.
    """
    cuts = np.flatnonzero(gaps[1:] - gaps[:-1] > least)
    at = np.append(gaps[0] - 1, (gaps[cuts] + gaps[cuts + 1]) / 2)
    places = np.append(0, cuts + 1)
    if whole:
        at, places = np.append(at, gaps[-1] + 1), np.append(places, len(gaps))
    return at, sums[places]


def _others(rival: Ints, labels: Ints, hits: Ints, given: Ints, k: int, score: Score) -> Floats:
    """Return what the classes but k add to the sum, while they give up more and more images.

    Parameters
    ----------
    rival, labels : array (n,)
        Who has each image before it is given up, and its class.
    hits, given : array (K,)
        What the others have while they have everything.
    k : int
    score : callable
    """
    right = rival == labels
    small = np.min_scalar_type(-len(given))  # sorted fast
    by_class = np.argsort(rival.astype(small), kind="stable")
    of, lost = rival[by_class], np.append(0, right[by_class].cumsum())
    n = np.bincount(rival, minlength=len(given))
    first = (np.cumsum(n) - n)[of]  # where the class's images begin
    left, kept = given[of] - (np.arange(len(of)) - first), hits[of] - (lost[:-1] - lost[first])
    change = np.empty(len(of) + 1)
    everyone = np.delete(np.arange(len(given)), k)
    change[0] = score(hits[everyone], given[everyone], everyone).sum()
    change[by_class + 1] = score(kept - right[by_class], left - 1, of) - score(kept, left, of)
    return change.cumsum()
