"""Means over training seeds, and their variance, moderated by what other rows tell of it.

Two or three seeds tell next to nothing of their own variance; all attributes and metrics together
tell a lot (`prunescope.audit.seeds.prior`). So the variance over m seeds s² is *moderated* (Smyth,
2004):
s̃² = (d₀ s₀² + (m - 1) s²) / (d₀ + m - 1), with d₀ + m - 1 degrees of freedom.

References
----------
Smyth (2004), Linear models and empirical Bayes methods for assessing differential expression in
microarray experiments. Statistical Applications in Genetics and Molecular Biology 3.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from prunescope.audit.intervals.jackknife import Spread
from prunescope.metrics.statistics import Floats, divide


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
