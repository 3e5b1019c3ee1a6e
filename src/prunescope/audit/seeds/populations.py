"""Several training seeds of one model: what the recipe does, beside what each model does.

The interval of one model covers the choice of test samples alone. Over m seeds the mean of a
metric varies with the samples and with the seeds; how much with the seeds, all metrics together
tell (`prunescope.audit.seeds.moderation`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunescope.audit.comparison import Comparison
from prunescope.audit.estimates import (
    CORRELATION_SHIFT,
    INSUFFICIENT,
    NOT_APPLICABLE,
    OK,
    UNDEFINED,
    Estimates,
    scale_of,
)
from prunescope.audit.intervals.ends import Ends, of_change, of_value, student, two_sided
from prunescope.audit.intervals.jackknife import Spread
from prunescope.audit.intervals.norms import norms_apart
from prunescope.audit.seeds.moderation import Moderated, SeedMean, moderate
from prunescope.audit.seeds.prior import Prior, fit_prior
from prunescope.metrics.statistics import Floats

ORDER = (NOT_APPLICABLE, INSUFFICIENT, UNDEFINED)
"""Statuses of values that may not be used: of several seeds', the first one here is told."""

Judged = tuple[NDArray[Any], NDArray[Any]]
"""Statuses and reasons."""

BY_SCORES = ("auc", "average_precision")
"""Metrics that large files have from histograms: the prior's freedom must not hang on that."""


class Pooled:
    """One metric over the seeds of a model, and its change from the seeds of another.

    Parameters
    ----------
    first : Estimates
        Of any seed: what all have in common.
    """

    def __init__(self, first: Estimates) -> None:
        self._first = first
        self._judged: list[Judged] = []
        self._chance: list[tuple[Floats | None, Floats | None, Floats | None]] = []
        self.means, self.deltas = SeedMean(), SeedMean()
        self._baselines: list[Floats] = []

    def add(self, estimates: Estimates, comparison: Comparison | None) -> None:
        """Take the estimates of a seed in."""
        self._judged.append((estimates.status, estimates.reason))
        self._chance.append((estimates.bias, estimates.excess, estimates.cleared))
        self.means.add(estimates.value, estimates.replicates, estimates.spread.variance)
        if comparison is not None:
            spread = comparison.spread.variance
            self.deltas.add(comparison.delta, comparison.replicates, spread)
            self._baselines.append(comparison.baseline)

    @property
    def metric(self) -> str:
        """The metric."""
        return self._first.metric

    @property
    def resampled(self) -> bool:
        """Whether there are replicates."""
        return self._first.resampled

    def _sampling(self, mean: SeedMean) -> Spread:
        return self._first.spread_of(mean.mean_replicates, mean.value)

    def over_seeds(self, mean: SeedMean) -> tuple[Floats, Floats]:
        """Return s² and v of every row."""
        return mean.variance, mean.apart(self._sampling(mean).variance)

    def estimates(self, prior: Floats, df: float) -> Estimates:
        """Return the means over seeds."""
        status, reason = _judge(self._judged)
        found = moderate(self.means, self._sampling(self.means), prior, df)
        bias, excess, cleared = (
            None if seeds[0] is None else np.mean(seeds, axis=0)
            for seeds in zip(*self._chance, strict=True)
        )
        result = self._first.averaged(
            value=self.means.value,
            replicates=self.means.mean_replicates,
            status=status,
            reason=reason,
            bias=bias,
            excess=excess,
            cleared=cleared,
        )
        if not result.resampled:
            return result
        if result.cleared is not None:
            return replace(result, bounds=lambda level: _cleared(result, found, level))
        return replace(result, bounds=lambda level: _about(result, found, level))

    def comparison(self, estimates: Estimates, prior: Floats, df: float) -> Comparison | None:
        """Return how the means over seeds compare with the means over dense seeds."""
        deltas = self.deltas
        if not deltas.values:
            return None
        found = moderate(deltas, self._sampling(deltas), prior, df)
        result = Comparison(
            estimates,
            np.asarray(np.mean(self._baselines, axis=0)),
            deltas.value,
            lambda: deltas.mean_replicates,
        )
        if not estimates.resampled:
            return result
        units = estimates.rests.effective
        if estimates.metric == CORRELATION_SHIFT:
            return replace(result, bounds=lambda level: self._norms(result, found, level))

        def ends(level: float) -> Ends:
            scale = scale_of(estimates.metric)
            return of_change(scale, deltas.value, found.variance, found.df, units, level)

        p = two_sided(deltas.value, found.variance, found.df)
        return replace(result, bounds=ends, exact=np.where(np.isnan(deltas.value), 1.0, p))

    def _norms(self, change: Comparison, found: Moderated, confidence: float) -> Ends:
        """Return the intervals of how means of norms changed."""
        mean, variance = change.estimates, change.spread.variance
        replicates = mean.replicates - change.replicates
        before = replace(mean, value=change.baseline, replicates=replicates)
        ends = norms_apart(mean.norm(), before.norm(), variance, confidence)
        return _wider(change.delta, ends, found.variance - variance, found.df, confidence)


