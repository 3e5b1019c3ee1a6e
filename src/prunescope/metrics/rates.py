"""Rates of right, wrong and positive answers, from counts by label and decision.

Every function takes counts (..., 3, 2): label (0 false, 1 true, 2 unlabelled) × decision, as
`Statistics.counts` holds them, and returns a `Measure` of shape (...). Values lie in [0, 1].
"""

from __future__ import annotations

import numpy as np

from prunescope.metrics.statistics import Floats, Measure, divide


def accuracy(counts: Floats) -> Measure:
    """Share of labelled samples that are answered as labelled: (TP + TN) / n.

    Examples
    --------
    >>> accuracy(np.array([[50, 10], [5, 15], [0, 0]])).value.item()
    0.8125
    """
    n = counts[..., :2, :].sum(axis=(-2, -1))
    return Measure(divide(counts[..., 0, 0] + counts[..., 1, 1], n), n)


def true_positive_rate(counts: Floats) -> Measure:
    """Share of true positives that are found (recall): TP / (TP + FN)."""
    positives = counts[..., 1, :].sum(axis=-1)
    return Measure(divide(counts[..., 1, 1], positives), positives)


def false_negative_rate(counts: Floats) -> Measure:
    """Share of true positives that are missed: FN / (TP + FN)."""
    positives = counts[..., 1, :].sum(axis=-1)
    return Measure(divide(counts[..., 1, 0], positives), positives)


def false_positive_rate(counts: Floats) -> Measure:
    """Share of true negatives that are called positive: FP / (FP + TN)."""
    negatives = counts[..., 0, :].sum(axis=-1)
    return Measure(divide(counts[..., 0, 1], negatives), negatives)


def true_negative_rate(counts: Floats) -> Measure:
    """Share of true negatives that are called negative: TN / (FP + TN)."""
    negatives = counts[..., 0, :].sum(axis=-1)
    return Measure(divide(counts[..., 0, 0], negatives), negatives)


def balanced_accuracy(counts: Floats) -> Measure:
    """Mean of the true positive and true negative rates; rests on the smaller class.

    Examples
    --------
    >>> balanced_accuracy(np.array([[50, 10], [5, 15], [0, 0]])).value.round(4).item()
    0.7917
    """
    positive, negative = true_positive_rate(counts), true_negative_rate(counts)
    return Measure(
        (positive.value + negative.value) / 2, np.minimum(positive.support, negative.support)
    )


def precision(counts: Floats) -> Measure:
    """Share of positive answers that are right: TP / (TP + FP); NaN without positive answers."""
    called = counts[..., :2, 1].sum(axis=-1)
    return Measure(divide(counts[..., 1, 1], called), counts[..., :2, :].sum(axis=(-2, -1)))


def f1(counts: Floats) -> Measure:
    """Harmonic mean of precision and recall: 2 TP / (2 TP + FP + FN).

    0 where no true positive is found; NaN where there is none and nothing is called positive.

    Examples
    --------
    >>> f1(np.array([[50, 10], [5, 15], [0, 0]])).value.round(4).item()
    0.6667
    """
    positives = counts[..., 1, :].sum(axis=-1)
    called = counts[..., :2, 1].sum(axis=-1)
    return Measure(divide(2 * counts[..., 1, 1], positives + called), positives)


def selection_rate(counts: Floats) -> Measure:
    """Share of all samples, labelled or not, that are called positive."""
    n = counts.sum(axis=(-2, -1))
    return Measure(divide(counts[..., 1].sum(axis=-1), n), n)


def rare_value_ratio(counts: Floats, prevalence: Floats) -> Measure:
    """How often the rarer value is predicted for each time that it is true.

    r = (predicted rate) / (true rate) of whichever value is rarer in training, over labelled
    samples. 1: as often as it occurs; below 1: under-predicted; 0: never. r - 1 is the threshold
    calibration bias of Iofinova et al. (CVPR 2023).

    Parameters
    ----------
    counts : array (..., A, 3, 2)
    prevalence : array (A,)
        Share of positives in training; NaN where unknown. "True" is the rarer value up to 0.5.

    Examples
    --------
    >>> counts = np.array([[[80, 4], [10, 6], [0, 0]]])
    >>> rare_value_ratio(counts, np.array([0.16])).value.tolist()
    [0.625]
    """
    known = counts[..., :2, :]
    true, called = known.sum(axis=-1), known.sum(axis=-2)
    rare = prevalence <= 0.5
    n_true = np.where(rare, true[..., 1], true[..., 0])
    n_called = np.where(rare, called[..., 1], called[..., 0])
    return Measure(np.where(np.isnan(prevalence), np.nan, divide(n_called, n_true)), n_true)
