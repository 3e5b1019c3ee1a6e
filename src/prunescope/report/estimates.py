"""All estimates of an audit as columns: for a table that can be searched, and for spreadsheets."""

from __future__ import annotations

import base64
import csv
import io
import json
import zlib
from collections.abc import Sequence
from itertools import groupby
from typing import Any

import polars as pl

from prunescope.audit import Audit
from prunescope.predictions.spreadsheets import neutral
from prunescope.report.records import Estimates
from prunescope.report.structure import Report
from prunescope.verdict.glossary import GLOSSARY, label_of, unit_of

DIGITS = 6
"""Significant digits that are kept; audit.parquet has them all."""

SHOWN_DIGITS, SHOWN_Q_DIGITS = 4, 2
"""The same in the page, where numbers are rounded once more when they are shown."""

MOST_SHOWN = 24_000
"""Rows that stand in the page: more would make it slow to load."""

NAMES = {
    "model": "models",
    "metric": "metrics",
    "attribute": "attributes",
    "group": "groups",
    "group_value": "group_values",
    "verdict": "verdicts",
    "status": "statuses",
    "reason": "reasons",
}
"""Column of places → list of the names that it points into."""

NUMBERS = {
    "value": "value",
    "low": "low",
    "high": "high",
    "change": "delta",
    "change_low": "delta_low",
    "change_high": "delta_high",
    "q": "q_value",
}
"""Column of numbers → that of the audit's table."""


def estimates(audit: Audit) -> Estimates:
    """Put the rows of an audit's table into columns, in its order."""
    table = audit.table
    columns: dict[str, Any] = {name: table[name].to_list() for name in ("n", "units")}
    for name, names in NAMES.items():
        known = table[name].drop_nulls().unique(maintain_order=True).to_list()
        places = {text: place for place, text in enumerate(known)}
        columns[names] = known
        columns[name] = [places.get(text, -1) for text in table[name].to_list()]
    for name, source in NUMBERS.items():
        column = table.select(
            pl.when(pl.col(source).is_finite()).then(pl.col(source).round_sig_figs(DIGITS))
        )
        columns[name] = column.to_series().to_list()
    return Estimates(**columns)


def to_csv(report: Report) -> str:
    """Render all estimates as CSV, one row each, the columns named as in the audit's table.

    A text that a spreadsheet would take for a formula begins with an apostrophe. Numbers have six
    significant digits.
    """
    told = report.estimates
    columns: dict[str, list[Any]] = {}
    for name in ("model", "metric", "attribute", "group", "group_value"):
        columns[name] = _named(told, name)
    columns |= {name: getattr(told, name) for name in ("value", "low", "high", "n", "units")}
    columns |= {NUMBERS[name]: getattr(told, name) for name in list(NUMBERS)[3:]}
    columns |= {name: _named(told, name) for name in ("verdict", "status", "reason")}
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return buffer.getvalue()


def _named(told: Estimates, column: str) -> list[str]:
    """Return a column of places as texts, empty where there is none."""
    names = neutral(pl.Series(getattr(told, NAMES[column]), dtype=pl.String)).to_list()
    return [names[place] if place >= 0 else "" for place in getattr(told, column)]


def packed(told: Estimates, noun: str = "attribute") -> str:
    """Pack the rows that the page shows: JSON, deflated, in base 64; the page's script unpacks it.

    `noun` is what the columns are, which metrics are named after.

    Runs of one place are written once with their length. Where there are more than `MOST_SHOWN`
    rows, those over everything come first, then those whose change can be told from chance, then
    those over one attribute or one group; the rest is left out.
    """
    rows = shown(told)
    names: dict[str, Any] = {name: getattr(told, name) for name in NAMES.values()}
    places = {name: _runs(_taken(getattr(told, name), rows)) for name in (*NAMES, "n")}
    numbers = {
        name: [
            None if value is None else float(f"{value:.{digits}g}")
            for value in _taken(getattr(told, name), rows)
        ]
        for name, digits in (
            *((name, SHOWN_DIGITS) for name in NUMBERS if name != "q"),
            ("q", SHOWN_Q_DIGITS),
        )
    }
    units = [_unit(metric, noun) for metric in told.metrics]
    data = {"names": names, "units": units, "runs": places, "numbers": numbers}
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False)
    deflate = zlib.compressobj(6, wbits=-zlib.MAX_WBITS)  # 9: 2% less, five times as long
    return base64.b64encode(deflate.compress(text.encode()) + deflate.flush()).decode("ascii")


def shown(told: Estimates) -> list[int]:
    """Return the places of the rows that the page shows, in their order."""
    if len(told) <= MOST_SHOWN:
        return list(range(len(told)))
    clear = {told.verdicts.index(v) for v in ("worse", "better", "changed") if v in told.verdicts}
    known = {place for place, metric in enumerate(told.metrics) if metric in GLOSSARY}

    def rank(row: int) -> tuple[int, bool]:
        n_parts = (told.attribute[row] >= 0) + (told.group[row] >= 0)
        kind = 0 if not n_parts else 1 if told.verdict[row] in clear else 1 + n_parts
        return kind, told.metric[row] not in known

    return sorted(sorted(range(len(told)), key=rank)[:MOST_SHOWN])


def _taken(column: Sequence[Any], rows: list[int]) -> list[Any]:
    return [column[row] for row in rows]


def _runs(column: list[int | None]) -> list[int | None]:
    """Write a column as value, length, value, length.

    >>> _runs([3, 3, 3, None])
    [3, 3, None, 1]
    """
    runs = ((value, len(list(run))) for value, run in groupby(column))
    return [part for run in runs for part in run]


def _unit(metric: str, noun: str) -> dict[str, Any]:
    """Tell the page how a metric is named and written."""
    unit = unit_of(metric)
    return {
        "label": label_of(metric, noun),
        "scale": unit.scale,
        "digits": unit.digits,
        "never": unit.never,
        "suffix": unit.suffix,
        "signed": unit.signed,
    }
