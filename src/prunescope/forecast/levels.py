"""Whether attributes and groups fared as expected, beside predictors that cost nothing.

A *predictor* gives every attribute (and group) a number; here it is ranked against the change that
was seen. The forecast's is the change that it expects. The trivial ones are the plainest rules (the
rarity of the rarer value in training, and the dense model's own figure), the dense model's error,
its share of uncertain answers and, of bias amplification, the skew: how unlike the training rates
of a group's sides are. The direction of these is chosen afterwards, in their favour.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl
from scipy.special import logit

from prunescope.audit import audit
from prunescope.audit.estimates import INSUFFICIENT, OK, UNDEFINED
from prunescope.audit.links import FEWEST, permute
from prunescope.audit.setup import rates_of
from prunescope.forecast.happened import Happened, Population
from prunescope.forecast.result import Forecast
from prunescope.forecast.rivals import aurocs, draws_of, lead, rank_correlations
from prunescope.forecast.scorers.scorer import RAREST
from prunescope.metrics.ranking import rank
from prunescope.metrics.statistics import Floats

LEVEL_SCHEMA: dict[str, pl.DataType] = {
    "population": pl.String(),
    "metric": pl.String(),
    "predictor": pl.String(),
    "expected_at": pl.Float64(),
    "rho": pl.Float64(),
    "p_value": pl.Float64(),
    "auroc": pl.Float64(),
    "auroc_p_value": pl.Float64(),
    "brier": pl.Float64(),
    "rho_lead": pl.Float64(),
    "rho_low": pl.Float64(),
    "rho_high": pl.Float64(),
    "auroc_lead": pl.Float64(),
    "auroc_low": pl.Float64(),
    "auroc_high": pl.Float64(),
    "n": pl.Int64(),
    "n_rising": pl.Int64(),
    "status": pl.String(),
    "reason": pl.String(),
}
"""Columns of how attributes fared. `rho`: Spearman's correlation of predictor and change, with the
p-value of a permutation of whole attributes; `auroc` of telling rises from falls, likewise;
`brier`: mean squared error of the probability of a rise; `rho_lead` and `auroc_lead`: of the
forecast, by how much it is ahead of the better of the plainest rules, with 95% intervals over draws
of whole attributes; `expected_at`: the sparsity of what was expected."""

KEY = ["metric", "attribute", "group"]
RISING = ("rare_value_ratio", "bias_amplification")
"""Metrics that can rise or fall; a flip rate only rises."""

RULES = ("rarity", "dense")
"""The plainest predictors: a forecast that is no better than these is not worth its trouble."""

OF_GROUPS = "bias_amplification"
"""The one metric that is looked at by attribute × group; the others are by attribute."""


def level_rows(forecast: Forecast, happened: Happened) -> pl.DataFrame:
    """Lay out how well each predictor ranks what happened to attributes and groups."""
    models = [run.model for population in happened.populations for run in population.runs]
    found = audit(
        happened.dense,
        models,
        identity=happened.groups,
        replicates=0,
        min_support=forecast.info.min_support,
    )
    of_group = pl.col("group").is_not_null() == (pl.col("metric") == OF_GROUPS)
    table = found.table.filter(pl.col("attribute").is_not_null(), of_group, pl.col("status") == OK)
    traits = _traits(table, happened)
    rows = [
        row
        for population in happened.populations
        for row in _of(forecast, table, traits, population)
    ]
    return pl.DataFrame(rows, schema=LEVEL_SCHEMA)


def _traits(table: pl.DataFrame, happened: Happened) -> pl.DataFrame:
    """Return the trivial predictors: by attribute, and the skew by group, too."""
    dense = table.filter(pl.col("baseline").is_null(), model=happened.dense.name)
    rates, _ = rates_of([happened.dense.metadata], None, happened.dense.samples.rates)
    by_attribute = pl.DataFrame(
        {
            "attribute": list(rates.prevalence),
            "rarity": [-min(rate, 1 - rate) for rate in rates.prevalence.values()],
        },
        schema={"attribute": pl.String, "rarity": pl.Float64},
    )
    for metric, name, sign in (("accuracy", "error", -1), ("uncertainty", "uncertainty", 1)):
        column = dense.filter(metric=metric).select(
            "attribute", (sign * pl.col("value")).alias(name)
        )
        by_attribute = by_attribute.join(column, on="attribute", how="left")
    skews = [
        {"attribute": attribute, "group": group, "skew": _skew(told)}
        for group, by_value in rates.group_rates.items()
        for attribute in happened.dense.attributes
        if len(told := [of[attribute] for of in by_value.values() if attribute in of]) > 1
    ]
    of_groups = pl.DataFrame(
        skews, schema={"attribute": pl.String, "group": pl.String, "skew": pl.Float64}
    ).join(by_attribute, on="attribute", how="left")
    nowhere = by_attribute.with_columns(
        group=pl.lit(None, pl.String), skew=pl.lit(None, pl.Float64)
    )
    return pl.concat([nowhere, of_groups.select(nowhere.columns)])


def _skew(rates: list[float]) -> float:
    """Return how far the training rates of a group's sides lie apart, in log-odds."""
    return float(np.ptp(logit(np.clip(rates, RAREST, 1 - RAREST))))


