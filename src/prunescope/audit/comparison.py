"""How the estimates of one model compare with those of another, unit by unit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from prunescope.audit.estimates import CORRELATION_SHIFT, Estimates, scale_of
from prunescope.audit.intervals.ends import REACH, Ends, of_change, of_paired, student, two_sided
from prunescope.audit.intervals.jackknife import Spread
from prunescope.audit.intervals.norms import Norm, norms_apart
from prunescope.metrics.statistics import Floats, divide


class Pairs(NamedTuple):
    """Of the `n` samples that a share is of, how many `gained` what it counts, and `lost` it."""

    gained: Floats
    lost: Floats
    n: Floats


@dataclass(frozen=True)
class Comparison:
    """How the estimates of one metric compare with a baseline.

    Parameters
    ----------
    estimates : Estimates
        Of the model that is compared.
    baseline, delta : arrays, of the shape of the values
        The baseline's value and how far above it the estimate lies; NaN where not comparable.
    moved : callable
        Gives the replicates, which are worked out only where they are asked for.
    exact : array, optional
        p-values of an exact test; NaN where there is none.
    pairs : Pairs, optional
        Of a change of a share of samples.
    missing : array of str, optional
        Why the baseline has no value.
    bounds : callable, optional
        Confidence → ends of the intervals, of a metric that has its own way.
    bias : array, optional
        How far apart chance moves the two values, at most.
    least : array, optional
        Variance that the changes have at least, however alike the samples they rest on.
    """

    estimates: Estimates
    baseline: Floats
    delta: Floats
    moved: Callable[[], Floats]
    exact: Floats | None = None
    pairs: Pairs | None = None
    missing: NDArray[Any] | None = None
    bounds: Callable[[float], Ends] | None = None
    bias: Floats | None = None
    least: Floats | None = None

    @property
    def replicates(self) -> Floats:
        """The delta without each block: (K, ...)."""
        return self.moved()

    @property
    def told(self) -> NDArray[np.bool_]:
        """Where there is a change to speak of."""
        return ~np.isnan(self.delta)

    @cached_property
    def spread(self) -> Spread:
        """How surely the changes are known."""
        found = self.estimates.spread_of(self.replicates, self.delta)
        return found.at_least(self.least, exact=self._independent)

    @property
    def _independent(self) -> bool:
        return not self.estimates.rests.clustered

    @cached_property
    def _intervals(self) -> dict[float, Ends]:
        return {}

    def interval(self, confidence: float) -> Ends:
        """Return the ends of the intervals of the changes: inside the range, NaN without one."""
        if confidence not in self._intervals:
            self._intervals[confidence] = self._interval(confidence)
        return self._intervals[confidence]

    def _interval(self, confidence: float) -> Ends:
        rests = self.estimates.rests
        if not self.estimates.resampled:
            low = high = np.full(self.delta.shape, np.nan)
        elif self.bounds is not None:
            low, high = self.bounds(confidence)
        elif self.pairs is not None:
            low, high = self._paired(confidence)
        else:
            found, scale = self.spread, scale_of(self.estimates.metric)
            low, high = of_change(
                scale,
                self.delta,
                found.variance,
                found.df,
                rests.effective,
                confidence,
                found.skew,
            )
            if self.bias is not None:
                reach = REACH[scale]
                low, high = np.fmax(low - self.bias, -reach), np.fmin(high + self.bias, reach)
        return np.where(self.told, low, np.nan), np.where(self.told, high, np.nan)

    def _paired(self, confidence: float) -> Ends:
        """Return Tango's intervals; of clusters, of as many pairs as the variance is worth."""
        assert self.pairs is not None
        gained, lost, n = self.pairs
        if self._independent:
            return of_paired(gained, lost, n, student(np.asarray(np.inf), confidence))
        found, delta = self.spread, divide(gained - lost, n)
        alone = divide(divide(gained + lost, n) - delta**2, n)
        worth = np.where(found.variance > 0, divide(alone, found.variance), 0.0)
        units = divide(self.estimates.rests.effective, n)
        share = np.where(alone > 0, np.minimum(worth, 1), units)
        share = np.where(share > 0, share, units)
        t = student(found.df, confidence)
        return of_paired(gained * share, lost * share, n * share, t)

    def p_values(self) -> Floats:
        """Return the p-values of "no change": exact where there is such a test, else Student's.

        NaN without a change. k units cannot tell more than a sign test: no p-value is below
        2^(1 - k).
        """
        if self.exact is not None and not np.isnan(self.exact[self.told]).any():
            return np.where(self.told, self.exact, np.nan)
        p = np.full(self.delta.shape, np.nan)
        if self.estimates.resampled:
            p = self._student() if self.bounds is None else self._from_bounds()
            p = np.maximum(p, np.exp2(1 - np.minimum(self.estimates.rests.effective, 1000)))
        if self.exact is not None:
            p = np.where(np.isnan(self.exact), p, self.exact)
        return np.where(self.told, p, np.nan)

    def _student(self) -> Floats:
        found, delta = self.spread, self.delta
        if self.bias is not None:
            delta = np.sign(delta) * np.maximum(np.abs(delta) - self.bias, 0)
        return two_sided(delta, found.variance, found.df)

    def _from_bounds(self) -> Floats:
        """Read the p-value off how far the interval stays clear of 0."""
        confidence = 0.95
        low, high = self.interval(confidence)
        to_zero = np.where(self.delta > 0, self.delta - low, high - self.delta)
        t = student(np.asarray(np.inf), confidence)
        error = np.maximum(to_zero, 1e-300) / t
        return two_sided(self.delta, error**2, np.full(self.delta.shape, np.inf))


def compare(
    estimates: Estimates,
    baseline: Estimates,
    exact: Floats | None = None,
    pairs: Pairs | None = None,
    least: Floats | None = None,
) -> Comparison:
    """Compare the estimates of one model with those of another, block by block."""
    both = estimates.ok & baseline.ok
    found = Comparison(
        estimates,
        baseline.value,
        np.where(both, estimates.value - baseline.value, np.nan),
        lambda: estimates.replicates - baseline.replicates,
        exact,
        pairs,
        missing=np.where(estimates.ok & ~baseline.ok, baseline.reason, np.array(None)),
        bias=None
        if estimates.bias is None or baseline.bias is None
        else np.abs(estimates.bias - baseline.bias),
        least=least,
    )
    return of_norms(found, baseline.norm()) if estimates.metric == CORRELATION_SHIFT else found


def of_norms(found: Comparison, baseline: Norm) -> Comparison:
    """Give a comparison of norms its intervals."""
    one, variance = found.estimates.norm(), found.spread.variance
    return replace(found, bounds=lambda level: norms_apart(one, baseline, variance, level))


def from_zero(estimates: Estimates) -> Comparison:
    """Compare estimates of a change, which may have either sign, with no change."""
    nothing = np.full(estimates.value.shape, np.nan)
    return Comparison(estimates, nothing, estimates.value, lambda: estimates.replicates)
