"""Several training seeds of one model: their mean, with an interval that holds seed variation.

The interval of one model covers the choice of test samples alone. Over m seeds the mean of a
metric varies with the samples and with the seeds. Each replicate draws samples for all seeds
alike, and adds an error of the mean over seeds: Student's t with m - 1 degrees of freedom times
s / √m, with s the standard deviation over the seeds. (To draw m seeds out of m with replacement
instead makes intervals far too narrow for the two or three seeds that people have.)
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunescope.audit.estimates import INSUFFICIENT, NOT_APPLICABLE, OK, UNDEFINED, Estimates
from prunescope.audit.significance import deviation
from prunescope.audit.table import Comparison
from prunescope.metrics.statistics import Floats

ORDER = (NOT_APPLICABLE, INSUFFICIENT, UNDEFINED)


@dataclass
class SeedMean:
    """A running mean of arrays over seeds, with their replicates."""

    values: list[Floats] = field(default_factory=list)
    replicates: Floats | None = None

    def add(self, value: Floats, replicates: Floats) -> None:
        """Take another seed in."""
        self.values.append(value)
        if self.replicates is None:
            self.replicates = replicates
        elif len(self.values) == 2:  # the first seed's own are not written over
            self.replicates = self.replicates + replicates
        else:
            self.replicates += replicates

    @property
    def value(self) -> Floats:
        """The mean over seeds; NaN where one has no value."""
        return np.asarray(np.mean(self.values, axis=0))

    @property
    def error(self) -> Floats:
        """Standard error of the mean from seed variation alone: s / √m."""
        m = len(self.values)
        return np.asarray(np.std(self.values, axis=0, ddof=1) / np.sqrt(m))

    def drawn(self, students: Floats) -> Floats:
        """Return the mean's replicates (R, ...), with an error over seeds added to each."""
        assert self.replicates is not None
        mean: Floats = self.replicates / np.float32(len(self.values))
        noise = self.error[..., None].astype(np.float32) * students.astype(np.float32)
        return np.asarray(mean + np.moveaxis(noise, -1, 0))


class Pooled:
    """One metric over the seeds of a model, and its change from the seeds of another.

    Parameters
    ----------
    students : array (R,)
        Draws from Student's t with m - 1 degrees of freedom.
    """

    def __init__(self, students: Floats) -> None:
        self._students = students
        self._first: Estimates | None = None
        self._statuses: list[NDArray[Any]] = []
        self._reasons: list[NDArray[Any]] = []
        self._means, self._deltas, self._baselines = SeedMean(), SeedMean(), SeedMean()

    def add(self, estimates: Estimates, comparison: Comparison | None) -> None:
        """Take the estimates of another seed in."""
        self._first = self._first or estimates
        self._statuses.append(estimates.status)
        self._reasons.append(estimates.reason)
        self._means.add(estimates.value, estimates.replicates)
        if comparison is not None:
            self._deltas.add(comparison.delta, comparison.replicates)
            self._baselines.values.append(comparison.baseline)

    def estimates(self) -> Estimates:
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
        return replace(
            self._first,
            value=self._means.value,
            replicates=self._means.drawn(self._students),
            status=status,
            reason=reason,
        )

    def comparison(self) -> Comparison | None:
        """Return how the means over seeds compare with the means over dense seeds."""
        if not self._deltas.values:
            return None
        deltas, m = self._deltas, len(self._deltas.values)
        assert deltas.replicates is not None
        sampling = deviation(deltas.replicates) / m
        error = np.sqrt(sampling**2 + deltas.error**2)
        with np.errstate(divide="ignore", invalid="ignore"):
            df = (m - 1) * (error / deltas.error) ** 4  # Welch and Satterthwaite
        return Comparison(
            self._baselines.value,
            deltas.value,
            deltas.drawn(self._students),
            error=error,
            df=np.where(deltas.error > 0, df, np.inf),
        )


def students(m: int, replicates: int, seed: int) -> Floats:
    """Draw R numbers from Student's t with m - 1 degrees of freedom."""
    return np.random.default_rng([seed, m]).standard_t(m - 1, replicates)