def means_of(pooled: Sequence[Pooled]) -> list[tuple[Estimates, Comparison | None]]:
    """Return the means over seeds of every metric, and their changes.

    All metrics together say how much a variance over seeds varies.
    """

    def prior(of: Callable[[Pooled], SeedMean]) -> Prior:
        told = [of(one).m > 1 and one.resampled for one in pooled]
        used = [one for one, use in zip(pooled, told, strict=True) if use]
        if not used:
            return Prior([np.asarray(np.nan)] * len(pooled), 0.0)
        m = pooled[0].means.m
        found = [one.over_seeds(of(one)) for one in used]
        lines = iter(fit_prior(m, *zip(*found, strict=True)).variance)
        exact = [rows for one, rows in zip(used, found, strict=True) if one.metric not in BY_SCORES]
        df = fit_prior(m, *zip(*exact, strict=True)).df if exact else 0.0
        return Prior([next(lines) if use else np.asarray(np.nan) for use in told], df)

    of_values, of_deltas = prior(lambda one: one.means), prior(lambda one: one.deltas)
    result: list[tuple[Estimates, Comparison | None]] = []
    for one, level, change in zip(pooled, of_values.variance, of_deltas.variance, strict=True):
        estimates = one.estimates(level, of_values.df)
        result.append((estimates, one.comparison(estimates, change, of_deltas.df)))
    return result


def _judge(seeds: Sequence[Judged]) -> Judged:
    """Return the status of means, which are ok where all seeds are, and how many seeds are not."""
    m, (status, reason) = len(seeds), (part.copy() for part in seeds[0])
    lacking = sum((of_seed != OK).astype(int) for of_seed, _ in seeds)
    for kind in ORDER[::-1]:
        for of_seed, why in seeds:
            here = of_seed == kind
            status[here], reason[here] = kind, why[here]
    some = (lacking > 0) & (lacking < m)
    reason[some] = [
        f"{m - k} of {m} seeds have a value: {why}"
        for k, why in zip(lacking[some], reason[some], strict=True)
    ]
    return status, reason


def _about(mean: Estimates, found: Moderated, confidence: float) -> Ends:
    """Return the intervals of means over seeds, inside the metric's range."""
    variance, df = found
    if mean.metric == CORRELATION_SHIFT:
        return mean.norm()._replace(variance=variance, df=df).interval(confidence)
    scale, units = scale_of(mean.metric), mean.rests.effective
    return mean.around(*of_value(scale, mean.value, variance, df, units, confidence))


def _cleared(mean: Estimates, found: Moderated, confidence: float) -> Ends:
    """Return the intervals of means over seeds of what chance raises."""
    over = found.variance - mean.spread.variance
    low, high = _wider(mean.value, mean.interval(confidence), over, found.df, confidence)
    return np.clip(low, 0, 1), np.clip(high, 0, 1)


def _wider(value: Floats, ends: Ends, over: Floats, df: Floats, confidence: float) -> Ends:
    """Return the intervals that samples alone give, widened by the variance over seeds."""
    square = student(df, confidence) ** 2 * np.maximum(over, 0)
    below, above = (np.sqrt((end - value) ** 2 + square) for end in ends)
    return value - below, value + above
