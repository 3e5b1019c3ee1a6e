"""From predictions to estimates: every metric of one model, and of a pair of models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from prunescope.audit.bootstrap import Bootstrap
from prunescope.audit.estimates import (
    CORRELATION_SHIFT,
    DIFFERENCES,
    NOT_APPLICABLE,
    SLICE_METRICS,
    Estimates,
    difference,
    estimate,
    worst_group,
)
from prunescope.data.samples import Samples, TrainRates
from prunescope.metrics import (
    Measure,
    Slices,
    accuracy,
    bias_amplification,
    correlation_shift,
    count,
    flip_rate,
    harmful_flip_rate,
    helpful_flip_rate,
    interdependence,
    lean,
    rank,
    rare_value_ratio,
)
from prunescope.metrics.flips import transition_cells
from prunescope.metrics.statistics import Floats, Moments, Statistics
from prunescope.predictions import Predictions


@dataclass(frozen=True)
class Measurer:
    """Measures models on the same samples with the same replicates.

    Parameters
    ----------
    samples : Samples
    slices : Slices
    train : TrainRates
        Rates of the training split, which say what is rare and to which side an attribute leans.
    bootstrap : Bootstrap
    min_support : int
        Estimates that rest on fewer samples get the status ``insufficient_support``.
    n_bins, band
        Of the calibration error and of uncertainty.
    trigger : str, optional
        A boolean group that marks the samples with a planted backdoor.
    """

    samples: Samples
    slices: Slices
    train: TrainRates
    bootstrap: Bootstrap
    min_support: int
    n_bins: int
    band: tuple[float, float]
    trigger: str | None

    @cached_property
    def labelled(self) -> Moments:
        """The moments of the labels in every replicate."""
        return self.bootstrap.labelled(self.samples)

    @cached_property
    def prevalence(self) -> Floats:
        """Share of positives of each attribute in training; NaN where unknown."""
        return self._rates(self.train.prevalence)

    def _rates(self, rates: Mapping[str, float]) -> Floats:
        return np.array([rates.get(a, np.nan) for a in self.samples.attributes], np.float64)

    def model(self, predictions: Predictions) -> list[Estimates]:
        """Estimate every metric of one model."""
        point = count(predictions, self.slices, n_bins=self.n_bins, band=self.band)
        replicates = self.bootstrap.statistics(
            predictions, self.slices, self.n_bins, self.band, self.labelled
        )
        by_slice = {
            name: self._estimate(
                name,
                metric.compute(point),
                metric.compute(replicates),
                metric.basis,
                metric.undefined,
            )
            for name, metric in SLICE_METRICS.items()
        }
        ratio = self._estimate(
            "rare_value_ratio",
            rare_value_ratio(point.counts, self.prevalence),
            rare_value_ratio(replicates.counts, self.prevalence),
            "samples with the rarer value",
            "its rate in training is not known",
        )
        estimates = [*by_slice.values(), ratio, *self._ranking(predictions)]
        estimates += self._structure(point, replicates)
        for group in self.slices.group_names():
            rows = self.slices.of_group(group)
            estimates.append(self._bias_amplification(group, rows, point, replicates))
            for name, parts in DIFFERENCES.items():
                estimates.append(difference(name, [by_slice[p] for p in parts], group, rows))
            estimates.append(worst_group(by_slice["accuracy"], group, rows))
        if self.trigger is not None:
            estimates.append(self._backdoor(point, replicates))
        return estimates

    def pair(self, baseline: Predictions, other: Predictions) -> list[Estimates]:
        """Estimate every metric of the change from one model to another."""
        cells = transition_cells(baseline, other)
        one_hot = cells[..., None] == np.arange(12)
        shape = (len(self.slices), len(self.samples.attributes), 3, 2, 2)
        point = np.stack([one_hot[rows].sum(axis=0) for rows in self.slices.members()])
        point = point.reshape(shape).astype(np.float64)
        replicates = self.bootstrap.transitions(baseline, other, self.slices)
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

    def _estimate(
        self,
        metric: str,
        point: Measure,
        replicates: Measure,
        basis: str,
        undefined: str = "no samples",
        group: str | None = None,
        group_value: NDArray[np.intp] | None = None,
    ) -> Estimates:
        return estimate(
            metric,
            self.samples.attributes,
            point,
            replicates.value,
            min_support=self.min_support,
            basis=basis,
            undefined=undefined,
            group=group,
            group_value=group_value,
        )

    def _ranking(self, predictions: Predictions) -> list[Estimates]:
        ranking = rank(predictions.log_odds, self.samples.labels)
        auc, precision = self.bootstrap.ranking(ranking, self.samples)
        smaller = np.minimum(ranking.n_positive, ranking.n_negative)
        return [
            self._estimate(
                "auc",
                Measure(ranking.auc, smaller),
                Measure(auc, smaller),
                "samples of the rarer label",
            ),
            self._estimate(
                "average_precision",
                Measure(ranking.average_precision, ranking.n_positive),
                Measure(precision, ranking.n_positive),
                "true positives",
            ),
        ]

    def _structure(self, point: Statistics, replicates: Statistics) -> list[Estimates]:
        explained = self._estimate(
            "interdependence",
            interdependence(point.predicted),
            interdependence(replicates.predicted),
            "samples",
            "the answer is the same for every sample, or no other answer varies",
        )
        a, b = np.triu_indices(len(self.samples.attributes), k=1)
        support = np.broadcast_to(point.labelled.n, (len(self.samples.attributes),) * 2)[a, b]
        names = self.samples.attributes
        shift = estimate(
            CORRELATION_SHIFT,
            tuple(f"{names[i]} × {names[j]}" for i, j in zip(a, b, strict=True)),
            Measure(correlation_shift(point.predicted, point.labelled), support),
            correlation_shift(replicates.predicted, replicates.labelled),
            min_support=self.min_support,
            basis="samples with both labels",
            undefined="a label or an answer is the same for every sample",
        )
        return [explained, shift]

    def _bias_amplification(
        self, group: str, rows: slice, point: Statistics, replicates: Statistics
    ) -> Estimates:
        known = self.train.group_rates.get(group, {})
        rates = [self._rates(known.get(str(value), {})) for value in self.slices.values[rows]]
        leaning = lean(np.array(rates))
        result = self._estimate(
            "bias_amplification",
            bias_amplification(point.counts[rows], leaning.side),
            bias_amplification(replicates.counts[:, rows], leaning.side),
            "true positives on the smaller side",
            "nothing was predicted positive",
            group,
            leaning.side,
        )
        unknown: NDArray[np.bool_] = np.isnan(np.array(rates)).all(axis=0)
        result = result.explain(
            ~leaning.applicable & ~unknown,
            NOT_APPLICABLE,
            f"its training rates are about equal on every side of {group}",
        )
        result = result.explain(
            unknown, NOT_APPLICABLE, f"its training rates by {group} are not known"
        )
        itself = np.array(self.samples.attributes) == group
        return result.explain(itself, NOT_APPLICABLE, f"{group} is the group itself")

    def _backdoor(self, point: Statistics, replicates: Statistics) -> Estimates:
        assert self.trigger is not None
        rows = self.slices.of_group(self.trigger)
        side = np.ones(len(self.samples.attributes), np.intp)
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
