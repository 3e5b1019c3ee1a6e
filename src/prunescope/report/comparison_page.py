"""The page of a comparison: measures side by side, as data, then as HTML."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import polars as pl
from pydantic import BaseModel

from prunescope import __version__
from prunescope.files import write_text
from prunescope.mitigate import Comparison, MeasureInfo
from prunescope.report.html import page
from prunescope.verdict.glossary import GLOSSARY, label_of, unit_of
from prunescope.verdict.numbers import SHARE, Unit, listing


class Effect(BaseModel):
    """What one measure does to one metric, in words and figures for a cell."""

    value: str | None
    change: str | None = None
    verdict: str | None = None
    tip: str = ""


class EffectTable(BaseModel):
    """What all measures do to the metrics of all samples, or to those about one group.

    `columns` are labels of metrics, each with a tip; `dense` their values before pruning, `nothing`
    after it, `measures` with each measure, in the order of their rank.
    """

    title: str
    columns: list[tuple[str, str]]
    dense: list[str | None]
    nothing: list[Effect]
    measures: list[list[Effect]]


class ComparisonPage(BaseModel):
    """Everything that the page of a comparison shows.

    History of the format: 1 (0.1.0) first.
    """

    format_version: Literal[1] = 1
    title: str
    headline: str
    dense_name: str
    pruned_name: str
    sparsity: float
    n_samples: int
    confidence: float
    replicates: int
    tables: list[EffectTable]
    measures: list[MeasureInfo]
    notes: list[str]
    version: str


def build_comparison(found: Comparison, *, title: str | None = None) -> ComparisonPage:
    """Put together what the page of a comparison shows."""
    info = found.info
    groups = found.table["group"].unique(maintain_order=True).sort(nulls_last=False)
    return ComparisonPage(
        title=title or f"Measures for {info.pruned}",
        headline=_headline(found),
        dense_name=info.dense,
        pruned_name=info.pruned,
        sparsity=info.sparsity,
        n_samples=info.n_samples,
        confidence=info.settings["confidence"],
        replicates=info.settings["replicates"],
        tables=[_table(found, group) for group in groups],
        measures=list(info.measures),
        notes=list(info.notes),
        version=__version__,
    )


def _table(found: Comparison, group: str | None) -> EffectTable:
    """Write the table of all samples, or of one group."""
    table = found.table.filter(pl.col("group").eq_missing(pl.lit(group)))
    before = str(table["measure"][0])
    metrics = table.filter(measure=before)["metric"].to_list()
    rows = {(row["measure"], row["metric"]): row for row in table.to_dicts()}

    def effects(name: str) -> list[Effect]:
        return [_effect(rows[name, metric]) for metric in metrics]

    return EffectTable(
        title="All samples" if group is None else f"By {group}",
        columns=[
            (
                label_of(metric) + (", points" if unit_of(metric).suffix == " points" else ""),
                GLOSSARY[metric].meaning if metric in GLOSSARY else "",
            )
            for metric in metrics
        ],
        dense=[_written(metric, rows[before, metric]["dense"]) for metric in metrics],
        nothing=effects(before),
        measures=[effects(one.name) for one in found.info.measures],
    )


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
    more = f" Without any need: {listing(free)}." if free else ""
    return f"Of {n} measures, {told}; it needs {first.needs}.{more}"


def _written(metric: str, value: float | None) -> str | None:
    return None if value is None else _plain(unit_of(metric), value)


def _plain(unit: Unit, value: float) -> str:
    """Write a value; of points, the head of the column tells."""
    return unit.bare(value) if unit.suffix == " points" else unit.value(value)


def _effect(row: dict[str, Any]) -> Effect:
    """Write one cell."""
    unit = unit_of(row["metric"])
    if row["value"] is None:
        return Effect(value=None, tip=row["reason"])
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
    return Effect(
        value=_plain(unit, row["value"]),
        change=change,
        verdict=row["verdict"],
        tip=tip.lstrip("; "),
    )


def comparison_html(told: ComparisonPage) -> str:
    """Render the page of a comparison: one file that works offline."""
    return page("comparison.html", told=told)


def write_comparison(found: Comparison, folder: str | Path, *, title: str | None = None) -> Path:
    """Write ``comparison.html`` to a folder, whole or not at all; return its path."""
    text = comparison_html(build_comparison(found, title=title))
    return write_text(Path(folder) / "comparison.html", text)
