"""Metrics of how well scores rank true above false: exact, not additive."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from prunescope.metrics.statistics import Floats


class Ranking(NamedTuple):
    """AUC and average precision of each attribute, with each sample's share in them.

    Parameters
    ----------
    auc, average_precision : array (A,)
        In [0, 1]; NaN where a class is absent.
    n_positive, n_negative : array (A,)
    auc_parts : array (N, A)
        The structural components of DeLong et al. (1988): for a true sample the share of false
        ones that it outranks, for a false one the share of true ones that outrank it; ties count
        half. 0 where unlabelled.
    average_precision_parts : array (N, A)
        The influence of each sample: average precision changes by w times this, to first order,
        when the sample's weight grows by w.
    """

    auc: Floats
    average_precision: Floats
    n_positive: Floats
    n_negative: Floats
    auc_parts: Floats
    average_precision_parts: Floats


def rank(scores: NDArray[np.floating[Any]], labels: NDArray[np.int8]) -> Ranking:
    """Rank samples by score, attribute by attribute.

    AUC = P(score of a true sample > that of a false one) + half of P(equal). Average precision =
    Σ (recall_k - recall_(k-1)) · precision_k over distinct scores, highest first.

    Parameters
    ----------
    scores : array (N, A)
        Higher = rather true.
    labels : array (N, A) of int8
        1, 0, or -1 = unlabelled and left out.

    Examples
    --------
    >>> scores, labels = np.array([[3.0], [2.0], [2.0], [1.0]]), np.array([[1], [1], [0], [0]])
    >>> ranking = rank(scores, labels)
    >>> ranking.auc.tolist(), ranking.average_precision.round(4).tolist()
    ([0.875], [0.8333])
    """
    n, a = scores.shape
    auc, precision = np.full(a, np.nan), np.full(a, np.nan)
    auc_parts, precision_parts = np.zeros((n, a)), np.zeros((n, a))
    positive, negative = (labels == 1).sum(axis=0), (labels == 0).sum(axis=0)
    for column in range(a):
        rows = np.flatnonzero(labels[:, column] >= 0)
        if not positive[column]:
            continue
        order = rows[np.argsort(-scores[rows, column], kind="stable")]
        true, ranked = labels[order, column] == 1, scores[order, column]
        tie = np.concatenate([[0], np.cumsum(ranked[1:] != ranked[:-1])])
        last = np.append(np.flatnonzero(np.diff(tie)), len(order) - 1)[tie]
        # counts of true and false samples with a score at or above each one's, its ties included
        n_true, n_false = np.cumsum(true)[last], np.cumsum(~true)[last]
        auc_parts[order, column], auc[column] = _auc(true, tie, n_true, n_false)
        precision_parts[order, column], precision[column] = _average_precision(
            true, tie, n_true, n_true + n_false
        )
    auc[negative == 0] = np.nan
    return Ranking(
        auc,
        precision,
        positive.astype(np.float64),
        negative.astype(np.float64),
        auc_parts,
        precision_parts,
    )


def _auc(
    true: NDArray[np.bool_], tie: NDArray[Any], n_true: NDArray[Any], n_false: NDArray[Any]
) -> tuple[Floats, float]:
    """Return each sample's component, in order of rank, and the AUC."""
    total_true, total_false = n_true[-1], n_false[-1]
    if not total_false:
        return np.zeros(len(true)), np.nan
    tied_true, tied_false = (np.bincount(tie, side)[tie] for side in (true, ~true))
    outranks = (total_false - n_false + 0.5 * tied_false) / total_false
    outranked = (n_true - 0.5 * tied_true) / total_true
    return np.where(true, outranks, outranked), float(outranks[true].mean())


def _average_precision(
    true: NDArray[np.bool_], tie: NDArray[Any], n_true: NDArray[Any], n_above: NDArray[Any]
) -> tuple[Floats, float]:
    """Return each sample's influence, in order of rank, and the average precision."""
    precision = n_true / n_above
    total = n_true[-1]
    value = float(precision[true].sum() / total)
    # a sample enters the precision at its own score and at every lower one where a true one stands
    per_tie = np.bincount(tie, true)
    first = np.unique(tie, return_index=True)[1]
    at_or_below = [
        np.cumsum((per_tie * term[first])[::-1])[::-1][tie]
        for term in (1 / n_above, precision / n_above)
    ]
    influence = true * (precision - value) + true * at_or_below[0] - at_or_below[1]
    return influence / total, value
