"""Estimates: a metric's values over attributes or slices, with replicates and statuses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunescope.metrics import (
    accuracy,
    balanced_accuracy,
    calibration_error_replicates,
    expected_calibration_error,
    false_negative_rate,
    false_positive_rate,
    frobenius_norm,
    largest_difference,
    precision,
    selection_rate,
    true_negative_rate,
    true_positive_rate,
    uncertainty,
)
from prunescope.metrics.statistics import Floats, Measure, Statistics, divide
from prunescope.metrics.topone import top_one_accuracy

OK = "ok"
INSUFFICIENT = "insufficient_support"
UNDEFINED = "undefined"
NOT_APPLICABLE = "not_applicable"


CORRELATION_SHIFT = "correlation_shift"
"""The one metric per pair of attributes; the table holds its norm over the pairs."""


@dataclass(frozen=True)
class Metric:
    """What the audit knows of a metric beside its formula.

    Parameters
    ----------
    compute : callable
        `Statistics` → `Measure` over slices and attributes.
    basis : str
        What its support counts, in words.
    undefined : str
        Why its value can be undefined although the data suffice, in words.
    resample : callable, optional
        `Statistics` of all samples, and of replicates → the values in the replicates; default:
        those that `compute` gives.
    """

    compute: Callable[[Statistics], Measure]
    basis: str
    undefined: str = "no samples"
    resample: Callable[[Statistics, Statistics], Floats] | None = None

    def replicates(self, point: Statistics, replicates: Statistics) -> Floats:
        """Return the values in replicates."""
        if self.resample is None:
            return self.compute(replicates).value
        return self.resample(point, replicates)


SLICE_METRICS: Mapping[str, Metric] = {
    "accuracy": Metric(lambda s: accuracy(s.counts), "labelled samples"),
    "balanced_accuracy": Metric(
        lambda s: balanced_accuracy(s.counts), "samples of the rarer label"
    ),
    "tpr": Metric(lambda s: true_positive_rate(s.counts), "true positives"),
    "fpr": Metric(lambda s: false_positive_rate(s.counts), "true negatives"),
    "tnr": Metric(lambda s: true_negative_rate(s.counts), "true negatives"),
    "fnr": Metric(lambda s: false_negative_rate(s.counts), "true positives"),
    "precision": Metric(
        lambda s: precision(s.counts), "labelled samples", "nothing was predicted positive"
    ),
    "selection_rate": Metric(lambda s: selection_rate(s.counts), "samples"),
    "uncertainty": Metric(uncertainty, "samples"),
    "ece": Metric(
        expected_calibration_error, "labelled samples", resample=calibration_error_replicates
    ),
}
"""Metrics of one model per slice × attribute."""

TOP_ONE_METRICS: Mapping[str, Metric] = {
    "top1_accuracy": Metric(lambda s: top_one_accuracy(s.counts), "labelled samples"),
    "top_label_ece": SLICE_METRICS["ece"],
}
"""Metrics of a multi-class model's one answer."""

DIFFERENCES: Mapping[str, tuple[str, ...]] = {
    "demographic_parity_difference": ("selection_rate",),
    "equal_opportunity_difference": ("tpr",),
    "equalized_odds_difference": ("tpr", "fpr"),
    "accuracy_difference": ("accuracy",),
    "ece_difference": ("ece",),
}
"""Group gaps: highest minus lowest value of a metric over a group's values (the largest gap)."""


@dataclass(frozen=True)
class Estimates:
    """One metric over every slice × attribute, or over every attribute.

    Parameters
    ----------
    metric : str
    attributes : tuple of str or None
        Names along the last axis; None stands for all attributes together.
    value : array (S, A) or (A,)
        NaN unless the status is ok.
    replicates : array (R, S, A) or (R, A)
        The value in each bootstrap replicate; NaN where it is not defined there.
    support, status, reason : arrays of the same shape as `value`
    group : str, optional
        The group of a metric that compares a group's values, whose shape is then (A,).
    group_value : array (A,), optional
        The position of the group value that such a metric is about; -1 for none.
    """

    metric: str
    attributes: tuple[str | None, ...]
    value: Floats
    replicates: Floats
    support: NDArray[np.int64]
    status: NDArray[Any]
    reason: NDArray[Any]
    group: str | None = None
    group_value: NDArray[np.intp] | None = None

    @property
    def ok(self) -> NDArray[np.bool_]:
        """Where the value may be used."""
        return np.asarray(self.status == OK)

    def explain(self, where: NDArray[np.bool_], status: str, reason: str) -> Estimates:
        """Return the same with another status and reason in some cells, their values removed."""
        return replace(
            self,
            value=np.where(where, np.nan, self.value),
            status=np.where(where, status, self.status),
            reason=np.where(where, reason, self.reason),
        )

    def remark(self, error: Floats) -> Estimates:
        """Return the same with a reason where a value, though usable, may be off by `error`."""
        off = self.ok & (error > 0)
        if not off.any():
            return self
        texts = [f"from a histogram of the scores: off by at most {e:.2g}" for e in error]
        return replace(self, reason=np.where(off, np.array(texts, object), self.reason))


def estimate(
    metric: str,
    attributes: tuple[str | None, ...],
    point: Measure,
    replicates: Floats,
    *,
    min_support: int,
    basis: str,
    undefined: str,
    group: str | None = None,
    group_value: NDArray[np.intp] | None = None,
) -> Estimates:
    """Judge which values of a metric may be used, and say why the others may not."""
    value = np.asarray(point.value, np.float64)
    support = np.broadcast_to(np.asarray(point.support), value.shape).astype(np.int64)
    few = support < min_support
    status = np.where(few, INSUFFICIENT, np.where(np.isnan(value), UNDEFINED, OK)).astype(object)
    texts = [f"{n} {basis}: at least {min_support} are needed" for n in range(min_support)]
    reason = np.full(value.shape, None, object)
    reason[few] = np.array(texts, object)[support[few]]
    reason[status == UNDEFINED] = undefined
    return Estimates(
        metric,
        attributes,
        np.where(status == OK, value, np.nan),
        replicates,
        support,
        status,
        reason,
        group,
        group_value,
    )


