"""Metrics as pure functions of additive statistics.

A *decision* ŷ is the answer to one attribute of one sample; a *label* y is the truth, where known.
A *slice* is all samples or those with one value of a group. `Statistics` are sums over samples,
and a metric is a function of them that returns a `Measure`: values with their support. Ranking
metrics (AUC, average precision) need all scores at once and live in `ranking`, or their histogram
(`histogram`).
"""

from prunescope.metrics.bias import Lean, bias_amplification, lean
from prunescope.metrics.calibration import (
    chance_in_calibration_error,
    expected_calibration_error,
    uncertainty,
)
from prunescope.metrics.classes import macro_f1, macro_recall, present
from prunescope.metrics.counting import Counter, count
from prunescope.metrics.flips import (
    exemplar_rate,
    flip_rate,
    harmful_flip_rate,
    helpful_flip_rate,
)
from prunescope.metrics.histogram import Histogram, rank_histogram
from prunescope.metrics.ranking import Ranking, rank
from prunescope.metrics.rates import (
    accuracy,
    balanced_accuracy,
    f1,
    false_negative_rate,
    false_positive_rate,
    precision,
    rare_value_ratio,
    selection_rate,
    true_negative_rate,
    true_positive_rate,
)
from prunescope.metrics.slices import Slices
from prunescope.metrics.statistics import (
    Labels,
    Layout,
    Measure,
    Moments,
    Statistics,
    Transitions,
)
from prunescope.metrics.structure import (
    correlation,
    correlation_shift,
    frobenius_norm,
    interdependence,
    interdependence_replicates,
)

__all__ = [
    "Counter",
    "Histogram",
    "Labels",
    "Layout",
    "Lean",
    "Measure",
    "Moments",
    "Ranking",
    "Slices",
    "Statistics",
    "Transitions",
    "accuracy",
    "balanced_accuracy",
    "bias_amplification",
    "chance_in_calibration_error",
    "correlation",
    "correlation_shift",
    "count",
    "exemplar_rate",
    "expected_calibration_error",
    "f1",
    "false_negative_rate",
    "false_positive_rate",
    "flip_rate",
    "frobenius_norm",
    "harmful_flip_rate",
    "helpful_flip_rate",
    "interdependence",
    "interdependence_replicates",
    "lean",
    "macro_f1",
    "macro_recall",
    "precision",
    "present",
    "rank",
    "rank_histogram",
    "rare_value_ratio",
    "selection_rate",
    "true_negative_rate",
    "true_positive_rate",
    "uncertainty",
]
