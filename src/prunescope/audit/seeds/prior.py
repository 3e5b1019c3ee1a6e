"""The prior variance over training seeds, fitted to all metrics and attributes of an audit.

The prior s₀² of a row follows from how much the seeds' answers differ on the same samples (v: the
variance that this alone gives their figures), by a line for each metric through log s² against
log v; its degrees of freedom d₀ say how far rows lie from these lines beyond chance.

References
----------
Smyth (2004), Linear models and empirical Bayes methods for assessing differential expression in
microarray experiments. Statistical Applications in Genetics and Molecular Biology 3.
Law, Chen, Shi and Smyth (2014), voom: precision weights unlock linear model analysis tools for
RNA-seq read counts. Genome Biology 15. (A prior variance that follows a trend.)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import betaln

from prunescope.metrics.statistics import Floats

FEWEST = 8
"""Rows of a metric that a line is drawn through; with fewer, one of slope 1."""

FREEDOMS = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Degrees of freedom of the prior that are tried."""

MANY = 1e6
"""Degrees of freedom of a prior that all rows share: its line is the mean of s²."""

CLOSE, MOST_STEPS = 1e-3, 40
"""A line is found to this accuracy of log s₀², in so many steps."""


class Prior(NamedTuple):
    """What all rows tell of the variance over seeds: s₀² of each row, and its freedom d₀."""

    variance: list[Floats]
    df: float


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
