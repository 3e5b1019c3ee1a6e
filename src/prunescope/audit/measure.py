"""From predictions to estimates: every metric of one model, and of a pair of models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from prunescope.audit.estimates import (
    CALIBRATION,
    CORRELATION_SHIFT,
    NOT_APPLICABLE,
    SLICE_METRICS,
    TOP_ONE_METRICS,
    Estimates,
    Metric,
    estimate,
)
from prunescope.audit.extremes import GAPS, gap, worst
from prunescope.audit.jackknife import spread, without_each
from prunescope.audit.leaning import Leanings
from prunescope.audit.support import LABELLED, POSITIVES, RARER, SAMPLES, Support, Supports
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
    chance_in_calibration_error,
    correlation,
    correlation_shift,
    exemplar_rate,
    flip_rate,
    harmful_flip_rate,
    helpful_flip_rate,
    interdependence,
    interdependence_replicates,
)
from prunescope.metrics.classes import macro_f1, macro_recall, present
from prunescope.metrics.statistics import MOST_PAIRED, Floats, divide
from prunescope.metrics.topone import (
    top_one_flip_rate,
    top_one_harmful_flip_rate,
    top_one_helpful_flip_rate,
)

WORST = "worst_group_accuracy"

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
    labels : Labels
        By block.
    supports : Supports
        What estimates rest on.
    min_support : int
        Estimates that rest on fewer units get the status ``insufficient_support``.
    trigger : str, optional
        A boolean group that marks the samples with a planted backdoor.
    classes : bool
        The attributes are classes, of which a model chooses one.
    """

    attributes: tuple[str, ...]
    slices: Slices
    train: TrainRates
    labels: Labels
    supports: Supports
    min_support: int
    trigger: str | None = None
    classes: bool = False

    @cached_property
    def labelled(self) -> Moments:
        """The moments of the labels."""
        return self.labels.total().moments

    @cached_property
    def label_correlations(self) -> tuple[Floats, Floats]:
        """Correlations of the labels (A, A), and those in every replicate."""
        return correlation(self.labelled), correlation(without_each(self.labels).moments)

    @cached_property
    def leanings(self) -> Leanings:
        """What is rare, and to which side an attribute leans."""
        return Leanings(self.attributes, self.slices, self.train, self.min_support, self.supports)

    @cached_property
    def slice_support(self) -> Support:
        """The units in each slice: (S, 1)."""
        return self.supports.of(SAMPLES).take(np.s_[:, :1])

    def model(self, statistics: Statistics, ranking: Ranking) -> list[Estimates]:
        """Estimate every metric of one model's attributes, or classes."""
        point, replicates = statistics.total(), without_each(statistics)
        says_nothing = OF_ATTRIBUTES if self.classes else ()
        by_slice = {
            name: self._of(name, metric, point, replicates)
            for name, metric in SLICE_METRICS.items()
            if name not in says_nothing
        }
        ratio = self.leanings.rare_value_ratio(point.counts, replicates.counts)
        estimates = [*by_slice.values(), ratio, *self._ranking(ranking)]
        if not self.classes:
            estimates += self._structure(point, replicates)
        for group in self.slices.group_names():
            estimates.append(
                self.leanings.bias_amplification(group, point.counts, replicates.counts)
            )
            estimates += self._between(group, by_slice)
        if self.trigger is not None:
            estimates.append(self._backdoor(point, replicates))
        return [*estimates, *(self._not_of_classes(point, name) for name in says_nothing)]

    def _between(self, group: str, by_slice: Mapping[str, Estimates]) -> list[Estimates]:
        """Estimate how far apart a group's values lie, by the metrics that there are."""
        rows = self.slices.of_group(group)
        found = [
            gap(name, [by_slice[part] for part in parts], group, rows)
            for name, parts in GAPS.items()
            if all(part in by_slice for part in parts)
        ]
        if "accuracy" in by_slice:
            found.append(worst(WORST, by_slice["accuracy"], group, rows))
        return found

    def _not_of_classes(self, point: Statistics, metric: str) -> Estimates:
        """Say that a metric says nothing of a class against all others."""
        return self._none(point, metric, f"one class is chosen: see {OF_ATTRIBUTES[metric]}")

    def pair(self, transitions: Transitions) -> list[Estimates]:
        """Estimate every metric of the change of attributes from one model to another."""
        point, replicates = transitions.total().counts, without_each(transitions).counts
        flips = (
            ("flip_rate", flip_rate, SAMPLES),
            ("harmful_flip_rate", harmful_flip_rate, LABELLED),
            ("helpful_flip_rate", helpful_flip_rate, LABELLED),
        )
        estimates = [
            self._share(name, metric(point), metric(replicates), basis)
            for name, metric, basis in flips
        ]

        def right(counts: Floats) -> tuple[Measure, Measure]:
            """Tell how often the answer was right before, and how often after."""
            return accuracy(counts.sum(axis=-1)), accuracy(counts.sum(axis=-2))

        excess = self._excess("excess_accuracy_gap", right(point), right(replicates))
        return [*estimates, excess]

    def exemplars(self, transitions: Transitions) -> Estimates:
        """Estimate the share of samples whose commonest answer differs."""
        point = exemplar_rate(transitions.total().counts)
        replicates = exemplar_rate(without_each(transitions).counts)
        return self._share("cie_rate", point, replicates, SAMPLES, "samples without a tie of votes")

    def top_one(self, top: Statistics, classes: Statistics) -> list[Estimates]:
        """Estimate the metrics of a multi-class model's one answer.

        Parameters
        ----------
        top : Statistics
            From `topone.as_attribute`: whether the answer is right.
        classes : Statistics
            Of each class against all others.
        """
        point, replicates = top.total(), without_each(top)
        found = {
            name: self._of(name, metric, point, replicates, total=True)
            for name, metric in TOP_ONE_METRICS.items()
        }
        estimates = [*found.values(), *self._macro(classes)]
        answers = {"accuracy": found["top1_accuracy"], "ece": found["top_label_ece"]}
        for group in self.slices.group_names():
            estimates += self._between(group, answers)
        return estimates

    def _macro(self, classes: Statistics) -> list[Estimates]:
        """Estimate the means over the classes that a slice has samples of."""
        counts, without = classes.total().counts, without_each(classes).counts
        held = present(counts)
        return [
            estimate(
                name,
                (None,),
                metric(counts, held),
                metric(without, held).value,
                min_support=self.min_support,
                basis=LABELLED,
                undefined="no samples",
                rests=self._support(LABELLED, total=True),
            )
            for name, metric in (("macro_recall", macro_recall), ("macro_f1", macro_f1))
        ]

    def top_one_pair(self, transitions: Transitions) -> list[Estimates]:
        """Estimate how the one answer changes, from `topone.changes`."""
        point, replicates = transitions.total().counts, without_each(transitions).counts
        flips = [
            self._share(name, metric(point), metric(replicates), basis, total=True)
            for name, metric, basis in (
                ("top1_flip_rate", top_one_flip_rate, SAMPLES),
                ("top1_harmful_flip_rate", top_one_harmful_flip_rate, LABELLED),
                ("top1_helpful_flip_rate", top_one_helpful_flip_rate, LABELLED),
            )
        ]

        def right(counts: Floats) -> tuple[Measure, Measure]:
            """Tell how often the answer was right before, and how often after."""
            labelled = counts[..., :2, :, :]
            n = labelled.sum(axis=(-3, -2, -1))
            before = labelled[..., 1, :].sum(axis=(-2, -1))
            after = labelled[..., :, 1].sum(axis=(-2, -1))
            return Measure(divide(before, n), n), Measure(divide(after, n), n)

        return [*flips, self._excess("excess_top1_gap", right(point), right(replicates))]

    def _support(self, basis: str, *, total: bool) -> Support:
        found = self.supports.of(basis)
        return found.take(np.s_[:, :1]) if total else found

    def _share(
        self,
        metric: str,
        point: Measure,
        replicates: Measure,
        basis: str,
        told: str | None = None,
        *,
        total: bool = False,
    ) -> Estimates:
        """Estimate a share of samples."""
        return estimate(
            metric,
            (None,) if total else self.attributes,
            point,
            replicates.value,
            min_support=self.min_support,
            basis=told or basis,
            undefined="no samples",
            rests=self._support(basis, total=total),
            trials=np.asarray(point.support, np.float64),
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
        found, trials, excess, cleared = metric.compute(point), None, None, None
        without, rests = metric.compute(replicates), self._support(metric.basis, total=total)
        if metric.share:
            trials = found.support if metric.trials is None else metric.trials(point.counts)
        if name in CALIBRATION:
            chance = _chance((point.gaps, found), (replicates.gaps, without), rests.blocks)
            excess, cleared = chance[0], without.value - chance[1:]
        return estimate(
            name,
            (None,) if total else self.attributes,
            found,
            without.value,
            min_support=self.min_support,
            basis=metric.basis,
            undefined=metric.undefined,
            rests=rests,
            trials=trials,
            excess=excess,
            cleared=cleared,
        )

    def _ranking(self, ranking: Ranking) -> list[Estimates]:
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
            estimate(
                metric,
                self.attributes,
                Measure(value, n),
                np.clip(value - influence, 0, 1),
                min_support=self.min_support,
                basis=basis,
                undefined="no samples",
                rests=self.supports.of(basis),
            ).remark(error)
            for metric, value, influence, n, basis, error in found
        ]

    def _structure(self, point: Statistics, replicates: Statistics) -> list[Estimates]:
        size, everyone = len(self.attributes), self.supports.of(SAMPLES).take(0)
        if size > MOST_PAIRED:
            reason = f"{size} attributes: pairs are compared up to {MOST_PAIRED}"
            return [self._none(point, metric, reason) for metric in STRUCTURE]
        explained = interdependence(point.predicted)
        linked = estimate(
            "interdependence",
            self.attributes,
            explained,
            interdependence_replicates(point.predicted, replicates.predicted),
            min_support=self.min_support,
            basis=SAMPLES,
            undefined="the answer is the same for every sample, or no other answer varies",
            rests=everyone,
            excess=explained_by_chance(explained, point.predicted),
        )
        a, b = np.triu_indices(size, k=1)
        labelled, without = self.label_correlations
        support = np.broadcast_to(self.labelled.n, (size, size))[a, b]
        shift = estimate(
            CORRELATION_SHIFT,
            tuple(
                f"{self.attributes[i]} × {self.attributes[j]}" for i, j in zip(a, b, strict=True)
            ),
            Measure(correlation_shift(correlation(point.predicted), labelled), support),
            correlation_shift(correlation(replicates.predicted), without),
            min_support=self.min_support,
            basis="samples with both labels",
            undefined="a label or an answer is the same for every sample",
            rests=self.supports.of(LABELLED).take(0).take(a)
            .smaller(self.supports.of(LABELLED).take(0).take(b)),
        )  # fmt: skip
        return [linked, shift]

    def _none(self, point: Statistics, metric: str, reason: str) -> Estimates:
        """Say that a metric of attributes is not applicable."""
        size = len(self.attributes)
        n = point.counts[0].sum(axis=(-2, -1))
        nothing = np.full((1, size), np.nan)
        result = estimate(
            metric,
            self.attributes,
            Measure(np.full(size, np.nan), n),
            nothing,
            min_support=self.min_support,
            basis=SAMPLES,
            undefined="",
        )
        return result.explain(np.ones(size, bool), NOT_APPLICABLE, reason)

    def _backdoor(self, point: Statistics, replicates: Statistics) -> Estimates:
        assert self.trigger is not None
        rows = self.slices.of_group(self.trigger)
        side = np.ones(len(self.attributes), np.intp)
        return estimate(
            "backdoor_bias_amplification",
            self.attributes,
            bias_amplification(point.counts[rows], side),
            bias_amplification(replicates.counts[:, rows], side).value,
            min_support=self.min_support,
            basis="true positives on the smaller side",
            undefined="nothing was predicted positive",
            rests=self.supports.of_sides(rows, side),
            group=self.trigger,
            group_value=side,
        )

    def _excess(
        self, name: str, point: tuple[Measure, Measure], replicates: tuple[Measure, Measure]
    ) -> Estimates:
        """(acc_dense(g) - acc_sparse(g)) - (acc_dense - acc_sparse); > 0: g loses more than all."""

        def loss(before: Measure, after: Measure) -> Floats:
            lost = before.value - after.value
            return np.asarray(lost - lost[..., :1, :])

        value, total = loss(*point), point[0].value.shape[-1] != len(self.attributes)
        result = estimate(
            name,
            (None,) if total else self.attributes,
            Measure(value, point[0].support),
            loss(*replicates),
            min_support=self.min_support,
            basis=LABELLED,
            undefined="no samples",
            rests=self._support(LABELLED, total=total),
        )
        overall = np.zeros(result.value.shape, bool)
        overall[0] = True
        return result.explain(overall, NOT_APPLICABLE, "it compares a group with all samples")


