"""What damage is expected of an answer, corrected by the damage that there was.

Changes of logit say much of how often answers flip, but they are tried at margins that they were
not made at. Where a compressed model shrinks large logits more than small ones, or turns answers
that no other logit tells of, what they foretell is off; and what is off looks like a slice of
unsure images. So the chance c that is foretold is corrected by a logistic regression on the margin,

    logit p = logit c + w₀ + w₁ logit c + w₂ m + w₃ √m + w₄ log m,

whose weights are held near 0 where there is little damage to learn from.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from prunescope.metrics.statistics import Floats

RIDGE = 1.0
"""Inverse variance of the weights, of columns with a variance of 1."""

LEAST = 1e-3
"""Chances are kept so far from 0 and 1."""

STEPS, LONGEST, SETTLED = 30, 1.0, 1e-5


def calibrated(expected: Floats, damage: Floats, margin: Floats, seen: NDArray[np.bool_]) -> Floats:
    """Correct the expected damage of answers of one side.

    Parameters
    ----------
    expected, damage, margin : array (n,)
        Damage as foretold and as it was, all of one sign, at most 1; and the dense margin.
    seen : array (n,) of bool
        Answers whose damage may be looked at.

    Returns
    -------
    array (n,)
        Of the same sign.

    Examples
    --------
    >>> half = np.tile([1.0, 0.0], 500)
    >>> found = calibrated(np.full(1000, 0.1), half, np.ones(1000), np.ones(1000, bool))
    >>> bool(np.allclose(found, 0.5, atol=0.01))
    True
    """
    sign = np.sign(expected.sum() + damage[seen].sum())
    if not sign or not seen.any():
        return expected
    offset = logit(np.clip(np.abs(expected), LEAST, 1 - LEAST))
    size = np.abs(margin) / max(float(np.median(np.abs(margin[seen]))), 1e-9)
    columns = np.stack([offset, size, np.sqrt(size), np.log(size + 0.05)], axis=1)
    spread = columns[seen].std(axis=0)
    columns = (columns - columns[seen].mean(axis=0)) / np.where(spread > 1e-9, spread, 1.0)
    columns = np.hstack([np.ones((len(columns), 1)), columns])
    weights = _fit(columns[seen], np.abs(damage[seen]).astype(np.float64), offset[seen])
    return np.asarray(sign * expit(offset + columns @ weights))


def _fit(columns: Floats, events: Floats, offset: Floats) -> Floats:
    """Return the weights (K,) of a logistic regression with a ridge, by Newton's method."""
    weights = np.zeros(columns.shape[1])
    ridge = RIDGE * np.eye(len(weights))
    for _ in range(STEPS):
        chance = expit(offset + columns @ weights)
        curved = (columns * (chance * (1 - chance))[:, None]).T @ columns + ridge
        step = np.linalg.solve(curved, columns.T @ (events - chance) - ridge @ weights)
        longest = np.abs(step).max()
        weights += step * min(1.0, LONGEST / max(longest, 1e-12))
        if longest < SETTLED:
            break
    return weights
