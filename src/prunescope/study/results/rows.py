"""The rows of one setting's audit, looked up by what they are about."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import polars as pl

from prunescope.audit import ModelInfo
from prunescope.audit.roles import roles
from prunescope.report.panels import Mark, step
from prunescope.study.plan import Setting
from prunescope.study.plan.runs import DENSE, INT8
from prunescope.study.results.load import StudyResults

READ = (
    "accuracy", "auc", "uncertainty", "interdependence", "rare_value_ratio", "flip_rate", "ece",
    "churn", "bias_amplification", "backdoor_bias_amplification", "cie_rate", "cie_odds_ratio",
    "cie_rare_odds_ratio",
)  # fmt: skip
"""Metrics that figures and tables tell of."""

SIDED = ("bias_amplification", "backdoor_bias_amplification")
"""Metrics whose `group_value` says which side is meant, and does not tell rows apart."""

Key = tuple[str, str | None, str | None, str | None]


@dataclass(frozen=True)
class Member:
    """One model of a setting, or the mean over its seeds.

    Parameters
    ----------
    name, method : str
    sparsity : float
        Share of the weights that is gone, as counted.
    asked : float
        As the plan asks: models of one request belong together.
    seeds : tuple of str
        The single models behind a mean; itself where there is one seed.
    """

    name: str
    method: str
    sparsity: float
    asked: float
    seeds: tuple[str, ...]


class Rows:
    """The estimates of one setting.

    Parameters
    ----------
    results : StudyResults
    setting : Setting
        That is audited.

    Attributes
    ----------
    attributes, groups : tuple of str
    places : dict
        Method → place among colours, the same in the whole study.
    dense : Member or None
    pruned, controls : tuple of Member
        In order of the plan's methods, then of sparsity; controls are quantised models.
    """

    def __init__(self, results: StudyResults, setting: Setting) -> None:
        self.results, self.setting, self.places = results, setting, places_of(results)
        audit = results.audits[setting.name]
        cast = roles(audit.info)

        def members(models: Iterable[ModelInfo]) -> list[Member]:
            told = ((model.name, model.metadata.compression) for model in models)
            found = [
                Member(name, how.method, how.removed, how.sparsity, tuple(cast.models_of(name)))
                for name, how in told
            ]
            order = methods_of(setting)
            return sorted(found, key=lambda one: (order.index(one.method), one.sparsity))

        compressed = members(cast.compressed)
        self.dense = next(iter(members(cast.dense)), None)
        self.pruned = tuple(one for one in compressed if one.method != INT8)
        self.controls = tuple(one for one in compressed if one.method == INT8)
        self.attributes = audit.info.attributes
        table = audit.table.filter(pl.col("metric").is_in(list(READ)))
        self.groups = tuple(table["group"].drop_nulls().unique(maintain_order=True))
        self._rows: dict[tuple[str, Key], dict[str, Any]] = {}
        for row in table.iter_rows(named=True):
            value = None if row["metric"] in SIDED else row["group_value"]
            key = (row["metric"], row["attribute"], row["group"], value)
            self._rows[row["model"], key] = row

    @property
    def everyone(self) -> tuple[Member, ...]:
        """The dense model, if there is one, then the pruned ones."""
        return (*([] if self.dense is None else [self.dense]), *self.pruned)

    def row(
        self,
        member: Member,
        metric: str,
        attribute: str | None = None,
        group: str | None = None,
        value: str | None = None,
    ) -> dict[str, Any] | None:
        """Return the row of a model, None where the audit has none."""
        return self._rows.get((member.name, (metric, attribute, group, value)))

    def mark(
        self, member: Member, metric: str, attribute: str | None = None, group: str | None = None
    ) -> Mark | None:
        """Return what is drawn of a model: mean, interval and seeds; None without a value."""
        row = self.row(member, metric, attribute, group)
        if row is None or row["value"] is None:
            return None
        key: Key = (metric, attribute, group, None)
        single = [self._rows.get((name, key), {}).get("value") for name in member.seeds]
        several = len(member.seeds) > 1
        return Mark(
            sparsity=member.sparsity,
            value=row["value"],
            low=row["low"],
            high=row["high"],
            seeds=tuple(value for value in single if several and value is not None),
            n_seeds=len(member.seeds),
            note=row["reason"] or "",
        )

    def why_not(self, metric: str, attribute: str | None = None, group: str | None = None) -> str:
        """Say why no pruned model has a value."""
        if not self.pruned:
            return "no pruned model is finished"
        found = [self.row(one, metric, attribute, group) for one in self.pruned]
        reasons = [row["reason"] or row["status"].replace("_", " ") for row in found if row]
        return reasons[0] if reasons else "the audit does not have it"


def methods_of(setting: Setting) -> list[str]:
    """Return the methods of a setting in the order of its plan, dense first."""
    return list(dict.fromkeys([DENSE, *(run.method for run in setting.compressed)]))


def places_of(results: StudyResults) -> dict[str, int]:
    """Give each method of pruning a place among colours, the same in the whole study."""
    names = dict.fromkeys(
        run.method
        for setting in results.plan.settings
        for run in setting.compressed
        if run.method != INT8
    )
    return {name: place for place, name in enumerate(names)}


def unfinished(results: StudyResults, setting: Setting) -> list[str]:
    """Say which models of a setting lack seeds, because their runs are not finished.

    Returns
    -------
    list of str
        Such as "gmp-ri 99%: 1 of 3 seeds".
    """
    audit = results.audits.get(setting.name)
    there = set() if audit is None else {model.name for model in audit.info.models}
    counts: dict[tuple[str, float], list[bool]] = {}
    for run in setting.runs:
        counts.setdefault((run.method, run.sparsity), []).append(run.name in there)
    return [
        f"{method}{f' {step(sparsity)}' if sparsity else ''}: "
        f"{sum(found)} of {len(found)} seed{'s' * (len(found) != 1)}"
        for (method, sparsity), found in counts.items()
        if not all(found)
    ]
