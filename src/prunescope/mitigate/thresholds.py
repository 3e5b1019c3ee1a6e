"""Thresholds: where to cut an attribute's logits, under a criterion that has a name."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from prunescope.audit.where import OVERALL
from prunescope.errors import ConfigError, one_of
from prunescope.metrics import (
    Measure,
    accuracy,
    balanced_accuracy,
    precision,
    selection_rate,
    true_negative_rate,
    true_positive_rate,
)
from prunescope.metrics.statistics import Floats, divide
from prunescope.verdict.criterion import Criterion as Bound

Metric = Callable[[Floats], Measure]
"""Counts (..., 3, 2) by label and decision → a measure (...)."""

Target = Literal["labels", "dense", "best value"]


def labelled_rate(counts: Floats) -> Measure:
    """Share of the labelled samples that are answered yes; rests on the rarer label."""
    labelled = counts[..., :2, :]
    rate = divide(labelled[..., 1].sum(axis=-1), labelled.sum(axis=(-2, -1)))
    return Measure(rate, labelled.sum(axis=-1).min(axis=-1))


def f1(counts: Floats) -> Measure:
    """Harmonic mean of precision and recall: 2 TP / (2 TP + FP + FN)."""
    twice = 2 * counts[..., 1, 1]
    value = divide(twice, twice + counts[..., 0, 1] + counts[..., 1, 0])
    return Measure(value, counts[..., 1, :].sum(axis=-1))


@dataclass(frozen=True)
class Criterion:
    """What a threshold is chosen for.

    Parameters
    ----------
    summary : str
    metric : callable
        Of the counts at a threshold.
    target : {"labels", "dense", "best value"}, optional
        What the metric shall come closest to: its value if every answer were right, that of the
        dense model, or the highest that any value of the group has now. Default: as high as can be.
    """

    summary: str
    metric: Metric
    target: Target | None = None


CRITERIA: Mapping[str, Criterion] = {
    "prevalence": Criterion("as many yes as labels say", labelled_rate, "labels"),
    "dense-rate": Criterion("as many yes as the dense model's", selection_rate, "dense"),
    "dense-tpr": Criterion("the dense model's true positive rate", true_positive_rate, "dense"),
    "f1": Criterion("highest F1", f1),
    "balanced-accuracy": Criterion("highest balanced accuracy", balanced_accuracy),
    "equal-tpr": Criterion(
        "every group value's true positive rate as high as the highest",
        true_positive_rate,
        "best value",
    ),
    "equal-balanced-accuracy": Criterion(
        "every group value's balanced accuracy as high as the highest",
        balanced_accuracy,
        "best value",
    ),
}
"""Ways to choose thresholds, by name."""

FLOORS: Mapping[str, Metric] = {
    "accuracy": accuracy,
    "balanced_accuracy": balanced_accuracy,
    "f1": f1,
    "precision": precision,
    "tnr": true_negative_rate,
    "tpr": true_positive_rate,
}
"""Metrics that a floor can be set for."""


@dataclass(frozen=True)
class Floor:
    """The least value of a metric that a new threshold may lead to, on the samples that it is for.

    Parameters
    ----------
    metric : str
        A key of `FLOORS` or, of classes, of `CLASS_FLOORS`.
    least : float
        The value, or the change from the thresholds that the model has.
    change : bool

    Examples
    --------
    >>> Floor.parse("tpr >= -0.02")
    Floor(metric='tpr', least=-0.02, change=True)
    """

    metric: str
    least: float
    change: bool

    @classmethod
    def parse(cls, text: str, metrics: Collection[str] = FLOORS) -> Floor:
        """Read ``METRIC >= NUMBER``, as a policy does; a number with a sign is a change.

        Raises
        ------
        ConfigError
            The text is something else, or no share can be as high.
        """
        expected = (
            f"floor {text!r}: expected 'METRIC >= NUMBER', such as 'tpr >= 0.8', or 'tpr >= -0.02' "
            "for a change"
        )
        try:
            found = Bound.parse(text)
        except ConfigError as error:
            raise ConfigError(expected) from error
        if found.gte is None or found.wheres != [OVERALL]:
            raise ConfigError(expected)
        if found.metric not in metrics:
            raise ConfigError(f"floor {text!r}: {one_of('metric', found.metric, sorted(metrics))}")
        if abs(found.gte) > 1:
            raise ConfigError(f"{expected}; {found.metric} is a share of at most 1")
        return cls(found.metric, found.gte, found.relative)

    def holds(self, counts: Floats, now: Floats) -> NDArray[np.bool_]:
        """Tell at which of T thresholds it holds, given counts (T, 3, 2) and those now (3, 2)."""
        metric = FLOORS[self.metric]
        return self.kept(metric(counts).value, metric(now).value)

    def kept(self, value: Floats, now: Floats) -> NDArray[np.bool_]:
        """Tell for which values it holds, given those now.

        A change from what is not defined, as without labels, is no change.
        """
        least = self.least + (now if self.change else np.zeros_like(now))
        return np.asarray(np.isnan(least) | (value >= least - ROUNDING))


ROUNDING = 1e-12
"""Floors that are missed by no more hold."""

NO_THRESHOLD = "no_threshold"
"""Status of a threshold, or an offset, that stays because every other one breaks a floor."""


@dataclass(frozen=True)
class Cuts:
    """Every way to cut the logits of one attribute on some samples.

    Parameters
    ----------
    at : array (T,)
        Thresholds, falling: halfway between neighbouring logits, and 1 beyond the outermost.
    counts : array (T, 3, 2)
        Samples by label and decision at each.
    """

    at: Floats
    counts: Floats

    @classmethod
    def of(cls, z: Floats, labels: NDArray[np.int8]) -> Cuts:
        """Cut n logits, given their labels (1, 0, -1 = unlabelled).

        Examples
        --------
        >>> cuts = Cuts.of(np.array([2.0, 1.0]), np.array([1, 0], np.int8))
        >>> cuts.at.tolist(), cuts.counts[1].tolist()
        ([3.0, 1.5, 0.0], [[1, 0], [0, 1], [0, 0]])
        """
        z = np.asarray(z, np.float64)
        order = np.argsort(-z, kind="stable")
        z, is_label = z[order], labels[order, None] == (0, 1, -1)
        last = np.flatnonzero(np.append(z[1:] != z[:-1], True))  # of those with one logit
        yes = np.concatenate([np.zeros((1, 3), int), is_label.cumsum(axis=0)[last]])
        at = np.concatenate([[z[0] + 1], (z[last[:-1]] + z[last[:-1] + 1]) / 2, [z[-1] - 1]])
        return cls(at, np.stack([yes[-1] - yes, yes], axis=-1))

    def best(
        self,
        criterion: Criterion,
        target: float | None,
        now: float,
        floors: tuple[Floor, ...],
        counts_now: Floats,
    ) -> float | None:
        """Return the threshold that serves the criterion best; None where the floors allow none.

        Of equals the threshold `now` itself or the one nearest to it, so that the choice is always
        the same. To
        equal another group's value counts what comes within one sample of it: balanced accuracy
        takes every value twice, and the far one is nobody's wish.
        """
        value, support = criterion.metric(self.counts)
        gain = value if target is None else -abs(value - target)
        if criterion.target == "best value":
            gain = np.minimum(gain, -1 / support)
        usable = ~np.isnan(gain)
        for floor in floors:
            usable &= floor.holds(self.counts, counts_now)
        if not usable.any():
            return None
        highest = gain[usable].max()
        serve = usable & (gain >= highest - ROUNDING)
        if (serve & (self.counts == counts_now).all(axis=(1, 2))).any():
            return float(now)  # no answer would change
        equals = self.at[serve]
        return float(equals[np.argmin(abs(equals - now))])


def counts_at(z: Floats, labels: NDArray[np.int8], threshold: float) -> Floats:
    """Count samples by label (0, 1, unlabelled) and decision: (3, 2)."""
    yes = z > threshold
    found = [[((labels == label) & (yes == side)).sum() for side in (False, True)]
             for label in (0, 1, -1)]  # fmt: skip
    return np.array(found, np.float64)
