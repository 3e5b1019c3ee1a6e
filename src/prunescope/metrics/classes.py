"""Figures over all classes of a multi-class task, each class weighing the same.

Every function takes counts (..., S, C, 3, 2) of C classes, each against all others, as
`Statistics.counts` holds them, and returns a `Measure` of shape (..., S, 1).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from prunescope.metrics.rates import f1, true_positive_rate
from prunescope.metrics.statistics import Floats, Measure, divide


def present(counts: Floats, at_least: int = 1) -> NDArray[np.bool_]:
    """Tell which classes the labels of each slice hold often enough: (..., S, C).

    Examples
    --------
    >>> counts = np.array([[[[7, 0], [1, 2], [0, 0]], [[8, 2], [0, 0], [0, 0]]]])
    >>> present(counts).tolist()
    [[True, False]]
    """
    return np.asarray(counts[..., 1, :].sum(axis=-1) >= at_least)


def macro_recall(counts: Floats, classes: NDArray[np.bool_]) -> Measure:
    """Mean recall of the classes, in [0, 1]: what top-1 accuracy would be if all were as common.

    Parameters
    ----------
    counts : array (..., S, C, 3, 2)
    classes : array (S, C) of bool
        Those to average over, from `present` of all samples. One without samples in a replicate
        is left out there.

    Examples
    --------
    >>> counts = np.array([[[[7, 0], [1, 2], [0, 0]], [[2, 1], [0, 7], [0, 0]]]])
    >>> macro_recall(counts, present(counts)).value.round(4).tolist()
    [[0.8333]]
    """
    return _mean(true_positive_rate(counts), classes)


def macro_f1(counts: Floats, classes: NDArray[np.bool_]) -> Measure:
    """Mean F1 of the classes, in [0, 1]; parameters as for `macro_recall`.

    Examples
    --------
    >>> counts = np.array([[[[7, 0], [1, 2], [0, 0]], [[2, 1], [0, 7], [0, 0]]]])
    >>> macro_f1(counts, present(counts)).value.round(4).tolist()
    [[0.8667]]
    """
    return _mean(f1(counts), classes)


def _mean(by_class: Measure, classes: NDArray[np.bool_]) -> Measure:
    """Average over some classes; rests on their true samples."""
    defined = classes & ~np.isnan(by_class.value)
    total = np.where(defined, by_class.value, 0).sum(axis=-1, keepdims=True)
    support = np.where(classes, by_class.support, 0).sum(axis=-1, keepdims=True)
    return Measure(divide(total, defined.sum(axis=-1, keepdims=True)), support)
