"""Which answers changed from one model to another on the same samples.

Transitions are counts (..., 3, 2, 2): label (0, 1, unlabelled) × baseline decision × decision.
"""

from __future__ import annotations

from prunescope.metrics.statistics import Floats, Measure, divide


def flip_rate(transitions: Floats) -> Measure:
    """Share of all samples whose answer changed: P(ŷ ≠ ŷ_baseline), in [0, 1]."""
    n = transitions.sum(axis=(-3, -2, -1))
    changed = transitions[..., 0, 1] + transitions[..., 1, 0]
    return Measure(divide(changed.sum(axis=-1), n), n)


def exemplar_rate(transitions: Floats) -> Measure:
    """Share of compared samples whose commonest answer differs, from `Counter.exemplars`."""
    n = transitions[..., 1, :].sum(axis=(-2, -1))
    return Measure(divide(transitions[..., 1, 1].sum(axis=-1), n), n)


def harmful_flip_rate(transitions: Floats) -> Measure:
    """Share of labelled samples whose answer changed from right to wrong, in [0, 1]."""
    n = transitions[..., :2, :, :].sum(axis=(-3, -2, -1))
    return Measure(divide(transitions[..., 0, 0, 1] + transitions[..., 1, 1, 0], n), n)


def helpful_flip_rate(transitions: Floats) -> Measure:
    """Share of labelled samples whose answer changed from wrong to right, in [0, 1]."""
    n = transitions[..., :2, :, :].sum(axis=(-3, -2, -1))
    return Measure(divide(transitions[..., 0, 1, 0] + transitions[..., 1, 0, 1], n), n)
