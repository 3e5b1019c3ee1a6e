"""How answers lean: to the commoner value, and to the side of a group where they are commoner."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from prunescope.audit.estimates import (
    NOT_APPLICABLE,
    Estimates,
    estimate,
)
from prunescope.audit.intervals.ends import of_shares_apart
from prunescope.audit.support import Supports
from prunescope.data.samples import TrainRates
from prunescope.metrics import Slices, bias_amplification, lean, rare_value_ratio
from prunescope.metrics.statistics import Floats


@dataclass(frozen=True)
class Leanings:
    """Estimates rare-value ratio and bias amplification from counts.

    Parameters
    ----------
    attributes : tuple of str
    slices : Slices
    train : TrainRates
        Rates of the training split, which say what is rare and to which side an attribute leans.
    min_support : int
        Estimates that rest on fewer units get the status ``insufficient_support``.
    supports : Supports, optional
        The units behind the samples; default: each is one.
    """

    attributes: tuple[str, ...]
    slices: Slices
    train: TrainRates
    min_support: int
    supports: Supports | None = None

    @cached_property
    def prevalence(self) -> Floats:
        """Share of positives of each attribute in training; NaN where unknown."""
        return self._rates(self.train.prevalence)

    def _rates(self, rates: Mapping[str, float]) -> Floats:
        return np.array([rates.get(a, np.nan) for a in self.attributes], np.float64)

    def rare_value_ratio(self, counts: Floats, others: Floats) -> Estimates:
        """Estimate the ratio by slice and attribute: (S, A).

        Parameters
        ----------
        counts : array (S, A, 3, 2)
            As in `prunescope.metrics.Statistics`.
        others : array (R, S, A, 3, 2)
            Of the replicates, or whatever else the estimate is compared with.
        """
        return estimate(
            "rare_value_ratio",
            self.attributes,
            rare_value_ratio(counts, self.prevalence),
            rare_value_ratio(others, self.prevalence).value,
            min_support=self.min_support,
            basis="samples with the rarer value",
            undefined="its rate in training is not known",
            rests=None if self.supports is None else self.supports.of_rarer_value(self.prevalence),
        )

    def bias_amplification(self, group: str, counts: Floats, others: Floats) -> Estimates:
        """Estimate by how much answers lean further to one side of a group than labels: (A,).

        Parameters
        ----------
        group : str
        counts, others
            As for `rare_value_ratio`.
        """
        known = self.train.group_rates.get(group, {})
        rows = self.slices.of_group(group)
        rates = np.array([self._rates(known.get(str(v), {})) for v in self.slices.values[rows]])
        leaning = lean(rates)
        result = self.amplification("bias_amplification", group, leaning.side, counts, others)
        unknown: NDArray[np.bool_] = np.isnan(rates).all(axis=0)
        result = result.explain(
            ~leaning.applicable & ~unknown,
            NOT_APPLICABLE,
            f"its training rates are about equal on every side of {group}",
        )
        result = result.explain(
            unknown, NOT_APPLICABLE, f"its training rates by {group} are not known"
        )
        itself = np.array(self.attributes) == group
        return result.explain(itself, NOT_APPLICABLE, f"{group} is the group itself")

    def amplification(
        self, metric: str, group: str, side: NDArray[np.intp], counts: Floats, others: Floats
    ) -> Estimates:
        """Estimate by how much answers lean further to one side than labels, side known: (A,).

        A share of a model's own answers rests on as many as it gives: few of them say nothing.
        """
        rows = self.slices.of_group(group)
        result = estimate(
            metric,
            self.attributes,
            bias_amplification(counts[rows], side),
            bias_amplification(others[:, rows], side).value,
            min_support=self.min_support,
            basis="true positives on the smaller side",
            undefined="nothing was predicted positive",
            rests=None if self.supports is None else self.supports.of_sides(rows, side),
            group=group,
            group_value=side,
        )
        labelled = counts[rows, :, :2]
        result = replace(result, least=of_shares_apart(*inside(labelled, side)))
        without = others[:, rows, :, :2, 1].sum(axis=(1, -1))
        return result.with_answers(labelled[..., 1].sum(axis=(0, -1)), without, self.min_support)


def inside(counts: Floats, side: NDArray[np.intp]) -> tuple[Floats, Floats]:
    """Return counts of all values of a group, and of the value that is each attribute's side.

    Examples
    --------
    >>> everyone, women = inside(np.array([[[3.0], [5.0]], [[2.0], [7.0]]]), np.array([0, 1]))
    >>> everyone.ravel().tolist(), women.ravel().tolist()
    ([5.0, 12.0], [3.0, 7.0])
    """
    return counts.sum(axis=0), counts[side, np.arange(len(side))]
