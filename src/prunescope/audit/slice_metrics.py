"""The metrics of one model that are estimated slice by slice, and what their support counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from prunescope.audit.support import LABELLED, NEGATIVES, POSITIVES, RARER, SAMPLES
from prunescope.metrics import (
    accuracy,
    balanced_accuracy,
    expected_calibration_error,
    false_negative_rate,
    false_positive_rate,
    precision,
    selection_rate,
    true_negative_rate,
    true_positive_rate,
    uncertainty,
)
from prunescope.metrics.statistics import Floats, Measure, Statistics
from prunescope.metrics.topone import top_one_accuracy


@dataclass(frozen=True)
class Metric:
    """What the audit knows of a metric beside its formula.

    Parameters
    ----------
    compute : callable
        `Statistics` → `Measure` over slices and attributes.
    basis : str
        What its support counts, in words (`prunescope.audit.support`).
    undefined : str
        Why its value can be undefined although the data suffice, in words.
    trials : callable, optional
        Counts → of how many of a model's own answers it is the share. Default: it is one of the
        samples that it rests on.
    share : bool
        It is a share of samples, so that independent ones give it a binomial distribution.
    """

    compute: Callable[[Statistics], Measure]
    basis: str
    undefined: str = "no samples"
    trials: Callable[[Floats], Floats] | None = None
    share: bool = True


SLICE_METRICS: Mapping[str, Metric] = {
    "accuracy": Metric(lambda s: accuracy(s.counts), LABELLED),
    "balanced_accuracy": Metric(lambda s: balanced_accuracy(s.counts), RARER, share=False),
    "tpr": Metric(lambda s: true_positive_rate(s.counts), POSITIVES),
    "fpr": Metric(lambda s: false_positive_rate(s.counts), NEGATIVES),
    "tnr": Metric(lambda s: true_negative_rate(s.counts), NEGATIVES),
    "fnr": Metric(lambda s: false_negative_rate(s.counts), POSITIVES),
    "precision": Metric(
        lambda s: precision(s.counts),
        LABELLED,
        "nothing was predicted positive",
        trials=lambda counts: counts[..., :2, 1].sum(axis=-1),
    ),
    "selection_rate": Metric(lambda s: selection_rate(s.counts), SAMPLES),
    "uncertainty": Metric(uncertainty, SAMPLES),
    "ece": Metric(expected_calibration_error, LABELLED, share=False),
}
"""Metrics of one model per slice × attribute."""

TOP_ONE_METRICS: Mapping[str, Metric] = {
    "top1_accuracy": Metric(lambda s: top_one_accuracy(s.counts), LABELLED),
    "top_label_ece": SLICE_METRICS["ece"],
    "uncertainty": SLICE_METRICS["uncertainty"],
}
"""Metrics of a multi-class model's one answer."""

CALIBRATION = ("ece", "top_label_ece")
"""Metrics that noise raises, whatever its sign."""
