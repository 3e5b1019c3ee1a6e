"""How the answers to different attributes hang together, beside how the labels do."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from prunescope.audit.estimates import CORRELATION_SHIFT, Estimates, estimate
from prunescope.audit.ground import Ground
from prunescope.audit.intervals.chance import in_interdependence
from prunescope.audit.intervals.jackknife import without_each
from prunescope.audit.support import LABELLED, SAMPLES
from prunescope.metrics import (
    Labels,
    Measure,
    Moments,
    Statistics,
    correlation,
    correlation_shift,
    interdependence,
    interdependence_replicates,
)
from prunescope.metrics.statistics import MOST_PAIRED, Floats


@dataclass(frozen=True)
class Dependence:
    """Estimates how far each answer follows from the others, and how pairs are correlated.

    Parameters
    ----------
    ground : Ground
    labels : Labels
        By block.
    """

    ground: Ground
    labels: Labels

    @cached_property
    def labelled(self) -> Moments:
        """The moments of the labels."""
        return self.labels.total().moments

    @cached_property
    def _label_correlations(self) -> tuple[Floats, Floats]:
        """Correlations of the labels (A, A), and those in every replicate."""
        return correlation(self.labelled), correlation(without_each(self.labels).moments)

    def estimates(self, point: Statistics, replicates: Statistics) -> list[Estimates]:
        """Estimate the interdependence of each attribute, and of each pair the correlation shift.

        Of too many attributes, say of both that they are not estimated.
        """
        size = len(self.ground.attributes)
        if size > MOST_PAIRED:
            n = point.counts[0].sum(axis=(-2, -1))
            reason = f"{size} attributes: pairs are compared up to {MOST_PAIRED}"
            metrics = ("interdependence", CORRELATION_SHIFT)
            return [self.ground.no_estimate(metric, n, reason) for metric in metrics]
        return [
            self._interdependence(point.predicted, replicates.predicted),
            self._shift(point.predicted, replicates.predicted),
        ]

    def _interdependence(self, predicted: Moments, others: Moments) -> Estimates:
        explained = interdependence(predicted)
        return estimate(
            "interdependence",
            self.ground.attributes,
            explained,
            interdependence_replicates(predicted, others),
            min_support=self.ground.min_support,
            basis=SAMPLES,
            undefined="the answer is the same for every sample, or no other answer varies",
            rests=self.ground.support(SAMPLES).take(0),
            excess=in_interdependence(explained, predicted),
        )

    def _shift(self, predicted: Moments, others: Moments) -> Estimates:
        names = self.ground.attributes
        a, b = np.triu_indices(len(names), k=1)
        labelled, without = self._label_correlations
        support = np.broadcast_to(self.labelled.n, (len(names), len(names)))[a, b]
        known = self.ground.support(LABELLED).take(0)
        return estimate(
            CORRELATION_SHIFT,
            tuple(f"{names[i]} × {names[j]}" for i, j in zip(a, b, strict=True)),
            Measure(correlation_shift(correlation(predicted), labelled), support),
            correlation_shift(correlation(others), without),
            min_support=self.ground.min_support,
            basis="samples with both labels",
            undefined="a label or an answer is the same for every sample",
            rests=known.take(a).smaller(known.take(b)),
        )
