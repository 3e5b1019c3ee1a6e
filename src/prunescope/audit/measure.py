"""From predictions to estimates: every metric of one model, and of a pair of models."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from prunescope.audit.bootstrap import FloatMatrix
from prunescope.audit.estimates import (
    CORRELATION_SHIFT,
    DIFFERENCES,
    NOT_APPLICABLE,
    SLICE_METRICS,
    TOP_ONE_METRICS,
    Estimates,
    Metric,
    difference,
    estimate,
    worst_group,
)
from prunescope.audit.leaning import Leanings
from prunescope.data.samples import TrainRates
from prunescope.metrics import (
    Labels,
    Measure,
    Moments,
    Ranking,
    Slices,
    Statistics,
    Transitions,
    accuracy,
    bias_amplification,
    correlation,
    correlation_shift,
    exemplar_rate,
    flip_rate,
    harmful_flip_rate,
    helpful_flip_rate,
    interdependence,
    interdependence_replicates,
)
from prunescope.metrics.statistics import MOST_PAIRED, Floats
from prunescope.metrics.topone import (
    top_one_flip_rate,
    top_one_harmful_flip_rate,
    top_one_helpful_flip_rate,
)

STRUCTURE = ("interdependence", CORRELATION_SHIFT)
"""Metrics of how the answers on different attributes hang together."""


@dataclass(frozen=True)
class Measurer:
    """Turns statistics of models on the same samples into estimates with the same replicates.

    Parameters
    ----------
    attributes : tuple of str
    slices : Slices
    train : TrainRates
        Rates of the training split, which say what is rare and to which side an attribute leans.
    weights, ranking_weights : array (R, K) of float32
        How often each replicate draws each block: of statistics, and of rankings.
    labels : Labels
        By block.
    min_support : int
        Estimates that rest on fewer samples get the status ``insufficient_support``.
    trigger : str, optional
        A boolean group that marks the samples with a planted backdoor.
    """

    attributes: tuple[str, ...]
    slices: Slices
    train: TrainRates
    weights: FloatMatrix
    ranking_weights: FloatMatrix
    labels: Labels
    min_support: int
    trigger: str | None = None

    @cached_property
    def labelled(self) -> Moments:
        """The moments of the labels."""
        return self.labels.total().moments

    @cached_property
    def label_correlations(self) -> tuple[Floats, Floats]:
        """Correlations of the labels (A, A), and those in every replicate."""
        drawn = self.labels.weighted(self.weights).moments
        return correlation(self.labelled), correlation(drawn)

    @cached_property
    def leanings(self) -> Leanings:
        """What is rare, and to which side an attribute leans."""
        return Leanings(self.attributes, self.slices, self.train, self.min_support)

    def model(self, statistics: Statistics, ranking: Ranking) -> list[Estimates]:
        """Estimate every metric of one model."""
        point, replicates = statistics.total(), statistics.weighted(self.weights)
        by_slice = {
            name: self._of(name, metric, point, replicates)
            for name, metric in SLICE_METRICS.items()
        }
        ratio = self.leanings.rare_value_ratio(point.counts, replicates.counts)
        estimates = [*by_slice.values(), ratio, *self._ranking(ranking)]
        estimates += self._structure(point, replicates)
        for group in self.slices.group_names():
            rows = self.slices.of_group(group)
            estimates.append(
                self.leanings.bias_amplification(group, point.counts, replicates.counts)
            )
            for name, parts in DIFFERENCES.items():
                estimates.append(difference(name, [by_slice[p] for p in parts], group, rows))
            estimates.append(worst_group(by_slice["accuracy"], group, rows))
        if self.trigger is not None:
            estimates.append(self._backdoor(point, replicates))
        return estimates

    def pair(self, transitions: Transitions) -> list[Estimates]:
        """Estimate every metric of the change from one model to another."""
        point, replicates = self._both(transitions)
        flips = (
            ("flip_rate", flip_rate, "samples"),
            ("harmful_flip_rate", harmful_flip_rate, "labelled samples"),
            ("helpful_flip_rate", helpful_flip_rate, "labelled samples"),
        )
        estimates = [
            self._estimate(name, metric(point), metric(replicates), basis)
            for name, metric, basis in flips
        ]
        return [*estimates, self._excess_accuracy_gap(point, replicates)]

    def exemplars(self, transitions: Transitions) -> Estimates:
        """Estimate the share of samples whose commonest answer differs."""
        point, replicates = self._both(transitions)
        return self._estimate(
            "cie_rate",
            exemplar_rate(point),
            exemplar_rate(replicates),
            "samples without a tie of votes",
        )

    def top_one(self, statistics: Statistics) -> list[Estimates]:
        """Estimate the metrics of a multi-class model's one answer, from `topone.as_attribute`."""
        point, replicates = statistics.total(), statistics.weighted(self.weights)
        return [
            self._of(name, metric, point, replicates, total=True)
            for name, metric in TOP_ONE_METRICS.items()
        ]

    def top_one_pair(self, transitions: Transitions) -> list[Estimates]:
        """Estimate how the one answer changes, from `topone.changes`."""
        point, replicates = self._both(transitions)
        return [
            self._estimate(name, metric(point), metric(replicates), basis, total=True)
            for name, metric, basis in (
                ("top1_flip_rate", top_one_flip_rate, "samples"),
                ("top1_harmful_flip_rate", top_one_harmful_flip_rate, "labelled samples"),
                ("top1_helpful_flip_rate", top_one_helpful_flip_rate, "labelled samples"),
            )
        ]

    def _both(self, transitions: Transitions) -> tuple[Floats, Floats]:
        """Return the counts of all samples, and of every replicate."""
        return transitions.total().counts, transitions.weighted(self.weights).counts

    def _estimate(
        self,
        metric: str,
        point: Measure,
        replicates: Measure,
        basis: str,
        undefined: str = "no samples",
        group: str | None = None,
        group_value: NDArray[np.intp] | None = None,
        *,
        total: bool = False,
    ) -> Estimates:
        return estimate(
            metric,
            (None,) if total else self.attributes,
            point,
            replicates.value,
            min_support=self.min_support,
            basis=basis,
            undefined=undefined,
            group=group,
            group_value=group_value,
        )

    def _of(
        self,
        name: str,
        metric: Metric,
        point: Statistics,
        replicates: Statistics,
        *,
        total: bool = False,
    ) -> Estimates:
        """Estimate a metric of one model per slice × attribute."""
        found = metric.compute(point)
        drawn = Measure(metric.replicates(point, replicates), found.support)
        return self._estimate(name, found, drawn, metric.basis, metric.undefined, total=total)

    def _ranking(self, ranking: Ranking) -> list[Estimates]:
        auc, precision = ranking.replicates(self.ranking_weights)
        smaller = np.minimum(ranking.n_positive, ranking.n_negative)[0]
        found = (
            self._estimate(
                "auc",
                Measure(ranking.auc[0], smaller),
                Measure(auc, smaller),
                "samples of the rarer label",
            ),
            self._estimate(
                "average_precision",
                Measure(ranking.average_precision[0], ranking.n_positive[0]),
                Measure(precision, ranking.n_positive[0]),
                "true positives",
            ),
        )
        errors = ranking.auc_error[0], ranking.average_precision_error[0]
        return [one.remark(error) for one, error in zip(found, errors, strict=True)]

    def _structure(self, point: Statistics, replicates: Statistics) -> list[Estimates]:
        size = len(self.attributes)
        if not point.pairs.size:
            return [self._no_pairs(point, metric) for metric in STRUCTURE]
        explained = interdependence(point.predicted)
        linked = self._estimate(
            "interdependence",
            explained,
            Measure(
                interdependence_replicates(point.predicted, replicates.predicted),
                explained.support,
            ),
            "samples",
            "the answer is the same for every sample, or no other answer varies",
        )
        a, b = np.triu_indices(size, k=1)
        labelled, drawn = self.label_correlations
        support = np.broadcast_to(self.labelled.n, (size, size))[a, b]
        shift = estimate(
            CORRELATION_SHIFT,
            tuple(
                f"{self.attributes[i]} × {self.attributes[j]}" for i, j in zip(a, b, strict=True)
            ),
            Measure(correlation_shift(correlation(point.predicted), labelled), support),
            correlation_shift(correlation(replicates.predicted), drawn),
            min_support=self.min_support,
            basis="samples with both labels",
            undefined="a label or an answer is the same for every sample",
        )
        return [linked, shift]

    def _no_pairs(self, point: Statistics, metric: str) -> Estimates:
        """Say that a metric of pairs is not computed."""
        size = len(self.attributes)
        n = point.counts[0].sum(axis=(-2, -1))
        nothing = np.full((len(self.weights), size), np.nan, np.float32)
        result = self._estimate(metric, Measure(np.full(size, np.nan), n), Measure(nothing, n), "")
        reason = f"{size} attributes: pairs are compared up to {MOST_PAIRED}"
        if size <= MOST_PAIRED:
            reason = "one class is chosen: its answer follows from the others"
        return result.explain(np.ones(size, bool), NOT_APPLICABLE, reason)

    def _backdoor(self, point: Statistics, replicates: Statistics) -> Estimates:
        assert self.trigger is not None
        rows = self.slices.of_group(self.trigger)
        side = np.ones(len(self.attributes), np.intp)
        return self._estimate(
            "backdoor_bias_amplification",
            bias_amplification(point.counts[rows], side),
            bias_amplification(replicates.counts[:, rows], side),
            "true positives on the smaller side",
            "nothing was predicted positive",
            self.trigger,
            side,
        )

    def _excess_accuracy_gap(self, point: Floats, replicates: Floats) -> Estimates:
        """(acc_dense(g) - acc_sparse(g)) - (acc_dense - acc_sparse); > 0: g loses more than all."""

        def loss(transitions: Floats) -> Measure:
            before = accuracy(transitions.sum(axis=-1))
            after = accuracy(transitions.sum(axis=-2))
            lost = before.value - after.value
            return Measure(lost - lost[..., :1, :], before.support)

        result = self._estimate(
            "excess_accuracy_gap", loss(point), loss(replicates), "labelled samples"
        )
        overall = np.zeros(result.value.shape, bool)
        overall[0] = True
        return result.explain(overall, NOT_APPLICABLE, "it compares a group with all samples")
