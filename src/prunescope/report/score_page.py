"""The page of a score: how a forecast fared."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from prunescope.forecast import Score
from prunescope.forecast.plain import findings
from prunescope.forecast.score_result import beside
from prunescope.report.html import write_page
from prunescope.report.lines import Line, Scale, draw_lines
from prunescope.verdict.numbers import SHARE

TARGETS = {
    "flips": "Flips",
    "harmful_flips": "Harmful flips: right to wrong",
    "cies": "Exemplars: most seeds turn",
    "churn": "Churn: another dense seed",
}
MEASURES = {
    "average_precision": "Average precision",
    "auroc": "AUROC",
    "recall_at_1%": "Found in the riskiest 1%",
    "recall_at_5%": "5%",
    "recall_at_10%": "10%",
}
LEAST_DRAWN = 1e-4
"""Probability below which nothing is drawn: the axes are logarithmic."""


def build_score(score: Score, *, title: str | None = None) -> dict[str, Any]:
    """Put together what the page of a score shows, by the names that its template knows."""
    info = score.info
    pooled = score.table.filter(pl.col("average") == "pooled")
    figures = pooled.filter(pl.col("measure").is_in(list(MEASURES))).to_dicts()
    gaps = score.table.filter(pl.col("measure") == "gap_closed").to_dicts()
    scorer = info.forecast.scorer
    return {
        "title": title or f"How the forecast for {info.forecast.model} fared",
        "headline": _headline(gaps, figures, scorer),
        "info": info,
        "findings": findings(score),
        "figures": figures,
        "gaps": gaps,
        "levels": score.levels.to_dicts(),
        "scorers": beside(scorer),
    }


def _headline(gaps: list[dict[str, Any]], figures: list[dict[str, Any]], scorer: str) -> str:
    """Say in one sentence how much of what can be known was foretold."""
    rows = [
        row
        for row in gaps
        if row["target"] == "flips" and row["average"] == "pooled" and row["value"] is not None
    ]
    if not rows:
        return _found(figures, scorer)
    told = [f"{SHARE.value(row['value'])} for {row['population']}" for row in rows[:3]]
    more = f" and {len(rows) - 3} more" if len(rows) > 3 else ""
    return f"Of the way from margin to ceiling, {scorer} goes {', '.join(told)}{more}."


def _found(figures: list[dict[str, Any]], scorer: str) -> str:
    """Say how many flips are found early, where no ceiling is known."""
    found = {
        row["scorer"]: row["value"]
        for row in reversed(figures)  # of several populations, the first
        if row["target"] == "flips" and row["measure"] == "recall_at_5%"
    }
    if found.get(scorer) is None:
        return "No answer flipped, or all did: there is nothing to foretell."
    told = f"Among the riskiest 5% of the answers, {scorer} finds {SHARE.value(found[scorer])}"
    return f"{told} of the flips; the margin finds {SHARE.value(found['margin'])}."


def _charts(score: Score) -> Iterator[tuple[str, str | None, str, list[Line]]]:
    """Draw for each population how reliable probabilities are, and what routing leaves."""
    reliability, routing = score.reliability.to_dicts(), score.routing.to_dicts()
    for name in score.info.runs:
        reliable = None
        points = [
            (row["predicted"], row["observed"])
            for row in reliability
            if row["population"] == name and row["bin"] and row["observed"] > 0
            and row["predicted"] > LEAST_DRAWN
        ]  # fmt: skip
        if len(points) > 1:
            reliable = draw_lines(
                [Line("answers", points)],
                Scale("predicted, %", log=True, factor=100),
                Scale("observed, %", log=True, factor=100),
                f"{name}: predicted against observed share of flips",
                diagonal=True,
            )
        lines = [
            Line(order, sorted({(r["routed"], r["flip_rate"]) for r in rows}), place)
            for place, order in enumerate(("forecast", "margin", "random", "oracle"))
            if (rows := [r for r in routing if (r["population"], r["order"]) == (name, order)])
        ]
        routed = draw_lines(
            lines,
            Scale("answers sent to the dense model, %", factor=100),
            Scale("flips left, %", factor=100, zero=True),
            f"{name}: flips left against answers routed",
        )
        yield name, reliable, routed, lines


def write_score(score: Score, folder: str | Path, *, title: str | None = None) -> Path:
    """Write ``score.html`` to a folder, whole or not at all; return its path."""
    told = build_score(score, title=title)
    figures = {
        (row["population"], row["target"], row["measure"], row["scorer"]): row
        for row in reversed(told["figures"])
    }
    more = {"cells": figures, "TARGETS": TARGETS, "MEASURES": MEASURES}
    return write_page(folder, "score", told, charts=_charts(score), **more)
