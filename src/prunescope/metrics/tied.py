"""AUC and average precision from how many true and false samples share each score.

Scores are those of several slices, one slice after the other, so that one pass serves all.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from prunescope.metrics.statistics import Floats, divide

TRUE, FALSE = 1, 0


class Tied(NamedTuple):
    """Samples that share each of T scores, slice by slice, highest score first.

    Parameters
    ----------
    slices : array (T,) of int
        The slice of each score, rising.
    true, false : array (T,)
        How many samples have it.
    above_true, above_false : array (T,)
        How many samples of its slice have it or a higher one.
    n_true, n_false : array (S,)
        How many there are in each slice; false ones below the lowest true one need no score.
    """

    slices: NDArray[np.integer[Any]]
    true: Floats
    false: Floats
    above_true: Floats
    above_false: Floats
    n_true: Floats
    n_false: Floats

    @classmethod
    def of(cls, true: Floats, false: Floats) -> Tied:
        """Add up samples that were counted by score in every slice: (S, T) each."""
        above = np.cumsum(true, axis=1), np.cumsum(false, axis=1)
        slices = np.repeat(np.arange(len(true)), true.shape[1])
        n_true, n_false = (array[:, -1] for array in above)
        flat = [array.ravel() for array in (true, false, *above)]
        return cls(slices, flat[0], flat[1], flat[2], flat[3], n_true, n_false)

    @property
    def precision(self) -> Floats:
        """Share of true samples among those with each score or a higher one: (T,)."""
        return self.above_true / np.maximum(self.above_true + self.above_false, 1)

    def sum(self, values: Floats) -> Floats:
        """Add up, slice by slice, what each score has: (T,) → (S,)."""
        return np.bincount(self.slices, values, len(self.n_true)).astype(np.float64)

    def sum_below(self, values: Floats) -> Floats:
        """Add up what each score and the lower ones of its slice have: (T,) → (T,)."""
        rising = np.cumsum(values[::-1])[::-1]
        after = np.searchsorted(self.slices, np.arange(len(self.n_true)), side="right")
        return np.asarray(rising - np.append(rising, 0.0)[after][self.slices])


class Curve(NamedTuple):
    """AUC and average precision of each slice; NaN where a class is absent."""

    auc: Floats
    average_precision: Floats


def curve(tied: Tied) -> Curve:
    """Return the ranking metrics of each slice: (S,).

    AUC = P(score of a true sample > that of a false one) + half of P(equal). Average precision =
    Σ (recall_k - recall_(k-1)) · precision_k.

    Examples
    --------
    >>> found = curve(Tied.of(np.array([[1.0, 1, 0]]), np.array([[0.0, 1, 1]])))
    >>> found.auc.tolist(), found.average_precision.round(4).tolist()
    ([0.875], [0.8333])
    """
    lost = tied.sum(tied.true * (tied.above_false - 0.5 * tied.false))
    auc = 1 - divide(lost, tied.n_true * tied.n_false)
    return Curve(auc, divide(tied.sum(tied.true * tied.precision), tied.n_true))


class Influence(NamedTuple):
    """How far each sample moves the ranking metrics, by its label (0 false, 1 true).

    To first order: by how much a metric changes when the weight of a sample of that score grows
    by 1: (2, T). Samples of a slice add up to 0.
    """

    auc: Floats
    average_precision: Floats


def influence(tied: Tied, found: Curve) -> Influence:
    """Return how far the samples of each score move AUC and average precision.

    The share of a true sample in AUC is that of the false ones that it outranks, that of a false
    one that of the true ones that outrank it, with ties as half (the structural components of
    DeLong et al., 1988); its influence is their distance from AUC by the size of its class.

    Parameters
    ----------
    tied : Tied
    found : Curve
        Of the same.

    Examples
    --------
    >>> tied = Tied.of(np.array([[1.0, 1, 0]]), np.array([[0.0, 1, 1]]))
    >>> influence(tied, curve(tied)).auc.tolist()
    [[-0.3125, -0.0625, 0.0625], [0.0625, -0.0625, -0.3125]]
    """
    at, precision = tied.slices, tied.precision
    n_true, n_false = np.maximum(tied.n_true, 1), np.maximum(tied.n_false, 1)
    auc, average_precision = np.nan_to_num(found.auc), np.nan_to_num(found.average_precision)
    moved, moved_precision = np.empty((2, len(at))), np.empty((2, len(at)))

    has_both = ~np.isnan(found.auc)
    outranked = (tied.n_false - tied.n_false * auc)[at] - tied.above_false + 0.5 * tied.false
    outranking = tied.above_true - 0.5 * tied.true - (tied.n_true * auc)[at]
    scale = has_both / (n_true * n_false)
    np.multiply(outranked, scale[at], out=moved[TRUE])
    np.multiply(outranking, scale[at], out=moved[FALSE])

    # a sample enters the precision at its own score and at every lower one where a true one stands
    weight = tied.true / np.maximum(tied.above_true + tied.above_false, 1)
    lost = tied.sum_below(weight * precision)
    np.negative(lost, out=moved_precision[FALSE])
    np.subtract(tied.sum_below(weight) + precision, lost, out=moved_precision[TRUE])
    moved_precision[TRUE] -= average_precision[at]
    moved_precision /= n_true[at]
    moved_precision *= (tied.n_true > 0)[at]
    return Influence(moved, moved_precision)


def hidden(tied: Tied) -> Curve:
    """Bound how far AUC and average precision move when samples of one score are put in order.

    At best a score's true samples come first, at worst its false ones. 0 where a class is absent.

    Examples
    --------
    >>> bound = hidden(Tied.of(np.array([[1.0, 0]]), np.array([[1.0, 2]])))
    >>> bound.auc.round(4).tolist(), bound.average_precision.tolist()
    ([0.1667], [0.5])
    """
    true, false = tied.true, tied.false
    auc = divide(tied.sum(true * false), 2 * tied.n_true * tied.n_false)
    above, n_above = tied.above_true, tied.above_true + tied.above_false
    best = true * divide(above, n_above - false)
    worst = true * divide(above - true + 1, n_above - true + 1)
    middle = true * divide(above, n_above)
    spread = np.maximum(best - middle, middle - worst)
    spread[(true == 0) | (true + false <= 1)] = 0
    precision = divide(tied.sum(spread), tied.n_true)
    return Curve(np.nan_to_num(auc), np.nan_to_num(precision))
