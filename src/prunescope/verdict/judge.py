"""The judge of audits: may their compressed models be shipped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from prunescope.audit.roles import Roles, roles
from prunescope.audit.where import EVERY
from prunescope.errors import ConfigError, one_of
from prunescope.verdict.answers import conclude
from prunescope.verdict.criterion import Criterion
from prunescope.verdict.damage import judge_rows
from prunescope.verdict.verdict import Judged, ModelVerdict, Row, State, Verdict

if TYPE_CHECKING:
    from prunescope.audit import Audit
    from prunescope.verdict.policy import Policy

LEAST_SHARED = 0.95
"""Share of the samples that all files must answer."""

COMMON = "Samples in common"
"""The criterion that no policy leaves out."""

MOST_ROWS = 12
"""Rows of one criterion that a verdict names; the others are counted."""

PRECEDENCE = ("severe", "moderate", "open", "not judged", "held")
"""States of rows, the one that decides about their criterion first."""


@dataclass(frozen=True)
class Finding:
    """One criterion, judged on one model: what is said of it, and all its rows.

    `rows` has the columns of the audit table and those of `prunescope.verdict.damage.judge_rows`.
    """

    criterion: Criterion
    judged: Judged
    rows: pl.DataFrame


class Judge:
    """Holds an audit to a policy, criterion by criterion.

    Parameters
    ----------
    audit : Audit
    policy : Policy
    """

    def __init__(self, audit: Audit, policy: Policy) -> None:
        self.audit, self.policy = audit, policy
        self.task = audit.info.models[0].metadata.task
        self.criteria = policy.of_task(self.task)
        metrics = {criterion.metric for criterion in self.criteria}
        wanted = audit.table.filter(pl.col("metric").is_in(metrics))
        self._rows: dict[tuple[object, ...], pl.DataFrame] = wanted.partition_by(
            "model", "metric", as_dict=True
        )
        self._found: dict[str, list[Finding]] = {}

    def findings(self, model: str) -> list[Finding]:
        """Judge a model, or the mean over its seeds, by each criterion.

        Raises
        ------
        ConfigError
            A criterion is about what the audit does not have, and is not optional.
        """
        if model not in self._found:
            self._found[model] = [self._judge(one, model) for one in self.criteria]
        return self._found[model]

    def model(self, name: str) -> ModelVerdict:
        """Sum up what is found of a model."""
        judged = [one.judged for one in self.findings(name)]
        return ModelVerdict.of(name, [*self._common(), *judged])

    def verdict(self, models: Sequence[str] | None = None) -> Verdict:
        """Judge all compressed models, or those named; a population by its worst seed."""
        cast = roles(self.audit.info)
        chosen = self._chosen(models, cast)
        members = {
            told.name: [name for name in cast.models_of(told.name) if name in chosen]
            for told in cast.compressed
            if told.name in cast.members
        }
        told = [m for m in cast.compressed if m.name in chosen or members.get(m.name)]
        judged = [self.model(name) for name in chosen]
        return conclude(judged, told, {name: seeds for name, seeds in members.items() if seeds})

    def _judge(self, criterion: Criterion, model: str) -> Finding:
        settings = self.audit.info.settings
        try:
            rows = self._rows_of(criterion, model)
        except ConfigError as error:
            if not criterion.optional:
                where = f"{self.policy.at(criterion)}criterion '{criterion}'"
                raise ConfigError(f"{where}: {error}{self._how(criterion)}") from None
            judged = Judged.absent(criterion, self._why(criterion))
            return Finding(criterion, judged, judge_rows(criterion, self.audit.table.clear(), 0.05))
        rows = judge_rows(criterion, rows, settings.alpha, 1 / len(self.criteria))
        return Finding(criterion, self._sum_up(criterion, rows), rows)

    def _rows_of(self, criterion: Criterion, model: str) -> pl.DataFrame:
        """Return the rows of the audit that a criterion looks at."""
        rows = self._rows.get((model, criterion.metric))
        if rows is None:
            raise ConfigError(one_of("metric", criterion.metric, self._names("metric")))
        found = []
        for where in criterion.wheres:
            for column in ("attribute", "group"):
                name = getattr(where, column)
                if name not in (None, EVERY, *self._names(column)):
                    raise ConfigError(one_of(column, name, self._names(column)))
            found.append(where.rows(rows, criterion.metric))
        return pl.concat(found).unique(maintain_order=True)

    def _names(self, column: str) -> list[str]:
        return self.audit.table[column].drop_nulls().unique(maintain_order=True).to_list()

    def _why(self, criterion: Criterion) -> str:
        """Say why the audit has no rows for a criterion."""
        if criterion.group is not None and not self._names("group"):
            return "no group was audited, so nothing is known of groups"
        return f"the audit has no such rows of {criterion.metric}"

    def _how(self, criterion: Criterion) -> str:
        """Say how an audit comes to have the rows of a criterion."""
        how = "audit with what it is about"
        if criterion.group is not None and not self._names("group"):
            how = "the audit has no groups: give the files columns group__NAME"
        return f"; {how}, or say 'optional: true'"

    def _sum_up(self, criterion: Criterion, rows: pl.DataFrame) -> Judged:
        """Say what the rows come to; where none is applicable, that there is nothing to judge."""
        if rows.is_empty():
            return Judged.absent(criterion, f"{criterion.metric} is not applicable here")
        counts = {name: int((rows["state"] == name).sum()) for name in PRECEDENCE}
        worst = next(name for name in PRECEDENCE if counts[name])
        severity = next((name for name, _ in criterion.limits if name == worst), None)
        state: State = "held"
        if severity is not None:
            state = "broken"
            if criterion.decides and severity == "moderate" and criterion.severe is not None:
                graver = rows["state"].eq("moderate") & (rows["reach"] >= criterion.severe)
                state = "open" if graver.any() else state  # worse than moderate is not ruled out
        elif counts["open"] or 0 < counts["not judged"] < rows.height:
            state = "open"  # what could not be judged of some rows is open, too
        elif counts["not judged"]:
            state = "not judged"
        deciding = [worst] if severity or state != "open" else ["open", "not judged"]
        told = rows.filter(pl.col("state").is_in(deciding)).sort(
            "damage" if state == "broken" else "reach",
            descending=True, nulls_last=True, maintain_order=True,
        )  # fmt: skip
        limit = criterion.to_rule_out
        if severity is not None:
            limit = dict(criterion.limits)[severity if state == "broken" else "severe"]
        return Judged(
            criterion=criterion.title,
            metric=criterion.metric,
            state=state,
            severity=severity,
            decides=criterion.decides,
            limit=limit,
            bounded=criterion.bounded,
            n_rows=rows.height,
            n_broken=counts["severe"] + counts["moderate"],
            n_open=counts["open"],
            n_untold=counts["not judged"],
            rows=[
                Row.of(row, self._unit(row)) for row in told.head(MOST_ROWS).iter_rows(named=True)
            ],
        )

    def _unit(self, row: Mapping[str, object]) -> str:
        """Name what is counted: images, those that have an attribute, or clusters."""
        cluster = self.audit.info.settings.cluster
        if cluster is not None:
            return f"values of {cluster}"
        about = row["attribute"]
        if about is None or row["metric"] not in OF_THE_RARER:
            return "images"
        return OF_THE_RARER[str(row["metric"])].format(about)

    def _common(self) -> list[Judged]:
        """Judge how many samples all files answer."""
        shared, allowed = self.audit.info.shared, self.audit.info.settings.allow_missing
        if shared >= LEAST_SHARED or allowed:
            return []
        return [Judged.of_missing(COMMON, shared, LEAST_SHARED)]

    def _chosen(self, models: Sequence[str] | None, cast: Roles) -> list[str]:
        """Return the names of the models to judge; a population stands for its seeds."""
        each = [model.name for model in self.audit.info.models if model.baseline is not None]
        if models is None:
            return each
        known = list(dict.fromkeys([*(model.name for model in cast.compressed), *each]))
        for name in models:
            if name not in known:
                raise ConfigError(one_of("compressed model", name, known))
        return list(dict.fromkeys(one for name in models for one in cast.models_of(name)))


OF_THE_RARER: Mapping[str, str] = {
    "tpr": "images of {}",
    "rare_value_ratio": "images with the rarer label of {}",
    "bias_amplification": "images of {} on the side of a group with fewer",
    "auc": "images with the rarer label of {}",
    "average_precision": "images with the rarer label of {}",
}
"""What figures of one attribute or class rest on, which is not all images."""
