"""Tables that a person opens in a spreadsheet, whose texts are no formulas there."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from prunescope.errors import ConfigError
from prunescope.files import replacing

FORMULA = r"^[=+\-@\t\r]"
"""What makes spreadsheets take a cell of text for a formula."""


def neutral(column: pl.Series) -> pl.Series:
    """Put an apostrophe before text that spreadsheets would take for a formula.

    Examples
    --------
    >>> neutral(pl.Series(["=1+1", "face-1"])).to_list()
    ["'=1+1", 'face-1']
    """
    if column.dtype != pl.String:
        return column
    return column.str.replace(f"({FORMULA})", "'$1")


def bare(column: pl.Series) -> pl.Series:
    """Take away the apostrophe that `neutral` puts before text.

    Examples
    --------
    >>> bare(pl.Series(["'=1+1", "'tis"])).to_list()
    ['=1+1', "'tis"]
    """
    if column.dtype != pl.String:
        return column
    return column.str.replace(f"^'({FORMULA[1:]})", "$1")


def as_csv(table: pl.DataFrame) -> str:
    r"""Write a table as CSV whose texts no spreadsheet takes for a formula.

    Those that it might begin with an apostrophe.

    Examples
    --------
    >>> as_csv(pl.DataFrame({"id": ["=1+1", "face"], "n": [-1, 2]}))
    "id,n\n'=1+1,-1\nface,2\n"
    """
    safe = table.with_columns(neutral(column) for column in table)
    return safe.write_csv(datetime_format="%Y-%m-%dT%H:%M:%SZ")


def write_table(table: pl.DataFrame, path: str | Path) -> None:
    """Write a table: .csv, as `as_csv` has it, or .parquet.

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
            beside.write_text(as_csv(table), encoding="utf-8", newline="")
        else:
            table.write_parquet(beside)
