"""The paper's tables as data: words for people, numbers for programs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict

from prunescope.report.panels import step
from prunescope.study.results.claim import Claim
from prunescope.study.results.figures import BA, KEY
from prunescope.study.results.rows import Member, Rows
from prunescope.verdict.glossary import label_of, unit_of
from prunescope.verdict.numbers import SHARE, Unit

NOTHING = "–"

NUMBERS = (
    "metric", "attribute", "group", "group_value", "value", "low", "high", "n", "status",
    "reason", "baseline", "delta", "delta_low", "delta_high", "q_value", "verdict",
)  # fmt: skip
"""Columns of the audit that the numbers behind a table have, after those that name the model."""


class StudyTable(BaseModel):
    """One table.

    Parameters
    ----------
    name : str
        Of the files.
    title, caption : str
    head : list of str
    rows : list of list of str
        As wide as the head; the first `left` columns are words.
    left : int
    numbers : list of dict
        What the CSV has, in full precision.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    title: str
    caption: str
    head: list[str]
    rows: list[list[str]]
    left: int = 2
    numbers: list[dict[str, Any]]

    def frame(self) -> pl.DataFrame:
        """Return the numbers as a table."""
        return pl.DataFrame(self.numbers, infer_schema_length=None)


def claims_table(claims: Sequence[Claim]) -> StudyTable:
    """Return the claims, one a row."""
    return StudyTable(
        name="claims",
        title="Claims",
        caption="Tests and their sizes were fixed before the study was run.",
        head=["Claim", "Setting", "Verdict", "Test", "Evidence"],
        rows=[
            [f"{one.key} {one.title}", one.setting or NOTHING, one.verdict, one.test, one.evidence]
            for one in claims
        ],
        left=5,
        numbers=[one.model_dump() for one in claims],
    )


def key_table(rows: Rows) -> StudyTable:
    """Key metrics of each model with intervals, quantised controls too."""
    told = [(metric, None) for metric in KEY if _known(rows, metric)]
    told += [(BA, group) for group in rows.groups if _known(rows, BA, group)]
    members = (*rows.everyone, *rows.controls)
    return StudyTable(
        name=f"{rows.setting.name}-key",
        title=f"{rows.setting.name}: key figures",
        caption="Means over attributes and seeds with intervals. BA is bias amplification, "
        "in points.",
        head=["Method", "Removed", *(_head(metric, group) for metric, group in told)],
        rows=[
            [*_names(one), *(cell(rows.row(one, metric, None, g), metric) for metric, g in told)]
            for one in members
        ],
        numbers=[
            _numbers(rows, one, row)
            for one in members
            for metric, group in told
            if (row := rows.row(one, metric, None, group))
        ],
    )


def change_table(rows: Rows) -> StudyTable:
    """Change of bias amplification over attributes, by group: median, quartiles, share above 0."""
    lines, numbers = [], []
    unit = unit_of(BA)
    for group in rows.groups:
        for member in rows.pruned:
            found = [rows.row(member, BA, name, group) for name in rows.attributes]
            changes = pl.Series(
                "delta", [row["delta"] for row in found if row and row["delta"] is not None],
                dtype=pl.Float64,
            )  # fmt: skip
            if changes.is_empty():
                continue
            middle, low, high = (changes.quantile(q, "linear") for q in (0.5, 0.25, 0.75))
            above = float((changes > 0).mean())  # type: ignore[arg-type]
            assert middle is not None
            assert low is not None
            assert high is not None
            lines.append(
                [group, *_names(member), unit.bare_change(middle), unit.change_interval(low, high),
                 SHARE.value(above), str(len(changes))]
            )  # fmt: skip
            numbers.append(
                {"setting": rows.setting.name, "group": group, "method": member.method,
                 "sparsity": member.sparsity, "n_seeds": len(member.seeds), "median": middle,
                 "lower_quartile": low, "upper_quartile": high, "share_above_0": above,
                 "n_attributes": len(changes)}
            )  # fmt: skip
    return StudyTable(
        name=f"{rows.setting.name}-change-of-bias",
        title=f"{rows.setting.name}: change of bias amplification from dense, over attributes",
        caption="In points; only attributes that both models have a value of.",
        head=["Group", "Method", "Removed", "Median", "Quartiles", "Above 0", "Attributes"],
        rows=lines,
        left=3,
        numbers=numbers,
    )