def explained_by_chance(explained: Measure, predicted: Moments) -> Floats:
    """Return by how much chance raises R² of n samples on p others: (1 - R²) p / (n - 1 - p).

    What adjusted R² takes off (Wherry, 1931). Shape (A,).
    """
    first, n = predicted.first[..., 0], predicted.n[..., 0]
    others = max(int(((first > 0) & (first < n)).sum()) - 1, 0)
    free = np.maximum(n - 1 - others, 1)
    return np.asarray((1 - explained.value) * others / free)


def _chance(
    point: tuple[Floats, Measure], replicates: tuple[Floats, Measure], blocks: Floats
) -> Floats:
    """Return what chance adds to calibration errors, and to each replicate's: (1 + K, S, A).

    From the gaps of all bins, and the errors made of them.
    """
    (sums, error), (sums_without, errors) = point, replicates
    found = np.zeros((1 + len(sums_without), *error.value.shape))
    for s in range(len(sums)):  # slice by slice, as that fits into a cache
        gaps = divide(sums[s], error.support[s][:, None])
        without = divide(sums_without[:, s], errors.support[:, s, :, None])
        without = np.where(np.isnan(without), gaps, without)
        variance = spread(gaps, without, blocks[s][:, None], np.asarray(np.inf)).variance
        found[0, s] = chance_in_calibration_error(gaps, variance)
        found[1:, s] = chance_in_calibration_error(without, variance)
    return found
