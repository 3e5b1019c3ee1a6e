"""Decisions as a table that other programs read."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from prunescope.errors import ConfigError
from prunescope.files import replacing

FORMULA = r"^([=+\-@\t\r])"
"""How a text begins that a spreadsheet would run."""


def as_csv(table: pl.DataFrame) -> str:
    r"""Write a table as CSV whose texts no spreadsheet takes for a formula.

    Those that it might begin with an apostrophe.

    Examples
    --------
    >>> as_csv(pl.DataFrame({"id": ["=1+1", "face"], "n": [-1, 2]}))
    "id,n\n'=1+1,-1\nface,2\n"
    """
    text = pl.col(pl.String).str.replace(FORMULA, "'$1")
    return table.with_columns(text).write_csv(datetime_format="%Y-%m-%dT%H:%M:%SZ")


def export_decisions(table: pl.DataFrame, path: str | Path) -> None:
    """Write exported decisions: .csv or .parquet.

    Raises
    ------
    ConfigError
        The name ends otherwise.
    DataError
        The file cannot be written.
    """
    path = Path(path)
    if path.suffix not in (".csv", ".parquet"):
        raise ConfigError(f"{path}: expected a file that ends in .csv or .parquet")
    with replacing(path) as beside:
        if path.suffix == ".csv":
            beside.write_text(as_csv(table), encoding="utf-8")
        else:
            table.write_parquet(beside)
