"""Several training seeds of one model: what the recipe does, beside what each model does.

The interval of one model covers the choice of test samples alone. Over m seeds the mean of a
metric varies with the samples and with the seeds. Two or three seeds tell next to nothing of their
own variance; all attributes and metrics together tell a lot. So the variance over seeds is
*moderated* (Smyth, 2004): s̃² = (d₀ s₀² + (m - 1) s²) / (d₀ + m - 1), with d₀ + m - 1 degrees of
freedom. The prior s₀² of a row follows from how much the seeds' answers differ on the same samples
(v: the variance that this alone gives their figures), by a line for each metric through log s²
against log v; d₀ says how far rows lie from these lines beyond chance.

References
----------
Smyth (2004), Linear models and empirical Bayes methods for assessing differential expression in
microarray experiments. Statistical Applications in Genetics and Molecular Biology 3.
Law, Chen, Shi and Smyth (2014), voom: precision weights unlock linear model analysis tools for
RNA-seq read counts. Genome Biology 15. (A prior variance that follows a trend.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln

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
from prunescope.audit.intervals import Ends, of_change, of_value, student, two_sided
from prunescope.audit.jackknife import Spread
from prunescope.audit.norms import norms_apart
from prunescope.metrics.statistics import Floats, divide

ORDER = (NOT_APPLICABLE, INSUFFICIENT, UNDEFINED)

FEWEST = 8
"""Rows of a metric that a line is drawn through; with fewer, one of slope 1."""

FREEDOMS = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Degrees of freedom of the prior that are tried."""

MANY = 1e6
"""Degrees of freedom of a prior that all rows share: its line is the mean of s²."""

BY_SCORES = ("auc", "average_precision")
"""Metrics that large files have from histograms: the prior's freedom must not hang on that."""

CLOSE, MOST_STEPS = 1e-3, 40
"""A line is found to this accuracy of log s₀², in so many steps."""


class Prior(NamedTuple):
    """What all rows tell of the variance over seeds: s₀² of each row, and its freedom d₀."""

    variance: list[Floats]
    df: float


@dataclass
class SeedMean:
    """A running mean of figures over seeds, with their replicates.

    `own` adds up the variances that the choice of samples gives each seed's figure.
    """

    values: list[Floats] = field(default_factory=list)
    replicates: Floats | None = None
    own: Floats | None = None

    def add(self, value: Floats, replicates: Floats, variance: Floats) -> None:
        """Take another seed in."""
        self.values.append(value)
        if self.replicates is None or self.own is None:
            self.replicates, self.own = replicates, variance
        else:
            self.replicates = self.replicates + replicates
            self.own = self.own + variance

    @property
    def m(self) -> int:
        """Number of seeds."""
        return len(self.values)

    @property
    def value(self) -> Floats:
        """The mean over seeds; NaN where one has no value."""
        return np.asarray(np.mean(self.values, axis=0))

    @property
    def mean_replicates(self) -> Floats:
        """The mean without each block: (K, ...)."""
        assert self.replicates is not None
        return self.replicates / self.m

    @property
    def variance(self) -> Floats:
        """Variance over the seeds, s², with m - 1 degrees of freedom."""
        return np.asarray(np.var(self.values, axis=0, ddof=1))

    def apart(self, of_mean: Floats) -> Floats:
        """Return v: the variance over seeds that their answers on the same samples give.

        `of_mean` is the variance that the choice of samples gives the mean.
        """
        assert self.own is not None
        return np.maximum((self.own - self.m * of_mean) / (self.m - 1), 0)


