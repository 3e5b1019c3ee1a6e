"""The figures of one setting that claims are about, looked up in its audit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from prunescope.predictions import Predictions
from prunescope.study.plan import DENSE, INT8, Setting
from prunescope.study.results.claim import Claim, Verdict
from prunescope.study.results.claims.verdicts import UNKNOWN, Interval
from prunescope.study.results.load import StudyResults

Arm = tuple[str, float]
"""A method and a sparsity, as the plan asks for it."""


@dataclass(frozen=True)
class Figures:
    """The audit of one setting, figure by figure.

    Parameters
    ----------
    results : StudyResults
    setting : Setting
    """

    results: StudyResults
    setting: Setting

    @cached_property
    def table(self) -> pl.DataFrame:
        """All rows of the audit; their sparsity is as asked for, so that seeds belong together."""
        audit = self.results.audits[self.setting.name]
        asked = {one.name: one.metadata.compression.sparsity for one in audit.info.models}
        asked |= {one.name: asked[one.members[0]] for one in audit.info.populations}
        sparsity = pl.col("model").replace_strict(asked, return_dtype=pl.Float64)
        return audit.table.with_columns(sparsity.alias("sparsity"))

    @cached_property
    def shares(self) -> dict[Arm, float]:
        """What each arm lacks: of the weights, as counted, where channels were asked for."""
        models = self.results.audits[self.setting.name].info.models
        found: dict[Arm, float] = {}
        for how in (model.metadata.compression for model in models):
            share = how.sparsity if how.channels_kept is None else how.removed
            found.setdefault((how.method, how.sparsity), share)
        return found

    @cached_property
    def some_answers(self) -> Predictions:
        """Answers of one of its models, for what they say of the samples and of training."""
        return self.results.predictions(self.results.finished(self.setting)[0])

    @cached_property
    def pooled(self) -> pl.DataFrame:
        """The rows of means over seeds; of single models where there is one seed."""
        members = self.results.members(self.setting)
        return self.table.filter(~pl.col("model").is_in(members))

    @cached_property
    def arms(self) -> tuple[Arm, ...]:
        """The methods and sparsities that are audited, the lowest sparsity first."""
        pruned = self.pooled.filter(~pl.col("method").is_in([DENSE, INT8]))
        found = pruned.select("method", "sparsity").unique().sort("sparsity", "method")
        return tuple(found.iter_rows())

    @property
    def methods(self) -> list[str]:
        """The methods of pruning."""
        return sorted({method for method, _ in self.arms})

    @cached_property
    def groups(self) -> list[str]:
        """The identity groups that bias amplification is told of."""
        rows = self.pooled.filter(metric="bias_amplification", status="ok")
        return rows["group"].unique(maintain_order=True).to_list()

    def sparsest(self, method: str) -> Arm:
        """Return the highest sparsity of a method."""
        return max((arm for arm in self.arms if arm[0] == method), key=lambda arm: arm[1])

    def claim(
        self, key: str, title: str, test: str, verdict: Verdict, lines: Sequence[str]
    ) -> Claim:
        """Return a claim about this setting; `lines` is what was seen."""
        return Claim(
            key=key,
            title=title,
            setting=self.setting.name,
            test=test,
            verdict=verdict,
            evidence="; ".join(lines),
        )

    def at(self, low: float, high: float = 1.0) -> Iterator[Arm]:
        """Yield the arms that lack a share of the weights in [low, high]."""
        return (arm for arm in self.arms if low <= self.shares[arm] <= high)

    def word(self, arm: Arm) -> str:
        """Name an arm: its method and the share that it lacks; the dense model lacks none."""
        return arm[0] if arm[0] == DENSE else f"{arm[0]} {100 * self.shares[arm]:.4g}%"

    def rows(self, metric: str, arm: Arm, *, group: str | None = None) -> pl.DataFrame:
        """Return the pooled rows of a metric, by attribute."""
        return self._of(self.pooled, metric, arm, group).filter(pl.col("attribute").is_not_null())

    def value(self, metric: str, arm: Arm, *, group: str | None = None) -> Interval:
        """Return a mean over attributes, and over seeds."""
        return self._interval(metric, arm, group, ("value", "low", "high"))

    def change(self, metric: str, arm: Arm, *, group: str | None = None) -> Interval:
        """Return how far a mean over attributes lies above dense (a flip rate: above churn)."""
        return self._interval(metric, arm, group, ("delta", "delta_low", "delta_high"))

    def baseline(self, metric: str, arm: Arm) -> float:
        """Return what a change is counted from."""
        found = self._overall(self.pooled, metric, arm, None)
        return float("nan") if not found else _number(found[0]["baseline"])

    def seeds(self, metric: str, arm: Arm, *, group: str | None = None) -> list[float]:
        """Return a mean over attributes for each seed, in the order of the seeds."""
        single = self.table.filter(pl.col("seed").is_not_null()).sort("seed", maintain_order=True)
        return [_number(row["value"]) for row in self._overall(single, metric, arm, group)]

    def _of(self, table: pl.DataFrame, metric: str, arm: Arm, group: str | None) -> pl.DataFrame:
        method, sparsity = arm
        of_group = pl.col("group").is_null() if group is None else pl.col("group") == group
        return table.filter(
            pl.col("metric") == metric, pl.col("method") == method,
            pl.col("sparsity") == sparsity, of_group,
        )  # fmt: skip

    def _overall(
        self, table: pl.DataFrame, metric: str, arm: Arm, group: str | None
    ) -> list[dict[str, Any]]:
        """Return the rows over all attributes; of the only one where there is one."""
        rows = self._of(table, metric, arm, group)
        means = rows.filter(pl.col("attribute").is_null())
        return (means if means.height or self.setting.single is None else rows).to_dicts()

    def _interval(
        self, metric: str, arm: Arm, group: str | None, columns: tuple[str, str, str]
    ) -> Interval:
        found = self._overall(self.pooled, metric, arm, group)
        if not found:
            return UNKNOWN
        value, low, high = (_number(found[0][column]) for column in columns)
        return Interval(value, low, high)


def _number(value: float | None) -> float:
    return np.nan if value is None else float(value)
