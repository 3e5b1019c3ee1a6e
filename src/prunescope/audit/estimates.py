"""Estimates: a metric's values over attributes or slices, with replicates and statuses."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunescope.audit.intervals.ends import Ends, Scale, of_change, of_value
from prunescope.audit.intervals.jackknife import Spread, hinged, spread
from prunescope.audit.intervals.norms import Norm
from prunescope.audit.support import Support
from prunescope.metrics.statistics import Floats, Measure, divide

OK = "ok"
INSUFFICIENT = "insufficient_support"
UNDEFINED = "undefined"
NOT_APPLICABLE = "not_applicable"


CORRELATION_SHIFT = "correlation_shift"
"""The one metric per pair of attributes; the table holds its norm over the pairs."""

SCALES: Mapping[str, Scale] = {
    "bias_amplification": "signed",
    "backdoor_bias_amplification": "signed",
    "excess_accuracy_gap": "signed",
    "excess_top1_gap": "signed",
    "rare_value_ratio": "positive",
    CORRELATION_SHIFT: "positive",
}
"""The ranges of metrics that are not shares."""


def scale_of(metric: str) -> Scale:
    """Return the range of a metric's values."""
    return SCALES.get(metric, "share")


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
    replicates : array (K, S, A) or (K, A)
        The value without each block of samples (`prunescope.audit.intervals.jackknife`).
    support, rests, status, reason : arrays of the same shape as `value`
        `support` counts the samples that the value rests on, `rests` the units.
    group : str, optional
        The group of a metric that compares a group's values, whose shape is then (A,).
    group_value : array (A,), optional
        The position of the group value that such a metric is about; -1 for none.
    trials : array, optional
        Of a share of samples: of how many.
    least : array, optional
        Variance that the values have at least, however alike the samples they rest on.
    bounds : callable, optional
        Confidence → ends of the intervals, of a metric that has its own way.
    bias : array, optional
        How far chance moves the value, at most: up, or down where below 0.
    excess : array, optional
        How far chance moves the value up on average: taken off the ends of its interval.
    cleared : array (K, ...), optional
        Replicates from which that is taken off, where it varies with them.
    extreme : object, optional
        What the value is the largest of (`prunescope.audit.intervals.extremes.Extreme`).
    """

    metric: str
    attributes: tuple[str | None, ...]
    value: Floats
    replicates: Floats
    support: NDArray[np.int64]
    rests: Support
    status: NDArray[Any]
    reason: NDArray[Any]
    group: str | None = None
    group_value: NDArray[np.intp] | None = None
    trials: Floats | None = None
    least: Floats | None = None
    bounds: Callable[[float], Ends] | None = None
    bias: Floats | None = None
    excess: Floats | None = None
    cleared: Floats | None = None
    extreme: object | None = None

    @property
    def ok(self) -> NDArray[np.bool_]:
        """Where the value may be used."""
        return np.asarray(self.status == OK)

    @property
    def resampled(self) -> bool:
        """Whether there are replicates, and so intervals."""
        return len(self.replicates) > 1

    @cached_property
    def spread(self) -> Spread:
        """How surely the values are known."""
        found = self.spread_of(self.replicates, self.value)
        return found.at_least(self.least, exact=not self.rests.clustered)

    def spread_of(self, replicates: Floats, value: Floats) -> Spread:
        """Return how surely a figure on the same units is known."""
        blocks = np.minimum(self.rests.blocks, len(replicates))
        return spread(value, replicates, blocks, np.minimum(self.rests.limit, blocks - 1.0))

    @property
    def variance(self) -> tuple[Floats, Floats]:
        """The variance of the values and its degrees of freedom.

        A share of independent samples has the binomial's; of clusters no less than that.
        """
        if self.trials is None:
            return self.spread.variance, self.spread.df
        alone = divide(self.value * (1 - self.value), self.trials)
        if not self.rests.clustered:
            return alone, np.full(alone.shape, np.inf)
        return np.maximum(self.spread.variance, alone), self.spread.df

    def norm(self) -> Norm:
        """Return the values as norms; chance adds to a square what the jackknife takes for bias."""
        found = self.spread
        chance = self.spread_of(self.replicates**2, self.value**2).bias
        return Norm(self.value, found.variance, found.df, chance, self.rests.effective)

    @cached_property
    def _intervals(self) -> dict[float, Ends]:
        return {}

    def interval(self, confidence: float) -> Ends:
        """Return the ends of the intervals: inside the metric's range, NaN without a value."""
        if confidence not in self._intervals:
            self._intervals[confidence] = self._interval(confidence)
        return self._intervals[confidence]

    def _interval(self, confidence: float) -> Ends:
        if not self.resampled:
            return np.full(self.value.shape, np.nan), np.full(self.value.shape, np.nan)
        if self.bounds is not None:
            low, high = self.bounds(confidence)
        elif self.cleared is not None:
            low, high = self._cleared_ends(confidence)
        else:
            low, high = self._scored(confidence)
        return np.where(self.ok, low, np.nan), np.where(self.ok, high, np.nan)

    def _cleared_ends(self, confidence: float) -> Ends:
        """Return the interval of what the value is without chance; an interval holds its value."""
        assert self.cleared is not None
        value = self.value - (0 if self.excess is None else self.excess)
        found, units = self.spread_of(self.cleared, value), self.rests.effective
        low, high = of_change("share", value, found.variance, found.df, units, confidence)
        low, high = np.fmin(low, self.value), np.fmax(high, self.value)
        return np.clip(low, 0, 1), np.clip(high, 0, 1)

    def _scored(self, confidence: float) -> Ends:
        if self.metric == CORRELATION_SHIFT:
            return self.norm().interval(confidence)
        scale, variance = scale_of(self.metric), self.variance
        units = self.rests.effective
        if self.trials is not None:  # of the units it rests on, those that it is the share of
            units = units * divide(self.trials, self.support)
        return self.around(*of_value(scale, self.value, *variance, units, confidence))

    def around(self, low: Floats, high: Floats) -> Ends:
        """Return the ends with what chance may have moved, where it moves the value one way.

        An interval holds its value, though that be inflated.
        """
        if self.bias is None and self.excess is None:
            return low, high
        bias = np.zeros(self.value.shape) if self.bias is None else self.bias
        excess = 0 if self.excess is None else self.excess
        most = np.inf if scale_of(self.metric) == "positive" else 1
        low, high = low - excess - np.maximum(bias, 0), high - excess - np.minimum(bias, 0)
        low, high = np.minimum(low, self.value), np.maximum(high, self.value)
        return np.clip(low, 0, most), np.clip(high, 0, most)

    def averaged(self, **means: Any) -> Estimates:  # noqa: ANN401 - whatever a field holds
        """Return the same with means in these fields, without what single values have."""
        alone = dict.fromkeys(("trials", "least", "bounds", "extreme"))
        return replace(self, **{**alone, **means})

    def explain(
        self, where: NDArray[np.bool_], status: str, reason: str | NDArray[Any]
    ) -> Estimates:
        """Return the same with another status and reason in some cells, their values removed."""
        return replace(
            self,
            value=np.where(where, np.nan, self.value),
            status=np.where(where, status, self.status),
            reason=np.where(where, reason, self.reason),
        )

    def with_answers(self, n: Floats, without: Floats, min_support: int) -> Estimates:
        """Return the same where a model's own answers, of which it is a share, are enough.

        Parameters
        ----------
        n : array, of the shape of the values
            Positive answers.
        without : array (K, ...)
            Those without each block of samples.
        min_support : int
            Fewer, or from fewer clusters, say nothing.
        """
        clustered = self.rests.clustered and self.resampled
        units = (without < n).sum(axis=0) if clustered else n
        few = self.ok & (units < min_support)
        told = n[few].astype(np.int64), units[few].astype(np.int64) if clustered else None
        reason = np.full(n.shape, None, object)
        reason[few] = too_few("predicted positives", min_support, *told)
        return self.explain(few, INSUFFICIENT, reason)

    def remark(self, error: Floats) -> Estimates:
        """Return the same with a reason where a value, though usable, may be off by `error`."""
        off = self.ok & (error > 0)
        if not off.any():
            return self
        texts = [f"from a histogram of the scores: off by at most {e:.2g}" for e in error.flat]
        told = np.array(texts, object).reshape(error.shape)
        return replace(self, reason=np.where(off, told, self.reason))