def fit_prior(m: int, spreads: Sequence[Floats], apart: Sequence[Floats]) -> Prior:
    """Fit the prior variance over seeds of every row, and its degrees of freedom.

    s² / s₀² has the F distribution with m - 1 and d₀ degrees of freedom (Smyth, 2004), and log s₀²
    lies on a line of its metric through log v. d₀ is the harmonic mean over the values tried, by
    their likelihood: few rows leave it open, and then it is not taken for large. The prior is the
    mean of s² along the line, not the scale of its distribution: what that errs by is on the safe
    side of rows that vary more than most.

    Parameters
    ----------
    m : int
        Seeds.
    spreads, apart : sequences of arrays
        Of each metric s² and v, NaN where a row has none.

    Examples
    --------
    Rows whose variances differ by no more than chance have one variance:

    >>> s2 = np.random.default_rng(0).chisquare(1, 2000)
    >>> prior = fit_prior(2, [s2], [np.ones(2000)])
    >>> round(float(prior.variance[0][0]), 1), round(prior.df)
    (1.0, 16)
    """
    pairs = list(zip(spreads, apart, strict=True))
    usable = [np.isfinite(s2) & np.isfinite(v) & (s2 > 0) & (v > 0) for s2, v in pairs]
    known = [place for place, rows in enumerate(usable) if rows.any()]
    lines = [np.full(s2.shape, np.nan) for s2 in spreads]
    if not known:
        return Prior(lines, 0.0)
    drawn = _Lines(
        [np.log(spreads[place][usable[place]]) for place in known],
        [np.log(apart[place][usable[place]]) for place in known],
    )
    some = np.array([drawn.fit(m - 1, df).likelihood for df in FREEDOMS])
    best = drawn.fit(m - 1, MANY)
    for place, level, slope in zip(known, best.level, best.slope, strict=True):
        v = apart[place]
        x = np.log(v, where=v > 0, out=np.full(v.shape, np.nan))
        lines[place] = np.exp(level + slope * x)
    n = [int(np.isfinite(line).sum()) for line in lines]
    # metrics and slices repeat each other: they count as the rows of one metric
    weights = np.exp((some - some.max()) * max(n) / sum(n))
    return Prior(lines, float(weights.sum() / (weights / np.array(FREEDOMS)).sum()))


class _Fit(NamedTuple):
    """Lines of log s₀² (level, slope), and how likely they make all rows."""

    level: Floats
    slope: Floats
    likelihood: float


class _Lines:
    """The lines of log s₀² that fit y = log s² best, one for each metric, found all at once."""

    def __init__(self, ys: Sequence[Floats], xs: Sequence[Floats]) -> None:
        sizes = np.array([len(x) for x in xs])
        self._starts = np.cumsum(sizes) - sizes
        self._of = np.repeat(np.arange(len(sizes)), sizes)
        self._y, self._n = np.concatenate(ys), sizes
        self._centre = np.array([x.mean() for x in xs])
        self._x = np.concatenate(xs) - self._centre[self._of]
        self._sloping = (sizes >= FEWEST) & np.array([np.ptp(x) > 1e-6 for x in xs])
        self._square = np.where(self._sloping, self._sums(self._x**2), 1)
        tilt = self._sums(self._x * (self._y - (self._sums(self._y) / sizes)[self._of]))
        self._slope = np.where(self._sloping, np.clip(tilt / self._square, 0, 1), 1)
        rest = np.split(self._y - self._slope[self._of] * self._x, self._starts[1:])
        self._level = np.array([np.median(one) for one in rest])

    def _sums(self, rows: Floats) -> Floats:
        """Return the sum over the rows of each metric."""
        return np.asarray(np.add.reduceat(rows, self._starts))

    def fit(self, d: float, df: float) -> _Fit:
        """Return the best lines if s² / s₀² has the F distribution with d and df degrees."""
        level, slope = self._level, self._slope
        going = np.ones(len(level), bool)
        for _ in range(MOST_STEPS):
            ratio = np.exp(np.minimum(self._y - level[self._of] - slope[self._of] * self._x, 50))
            pull = (d + df) * ratio / (df + d * ratio)  # 1 on average at the best fit
            step = np.where(going, np.log(self._sums(pull) / self._n), 0)
            turn = np.clip(self._sums(self._x * pull) / self._square, -1, 1)
            turn = np.where(going & self._sloping, turn, 0)
            level, slope = level + step, np.clip(slope + turn, 0, 1)
            going &= np.abs(step) + np.abs(turn) >= CLOSE
            if not going.any():
                break
        at = self._y - level[self._of] - slope[self._of] * self._x
        fit = d / 2 * at - (d + df) / 2 * np.log1p(d / df * np.exp(np.minimum(at, 50)))
        constant = d / 2 * np.log(d / df) - betaln(d / 2, df / 2)
        return _Fit(level - slope * self._centre, slope, float((fit + constant).sum()))