def exemplar_table(rows: Rows) -> StudyTable:
    """Compression-identified exemplars: how many there are, and whom they gather in."""
    table = rows.results.audits[rows.setting.name].table
    sides = (
        table.filter(pl.col("metric") == "cie_odds_ratio", pl.col("attribute").is_null())
        .select("group", "group_value")
        .unique(maintain_order=True)
        .rows()
    )
    shown = [(g, v) for g, v in sides if (g, _other(v)) not in sides or v != "False"]
    lines, numbers = [], []
    for member in rows.pruned:
        rate = rows.row(member, "cie_rate")
        if rate is None:
            continue
        gathered = [rows.row(member, "cie_odds_ratio", None, g, v) for g, v in shown]
        rare = [rows.row(member, "cie_rare_odds_ratio", name) for name in rows.attributes]
        lines.append(
            [*_names(member), cell(rate, "cie_rate"),
             *(cell(row, "cie_odds_ratio") for row in gathered), _rare(rare)]
        )  # fmt: skip
        numbers += [_numbers(rows, member, row) for row in (rate, *gathered, *rare) if row]
    return StudyTable(
        name=f"{rows.setting.name}-exemplars",
        title=f"{rows.setting.name}: compression-identified exemplars",
        caption="Answers that most pruned seeds give differently than most dense seeds, as a share "
        "of all; odds to be one in a group against outside it, on any attribute (1: no "
        "over-representation); the same for the rarer label of each attribute: median over "
        "attributes, and on how many the interval lies above 1.",
        head=["Method", "Removed", "Share, %",
              *(f"Odds, {g}" if v == "True" else f"Odds, {g} {v}" for g, v in shown),
              "Odds, rarer label: median, told above 1"],
        rows=lines,
        numbers=numbers,
    )  # fmt: skip


def attribute_table(rows: Rows) -> StudyTable:
    """All estimates per attribute that figures draw, for programs; the page does not show it."""
    told: list[tuple[str, str | None]] = [
        (metric, None) for metric in ("accuracy", "auc", "uncertainty", "rare_value_ratio")
    ]
    told += [(BA, group) for group in rows.groups]
    found = [
        (member, name, [rows.row(member, metric, name, group) for metric, group in told])
        for member in rows.everyone
        for name in rows.attributes
    ]
    return StudyTable(
        name=f"{rows.setting.name}-attributes",
        title=f"{rows.setting.name}: attributes",
        caption="Means over seeds. BA is bias amplification, in points.",
        head=["Attribute", "Method", "Removed", *(_head(metric, group) for metric, group in told)],
        rows=[
            [name, *_names(member), *(
                NOTHING if row is None or row["value"] is None else _bare(metric, row["value"])
                for row, (metric, _) in zip(cells, told, strict=True)
            )]
            for member, name, cells in found
        ],
        left=3,
        numbers=[
            _numbers(rows, member, row) for member, _, cells in found for row in cells if row
        ],
    )  # fmt: skip


def cell(row: dict[str, Any] | None, metric: str) -> str:
    """Write an estimate with its interval, or say in a word why there is none.

    Examples
    --------
    >>> row = {"value": 0.912, "low": 0.9, "high": 0.92, "status": "ok"}
    >>> cell(row, "accuracy"), cell(None, "accuracy")
    ('91.2 [90.0, 92.0]', '–')
    >>> cell({"value": None, "status": "insufficient_support"}, "accuracy")
    'insufficient support'
    """
    if row is None:
        return NOTHING
    if row["value"] is None:
        return str(row["status"]).replace("_", " ")
    told = _bare(metric, row["value"])
    if row["low"] is None or row["high"] is None:
        return told
    return f"{told} [{_bare(metric, row['low'])}, {_bare(metric, row['high'])}]"


def _bare(metric: str, value: float) -> str:
    unit: Unit = SHARE if metric == "cie_rate" else unit_of(metric)
    return unit.bare(value)


def _head(metric: str, group: str | None) -> str:
    name = f"BA {group}" if group else label_of(metric)
    return f"{name}, %" if unit_of(metric).suffix == "%" else name


def _known(rows: Rows, metric: str, group: str | None = None) -> bool:
    return any(rows.row(one, metric, None, group) for one in rows.everyone)


def _names(member: Member) -> list[str]:
    return [member.method, step(member.sparsity) if member.sparsity else NOTHING]


def _numbers(rows: Rows, member: Member, row: dict[str, Any]) -> dict[str, Any]:
    told = {"setting": rows.setting.name, "method": member.method, "sparsity": member.sparsity}
    return told | {"n_seeds": len(member.seeds)} | {name: row[name] for name in NUMBERS}


def _other(value: str | None) -> str | None:
    """Return the other value of a group of yes and no."""
    return {"True": "False", "False": "True"}.get(value or "")


def _rare(rows: Iterable[dict[str, Any] | None]) -> str:
    """Sum up the odds of the rarer label over attributes: median, and how many lie above 1."""
    found = [row for row in rows if row and row["value"] is not None]
    if not found:
        return NOTHING
    middle = _bare("cie_rare_odds_ratio", float(np.median([row["value"] for row in found])))
    above = sum(row["low"] is not None and row["low"] > 1 for row in found)
    return f"{middle}, {above} of {len(found)}"
