"""By how much a forecast of attributes ranks their changes better than a plain rule: intervals."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from prunescope.audit.links import Codes
from prunescope.metrics.statistics import Floats, divide

DRAWS = 1000
MOST_UNDEFINED = 0.5
"""Share of draws without a value (all rise, say) from which there is no interval."""


class Lead(NamedTuple):
    """A difference of two figures, with its interval; NaN where it is not known."""

    value: float
    low: float
    high: float


def draws_of(attributes: Codes, seed: int = 0) -> Floats:
    """Draw whole attributes with replacement: how often each point counts, (R, n).

    The first line is the data as they are.

    Examples
    --------
    >>> draws_of(np.array([0, 0, 1])).shape
    (1001, 3)
    """
    n = int(attributes.max()) + 1
    drawn = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), DRAWS)
    return np.vstack([np.ones(n), drawn])[:, attributes]


def rank_correlations(weights: Floats, x: Floats, y: Floats) -> Floats:
    """Return Spearman's correlation of points that count several times: (R,).

    Examples
    --------
    >>> rank_correlations(np.ones((1, 3)), np.array([1.0, 2, 3]), np.array([1.0, 4, 9])).tolist()
    [1.0]
    """
    total = weights.sum(axis=1, keepdims=True)
    a, b = (weights @ _above(of).T for of in (x, y))
    a, b = (ranks - divide((weights * ranks).sum(axis=1, keepdims=True), total) for ranks in (a, b))
    squares = (weights * a**2).sum(axis=1) * (weights * b**2).sum(axis=1)
    return divide((weights * a * b).sum(axis=1), np.sqrt(squares))


def aurocs(weights: Floats, x: Floats, rising: Floats) -> Floats:
    """Return the AUROC of points that count several times: (R,).

    Examples
    --------
    >>> aurocs(np.ones((1, 3)), np.array([1.0, 2, 3]), np.array([0.0, 1, 1])).tolist()
    [1.0]
    """
    up, down = weights * rising, weights * (1 - rising)
    won = ((down @ _above(x).T) * up).sum(axis=1)
    return divide(won, up.sum(axis=1) * down.sum(axis=1))


def _above(x: Floats) -> Floats:
    """Return for each point which points it lies above, 1, or level with, ½: (n, n)."""
    return np.greater.outer(x, x) + np.equal.outer(x, x) / 2.0


def lead(mine: Floats, rivals: list[Floats], confidence: float = 0.95) -> Lead:
    """Return by how much a figure leads the best of its rivals, whose directions are free.

    Parameters
    ----------
    mine : array (R,)
        The figure in each draw, the data as they are first; less what chance gives.
    rivals : list of arrays (R,)

    Examples
    --------
    >>> steady = np.full(1001, 0.3)
    >>> lead(steady, [np.full(1001, -0.2), np.full(1001, 0.1)])._asdict()
    {'value': 0.1, 'low': 0.1, 'high': 0.1}
    """
    best = max(rivals, key=lambda one: abs(np.nan_to_num(one[0])))
    ahead = mine - np.sign(best[0]) * best
    drawn = ahead[1:]
    if np.isnan(ahead[0]) or np.isnan(drawn).mean() > MOST_UNDEFINED:
        return Lead(np.nan, np.nan, np.nan)
    low, high = np.nanquantile(drawn, ((1 - confidence) / 2, (1 + confidence) / 2))
    return Lead(*(round(float(one), 12) for one in (ahead[0], low, high)))
