"""From what answers add up to, to estimates: every metric of one model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from prunescope.audit.dependence import Dependence
from prunescope.audit.estimates import Estimates
from prunescope.audit.ground import Ground
from prunescope.audit.intervals import chance
from prunescope.audit.intervals.extremes import GAPS, gap, worst
from prunescope.audit.leaning import Leanings
from prunescope.audit.slice_metrics import CALIBRATION, SLICE_METRICS, TOP_ONE_METRICS, Metric
from prunescope.audit.support import LABELLED, POSITIVES, RARER
from prunescope.data.samples import TrainRates
from prunescope.metrics import Labels, Measure, Ranking, Statistics
from prunescope.metrics.classes import macro_f1, macro_recall, present

WORST = "worst_group_accuracy"

Resampled = tuple[Statistics, Statistics]
"""Of all samples, and of all but those of each block (`jackknife`)."""

OF_ATTRIBUTES: Mapping[str, str] = {
    "accuracy": "top1_accuracy",
    "balanced_accuracy": "tpr and macro_recall",
    "fpr": "tpr and precision",
    "tnr": "tpr and precision",
    "fnr": "tpr",
    "uncertainty": "the uncertainty of the answer that is given",
    "ece": "top_label_ece",
    "interdependence": "top1_accuracy",
}
"""Metrics that say nothing of a class, and what says it instead: one class is chosen, so a rare one
is told from all others by never being given, and each answer follows from the others."""


@dataclass(frozen=True)
class Measurer:
    """Turns statistics of models on the same samples into estimates with the same replicates.

    Parameters
    ----------
    ground : Ground
    train : TrainRates
        Rates of the training split, which say what is rare and to which side an attribute leans.
    labels : Labels
        By block.
    trigger : str, optional
        A boolean group that marks the samples with a planted backdoor.
    """

    ground: Ground
    train: TrainRates
    labels: Labels
    trigger: str | None = None

    @cached_property
    def leanings(self) -> Leanings:
        """What is rare, and to which side an attribute leans."""
        on = self.ground
        return Leanings(on.attributes, on.slices, self.train, on.min_support, on.supports)

    @cached_property
    def dependence(self) -> Dependence:
        """How attributes hang together."""
        return Dependence(self.ground, self.labels)

    def model(self, statistics: Resampled, ranking: Ranking) -> list[Estimates]:
        """Estimate every metric of one model's attributes, or classes."""
        point, replicates = statistics
        says_nothing = OF_ATTRIBUTES if self.ground.classes else ()
        by_slice = {
            name: self._of_slices(name, metric, point, replicates)
            for name, metric in SLICE_METRICS.items()
            if name not in says_nothing
        }
        ratio = self.leanings.rare_value_ratio(point.counts, replicates.counts)
        estimates = [*by_slice.values(), ratio, *self._ranking(ranking)]
        if not self.ground.classes:
            estimates += self.dependence.estimates(point, replicates)
        for group in self.ground.slices.group_names():
            estimates.append(
                self.leanings.bias_amplification(group, point.counts, replicates.counts)
            )
            estimates += self._between(group, by_slice)
        if self.trigger is not None:
            estimates.append(self._backdoor(self.trigger, point, replicates))
        n = point.counts[0].sum(axis=(-2, -1))
        for name in says_nothing:
            reason = f"one class is chosen: see {OF_ATTRIBUTES[name]}"
            estimates.append(self.ground.no_estimate(name, n, reason))
        return estimates

    def top_one(self, top: Resampled, classes: Resampled) -> list[Estimates]:
        """Estimate the metrics of a multi-class model's one answer.

        Parameters
        ----------
        top : pair of Statistics
            From `topone.as_attribute`: whether the answer is right.
        classes : pair of Statistics
            Of each class against all others.
        """
        point, replicates = top
        found = {
            name: self._of_slices(name, metric, point, replicates, total=True)
            for name, metric in TOP_ONE_METRICS.items()
        }
        estimates = [*found.values(), *self._macro(classes)]
        answers = {"accuracy": found["top1_accuracy"], "ece": found["top_label_ece"]}
        for group in self.ground.slices.group_names():
            estimates += self._between(group, answers)
        return estimates

    def _of_slices(
        self,
        name: str,
        metric: Metric,
        point: Statistics,
        replicates: Statistics,
        *,
        total: bool = False,
    ) -> Estimates:
        """Estimate a metric per slice × attribute."""
        found, trials, excess, cleared = metric.compute(point), None, None, None
        without = metric.compute(replicates)
        if metric.share:
            trials = found.support if metric.trials is None else metric.trials(point.counts)
        if name in CALIBRATION:
            blocks = self.ground.support(metric.basis, total=total).blocks
            added = chance.in_calibration((point.gaps, found), (replicates.gaps, without), blocks)
            excess, cleared = added[0], without.value - added[1:]
        result = self.ground.estimate(
            name,
            found,
            without.value,
            metric.basis,
            total=total,
            undefined=metric.undefined,
            trials=trials,
            excess=excess,
            cleared=cleared,
        )
        if metric.trials is None:
            return result
        answers, left = metric.trials(point.counts), metric.trials(replicates.counts)
        return result.with_answers(answers, left, self.ground.min_support)

    def _between(self, group: str, by_slice: Mapping[str, Estimates]) -> list[Estimates]:
        """Estimate how far apart a group's values lie, by the metrics that there are."""
        rows = self.ground.slices.of_group(group)
        found = [
            gap(name, [by_slice[part] for part in parts], group, rows)
            for name, parts in GAPS.items()
            if all(part in by_slice for part in parts)
        ]
        if "accuracy" in by_slice:
            found.append(worst(WORST, by_slice["accuracy"], group, rows))
        return found

    def _macro(self, classes: Resampled) -> list[Estimates]:
        """Estimate the means over the classes that a slice has samples of."""
        counts, without = (sums.counts for sums in classes)
        held = present(counts)
        return [
            self.ground.estimate(
                name, metric(counts, held), metric(without, held).value, LABELLED, total=True
            )
            for name, metric in (("macro_recall", macro_recall), ("macro_f1", macro_f1))
        ]

    def _ranking(self, ranking: Ranking) -> list[Estimates]:
        """Estimate AUC and average precision."""
        smaller = np.minimum(ranking.n_positive, ranking.n_negative)
        found = (
            ("auc", ranking.auc, ranking.auc_influence, smaller, RARER, ranking.auc_error),
            (
                "average_precision",
                ranking.average_precision,
                ranking.average_precision_influence,
                ranking.n_positive,
                POSITIVES,
                ranking.average_precision_error,
            ),
        )
        return [
            self.ground.estimate(
                metric, Measure(value, n), np.clip(value - influence, 0, 1), basis
            ).remark(error)
            for metric, value, influence, n, basis, error in found
        ]

    def _backdoor(self, trigger: str, point: Statistics, replicates: Statistics) -> Estimates:
        """Estimate by how much answers lean further to the samples with the trigger."""
        side = np.ones(len(self.ground.attributes), np.intp)
        metric = "backdoor_bias_amplification"
        return self.leanings.amplification(metric, trigger, side, point.counts, replicates.counts)
