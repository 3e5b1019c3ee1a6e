"""The page of layers' sensitivity: a heat map of layers × levels for each figure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from prunescope.files import write_text
from prunescope.report.html import page
from prunescope.sensitivity import Plan, Sensitivity
from prunescope.verdict.glossary import GLOSSARY
from prunescope.verdict.judgement import Frozen
from prunescope.verdict.numbers import RATIO, SHARE, Unit

DEEPEST = 46
"""Percent of colour in the cell of the greatest figure."""

METRICS = (
    "harmful_flip_rate", "top1_harmful_flip_rate", "flip_rate", "top1_flip_rate",
    "rare_value_ratio", "accuracy", "top1_accuracy", "uncertainty", "bias_amplification",
)  # fmt: skip


class Cell(Frozen):
    """One layer at one level: what stands there, how strongly it is coloured, and all else."""

    text: str
    tip: str
    strength: int = 0
    small: str = ""


Cells = dict[tuple[str, float], tuple[float | None, Cell]]
"""Layer and level → how bad it is, and what stands there."""


class Map(Frozen):
    """One figure of all layers at all levels; a cell is null where there is none."""

    title: str
    caption: str
    rows: list[tuple[str, list[Cell | None]]]


def build_maps(found: Sensitivity) -> list[Map]:
    """Return the heat maps of a result: harm, the layers' own errors, and each metric."""
    layers = found.measured
    names = list(layers["layer"].unique(maintain_order=True))
    if layers.is_empty():
        return []
    rows = layers.to_dicts()
    made = [
        _map(
            found, names, "Harm", "Harmful flips of the group that has most of them, and rare "
            "answers lost: in points. Under it, that group.",
            {(r["layer"], r["level"]): (r["harm"], _harm_cell(r)) for r in rows},
        ),
        _map(
            found, names, "The layer's own error", "Relative squared error of the layer's output "
            "on calibration images, and the share of its bytes that is left.",
            {(r["layer"], r["level"]): (r["error"], _error_cell(r)) for r in rows
             if r["error"] is not None},
        ),
    ]  # fmt: skip
    for metric in METRICS:
        of_all = found.table.filter(
            pl.col("metric") == metric, pl.col("layer").is_not_null(), pl.col("value").is_not_null()
        )
        every = pl.col("group").is_null()
        groups: list[str | None] = [None]
        if metric == "bias_amplification":  # it is of a group
            groups = list(of_all["group"].drop_nulls().unique(maintain_order=True))
        for group in groups:
            mine = of_all.filter(
                pl.col("attribute").is_null(), every if group is None else pl.col("group") == group
            )
            if mine.is_empty():
                continue
            entry = GLOSSARY[metric]
            title = entry.label if group is None else f"{entry.label}: {group}"
            cells: Cells = {
                (row["layer"], row["level"]): (_change(row), _metric_cell(row, entry.unit))
                for row in mine.to_dicts()
            }
            made.append(_map(found, names, title, entry.meaning, cells))
    return made


def write_sensitivity(
    found: Sensitivity, folder: str | Path, *, plan: Plan | None = None, title: str | None = None
) -> Path:
    """Write ``sensitivity.html`` to a folder, whole or not at all; return its path."""
    return write_text(Path(folder) / "sensitivity.html", sensitivity_html(found, plan, title))


def sensitivity_html(found: Sensitivity, plan: Plan | None = None, title: str | None = None) -> str:
    """Return the heat maps as one self-contained page."""
    maps = build_maps(found)
    worst = found.measured.sort("harm", descending=True).head(1).to_dicts()
    title = title or f"Which layer of {found.info.model} hurts whom"
    headline = _headline(found, worst[0]) if worst else "No layer could be judged."
    return page(
        "sensitivity.html", title, headline, told={"title": title, "headline": headline},
        found=found, maps=maps, plan=plan, level=lambda value: level_of(found, value),
        left_out=found.left_out.to_dicts(),
    )  # fmt: skip


def level_of(found: Sensitivity, level: float) -> str:
    """Write a level: a share that is removed, or bits."""
    if found.info.kind == "bits":
        return f"{level:g} bits" if level else "as it is"
    return f"{100 * level:.3g}%" if level else "as it is"


def _headline(found: Sensitivity, worst: dict[str, Any]) -> str:
    if not worst["harm"]:
        return "No layer does any harm at these levels."
    whom = ""
    if worst["worst_group"]:
        whom = f", most of all {worst['worst_group']} = {worst['worst_value']}"
    how = "rounded to" if found.info.kind == "bits" else "pruned by"
    level = level_of(found, worst["level"])
    return f"{short(worst['layer'])} {how} {level} does the most harm{whom}."


def short(layer: str) -> str:
    """Return a layer's name without the part that all share.

    Examples
    --------
    >>> short("network.resnet.encoder.stages.0.conv")
    'resnet.encoder.stages.0.conv'
    """
    return layer.removeprefix("network.")


def _map(
    found: Sensitivity,
    names: list[str],
    title: str,
    caption: str,
    cells: Cells,
) -> Map:
    """Lay cells out; the greatest figure has the deepest colour."""
    most = max((abs(figure) for figure, _ in cells.values() if figure is not None), default=0.0)
    coloured: dict[tuple[str, float], Cell] = {}
    for key, (figure, cell) in cells.items():
        share = 0.0 if not most or figure is None else max(figure, 0.0) / most
        coloured[key] = cell.model_copy(update={"strength": round(DEEPEST * share)})
    rows = [
        (short(name), [coloured.get((name, level)) for level in found.info.levels])
        for name in names
    ]
    return Map(title=title, caption=caption, rows=rows)


def _harm_cell(row: dict[str, Any]) -> Cell:
    group = f"{row['worst_group']} = {row['worst_value']}" if row["worst_group"] else "all"
    return Cell(
        text=SHARE.bare(row["harm"]),
        small=group,
        tip=f"harmful flips of {group} {SHARE.value(row['worst_flips'])}, rare answers lost "
        f"{RATIO.value(row['rare_lost'])}",
    )


def _error_cell(row: dict[str, Any]) -> Cell:
    share = row["bytes"] / row["bytes_dense"]
    return Cell(
        text=f"{row['error']:.3g}",
        small=f"{100 * share:.3g}%",
        tip=f"{row['kept']:,} of {row['weights']:,} numbers, {row['bytes']:,.0f} bytes",
    )


def _change(row: dict[str, Any]) -> float:
    """Return how much worse a figure is; of a flip rate, how large."""
    if "flip_rate" in row["metric"]:
        return float(row["value"])
    delta = row["delta"] or 0.0
    worse_up = ("uncertainty", "bias_amplification")
    return float(delta if row["metric"] in worse_up else -delta)


def _metric_cell(row: dict[str, Any], unit: Unit) -> Cell:
    of_flips = "flip_rate" in row["metric"] or row["delta"] is None
    if of_flips:
        interval = "" if row["low"] is None else unit.interval(row["low"], row["high"])
        return Cell(text=unit.bare(row["value"]), tip=f"{unit.value(row['value'])} {interval}")
    interval = ""
    if row["delta_low"] is not None:
        interval = unit.change_interval(row["delta_low"], row["delta_high"])
    return Cell(
        text=unit.bare_change(row["delta"]),
        small=unit.bare(row["value"]),
        tip=f"{unit.value(row['value'])}, dense {unit.bare(row['baseline'])} {interval}".strip(),
    )
