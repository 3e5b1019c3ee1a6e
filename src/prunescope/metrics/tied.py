"""AUC and average precision from how many true and false samples share each score.

Scores are those of several slices, one slice after the other, so that one pass serves all.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from prunescope.metrics.statistics import Floats, divide

TRUE, FALSE = 1, 0


class Tied(NamedTuple):
    """Samples that share each of T scores, slice by slice, highest score first.

    Parameters
    ----------
    starts : array (S + 1,) of int
        Where the scores of each slice begin, and where the last one's end.
    true, false : array (T,)
        How many samples have it.
    above_true, above_false : array (T,)
        How many samples of its slice have it or a higher one.
    n_true, n_false : array (S,)
        How many there are in each slice; false ones below the lowest true one need no score.
    """

    starts: NDArray[np.intp]
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
        starts = np.arange(len(true) + 1) * true.shape[1]
        n_true, n_false = (array[:, -1] for array in above)
        flat = [array.ravel() for array in (true, false, *above)]
        return cls(starts, flat[0], flat[1], flat[2], flat[3], n_true, n_false)

    @property
    def above(self) -> Floats:
        """How many samples of its slice have each score or a higher one: (T,); 1 for none."""
        return np.asarray(np.maximum(self.above_true + self.above_false, 1))

    def each(self, values: Floats) -> Floats:
        """Give each score what its slice has: (S,) → (T,)."""
        return np.repeat(values, np.diff(self.starts))

    def sum(self, values: Floats) -> Floats:
        """Add up, slice by slice, what each score has: (T,) → (S,)."""
        begin, end = self.starts[:-1], self.starts[1:]
        sums, filled = np.zeros(len(begin)), end > begin
        if len(values):
            sums[filled] = np.add.reduceat(values, begin[filled])
        return sums

    def sum_below(self, values: Floats) -> Floats:
        """Add up what each score and the lower ones of its slice have: (T,) → (T,)."""
        rising = np.append(np.cumsum(values[::-1])[::-1], 0.0)
        return np.asarray(rising[:-1] - self.each(rising[self.starts[1:]]))


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
    precision = tied.above_true / tied.above
    return Curve(auc, divide(tied.sum(tied.true * precision), tied.n_true))


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
    each, true = tied.each, tied.true
    n_true, n_false = np.maximum(tied.n_true, 1), np.maximum(tied.n_false, 1)
    has_true, has_both = tied.n_true > 0, ~np.isnan(found.auc)
    auc, average_precision = (np.where(np.isnan(value), 0, value) for value in found)
    moved, moved_precision = np.empty((2, len(true))), np.empty((2, len(true)))

    scale = each(has_both / (n_true * n_false))
    moved[TRUE] = each(n_false * (1 - auc)) - tied.above_false + 0.5 * tied.false
    moved[FALSE] = tied.above_true - 0.5 * true - each(n_true * auc)
    moved *= scale

    # a sample enters the precision at its own score and at every lower one where a true one stands
    above = tied.above
    weight, precision = true / above, tied.above_true / above
    lost = tied.sum_below(weight * precision)
    moved_precision[FALSE] = -lost
    moved_precision[TRUE] = tied.sum_below(weight) - lost + precision - each(average_precision)
    moved_precision *= each(has_true / n_true)
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
