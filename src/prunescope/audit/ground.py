"""What all estimates of an audit stand on: slices, attributes, and the samples behind each cell."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from prunescope.audit.estimates import NOT_APPLICABLE, Estimates, estimate
from prunescope.audit.slice_metrics import TOP_ONE_METRICS
from prunescope.audit.summary import WithMean, summarize
from prunescope.audit.support import SAMPLES, Support, Supports
from prunescope.metrics import Measure, Slices
from prunescope.metrics.statistics import Floats


@dataclass(frozen=True)
class Ground:
    """What is the same for every model of an audit, and decides which estimates may be used.

    Parameters
    ----------
    attributes : tuple of str
    slices : Slices
    supports : Supports
        What estimates rest on.
    min_support : int
        Estimates that rest on fewer units get the status ``insufficient_support``.
    classes : bool
        The attributes are classes, of which a model chooses one.
    """

    attributes: tuple[str, ...]
    slices: Slices
    supports: Supports
    min_support: int
    classes: bool = False

    @cached_property
    def slice_support(self) -> Support:
        """The units in each slice: (S, 1)."""
        return self.support(SAMPLES, total=True)

    def support(self, basis: str, *, total: bool = False) -> Support:
        """Return what rests on `basis`: (S, A); in total, of all attributes together: (S, 1)."""
        found = self.supports.of(basis)
        return found.take(np.s_[:, :1]) if total else found

    def estimate(
        self,
        metric: str,
        point: Measure,
        replicates: Floats,
        basis: str,
        *,
        total: bool = False,
        undefined: str = "no samples",
        things: str | None = None,
        trials: Floats | None = None,
        excess: Floats | None = None,
        cleared: Floats | None = None,
    ) -> Estimates:
        """Judge a metric of every slice and attribute or, in total, of all attributes together.

        `things` says what its support counts, where that is not all of `basis`; the rest is as for
        `prunescope.audit.estimates.estimate`.
        """
        return estimate(
            metric,
            (None,) if total else self.attributes,
            point,
            replicates,
            min_support=self.min_support,
            basis=things or basis,
            undefined=undefined,
            rests=self.support(basis, total=total),
            trials=trials,
            excess=excess,
            cleared=cleared,
        )

    def no_estimate(self, metric: str, n: Floats, reason: str) -> Estimates:
        """Say of every attribute, with n samples each, that a metric is not applicable."""
        nothing = np.full((1, len(self.attributes)), np.nan)
        result = estimate(
            metric,
            self.attributes,
            Measure(nothing[0], n),
            nothing,
            min_support=self.min_support,
            basis=SAMPLES,
            undefined="",
        )
        return result.explain(np.ones(len(self.attributes), bool), NOT_APPLICABLE, reason)

    def mean(self, estimates: Estimates, usable: NDArray[np.bool_]) -> Estimates:
        """Return the figure over the usable attributes."""
        columns = "classes" if self.classes else "attributes"
        return summarize(estimates, usable, self.supports.sizes, self.slice_support, columns)

    def with_mean(self, estimates: Estimates) -> WithMean:
        """Add the figure over all attributes that have a value.

        What is of the one answer of a multi-class model has none, and stands in its place.
        """
        of_one_answer = self.classes and estimates.metric in TOP_ONE_METRICS
        if of_one_answer or estimates.attributes == (None,):
            return WithMean(estimates, None)
        return WithMean(estimates, self.mean(estimates, estimates.ok))
