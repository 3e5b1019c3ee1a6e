"""How far logits drift at a sparsity: the rule that all scorers share.

Everything follows from the sparsity alone, counted in decades of removed weights: 1 at 90%, 2 at
99%. The numbers were chosen on the validation split of real faces: shrinkage, jitter and rises by
examples/forecast/rule.py (the slope of the rare-value ratio from 80 and 95% alone), the sizes of
noise and cuts among a few that were tried by hand. docs/results/forecast tells how they fare on
others. How shrinkage depends on the number of classes was chosen on digits and drawn faces.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from scipy.special import expit

from prunescope.metrics.statistics import Floats


def decades(sparsity: float) -> float:
    """Return -log10(1 - sparsity).

    Examples
    --------
    >>> round(decades(0.99), 6)
    2.0
    """
    return -math.log10(1 - sparsity)


JITTER = 0.27
"""Spread of sparse logits around their expectation, in deviations of the dense ones.

It is the same at any sparsity: what training anew changes by chance, not what is removed.
"""


FEWER = 2.5
"""Power of 2 / K by which λ falls with the number of classes: by examples/forecast/classes.py."""


def shrinkage(sparsity: float, n_classes: int = 2) -> float:
    """Return λ, the share of the way to the base rate that a mean logit goes, in [0, 0.9].

    An attribute is a choice between two classes; λ of K classes is (2 / K)^`FEWER` of that.

    Examples
    --------
    >>> round(shrinkage(0.9), 3), round(shrinkage(0.9, 10), 3)
    (0.123, 0.002)
    """
    share = min(0.9, 0.123 * math.pow(decades(sparsity), 2.6))
    return share * math.pow(2 / n_classes, FEWER)


def noise(sparsity: float) -> float:
    """Return the size of weight noise that hurts like pruning, in deviations of the weights."""
    return 0.2 * decades(sparsity)


def cut_at_random(sparsity: float) -> float:
    """Return the share of weights to remove at random that hurts like pruning."""
    return 1 - math.pow(1 - sparsity, 0.035)


def cuts_at_once(sparsity: float) -> tuple[float, ...]:
    """Return the shares of weights to remove at once, smallest first, that hurt like pruning."""
    return tuple(1 - math.pow(1 - sparsity, power) for power in (0.3, 0.4, 0.5))


def cut_to_reconstruct(sparsity: float) -> float:
    """Return the sparsity from which a reconstruction hurts like pruning that trains."""
    return 1 - math.pow(1 - sparsity, 0.77)


def cut_to_probe(sparsity: float) -> float:
    """Return the sparsity of a probe, whose short training mends less."""
    return 1 - math.pow(1 - sparsity, 0.9)


RISES: Mapping[str, float] = {"rare_value_ratio": 16.2, "bias_amplification": 15.2}
"""Metric → slope of the log-odds that it rises, by its expected change."""


def rise_probability(metric: str, change: Floats) -> Floats:
    """Return the probability that a metric rises, of its expected change; NaN where unknown.

    It is above one half just where a rise is expected.
    """
    if metric not in RISES:
        return np.full(np.shape(change), np.nan)
    return np.asarray(expit(RISES[metric] * change))