def difference(metric: str, parts: list[Estimates], group: str, rows: slice) -> Estimates:
    """Take the gap between a group's values from estimates per slice × attribute."""
    gaps, replicates = [], []
    supported = np.logical_and.reduce([part.ok[rows] for part in parts])
    for part in parts:
        gaps.append(largest_difference(part.value[rows], supported))
        replicates.append(largest_difference(part.replicates[:, rows], supported))
    return _of_group(metric, parts, group, rows, np.max(gaps, axis=0), np.max(replicates, axis=0))


def worst_group(part: Estimates, group: str, rows: slice) -> Estimates:
    """Take the lowest accuracy over a group's supported values."""
    supported = part.ok[rows]
    values = np.where(supported, part.value[rows], np.inf)
    replicates = np.where(supported, part.replicates[:, rows], np.nan)
    enough = supported.sum(axis=0) >= 2
    result = _of_group(
        "worst_group_accuracy",
        [part],
        group,
        rows,
        np.where(enough, values.min(axis=0), np.nan),
        np.fmin.reduce(replicates, axis=1),
    )
    return replace(result, group_value=np.where(enough, values.argmin(axis=0), -1))


def _of_group(
    metric: str,
    parts: list[Estimates],
    group: str,
    rows: slice,
    value: Floats,
    replicates: Floats,
) -> Estimates:
    """Judge a metric that compares the values of one group; name the values it left out."""
    supported = np.logical_and.reduce([part.ok[rows] for part in parts])
    n_left_out = (~supported).sum(axis=0)
    enough = supported.sum(axis=0) >= 2
    support = np.min([part.support[rows] for part in parts], axis=0)
    smallest = np.where(supported, support, np.iinfo(np.int64).max).min(axis=0)
    reason = np.full(value.shape, None, object)
    for n in np.unique(n_left_out[n_left_out > 0]):
        plural = "value" if n == 1 else "values"
        reason[n_left_out == n] = f"{n} {plural} of {group} left out for too little support"
    reason[~enough] = f"fewer than two values of {group} have enough support"
    return Estimates(
        metric,
        parts[0].attributes,
        value,
        replicates,
        np.where(enough, smallest, support.max(axis=0, initial=0)),
        np.where(enough, OK, INSUFFICIENT).astype(object),
        reason,
        group,
    )


def summarize(estimates: Estimates, usable: NDArray[np.bool_], sizes: NDArray[Any]) -> Estimates:
    """Append the figure over all attributes, under the name None: the mean over the usable ones.

    For the correlation shift, it is the norm over the usable pairs, and the pairs are dropped.

    Parameters
    ----------
    estimates : Estimates
    usable : array of bool, of the shape of the values
        In a comparison, the cells that both models have a value of: then both summaries are over
        the same attributes.
    sizes : array (S,)
        Samples in each slice, which the summary rests on.
    """
    of_pairs = estimates.metric == CORRELATION_SHIFT
    reduce = frobenius_norm if of_pairs else _mean
    value, replicates = (
        reduce(of_cells if usable.all() else np.where(usable, of_cells, np.nan))[..., None]
        for of_cells in (estimates.value, estimates.replicates)
    )

    total, n_usable = usable.shape[-1], usable.sum(axis=-1, keepdims=True)
    over = ("norm", "pairs") if of_pairs else ("mean", "attributes")
    texts = [f"{over[0]} over {k} of {total} {over[1]}" for k in range(total)] + [None]
    texts[0] = f"none of the {total} {over[1]} has a value"
    status = np.full((*value.shape[:-1], 1), OK, object)
    for row in np.argwhere(n_usable[..., 0] == 0):
        status[tuple(row)] = _commonest(estimates.status[tuple(row)])
    n = sizes[:, None] if value.ndim == 2 else sizes[:1]
    summary = replace(
        estimates,
        attributes=(None,),
        value=value,
        replicates=replicates,
        support=np.broadcast_to(n, value.shape).astype(np.int64),
        status=status,
        reason=np.array(texts, object)[n_usable],
        group_value=None if estimates.group_value is None else np.array([-1]),
    )
    return summary if of_pairs else _join(estimates, summary)


def _commonest(statuses: NDArray[Any]) -> str:
    """Return the commonest status other than ok."""
    others = [str(status) for status in statuses if status != OK]
    return max(sorted(set(others)), key=others.count, default=UNDEFINED)


def _mean(values: Floats) -> Floats:
    """Average over the last axis, leaving out NaN; NaN where nothing is left."""
    defined = ~np.isnan(values)
    if defined.all():
        total, n = values.sum(axis=-1), np.int64(values.shape[-1])
    else:
        total, n = np.where(defined, values, 0.0).sum(axis=-1), defined.sum(axis=-1)
    return divide(total, n).astype(values.dtype)


def _join(left: Estimates, right: Estimates) -> Estimates:
    """Put two blocks of one metric side by side along the attributes."""

    def both(name: str) -> NDArray[Any]:
        return np.concatenate([getattr(left, name), getattr(right, name)], axis=-1)

    return replace(
        left,
        attributes=left.attributes + right.attributes,
        value=both("value"),
        replicates=both("replicates"),
        support=both("support"),
        status=both("status"),
        reason=both("reason"),
        group_value=None if left.group_value is None else both("group_value"),
    )
