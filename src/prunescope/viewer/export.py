"""Decisions as a table that other programs read."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from prunescope.errors import ConfigError
from prunescope.files import replacing
from prunescope.predictions.cells import as_csv


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