def estimate(
    metric: str,
    attributes: tuple[str | None, ...],
    point: Measure,
    replicates: Floats,
    *,
    min_support: int,
    basis: str,
    undefined: str,
    rests: Support | None = None,
    group: str | None = None,
    group_value: NDArray[np.intp] | None = None,
    trials: Floats | None = None,
    excess: Floats | None = None,
    cleared: Floats | None = None,
) -> Estimates:
    """Judge which values of a metric may be used, and say why the others may not.

    `rests` tells the units behind them, and that the replicates are the jackknife's: where there
    is none without a block, the value hinges on that block. By default, each sample is a unit.
    """
    value = np.asarray(point.value, np.float64)
    n = np.broadcast_to(np.asarray(point.support), value.shape).astype(np.int64)
    if rests is None:
        rests = Support.of_samples(n.astype(np.float64), len(replicates))
    else:
        replicates = hinged(np.where(np.isnan(value), 0, value), replicates)
    units = np.broadcast_to(rests.units, value.shape).astype(np.int64)
    few = units < min_support
    status = np.where(few, INSUFFICIENT, np.where(np.isnan(value), UNDEFINED, OK)).astype(object)
    reason = np.full(value.shape, None, object)
    reason[few] = too_few(basis, min_support, n[few], units[few] if rests.clustered else None)
    reason[status == UNDEFINED] = undefined
    value = np.where(status == OK, value, np.nan)
    return Estimates(
        metric,
        attributes,
        value,
        replicates,
        n,
        rests,
        status,
        reason,
        group,
        group_value,
        trials,
        excess=excess,
        cleared=cleared,
    )


def too_few(
    things: str, min_support: int, n: NDArray[np.int64], clusters: NDArray[np.int64] | None
) -> list[str]:
    """Say of each number of things, and of clusters where they come in some, that it is too low.

    Examples
    --------
    >>> too_few("answers", 10, np.array([3]), np.array([1]))
    ['3 answers, which come from 1 cluster: at least 10 are needed']
    """
    whence = [""] * len(n)
    if clusters is not None:
        whence = [_whence(k, u) for k, u in zip(n, clusters, strict=True)]
    needed = f": at least {min_support} are needed"
    return [number_of(k, things) + who + needed for k, who in zip(n, whence, strict=True)]


def number_of(n: int, things: str) -> str:
    """Write a number of things, the first word in the plural being what is counted.

    Examples
    --------
    >>> number_of(2, "true positives on the smaller side"), number_of(1, "true positives on it")
    ('2 true positives on the smaller side', '1 true positive on it')
    """
    if n == 1:
        things = re.sub(r"s\b", "", things, count=1)
    return f"{n} {things}"


def _whence(n: int, clusters: int) -> str:
    return f", which come{'s' if n == 1 else ''} from {number_of(clusters, 'clusters')}"
