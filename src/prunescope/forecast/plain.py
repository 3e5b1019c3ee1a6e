"""Forecasts in words, beside the plainest rules: a criterion that loses to rarity is no criterion.

The plain rules cost nothing. Of answers it is the margin; of attributes, classes and groups it is
how rare the rarer value is in training, and the dense model's own figure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from prunescope.forecast.levels import RISING, RULES
from prunescope.forecast.result import Forecast
from prunescope.forecast.score_result import OVER_MARGIN, Score

METRICS = {
    "flip_rate": "flips",
    "rare_value_ratio": "rare-value ratio",
    "bias_amplification": "bias amplification",
}
NAMES = {"rarity": "rarity", "dense": "the dense model's figure"}
ALWAYS = {"rare_value_ratio": "it always falls", "bias_amplification": "it always rises"}
"""What pruning does as a rule: the plainest forecast of a direction."""


class Finding(NamedTuple):
    """A sentence, and whether the forecast is worth more than the plain rule; None: not known."""

    text: str
    better: bool | None


def findings(score: Score) -> list[Finding]:
    """Say of each population whether the forecast was better than the plainest rules."""
    levels: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}
    for row in score.levels.to_dicts():
        levels.setdefault((row["population"], row["metric"]), {})[row["predictor"]] = row
    found: list[Finding] = []
    for population in score.info.runs:
        found += _of_answers(score, population)
        for metric in METRICS:
            found += _of_levels(score, population, metric, levels.get((population, metric), {}))
    return found


def _of_answers(score: Score, population: str) -> Iterator[Finding]:
    """Compare the order of flips with the margin's, and expected flips with those seen."""
    scorer = score.info.forecast.scorer
    rows = score.of("flips", OVER_MARGIN).filter(population=population, status="ok").to_dicts()
    for row in rows:
        how = f"{row['value']:+.3f} [{row['low']:+.3f}, {row['high']:+.3f}] of average precision"
        told, better = f"no better than the margin beyond chance ({how})", False
        if row["low"] > 0:
            told, better = f"better than the margin ({how})", True
        elif row["high"] < 0:
            told = f"worse than the margin ({how}): go by the margin"
        yield Finding(f"{population}: {scorer} ranks flips {told}.", better)
    for row in score.reliability.filter(population=population, bin=0).to_dicts():
        off = abs(row["predicted"] - row["observed"])
        text = f"{population}: {row['predicted']:.1%} of the answers were expected to flip, "
        yield Finding(f"{text}{row['observed']:.1%} did.", off <= NEAR)


ALPHA = 0.05
"""A rank correlation of a larger p-value may be chance."""

NEAR = 0.02
"""How far the expected share of flips may be off from what happened without a warning."""


def _of_levels(
    score: Score, population: str, metric: str, rows: Mapping[str, dict[str, Any]]
) -> Iterator[Finding]:
    """Compare the order of changes, and their direction, with the plain rules'."""
    mine = rows.get("forecast")
    if mine is None:
        return
    scorer = score.info.forecast.scorer
    what = f"{population}, {METRICS[metric]}"
    if mine["rho"] is None:
        yield Finding(f"{what}: not compared with the plainest rules: {mine['reason']}.", None)
        return
    plain = {
        NAMES[rule]: rows[rule]["rho"]
        for rule in RULES
        if rule in rows and rows[rule]["rho"] is not None
    }
    if plain:
        best = max(plain, key=lambda name: abs(plain[name]))
        sure = mine["rho_low"] is not None and mine["rho_low"] > 0
        better = sure and mine["p_value"] <= ALPHA
        beside = " and ".join(f"{rho:+.2f} by {name}" for name, rho in plain.items())
        told = f"no better than {best} alone"
        if better:
            told = f"better than the plainest rules{_ahead(mine, 'rho')}"
        elif mine["rho"] > abs(plain[best]) and mine["p_value"] > ALPHA:
            told = f"no evidence that it ranks them at all (p = {mine['p_value']:.2g})"
        elif mine["rho"] > abs(plain[best]):
            told = f"no better than {best} beyond chance{_ahead(mine, 'rho')}"
        text = f"rank correlation with the changes seen {mine['rho']:+.2f} by {scorer}, {beside}"
        yield Finding(f"{what}: {text}: {told}.", better)
    if metric in RISING and mine["brier"] is not None:
        rises = metric == "bias_amplification"
        share = mine["n_rising"] / mine["n"]
        always = 1 - share if rises else share
        better = mine["brier"] < always
        told = "better than" if better else "no better than"
        text = f"{mine['n_rising']} of {mine['n']} rose; the squared error of the probabilities is "
        text += f"{mine['brier']:.2f}, {always:.2f} if one says that {ALWAYS[metric]}"
        yield Finding(f"{what}: {text}: {told} that rule.", better)


def _ahead(row: Mapping[str, Any], figure: str) -> str:
    """Say by how much a forecast leads the plainest rules, in brackets, where that is known."""
    lead, low, high = (row[f"{figure}_{key}"] for key in ("lead", "low", "high"))
    return "" if lead is None else f" ({lead:+.2f} [{low:+.2f}, {high:+.2f}])"


def agreements(forecast: Forecast) -> list[str]:
    """Say how far the expected order of attributes is that of the plainest rules.

    What agrees with rarity throughout tells no more than rarity does.
    """
    from scipy.stats import spearmanr

    planned = forecast.at().filter(pl.col("group_value").is_null(), pl.col("change").is_not_null())
    rarity = rarities(forecast)
    found = []
    for metric in RISING:
        rows = planned.filter(metric=metric).to_dicts()
        rows = [row for row in rows if row["attribute"] in rarity]
        if len(rows) < FEWEST:
            continue
        change = [row["change"] for row in rows]
        rules = {
            "rarity": [-rarity[row["attribute"]] for row in rows],
            "dense": [row["dense"] for row in rows],
        }
        told = []
        for rule, values in rules.items():
            if np.ptp(values) > 0 and np.ptp(change) > 0:
                told.append(f"{spearmanr(change, values)[0]:+.2f} with {NAMES[rule]}")
        if told:
            found.append(
                f"{METRICS[metric]}: the expected changes have a rank correlation of "
                f"{' and '.join(told)}, the plainest rules. {_proven(metric, rows[0]['tier'])} "
                "'prunescope forecast score' tells which was right for yours"
            )
    return found


def _proven(metric: str, tier: str) -> str:
    """Say whether forecasts of a tier beat the plainest rules on people who chose no number."""
    if tier in PROVEN.get(metric, ()):
        return f"On other people's faces tier {tier} ranked the changes better than these at 95%;"
    return (
        f"On other people's faces tier {tier} was ahead of these, but not beyond chance: where "
        "they differ go by the plain rule;"
    )


PROVEN: Mapping[str, tuple[str, ...]] = {"rare_value_ratio": ("B", "C")}
"""Metric → tiers whose lead over the plainest rules had intervals that exclude 0, for both methods
at 95%: docs/results/forecast."""

FEWEST = 3
"""Attributes from which an order is looked at."""


def rarities(forecast: Forecast) -> dict[str, float]:
    """Return how rare the rarer value of each attribute, or each class, is in training."""
    known = forecast.info.metadata.train_prevalence or {}
    return {
        name: min(rate, 1 - rate)
        for name, rate in known.items()
        if name in forecast.info.attributes
    }
