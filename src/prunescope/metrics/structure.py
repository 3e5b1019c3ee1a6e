"""How predictions of different attributes hang together."""

from __future__ import annotations

import numpy as np

from prunescope.metrics.statistics import Floats, Measure, Moments, divide

ILL_CONDITIONED = 1e-9
"""Smallest eigenvalue of a correlation matrix below which its inverse is not trusted."""


def correlation(moments: Moments) -> Floats:
    """Pearson correlation of each pair of columns: (..., A, A), NaN where one is constant.

    Examples
    --------
    >>> from prunescope.metrics.statistics import moments
    >>> columns = np.array([[1, 1], [1, 0], [0, 0], [0, 0]], bool)
    >>> correlation(moments(columns)).round(4).tolist()
    [[1.0, 0.5774], [0.5774, 1.0]]
    """
    mean = divide(moments.first, moments.n)
    mean_of_other = np.swapaxes(mean, -1, -2)
    covariance = divide(moments.second, moments.n) - mean * mean_of_other
    variance = mean * (1 - mean)
    scale = np.sqrt(variance * np.swapaxes(variance, -1, -2))
    return divide(covariance, scale)


def correlation_shift(predicted: Moments, labelled: Moments) -> Floats:
    """Correlation of the predictions minus that of the labels, for each pair of attributes.

    Shape (..., P) with P = A(A - 1)/2 pairs in the order of `numpy.triu_indices`; in [-2, 2]. NaN
    where a column is constant.
    """
    shift = correlation(predicted) - correlation(labelled)
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

    R² of ordinary least squares, with intercept, of each decision on all the others, in sample:
    1 - 1 / (C⁻¹)_aa with C the correlation matrix of the decisions that vary. Shape (..., A), in
    [0, 1]; NaN for a constant decision or where no other decision varies.
    Source: Iofinova et al. (CVPR 2023), section 3.

    Examples
    --------
    >>> from prunescope.metrics.statistics import moments
    >>> columns = np.array([[1, 1], [1, 0], [0, 0], [0, 0]], bool)
    >>> interdependence(moments(columns)).value.round(4).tolist()
    [0.3333, 0.3333]
    """
    matrix = correlation(predicted)
    varies = ~np.isnan(np.diagonal(matrix, axis1=-2, axis2=-1))
    apart = np.eye(matrix.shape[-1])
    matrix = np.where(varies[..., :, None] & varies[..., None, :], matrix, apart)
    safe = np.linalg.eigvalsh(matrix)[..., 0] > ILL_CONDITIONED
    inverse = np.linalg.inv(np.where(safe[..., None, None], matrix, apart))
    explained = 1 - 1 / np.diagonal(inverse, axis1=-2, axis2=-1)
    explained[~safe] = _explained_when_collinear(matrix[~safe])
    enough = varies & (varies.sum(axis=-1, keepdims=True) > 1)
    n = np.broadcast_to(predicted.n[..., 0], explained.shape)
    return Measure(np.where(enough, np.clip(explained, 0.0, 1.0), np.nan), n)


def _explained_when_collinear(matrix: Floats) -> Floats:
    """Return R² of each column on the others from singular correlation matrices (..., A, A).

    A column with a part in the null space is a combination of the others: its R² is 1. On the rest
    of the space the inverse stands as for a regular matrix.
    """
    eigenvalues, vectors = np.linalg.eigh(matrix)
    null = (eigenvalues <= ILL_CONDITIONED)[..., None, :]
    inverse = divide(vectors**2, np.where(null, np.inf, eigenvalues[..., None, :])).sum(axis=-1)
    dependent = np.where(null, vectors**2, 0.0).sum(axis=-1) > ILL_CONDITIONED
    return np.where(dependent, 1.0, 1 - divide(1.0, inverse))
