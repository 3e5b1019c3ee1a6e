"""What is estimated of changed answers: of a model's beside another's, of a population's."""

from __future__ import annotations

import numpy as np

from prunescope.audit.estimates import NOT_APPLICABLE, Estimates
from prunescope.audit.ground import Ground
from prunescope.audit.support import LABELLED, SAMPLES
from prunescope.metrics import (
    Measure,
    Transitions,
    accuracy,
    exemplar_rate,
    flip_rate,
    harmful_flip_rate,
    helpful_flip_rate,
)
from prunescope.metrics.statistics import Floats, divide
from prunescope.metrics.topone import (
    top_one_flip_rate,
    top_one_harmful_flip_rate,
    top_one_helpful_flip_rate,
)

Resampled = tuple[Transitions, Transitions]
"""Of all samples, and of all but those of each block (`jackknife`)."""

BeforeAfter = tuple[Measure, Measure]
"""How often the answer was right before, and how often after."""


def flips(ground: Ground, transitions: Resampled) -> list[Estimates]:
    """Estimate every metric of how the answers to each attribute change between two models."""
    point, replicates = (sums.counts for sums in transitions)
    rates = [
        _share(ground, name, metric(point), metric(replicates), basis)
        for name, metric, basis in (
            ("flip_rate", flip_rate, SAMPLES),
            ("harmful_flip_rate", harmful_flip_rate, LABELLED),
            ("helpful_flip_rate", helpful_flip_rate, LABELLED),
        )
    ]

    def right(counts: Floats) -> BeforeAfter:
        return accuracy(counts.sum(axis=-1)), accuracy(counts.sum(axis=-2))

    return [*rates, _excess(ground, "excess_accuracy_gap", right(point), right(replicates))]


def top_one_flips(ground: Ground, transitions: Resampled) -> list[Estimates]:
    """Estimate how the one answer of multi-class models changes, from `topone.changes`."""
    point, replicates = (sums.counts for sums in transitions)
    rates = [
        _share(ground, name, metric(point), metric(replicates), basis, total=True)
        for name, metric, basis in (
            ("top1_flip_rate", top_one_flip_rate, SAMPLES),
            ("top1_harmful_flip_rate", top_one_harmful_flip_rate, LABELLED),
            ("top1_helpful_flip_rate", top_one_helpful_flip_rate, LABELLED),
        )
    ]

    def right(counts: Floats) -> BeforeAfter:
        labelled = counts[..., :2, :, :]
        n = labelled.sum(axis=(-3, -2, -1))
        before = labelled[..., 1, :].sum(axis=(-2, -1))
        after = labelled[..., :, 1].sum(axis=(-2, -1))
        return Measure(divide(before, n), n), Measure(divide(after, n), n)

    excess = _excess(ground, "excess_top1_gap", right(point), right(replicates), total=True)
    return [*rates, excess]


def share_of_exemplars(ground: Ground, transitions: Resampled) -> Estimates:
    """Estimate the share of samples whose commonest answer differs between two populations."""
    point, replicates = (exemplar_rate(sums.counts) for sums in transitions)
    things = "samples without a tie of votes"
    return _share(ground, "cie_rate", point, replicates, SAMPLES, things=things)


def _share(
    ground: Ground,
    metric: str,
    point: Measure,
    replicates: Measure,
    basis: str,
    *,
    total: bool = False,
    things: str | None = None,
) -> Estimates:
    """Estimate a share of samples."""
    trials = np.asarray(point.support, np.float64)
    return ground.estimate(
        metric, point, replicates.value, basis, total=total, things=things, trials=trials
    )


def _excess(
    ground: Ground, metric: str, point: BeforeAfter, replicates: BeforeAfter, *, total: bool = False
) -> Estimates:
    """(acc_dense(g) - acc_sparse(g)) - (acc_dense - acc_sparse); > 0: g loses more than all."""

    def loss(before: Measure, after: Measure) -> Floats:
        lost = before.value - after.value
        return np.asarray(lost - lost[..., :1, :])

    value = Measure(loss(*point), point[0].support)
    result = ground.estimate(metric, value, loss(*replicates), LABELLED, total=total)
    overall = np.zeros(result.value.shape, bool)
    overall[0] = True
    return result.explain(overall, NOT_APPLICABLE, "it compares a group with all samples")
