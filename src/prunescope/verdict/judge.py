"""The judge of audits: may their compressed models be shipped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from prunescope.audit.estimates import NOT_APPLICABLE, UNDEFINED
from prunescope.audit.roles import Roles, roles
from prunescope.audit.where import EVERY, Where
from prunescope.errors import ConfigError, one_of
from prunescope.verdict.answers import conclude
from prunescope.verdict.criterion import Criterion
from prunescope.verdict.damage import judge_rows
from prunescope.verdict.judgement import Judged, Row, State, kept
from prunescope.verdict.of_models import ModelVerdict, Verdict

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
        if len({model.baseline is None for model in audit.info.models}) < 2:
            raise ConfigError("the audit has no dense model, or no compressed one: audit again")
        self.audit, self.policy = audit, policy
        self.task = audit.info.models[0].metadata.task
        self.criteria = policy.of_task(self.task)
        metrics = {criterion.metric for criterion in self.criteria}
        wanted = audit.table.filter(pl.col("metric").is_in(metrics))
        self._rows: dict[tuple[object, ...], pl.DataFrame] = wanted.partition_by(
            "model", "metric", as_dict=True
        )
        self._found: dict[str, list[Finding]] = {}
        self._known: dict[str, list[str]] = {}

    def findings(self, model: str) -> list[Finding]:
        """Judge a model, or the mean over its seeds, by each criterion.

        Raises
        ------
        ConfigError
            A criterion is about what the audit does not have, and is not optional.
        """
        if model not in self._found:
            found, wrong = [], []
            for criterion in self.criteria:
                try:
                    found.append(self._judge(criterion, model))
                except ConfigError as error:
                    wrong.append(f"{self.policy.at(criterion)}criterion '{criterion}': {error}")
            if wrong:
                raise ConfigError("\n".join(wrong))
            self._found[model] = found
        return self._found[model]

    def model(self, name: str) -> ModelVerdict:
        """Sum up what is found of a model."""
        judged = [one.judged for one in self.findings(name)]
        return ModelVerdict.of(name, [*self._common(), *judged])

    def of_all(self, criterion: Criterion) -> list[Finding]:
        """Judge every compressed model by one criterion of the policy; none by another task's."""
        if criterion not in self.criteria:
            return []
        place = self.criteria.index(criterion)
        each = self._chosen(None, roles(self.audit.info))
        return [self.findings(model)[place] for model in each]

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
        members = {name: seeds for name, seeds in members.items() if seeds}
        return conclude(judged, told, members, self.audit.info.settings.confidence)

    def _judge(self, criterion: Criterion, model: str) -> Finding:
        settings = self.audit.info.settings
        try:
            rows = self._rows_of(criterion, model)
        except ConfigError as error:
            if str(error).startswith("unknown metric"):
                raise
            if not criterion.optional:
                raise ConfigError(f"{error}; or say 'optional: true'") from None
            judged = Judged.absent(criterion, str(error))
            return Finding(criterion, judged, judge_rows(criterion, self.audit.table.clear(), 0.05))
        rows = judge_rows(criterion, rows, settings.alpha, 1 / len(self.criteria))
        return Finding(criterion, self._sum_up(criterion, rows), rows)

    def _rows_of(self, criterion: Criterion, model: str) -> pl.DataFrame:
        """Return the rows of the audit that a criterion looks at.

        Raises
        ------
        ConfigError
            The audit has none, or no one of them can ever have what is asked for; says how to get
            them.
        """
        metric = criterion.metric
        if criterion.group is not None and not self._names("group"):
            raise ConfigError(NO_GROUPS)
        of_model = self._rows.get((model, metric))
        if of_model is None:
            raise ConfigError(self._no_metric(metric))
        found = []
        for where in criterion.wheres:
            self._check_names(where)
            found.append(where.rows(of_model, metric))
        rows = pl.concat(found).unique(maintain_order=True)
        if (rows["status"] == NOT_APPLICABLE).all():
            raise ConfigError(f"{metric} is not applicable here: {rows['reason'][0]}")
        if metric in OF_SEEDS and (rows["status"] == UNDEFINED).all():
            raise ConfigError(f"{metric} has no value here: {rows['reason'][0]}")
        if criterion.relative and metric.startswith("excess"):
            raise ConfigError(f"{metric} is a change by itself: leave out 'relative'")
        if criterion.relative and metric.endswith("flip_rate") and not rows["delta"].count():
            raise ConfigError(
                f"{metric} is compared with churn, {TWO_SEEDS}; or leave out 'relative'"
            )
        return rows

    def _names(self, column: str) -> list[str]:
        if column not in self._known:
            names = self.audit.table[column].drop_nulls().unique(maintain_order=True)
            self._known[column] = names.to_list()
        return self._known[column]

    def _no_metric(self, metric: str) -> str:
        """Say why the audit has no rows of a metric, and what to do about it."""
        if self.task == "multilabel" and metric.startswith(OF_CLASSES):
            return f"{metric} is of models that choose a class, and these do not: {OTHER_TASK}"
        if self.task == "multiclass" and metric in OF_ATTRIBUTES:
            return f"{metric} is of attributes, and these models choose a class: {OTHER_TASK}"
        if metric == "backdoor_bias_amplification":
            return "no backdoor was audited: name the group that marks it, --trigger GROUP"
        if not self._names("group") and metric.endswith(BETWEEN_GROUPS):
            return NO_GROUPS
        return one_of("metric", metric, self._names("metric"))

    def _check_names(self, where: Where) -> None:
        """Raise where a group or an attribute was not audited."""
        attributes, groups = self._names("attribute"), self._names("group")
        if where.group is not None and where.group not in (EVERY, *groups):
            raise ConfigError(self._no_group(where.group))
        if where.attribute is not None and where.attribute not in (EVERY, *attributes):
            noun = "attribute" if self.task == "multilabel" else "class"
            raise ConfigError(one_of(noun, where.attribute, attributes))

    def _no_group(self, group: str) -> str:
        """Say that no such group was audited, and what to do about it."""
        settings = self.audit.info.settings
        if group == settings.cluster:
            return f"{group} is the cluster of this audit, its values are units: audit without it"
        text = one_of("group", group, self._names("group"))
        if settings.groups is None:
            return text
        return f"{text}; the audit was made of --groups {','.join(settings.groups)}"

    def _sum_up(self, criterion: Criterion, rows: pl.DataFrame) -> Judged:
        """Say what the rows come to."""
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
            limit=None if criterion.bounded else limit,
            bound=kept(criterion),
            n_rows=rows.height,
            n_broken=counts["severe"] + counts["moderate"],
            n_open=counts["open"],
            n_untold=counts["not judged"],
            rows=[
                Row.of(row, self._unit(row), criterion.bounded and not criterion.relative)
                for row in told.head(MOST_ROWS).iter_rows(named=True)
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
        rarer = OF_THE_RARER if self.task == "multilabel" else OF_THE_RARER | OF_FEWER
        return rarer[str(row["metric"])].format(about)

    def _common(self) -> list[Judged]:
        """Judge how many samples all files answer."""
        info = self.audit.info
        if info.shared == 1:
            return []
        least = 0.0 if info.settings.allow_missing else LEAST_SHARED
        return [Judged.of_shared(COMMON, info.n_samples, info.shared, least)]

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


NO_GROUPS = "no group was audited: give the files columns group__NAME"
TWO_SEEDS = "which two dense models of different seeds tell"
OTHER_TASK = "give the criterion the 'task' that it is for"

OF_CLASSES = ("top1_", "macro_", "top_label_", "excess_top1_")
"""How the names of metrics begin that only models have which choose a class."""

OF_ATTRIBUTES = (
    "flip_rate", "harmful_flip_rate", "helpful_flip_rate", "excess_accuracy_gap",
    "correlation_shift", "equalized_odds_difference",
)  # fmt: skip
"""Metrics that only models have which answer about attributes."""

BETWEEN_GROUPS = ("_difference", "_amplification", "_gap", "worst_group_accuracy")
"""How the names of metrics end that only groups have."""

OF_SEEDS = ("churn", "cie_rate", "cie_odds_ratio", "cie_rare_odds_ratio")
"""Metrics that only several seeds have."""

OF_THE_RARER = {
    "tpr": "images of {}",
    "rare_value_ratio": "images with the rarer label of {}",
    "bias_amplification": "images of {} on the side of a group with fewer",
    "auc": "images with the rarer label of {}",
    "average_precision": "images with the rarer label of {}",
}
"""What figures of one attribute or class rest on, which is not all images."""

OF_FEWER = dict.fromkeys(
    ("rare_value_ratio", "auc", "average_precision"),
    "images of {}, or of the others if those are fewer",
)
"""The same of a class, in place of its rarer label."""
