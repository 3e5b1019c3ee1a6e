"""Offsets under which each class is answered as often as asked: a problem of optimal transport.

Offsets b give each class k its n_k images where they minimise the convex function Σ_i max_k (z_ik +
b_k) - Σ_k n_k b_k: its slope in b_k is by how many images class k is chosen too often. A smoothed
version (Sinkhorn's) comes near; shortest augmenting paths then move the few images that are left
over, up to the optimum; of all offsets with these answers those are taken that leave every image
the most room. Source: Peyré and Cuturi, Computational Optimal Transport (2019), chapters 3 to 5.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunescope.metrics.statistics import Floats

Logits = NDArray[np.floating[Any]]

COOLINGS = 6
"""Times that the smoothing is halved, from the spread of the logits on."""

PASSES = 5
"""Passes over the images at each smoothing, at most."""

BLOCK = 2**18
"""Logits that are looked at together, so that they stay in the cache."""

NEAR = 0.01
"""Smoothed counts that are wrong by a smaller share are near enough."""

TINY = 1e-30
"""Least smoothed count, so that logarithms are finite."""


def matching_offsets(z: Logits, counts: NDArray[np.integer[Any]]) -> Floats:
    """Return the offsets (K,), of mean 0, under which class k is highest for `counts[k]` images.

    They exist for any counts that add up to N, save for images whose logits tie: those cannot be
    told apart by any offsets.

    Parameters
    ----------
    z : array (N, K)
    counts : array (K,) of int
        Each at least 1; their sum is N.

    Examples
    --------
    >>> z = np.array([[3.0, 0.0], [2.0, 0.0], [1.0, 0.0]])
    >>> matching_offsets(z, np.array([1, 2])).tolist()  # between the gaps of 2 and 3
    [-1.25, 1.25]
    """
    plan = _Plan(z, counts, _near(z, counts))
    while plan.improve():
        pass
    return _roomiest(plan.least)


def _near(z: Logits, counts: NDArray[np.integer[Any]]) -> Floats:
    """Come near by Sinkhorn steps whose smoothing is halved again and again."""
    b = np.zeros(z.shape[1])
    heat = float(np.mean([part.std(axis=1).mean() for part in _parts(z)])) or 1.0
    for _ in range(COOLINGS):
        for _ in range(PASSES):
            chosen = sum(_chosen(part, b, heat) for part in _parts(z))
            step = np.log(counts / np.maximum(chosen, TINY))
            b += heat * step
            if abs(step).max() < NEAR:
                break
        heat /= 2
    return b


def choices(z: Logits, b: Floats) -> NDArray[np.intp]:
    """Return the class of each image (N,) with the highest z + b, of equals the first."""
    return np.concatenate([(part + b).argmax(axis=1) for part in _parts(z)])


def _parts(z: Logits) -> Iterator[Logits]:
    rows = max(1, BLOCK // z.shape[1])
    return (z[at : at + rows] for at in range(0, len(z), rows))


def _chosen(z: Logits, b: Floats, heat: float) -> Floats:
    """Count how often each class is chosen where the choice is smooth."""
    p = z + b.astype(z.dtype)
    p -= p.max(axis=1, keepdims=True)
    p /= heat
    np.exp(p, out=p)
    return np.asarray((1 / p.sum(axis=1, dtype=np.float64)) @ p)


class _Plan:
    """Who is given which images, and what the cheapest exchanges cost."""

    def __init__(self, z: Logits, counts: NDArray[np.integer[Any]], b: Floats) -> None:
        self.z, self.b = z, b
        self.owner = choices(z, b)
        self.surplus = np.bincount(self.owner, minlength=len(b)) - counts
        self.least = np.full((len(b), len(b)), np.inf)
        for j in range(len(b)):
            self._look_at(j)

    def _look_at(self, j: int) -> None:
        """Find what it costs least to move an image of class j to each other class."""
        mine = self.z[self.owner == j].astype(np.float64)
        self.least[j] = (mine[:, j, None] - mine).min(axis=0) if len(mine) else np.inf
        self.least[j, j] = np.inf

    def improve(self) -> bool:
        """Move images from a class with too many to one with too few, at the least cost."""
        found = self._shortest()
        if found is None:
            return False
        path, movable = found, []
        for j, k in pairwise(path):
            mine = np.flatnonzero(self.owner == j)
            costs = self.z[mine, j].astype(np.float64) - self.z[mine, k]
            movable.append(mine[costs <= self.least[j, k]])
        n = min(self.surplus[path[0]], -self.surplus[path[-1]], *map(len, movable))
        for k, images in zip(path[1:], movable, strict=True):
            self.owner[images[:n]] = k
        self.surplus[path[0]] -= n
        self.surplus[path[-1]] += n
        for j in path:
            self._look_at(j)
        return True

    def _shortest(self) -> list[int] | None:
        """Find the shortest path from any surplus to any lack (Dijkstra); move offsets along."""
        far = np.where(self.surplus > 0, 0.0, np.inf)
        before = np.full(len(far), -1)
        done = np.zeros(len(far), bool)
        while True:
            j = int(np.where(done, np.inf, far).argmin())
            if self.surplus[j] < 0:
                break
            if done[j] or np.isinf(far[j]):
                return None
            done[j] = True
            reached = far[j] + np.maximum(self.least[j] + self.b[j] - self.b, 0)
            nearer = ~done & (reached < far)
            far[nearer], before[nearer] = reached[nearer], j
        self.b = self.b + np.minimum(far, far[j])
        path = [j]
        while before[path[-1]] >= 0:
            path.append(int(before[path[-1]]))
        return path[::-1]


def _roomiest(least: Floats) -> Floats:
    """Return the offsets that keep all answers with the most room: b_k - b_j ≤ least_jk - room.

    The most room is the least mean cost of a cycle (Karp, 1978). Of the offsets that leave it those
    are taken that are as close to the highest one as can be.
    """
    k = len(least)
    ways = np.zeros((k + 1, k))
    for step in range(k):
        ways[step + 1] = (ways[step][:, None] + least).min(axis=0)
    with np.errstate(invalid="ignore"):
        means = (ways[k] - ways[:k]) / np.arange(k, 0, -1)[:, None]
    room = np.nanmax(means, axis=0).min()
    b = np.zeros(k)
    for _ in range(k):  # Bellman and Ford
        nearer = np.minimum(b, (b[:, None] + least - room).min(axis=0))
        if (nearer == b).all():
            break
        b = nearer
    return np.asarray(b - b.mean())
