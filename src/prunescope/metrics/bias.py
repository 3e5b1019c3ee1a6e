"""Whether answers lean towards a group, and how far groups lie apart."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from prunescope.metrics.statistics import Floats, Measure, divide

SAME_RATE = 0.1
"""Training rates that differ by less than this share of the lower one have no side to lean to."""


class Lean(NamedTuple):
    """Towards which value of a group each attribute leans in training.

    ``side`` (A,) is the position of the value with the highest rate P(a = 1 | value);
    ``applicable`` (A,) is false where the rates are unknown or differ by less than 10% of the
    lowest, so that there is no side to amplify.
    """

    side: NDArray[np.intp]
    applicable: NDArray[np.bool_]


def lean(rates: Floats) -> Lean:
    """Find the side of a group on which each attribute is commoner.

    Parameters
    ----------
    rates : array (V, A)
        P(a = 1 | value) in training; NaN where unknown.

    Examples
    --------
    >>> lean(np.array([[0.2, 0.30, 0.1], [0.1, 0.31, 0.0]]))
    Lean(side=array([0, 1, 0]), applicable=array([ True, False,  True]))
    """
    known = ~np.isnan(rates)
    low = np.where(known, rates, np.inf).min(axis=0)
    high = np.where(known, rates, -np.inf).max(axis=0)
    side = np.where(known, rates, -np.inf).argmax(axis=0)
    enough = known.sum(axis=0) >= 2
    with np.errstate(invalid="ignore"):
        return Lean(side, enough & (high > low) & (high - low >= SAME_RATE * low))


def bias_amplification(counts: Floats, side: NDArray[np.intp]) -> Measure:
    """By how much the share of one side is higher among predicted than among true positives.

    BA = P(side | ŷ = 1) - P(side | y = 1), over labelled samples with a known group value.
    Shape (..., A), in [-1, 1]; > 0: the model leans to that side more than the labels do.
    NaN without positive answers or without true positives. Rests on the true positives inside and
    outside the side, whichever are fewer.
    Source: Iofinova et al. (CVPR 2023), after Zhao et al. (EMNLP 2017).

    Parameters
    ----------
    counts : array (..., V, A, 3, 2)
        For the V values of one group.
    side : array (A,)
        From `lean`.

    Examples
    --------
    >>> women, men = [[70, 10], [10, 30], [0, 0]], [[90, 0], [20, 10], [0, 0]]
    >>> bias_amplification(np.array([[women], [men]]), np.array([0])).value.round(4).tolist()
    [0.2286]
    """
    labelled = counts[..., :2, :]
    called = labelled[..., 1].sum(axis=-1)
    true = labelled[..., 1, :].sum(axis=-1)
    column = np.arange(len(side))
    true_inside = true[..., side, column]
    true_all = true.sum(axis=-2)
    value = divide(called[..., side, column], called.sum(axis=-2)) - divide(true_inside, true_all)
    return Measure(value, np.minimum(true_inside, true_all - true_inside))