def _of(
    forecast: Forecast, table: pl.DataFrame, traits: pl.DataFrame, population: Population
) -> Iterator[dict[str, Any]]:
    """Yield the rows of one population: metric by metric, the forecast first."""
    expected = forecast.at(_nearest(forecast, population.sparsity)).filter(
        pl.col("group_value").is_null(), pl.col("expected").is_not_null()
    )
    names = [run.model.name for run in population.runs]
    moved = pl.when(pl.col("metric") == "flip_rate").then("value").otherwise("delta")
    seen = (
        table.filter(pl.col("model").is_in(names))
        .with_columns(seen=moved)
        .filter(pl.col("seen").is_not_null())
        .group_by(KEY, maintain_order=True)
        .agg(pl.col("seen").mean(), pl.len())
        .filter(pl.col("len") == len(names))
    )
    points = (
        expected.join(seen, on=KEY, nulls_equal=True, maintain_order="left")
        .join(traits, on=["attribute", "group"], how="left", nulls_equal=True)
        .with_columns(forecast=pl.col("change"))
    )
    for metric in ("flip_rate", *RISING):
        of_metric = points.filter(metric=metric)
        for predictor in ("forecast", *RULES, "error", "uncertainty", "skew"):
            if predictor == "skew" and metric != OF_GROUPS:
                continue
            if predictor == "dense" and metric == "flip_rate":  # it flips nothing
                continue
            usable = of_metric.filter(pl.col(predictor).is_not_null())
            ahead = _ahead(usable, metric) if predictor == "forecast" else {}
            yield {
                "population": population.name,
                "metric": metric,
                "predictor": predictor,
                "expected_at": usable["sparsity"].first(),
                **_judged(usable, predictor, metric),
                **ahead,
            }


def _nearest(forecast: Forecast, sparsity: float) -> float:
    """Return the sparsity nearest to one that was looked at."""
    known = forecast.attributes["sparsity"].unique().to_list()
    return float(min(known, key=lambda one: abs(one - sparsity)))


def _judged(points: pl.DataFrame, predictor: str, metric: str) -> dict[str, Any]:
    """Correlate a predictor with what was seen, and tell rises from falls by it."""
    n = points["attribute"].n_unique()
    found: dict[str, Any] = {"n": points.height}
    if n < FEWEST:
        reason = f"too few attributes have both values ({n}): {FEWEST} are needed"
        return found | {"status": INSUFFICIENT, "reason": reason}
    x, y = points[predictor].to_numpy(), points["seen"].to_numpy()
    rising = y > 0
    correlated = _permuted(points, x, y)
    found |= {"status": OK, "rho": correlated[0], "p_value": correlated[1]}
    if np.isnan(correlated[0]):
        found |= {"status": UNDEFINED, "rho": None, "p_value": None}
        found |= {"reason": "predictor or change is the same everywhere"}
    if metric not in RISING:
        return found
    found["n_rising"] = int(rising.sum())
    if rising.all() or not rising.any():
        return found | {"reason": "all change the same way"}
    auroc = float(rank([x], rising[None].astype(np.uint8)).auc.item())
    if predictor == "forecast":
        p = points["probability"].to_numpy()
        found["brier"] = float(np.mean((p - rising) ** 2))
    else:
        auroc = max(auroc, 1 - auroc)
    return found | {"auroc": auroc, "auroc_p_value": _permuted(points, x, rising * 1.0)[1]}


def _ahead(points: pl.DataFrame, metric: str) -> dict[str, float | None]:
    """Say by how much the forecast leads the plainest rules, on the points that all know."""
    rules = [rule for rule in RULES if not (rule == "dense" and metric == "flip_rate")]
    points = points.filter(pl.all_horizontal(pl.col(rule).is_not_null() for rule in rules))
    if points["attribute"].n_unique() < FEWEST:
        return {}
    _, codes = np.unique(points["attribute"].to_list(), return_inverse=True)
    weights = draws_of(codes)
    seen = points["seen"].to_numpy()
    rho, *others = (
        rank_correlations(weights, points[name].to_numpy(), seen) for name in ("forecast", *rules)
    )
    leads = {"rho": lead(rho, others)}
    if metric in RISING:
        rising = (seen > 0) * 1.0
        auroc, *others = (
            aurocs(weights, points[name].to_numpy(), rising) - 0.5 for name in ("forecast", *rules)
        )
        leads["auroc"] = lead(auroc, others)
    return {
        f"{name}_{key}": None if np.isnan(value) else value
        for name, found in leads.items()
        for key, value in zip(("lead", "low", "high"), found, strict=True)
    }


def _permuted(points: pl.DataFrame, x: Floats, y: Floats) -> tuple[float, float]:
    """Return Spearman's correlation and its p-value when whole attributes are exchanged."""
    groups, g = np.unique(points["group"].fill_null("").to_list(), return_inverse=True)
    attributes, a = np.unique(points["attribute"].to_list(), return_inverse=True)
    causes = np.full((len(groups), len(attributes)), np.nan)
    causes[g, a] = x
    found = permute(causes, g, a, y)
    return found.rho, found.p_value
