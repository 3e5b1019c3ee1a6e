"""The page of a comparison: measures side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from prunescope.mitigate import Comparison
from prunescope.report.html import write_page
from prunescope.verdict.glossary import GLOSSARY, label_of, unit_of
from prunescope.verdict.numbers import SHARE, listing


def build_comparison(found: Comparison, *, title: str | None = None) -> dict[str, Any]:
    """Put together what the page of a comparison shows, by the names that its template knows."""
    groups = found.table["group"].unique(maintain_order=True).sort(nulls_last=False)
    return {
        "title": title or f"Measures for {found.info.pruned}",
        "headline": _headline(found),
        "info": found.info,
        "tables": [_table(found, group) for group in groups],
    }


def _table(found: Comparison, group: str | None) -> dict[str, Any]:
    """Write the table of all samples, or of one group: columns with their meanings, and cells.

    The cells are those of the dense model, of the pruned one, and of each measure in its order.
    """
    table = found.table.filter(pl.col("group").eq_missing(pl.lit(group)))
    before = str(table["measure"][0])
    metrics = table.filter(measure=before)["metric"].to_list()
    rows = {(row["measure"], row["metric"]): row for row in table.to_dicts()}

    def effects(name: str) -> list[dict[str, Any]]:
        return [_effect(rows[name, metric]) for metric in metrics]

    return {
        "title": "All samples" if group is None else f"By {group}",
        "columns": [
            (
                label_of(metric) + (", points" if unit_of(metric).suffix == " points" else ""),
                GLOSSARY[metric].meaning if metric in GLOSSARY else "",
            )
            for metric in metrics
        ],
        "dense": [_written(metric, rows[before, metric]["dense"]) for metric in metrics],
        "nothing": effects(before),
        "measures": [effects(one.name) for one in found.info.measures],
    }


def _headline(found: Comparison) -> str:
    """Say in one sentence which measure helps most, and at what price."""
    helpful = [one for one in found.info.measures if one.better > one.worse]
    n = len(found.info.measures)
    if not helpful:
        return f"None of {n} measures makes more key figures better than worse."
    first = helpful[0]
    told = f"{first.name} makes {first.better} key figures better and {first.worse} worse"
    free = [one.name for one in helpful[1:] if one.needs.startswith("nothing")]
    if first.needs.startswith("nothing"):
        return f"Of {n} measures, {told}; it needs nothing when it answers."
    more = f" Of those that help, these need nothing: {listing(free)}." if free else ""
    return f"Of {n} measures, {told}; it needs {first.needs}.{more}"


def _written(metric: str, value: float | None) -> str | None:
    """Write a value; of points, the head of the column tells."""
    unit = unit_of(metric)
    if value is None:
        return None
    return unit.bare(value) if unit.suffix == " points" else unit.value(value)


def _effect(row: dict[str, Any]) -> dict[str, Any]:
    """Write one cell."""
    unit = unit_of(row["metric"])
    if row["value"] is None:
        return {"value": None, "change": None, "verdict": None, "tip": row["reason"]}
    tip = "" if row["low"] is None else f"{unit.interval(row['low'], row['high'])}"
    change = None
    if row["change"] is not None:
        change = unit.bare_change(row["change"])
        if row["change_low"] is not None:
            ends = (
                f"{unit.bare_change(row['change_low'])} to {unit.bare_change(row['change_high'])}"
            )
            tip += f"; change from nothing {change} ({ends}): {row['verdict']}"
        if row["undone"] is not None:
            tip += f"; {SHARE.value(row['undone'])} of pruning's harm undone"
    value = _written(row["metric"], row["value"])
    return {"value": value, "change": change, "verdict": row["verdict"], "tip": tip.lstrip("; ")}


def write_comparison(found: Comparison, folder: str | Path, *, title: str | None = None) -> Path:
    """Write ``comparison.html`` to a folder, whole or not at all; return its path."""
    return write_page(folder, "comparison", build_comparison(found, title=title))
