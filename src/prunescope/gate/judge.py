"""From a condition and the rows of an audit to what is to be thought of a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from prunescope.audit import Constraint, decisive
from prunescope.audit.estimates import INSUFFICIENT, NOT_APPLICABLE, OK
from prunescope.errors import ConfigError
from prunescope.gate.condition import Condition
from prunescope.gate.verdict import Checked, ModelVerdict, Row, Status

RANKS: tuple[Status, ...] = ("skip", "pass", "warn", "fail")
"""What is worse comes later."""


def check(condition: Condition, table: pl.DataFrame, model: str) -> Checked:
    """Judge a model by one condition.

    Raises
    ------
    ConfigError
        The model has no such rows, or none with a change from dense though one is bounded.

    Examples
    --------
    >>> row = {"model": "sparse", "method": "gmp", "metric": "accuracy", "attribute": None,
    ...        "group": None, "group_value": None, "status": "ok", "reason": None, "n": 900,
    ...        "value": 0.9, "low": 0.88, "high": 0.92}
    >>> checked = check(Condition(metric="accuracy", gte=0.89), pl.DataFrame([row]), "sparse")
    >>> checked.status, checked.text
    ('fail', 'over all: 0.9000 (0.8800 to 0.9200), limit 0.89, missed by the low end')
    """
    asked = _supported(table, condition.min_support)
    judged = condition.budget.judge(asked, model, condition.by)
    usable = judged.filter(pl.col("status") == OK)
    if condition.relative and usable.height and usable["value"].null_count() == usable.height:
        raise ConfigError(
            f"{condition.metric} has no change from dense in this audit: bound its value, with "
            "'relative: false'"
        )
    judged = judged.with_columns(rank=_rank(condition))
    worst = judged.filter(pl.col("rank") == pl.col("rank").max())
    told = worst.filter(pl.col("holds").is_not_null())
    row = decisive(worst if told.is_empty() else told)
    return Checked(
        name=condition.title,
        status=RANKS[row["rank"]],
        severity=condition.severity,
        n_rows=_places(judged),
        n_broken=_places(judged.filter(~pl.col("holds"))),
        n_untold=_places(judged.filter(pl.col("holds").is_null())),
        row=_row(row, {str(one): one for one in condition.budget.constraints}),
    )


def absent(condition: Condition, reason: str) -> Checked:
    """Say that a condition does not apply to a model, as the audit has no such rows of it."""
    return Checked(name=condition.title, status="skip", severity=condition.severity, reason=reason)


def sum_up(model: str, checks: list[Checked]) -> ModelVerdict:
    """Put the conditions on one model together: the worst decides."""
    worst = max((check.status for check in checks), key=RANKS.index)
    return ModelVerdict(model=model, status="fail" if worst == "skip" else worst, checks=checks)


def _supported(table: pl.DataFrame, least: int) -> pl.DataFrame:
    """Mark rows that rest on fewer samples than the policy asks for."""
    few = (pl.col("status") == OK) & (pl.col("n") < least)
    reason = pl.format("rests on {} samples: the policy asks for {}", "n", pl.lit(least))
    return table.with_columns(
        pl.when(few).then(pl.lit(INSUFFICIENT)).otherwise("status").alias("status"),
        pl.when(few).then(reason).otherwise("reason").alias("reason"),
    )


def _places(judged: pl.DataFrame) -> int:
    """Count the rows of the audit; one that is held to two limits is one."""
    return judged.select("attribute", "group", "group_value").n_unique()


def _rank(condition: Condition) -> pl.Expr:
    """Return how bad each row of a judgement is; a warning's rows are no worse than that."""
    most = RANKS.index("fail" if condition.severity == "error" else "warn")

    def level(status: Status) -> pl.Expr:
        return pl.lit(min(RANKS.index(status), most))

    status, holds = pl.col("status"), pl.col("holds")
    return (
        pl.when(holds)
        .then(level("pass"))
        .when(holds.not_())
        .then(level("fail"))
        .when(status == NOT_APPLICABLE)
        .then(level("skip"))
        .when(status == INSUFFICIENT)
        .then(level(condition.insufficient_support))
        .otherwise(level(condition.undefined))
    )


def _row(found: Mapping[str, Any], constraints: Mapping[str, Constraint]) -> Row:
    """Return the row of a judgement with the bound that it is held to."""
    bound = constraints[found["constraint"]]
    mine = {name: found[name] for name in Row.model_fields if name in found}
    return Row(**mine, operator=bound.operator, limit=bound.limit, relative=bound.relative)
