"""How predictions of different attributes hang together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from prunescope.metrics.statistics import Floats, Measure, Moments, divide

ILL_CONDITIONED = 1e-9
"""Smallest eigenvalue of a correlation matrix below which its inverse is not trusted."""


def correlation(moments: Moments) -> Floats:
    """Pearson correlation of each pair of columns: (..., A, A), NaN where one is constant.

    Examples
    --------
    >>> pairs = np.array([[2.0, 1.0], [1.0, 1.0]])
    >>> correlation(Moments(np.array(4.0), np.array([[2.0], [1.0]]), pairs)).round(4).tolist()
    [[1.0, 0.5774], [0.5774, 1.0]]
    """
    mean = divide(moments.first, moments.n)
    mean_of_other = np.swapaxes(mean, -1, -2)
    covariance = divide(moments.second, moments.n)
    covariance -= mean * mean_of_other
    variance = mean * (1 - mean)
    scale = variance * np.swapaxes(variance, -1, -2)
    return divide(covariance, np.sqrt(scale, out=scale))


def correlation_shift(predicted: Floats, labelled: Floats) -> Floats:
    """Correlation of the predictions minus that of the labels, for each pair of attributes.

    From two matrices (..., A, A) of `correlation`. Shape (..., P) with P = A(A - 1)/2 pairs in the
    order of `numpy.triu_indices`; in [-2, 2]. NaN where a column is constant.

    Examples
    --------
    >>> correlation_shift(np.array([[1, 0.5], [0.5, 1]]), np.array([[1, 0.25], [0.25, 1]])).tolist()
    [0.25]
    """
    shift = predicted - labelled
    rows, columns = np.triu_indices(shift.shape[-1], k=1)
    return shift[..., rows, columns]


def frobenius_norm(by_pair: Floats) -> Floats:
    """Norm of a symmetric matrix with a zero diagonal, from its pairs: (..., P) → (...).

    √(2 Σ x²): both triangles count. Pairs that are NaN are left out; NaN where all are.

    Examples
    --------
    >>> frobenius_norm(np.array([0.3, 0.4, np.nan])).round(4).item()
    0.7071
    """
    defined = ~np.isnan(by_pair)
    norm = np.sqrt(2 * np.where(defined, by_pair**2, 0.0).sum(axis=-1))
    return np.where(defined.any(axis=-1), norm, np.nan)


def interdependence(predicted: Moments) -> Measure:
    """How much of an attribute's decisions the decisions on the other attributes explain.

    R² of ordinary least squares, with intercept, of each decision on all the others, in sample.
    Shape (A,), in [0, 1]; NaN for a constant decision or where no other decision varies.
    Source: Iofinova et al. (CVPR 2023), section 3.

    Examples
    --------
    >>> pairs = np.array([[2.0, 1.0], [1.0, 1.0]])
    >>> moments = Moments(np.array([[4.0]]), np.array([[2.0], [1.0]]), pairs)
    >>> interdependence(moments).value.round(4).tolist()
    [0.3333, 0.3333]
    """
    mean, covariance = _about(predicted)
    variance = np.diagonal(covariance)
    residuals = _residuals(covariance)
    unexplained = divide(np.einsum("ab,bc,ac->a", residuals, covariance, residuals), variance)
    varies = variance > 0
    enough = varies & (varies.sum() > 1)
    n = np.broadcast_to(predicted.n[..., 0], mean.shape)
    return Measure(np.where(enough, np.clip(1 - unexplained, 0.0, 1.0), np.nan), n)


def interdependence_replicates(predicted: Moments, replicates: Moments) -> Floats:
    """Interdependence in each replicate, to first order: (R, A).

    R² = 1 - V(e)/V(y) with e the residual of y. As least squares make V(e) smallest, it moves, to
    first order, as if the coefficients stood still: by [(1 - R²) E*(y - ȳ)² - E*e²] / V(y), where
    E* is the mean over the replicate and everything else is of the sample. Unlike a recomputed
    R², that is not inflated by resampling.

    Parameters
    ----------
    predicted, replicates : Moments
        Of all samples, and of each replicate.
    """
    value = interdependence(predicted).value
    mean, covariance = _about(predicted)
    residuals = _residuals(covariance).astype(np.float32)
    centre = mean.astype(np.float32)
    first = divide(replicates.first, replicates.n)[..., 0]
    second = divide(replicates.second, replicates.n)
    a = len(mean)
    squares = np.einsum("ab,ac->abc", residuals, residuals).reshape(a, a * a)
    projected = residuals @ centre
    flat = np.ascontiguousarray(np.moveaxis(second, 0, -1)).reshape(a * a, -1)
    error = (squares @ flat).T - 2 * projected * (first @ residuals.T) + projected**2
    spread = np.diagonal(second, axis1=-2, axis2=-1) - 2 * first * centre + centre**2
    moved = divide((1 - value) * spread - error, np.diagonal(covariance))
    return np.clip(value + moved, 0.0, 1.0)


def _about(moments: Moments) -> tuple[Floats, Floats]:
    """Return the means (A,) and the covariance matrix (A, A)."""
    mean = np.asarray(divide(moments.first, moments.n)[..., 0], np.float64)
    return mean, np.asarray(divide(moments.second, moments.n) - np.outer(mean, mean), np.float64)


def _residuals(covariance: Floats) -> NDArray[np.float64]:
    """Return the matrix (A, A) that takes columns to their residuals on all the others.

    Row a has 1 at a and minus the coefficients of least squares elsewhere. Columns that do not
    vary take no part.
    """
    residuals = np.eye(len(covariance))
    varies = np.flatnonzero(np.diagonal(covariance) > 0)
    part = covariance[np.ix_(varies, varies)]
    scale = np.sqrt(np.diagonal(part))
    matrix = part / np.outer(scale, scale)
    if not len(varies):
        return residuals
    if np.linalg.eigvalsh(matrix)[0] > ILL_CONDITIONED:
        inverse = np.linalg.inv(matrix)
        rows = inverse / np.diagonal(inverse)[:, None]
    else:
        rows = np.eye(len(varies))
        for a in range(len(varies)):
            others = np.arange(len(varies)) != a
            square = matrix[np.ix_(others, others)]
            rows[a, others] = -np.linalg.pinv(square, ILL_CONDITIONED, True) @ matrix[others, a]
    residuals[np.ix_(varies, varies)] = rows * scale[:, None] / scale
    return residuals
