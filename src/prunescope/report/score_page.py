"""The page of a score: how a forecast fared, as data, then as HTML."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import polars as pl
from markupsafe import Markup
from pydantic import BaseModel

from prunescope import __version__
from prunescope.data.samples import Task
from prunescope.files import write_text
from prunescope.forecast import Score
from prunescope.forecast.plain import Finding, findings
from prunescope.report.html import page
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

ORDER = ("floor", "margin", None, "ceiling")
"""Scorers from the worst to the best; None stands for the forecast's."""


class ScorePage(BaseModel):
    """Everything that the page of a score shows.

    History of the format: 1 (0.1.0) first.
    """

    format_version: Literal[1] = 1
    title: str
    headline: str
    task: Task
    scorer: str
    tier: str
    model: str
    sparsity: float
    n_samples: int
    runs: dict[str, list[str]]
    seeds: list[str]
    confidence: float
    replicates: int
    notes: list[str]
    findings: list[Finding]
    figures: list[dict[str, Any]]
    gaps: list[dict[str, Any]]
    levels: list[dict[str, Any]]
    reliability: list[dict[str, Any]]
    routing: list[dict[str, Any]]
    version: str

    def cell(
        self, population: str, target: str, measure: str, scorer: str
    ) -> dict[str, Any] | None:
        """Return one pooled figure."""
        return next(
            (
                row
                for row in self.figures
                if (row["population"], row["target"], row["measure"], row["scorer"])
                == (population, target, measure, scorer)
            ),
            None,
        )


def build_score(score: Score, *, title: str | None = None) -> ScorePage:
    """Put together what the page of a score shows."""
    info = score.info
    pooled = score.table.filter(pl.col("average") == "pooled")
    figures = pooled.filter(pl.col("measure").is_in(list(MEASURES))).to_dicts()
    gaps = score.table.filter(pl.col("measure") == "gap_closed").to_dicts()
    return ScorePage(
        title=title or f"How the forecast for {info.forecast.model} fared",
        headline=_headline(gaps, figures, info.forecast.scorer),
        task=info.forecast.task,
        scorer=info.forecast.scorer,
        tier=info.forecast.tier,
        model=info.forecast.model,
        sparsity=info.forecast.sparsity,
        n_samples=info.n_samples,
        runs=info.runs,
        seeds=info.seeds,
        confidence=info.confidence,
        replicates=info.replicates,
        notes=info.notes,
        findings=findings(score),
        figures=figures,
        gaps=gaps,
        levels=score.levels.to_dicts(),
        reliability=score.reliability.to_dicts(),
        routing=score.routing.to_dicts(),
        version=__version__,
    )


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


def score_html(told: ScorePage) -> str:
    """Render the page of a score: one file that works offline."""
    from prunescope.report.lines import Line, Scale, draw_lines  # altair is slow to load

    charts = []
    for name in told.runs:
        reliable = None
        points = [
            (row["predicted"], row["observed"])
            for row in told.reliability
            if row["population"] == name and row["bin"] and row["observed"] > 0
            and row["predicted"] > LEAST_DRAWN
        ]  # fmt: skip
        if len(points) > 1:
            reliable = Markup(
                draw_lines(
                    [Line("answers", points)],
                    Scale("predicted, %", log=True, factor=100),
                    Scale("observed, %", log=True, factor=100),
                    f"{name}: predicted against observed share of flips",
                    diagonal=True,
                )
            )
        lines = [
            Line(order, sorted({(r["routed"], r["flip_rate"]) for r in rows}), place)
            for place, order in enumerate(("forecast", "margin", "random", "oracle"))
            if (rows := [r for r in told.routing if (r["population"], r["order"]) == (name, order)])
        ]
        routed = Markup(
            draw_lines(
                lines,
                Scale("answers sent to the dense model, %", factor=100),
                Scale("flips left, %", factor=100, zero=True),
                f"{name}: flips left against answers routed",
            )
        )
        charts.append((name, reliable, routed, lines))
    order = [scorer or told.scorer for scorer in ORDER]
    scorers = list(dict.fromkeys(order))  # the margin may be the forecast itself
    return page(
        "score.html", told=told, charts=charts, TARGETS=TARGETS, MEASURES=MEASURES, scorers=scorers
    )


def write_score(score: Score, folder: str | Path, *, title: str | None = None) -> Path:
    """Write ``score.html`` to a folder, whole or not at all; return its path."""
    return write_text(Path(folder) / "score.html", score_html(build_score(score, title=title)))
