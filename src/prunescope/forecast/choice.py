"""Which class will be chosen, where logits are only known give or take a deviation.

A model of classes answers the one with the highest logit. With independent normal logits, P(class c
is chosen) = ∫ f_c(t) Π_{j≠c} F_j(t) dt, of density f and distribution F. The integral of what is so
smooth is exact to twelve digits by the plain sum over even steps, so nothing is drawn. Of two
classes it is Φ(Δ / √(s₀² + s₁²)).
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr

from prunescope.metrics.statistics import Floats

REACH = 8.0
"""Deviations beyond which nothing is looked for: rarer than 1e-15."""

STEP = 0.6
"""Step of the sum, in the least deviation."""

MOST_CELLS = 1 << 20
"""Samples × classes that are worked on at a time."""


def chances(mean: Floats, spread: Floats) -> Floats:
    """Return the probability of each class to have the highest logit: (N, K), rows add up to 1.

    Parameters
    ----------
    mean : array (N, K)
        Of the logits. A number added to all of a row changes nothing.
    spread : array that broadcasts to (N, K)
        Their standard deviations, above 0.

    Examples
    --------
    >>> chances(np.array([[1.0, 0.0, -9.0]]), np.array(1.0)).round(4).tolist()
    [[0.7602, 0.2398, 0.0]]
    """
    mean = np.asarray(mean, np.float64)
    spread = np.broadcast_to(np.asarray(spread, np.float64), mean.shape)
    found: Floats = np.zeros(mean.shape)
    rows = max(1, MOST_CELLS // mean.shape[1])
    for start in range(0, len(mean), rows):
        part = slice(start, start + rows)
        _sum(mean[part], spread[part], found[part])
    found /= found.sum(axis=1, keepdims=True)
    return found


def _sum(mean: Floats, spread: Floats, found: Floats) -> None:
    """Add up f_c(t) Π F_j(t) over a row's own steps, for the classes that may be chosen at all."""
    low = (mean - REACH * spread).max(axis=1)
    best = mean.argmax(axis=1)[:, None]
    ahead = np.take_along_axis(mean, best, axis=1) - mean
    its = np.take_along_axis(spread, best, axis=1)
    row, column = np.nonzero(ahead < REACH * np.hypot(spread, its))
    m, s = mean[row, column], spread[row, column]
    ends = np.unique(row, return_index=True)[1]
    width = np.maximum.reduceat(m + REACH * s, ends) - low
    n = int(np.ceil((width / np.minimum.reduceat(s, ends)).max() / STEP)) + 1
    total = np.zeros(len(m))
    for t in np.linspace(0, 1, n):
        x = ((low + t * width)[row] - m) / s  # from -8 on, so that no F is 0
        below = ndtr(x)
        all_below = np.multiply.reduceat(below, ends)[row]
        total += np.exp(-np.square(x) / 2) / (s * below) * all_below
    found[row, column] = total