class Moderated(NamedTuple):
    """The variance of a mean over seeds: of samples and seeds together; and its freedom."""

    variance: Floats
    df: Floats


def moderate(mean: SeedMean, sampling: Spread, prior: Floats, df: float) -> Moderated:
    """Return the variance of a mean over seeds, that over seeds moderated.

    What is shared by the seeds, as they answer the same samples, is sampling - v/m; the rest is
    s̃²/m, which is no less than v/m.
    """
    m, s2 = mean.m, mean.variance
    v = mean.apart(sampling.variance)
    known = ~np.isnan(prior) & (df > 0)
    moderated = np.where(known, (df * np.nan_to_num(prior) + (m - 1) * s2) / (df + m - 1), s2)
    freedom = np.where(known, df + m - 1.0, m - 1.0)
    over = np.maximum(moderated, v) / m
    shared = np.maximum(sampling.variance - v / m, 0)
    total = shared + over
    df_total = divide(total**2, divide(shared**2, sampling.df) + divide(over**2, freedom))
    return Moderated(total, np.where(df_total > 0, np.maximum(df_total, 1), np.inf))


class Pooled:
    """One metric over the seeds of a model, and its change from the seeds of another."""

    def __init__(self) -> None:
        self._first: Estimates | None = None
        self._statuses: list[NDArray[Any]] = []
        self._reasons: list[NDArray[Any]] = []
        self._biases: list[Floats] = []
        self._excesses: list[Floats] = []
        self._cleared: list[Floats] = []
        self.means, self.deltas = SeedMean(), SeedMean()
        self._baselines: list[Floats] = []

    def add(self, estimates: Estimates, comparison: Comparison | None) -> None:
        """Take the estimates of another seed in."""
        self._first = self._first or estimates
        self._statuses.append(estimates.status)
        self._reasons.append(estimates.reason)
        if estimates.bias is not None:
            self._biases.append(estimates.bias)
        if estimates.excess is not None:
            self._excesses.append(estimates.excess)
        if estimates.cleared is not None:
            self._cleared.append(estimates.cleared)
        self.means.add(estimates.value, estimates.replicates, estimates.spread.variance)
        if comparison is not None:
            spread = comparison.spread.variance
            self.deltas.add(comparison.delta, comparison.replicates, spread)
            self._baselines.append(comparison.baseline)

    @property
    def metric(self) -> str:
        """The metric."""
        assert self._first is not None
        return self._first.metric

    @property
    def resampled(self) -> bool:
        """Whether there are replicates."""
        return self._first is not None and self._first.resampled

    def _sampling(self, mean: SeedMean) -> Spread:
        assert self._first is not None
        return self._first.spread_of(mean.mean_replicates, mean.value)

    def over_seeds(self, mean: SeedMean) -> tuple[Floats, Floats]:
        """Return s² and v of every row."""
        return mean.variance, mean.apart(self._sampling(mean).variance)

    def estimates(self, prior: Floats, df: float) -> Estimates:
        """Return the means over seeds."""
        assert self._first is not None
        m = len(self._statuses)
        lacking = sum((status != OK).astype(int) for status in self._statuses)
        status, reason = self._first.status.copy(), self._first.reason.copy()
        for kind in ORDER[::-1]:
            for of_seed, why in zip(self._statuses, self._reasons, strict=True):
                here = of_seed == kind
                status[here], reason[here] = kind, why[here]
        some = (lacking > 0) & (lacking < m)
        reason[some] = [f"{m - k} of {m} seeds have a value: {why}" for k, why in
                        zip(lacking[some], reason[some], strict=True)]  # fmt: skip
        sampling = self._sampling(self.means)
        found = moderate(self.means, sampling, prior, df)
        bias, excess, cleared = (
            np.mean(some, axis=0) if some else None
            for some in (self._biases, self._excesses, self._cleared)
        )
        result = replace(
            self._first,
            value=self.means.value,
            replicates=self.means.mean_replicates,
            status=status,
            reason=reason,
            trials=None,
            bounds=None,
            bias=bias,
            excess=excess,
            cleared=cleared,
            extreme=None,
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
            deltas.mean_replicates,
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
