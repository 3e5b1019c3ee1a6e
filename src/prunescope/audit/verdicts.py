"""A verdict in plain words on every comparison: worse, better, or why neither."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, get_args

import polars as pl

from prunescope.audit.estimates import INSUFFICIENT, OK

Verdict = Literal["worse", "better", "changed", "negligible", "no evidence", "insufficient support"]
VERDICTS: tuple[str, ...] = get_args(Verdict)

HIGHER = (
    "accuracy", "balanced_accuracy", "tpr", "tnr", "precision", "auc", "average_precision",
    "worst_group_accuracy", "top1_accuracy", "macro_recall", "macro_f1", "helpful_flip_rate",
    "top1_helpful_flip_rate",
)  # fmt: skip
"""Metrics that are better the higher."""

LOWER = (
    "fpr", "fnr", "uncertainty", "ece", "top_label_ece", "correlation_shift",
    "demographic_parity_difference", "equal_opportunity_difference",
    "equalized_odds_difference", "accuracy_difference", "ece_difference", "excess_accuracy_gap",
    "excess_top1_gap", "flip_rate", "harmful_flip_rate", "top1_flip_rate",
    "top1_harmful_flip_rate", "cie_rate",
)  # fmt: skip
"""Metrics that are better the lower."""

TARGETS: Mapping[str, float] = {
    "rare_value_ratio": 1.0,
    "bias_amplification": 0.0,
    "backdoor_bias_amplification": 0.0,
}
"""Metrics that are best at a value: further from it is worse."""

JUDGED = (*HIGHER, *LOWER, *TARGETS, "selection_rate", "interdependence")
"""Metrics that get a verdict."""


def harm_of() -> pl.Expr:
    """Return the expression of how much worse a row's model is, in the metric's unit.

    Null for a metric that is neither better nor worse; < 0: better.

    Examples
    --------
    >>> rows = {"metric": ["auc", "ece", "rare_value_ratio"], "value": [0.8, 0.2, 1.3],
    ...         "baseline": [0.9, 0.1, 0.9], "delta": [-0.1, 0.1, 0.4]}
    >>> pl.DataFrame(rows).select(harm_of().round(3)).to_series().to_list()
    [0.1, 0.1, 0.2]
    """
    metric, value, baseline = pl.col("metric"), pl.col("value"), pl.col("baseline")
    itself = metric.str.starts_with("excess") | metric.str.ends_with("_rate")
    change = pl.when(itself).then(pl.coalesce("delta", "value")).otherwise("delta")
    target = metric.replace_strict(TARGETS, default=None, return_dtype=pl.Float64)
    return (
        pl.when(metric.is_in(HIGHER))
        .then(-change)
        .when(metric.is_in(LOWER))
        .then(change)
        .otherwise((value - target).abs() - (baseline - target).abs())
        .alias("harm")
    )


def add_verdicts(
    table: pl.DataFrame, alpha: float, min_effect: Mapping[str, float]
) -> pl.DataFrame:
    """Fill `verdict`.

    ``insufficient support`` where the status says so. Where two models are compared: ``no
    evidence`` unless q ≤ alpha; ``negligible`` if the change is smaller than the least effect that
    matters; else ``worse`` or ``better``, or ``changed`` for a metric that is neither. Null where
    nothing is compared.

    Parameters
    ----------
    table : polars.DataFrame
        With q-values.
    alpha : float
        1 - confidence.
    min_effect : mapping
        Metric → least change that matters, in the metric's unit; "*" for every other metric.
    """
    metric, harm = pl.col("metric"), harm_of()
    change = pl.coalesce("delta", "value")
    least = metric.replace_strict(
        dict(min_effect), default=min_effect.get("*", 0.0), return_dtype=pl.Float64
    )
    verdict = (
        pl.when(pl.col("status") == INSUFFICIENT)
        .then(pl.lit("insufficient support"))
        .when((pl.col("status") != OK) | pl.col("q_value").is_null() | ~metric.is_in(JUDGED))
        .then(None)
        .when(pl.col("q_value") > alpha)
        .then(pl.lit("no evidence"))
        .when(change.abs() < least)
        .then(pl.lit("negligible"))
        .when(harm > 0)
        .then(pl.lit("worse"))
        .when(harm < 0)
        .then(pl.lit("better"))
        .otherwise(pl.lit("changed"))
    )
    return table.with_columns(verdict.alias("verdict"))


def agreement(table: pl.DataFrame, members: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Say beside what a population comes to in how many of its seeds a row is worse, or better.

    A mean over seeds does not overrule them: what is beyond doubt in one is told.
    """
    key = ["metric", "attribute", "group"]
    verdict = pl.col("verdict")
    slots = pl.when(pl.col("metric").str.starts_with("worst_group")).then(None)
    value = slots.otherwise("group_value").alias("value_key")
    counts = (
        pl.concat([one.select(*key, value, "verdict") for one in members])
        .group_by(*key, "value_key")
        .agg(worse=(verdict == "worse").sum(), better=(verdict == "better").sum())
    )
    told = [
        pl.when(pl.col(name) > 0).then(pl.format(f"{name} in {{}} of {len(members)} seeds", name))
        for name in ("worse", "better")
    ]
    beside = table.with_columns(value).join(
        counts, on=[*key, "value_key"], how="left", nulls_equal=True, maintain_order="left"
    )
    reason = pl.concat_str("reason", *told, separator="; ", ignore_nulls=True)
    told_of = pl.any_horizontal(pl.col("worse") > 0, pl.col("better") > 0).fill_null(value=False)
    return beside.with_columns(
        pl.when(told_of).then(reason).otherwise("reason").alias("reason")
    ).select(table.columns)
