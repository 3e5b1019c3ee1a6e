"""The page of a route: what is left of the damage against what is sent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from prunescope.mitigate import Comparison, OverridesInfo, Route
from prunescope.report.comparison_page import build_comparison
from prunescope.report.html import write_page
from prunescope.report.lines import Line, Scale, draw_lines
from prunescope.verdict.glossary import label_of
from prunescope.verdict.numbers import SHARE, counted

ORDERS = {"risk": "by risk", "random": "at random", "oracle": "by an oracle"}

DRAWN = {
    "flip_rate": "Answers unlike the dense model's",
    "error_rate": "Wrong answers",
    "rare_value_ratio": label_of("rare_value_ratio"),
    "bias_amplification": label_of("bias_amplification"),
    "accuracy_difference": label_of("accuracy_difference"),
}
"""Metrics to draw against the share that is sent."""

PERCENT = ("flip_rate", "error_rate", "bias_amplification", "accuracy_difference")

MOST_DRAWN = 0.5
"""Share of sent answers up to which curves are drawn."""


def build_route(
    found: Route, *, effects: Comparison | None = None, title: str | None = None
) -> dict[str, Any]:
    """Put together what the page of a route shows, by the names that its template knows.

    That is of the test split if there is one. `effects` tell what the route and overrides do, as
    `judge_route` says.
    """
    split = str(found.curve["split"][-1])
    rows = found.curve.filter(split=split).to_dicts()
    shown = [row for row in rows if row["group"] == rows[0]["group"]]
    table = [r for r in shown if r["order"] == "chosen" and found.info.sends]
    table += [row for row in shown if row["order"] == "risk"]
    return {
        "title": title or f"Routing {found.info.model}",
        "headline": _headline(found, effects),
        "info": found.info,
        "split": split,
        "rows": rows,
        "effects": None if effects is None else build_comparison(effects),
        "table": sorted(table, key=lambda row: row["sent"]),
        "beside": {(row["order"], row["sent"]): row["flip_rate"] for row in shown},
    }


def _headline(found: Route, effects: Comparison | None) -> str:
    """Say in one sentence what the cut sends, and what that leaves."""
    info = found.info
    if info.cut is None:
        return f"No cut: {info.reason}."
    if info.overrides is not None and not info.sends:
        return _of_people(info.overrides, effects)
    split = found.curve["split"][-1]
    rows = found.curve.filter(pl.col("split") == split)
    now = rows.filter(order="risk", sent=0.0).row(0, named=True)
    then = rows.filter(order="chosen").row(0, named=True)
    measure = "flip_rate" if info.to == "dense" else "error_rate"
    what = {"flip_rate": "answers unlike the dense model's", "error_rate": "wrong answers"}[measure]
    there = "the dense model" if info.to == "dense" else "a person"
    sent = f"With {SHARE.value(then['sent'])} of the answers sent to {there}"
    if then[measure] is None:
        return f"{sent}, no label tells how many answers are wrong."
    return f"{sent}, {what} fall from {SHARE.value(now[measure])} to {SHARE.value(then[measure])}."


def _of_people(overrides: OverridesInfo, effects: Comparison | None) -> str:
    """Say in one sentence what answers of people alone do."""
    looked = f"People looked at {counted(overrides.n, 'answer')}"
    if effects is None:
        return f"{looked}, and gave none that would replace the model's."
    rows = effects.table.filter(
        pl.col("metric").is_in(["accuracy", "top1_accuracy"]), pl.col("group").is_null()
    )
    then = rows.filter(measure="overrides").row(0, named=True)
    if then["value"] is None:
        return f"{looked}; no label tells how many answers are wrong."
    before, after = SHARE.value(then["nothing"]), SHARE.value(then["value"])
    return f"{looked}: the accuracy goes from {before} to {after}."


def _charts(rows: list[dict[str, Any]]) -> Iterator[tuple[str, str, list[Line]]]:
    """Draw each metric against the share that is sent; what is of groups, group by group."""
    groups = list(dict.fromkeys(row["group"] for row in rows))
    for metric, label in DRAWN.items():
        by_group = metric in ("bias_amplification", "accuracy_difference")
        for group in groups if by_group else groups[:1]:
            lines = [
                Line(name, points, place)
                for place, (order, name) in enumerate(ORDERS.items())
                if len(points := _points(rows, order, metric, group)) > 1
            ]
            if not lines:
                continue
            title = f"{label} by {group}" if by_group else label
            factor = 100 if metric in PERCENT else 1
            drawn = draw_lines(
                lines,
                Scale("answers sent, %", factor=100),
                Scale(f"{label.lower()}, %" if factor == 100 else label.lower(), factor=factor),
                f"{title} against the share of answers that is sent",
            )
            yield title, drawn, lines


def _points(
    rows: list[dict[str, Any]], order: str, metric: str, group: str | None
) -> list[tuple[float, float]]:
    """Return share sent and metric of one order."""
    return [
        (row["sent"], row[metric])
        for row in rows
        if (row["order"], row["group"]) == (order, group)
        and row["sent"] <= MOST_DRAWN and row[metric] is not None
    ]  # fmt: skip


def write_route(
    found: Route,
    folder: str | Path,
    *,
    effects: Comparison | None = None,
    title: str | None = None,
) -> Path:
    """Write ``route.html`` to a folder, whole or not at all; return its path."""
    told = build_route(found, effects=effects, title=title)
    return write_page(folder, "route", told, charts=_charts(told["rows"]))
