"""The result of scoring a forecast, and how it is kept on disk."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import polars as pl
from pydantic import BaseModel

from prunescope.errors import DataError
from prunescope.files import replacing
from prunescope.forecast.levels import LEVEL_SCHEMA
from prunescope.forecast.reliability import RELIABILITY_SCHEMA
from prunescope.forecast.result import ForecastInfo
from prunescope.forecast.routing import ROUTING_SCHEMA

SCORE_SCHEMA: dict[str, pl.DataType] = {
    "population": pl.String(),
    "method": pl.String(),
    "sparsity": pl.Float64(),
    "n_runs": pl.Int64(),
    "target": pl.String(),
    "measure": pl.String(),
    "average": pl.String(),
    "scorer": pl.String(),
    "value": pl.Float64(),
    "low": pl.Float64(),
    "high": pl.Float64(),
    "n": pl.Int64(),
    "status": pl.String(),
    "reason": pl.String(),
}
"""Columns of the score. `scorer` is the forecast's, ``floor``, ``margin`` or ``ceiling``; `n`
counts the answers of all runs to which the target happened."""

INFO_FILE = "score.json"
TABLES: dict[str, tuple[str, dict[str, pl.DataType]]] = {
    "table": ("score.parquet", SCORE_SCHEMA),
    "levels": ("levels.parquet", LEVEL_SCHEMA),
    "reliability": ("reliability.parquet", RELIABILITY_SCHEMA),
    "routing": ("routing.parquet", ROUTING_SCHEMA),
}


class ScoreInfo(BaseModel):
    """What a score says beside its tables.

    `runs` lists the pruned models of each population, `seeds` the other dense ones. History of the
    format: 1 (0.1.0) first.
    """

    format_version: Literal[1] = 1
    forecast: ForecastInfo
    n_samples: int
    runs: dict[str, list[str]]
    seeds: list[str]
    replicates: int
    confidence: float
    seed: int
    notes: list[str] = []


@dataclass(frozen=True, repr=False)
class Score:
    """How a forecast fared.

    Parameters
    ----------
    table : polars.DataFrame
        How well risks rank what happened; columns as in `SCORE_SCHEMA`.
    levels : polars.DataFrame
        Whether attributes and groups fared as expected (`prunescope.forecast.levels`).
    reliability : polars.DataFrame
        Whether probabilities are what they say (`prunescope.forecast.reliability`).
    routing : polars.DataFrame
        What routing by risk leaves of the damage (`prunescope.forecast.routing`).
    info : ScoreInfo
    """

    table: pl.DataFrame
    levels: pl.DataFrame
    reliability: pl.DataFrame
    routing: pl.DataFrame
    info: ScoreInfo

    def of(self, target: str, measure: str, average: str = "pooled") -> pl.DataFrame:
        """Return the rows of one figure: a row per population and scorer."""
        return self.table.filter(target=target, measure=measure, average=average)

    def save(self, folder: str | Path) -> None:
        """Write ``score.json`` and the tables; `load` reads them back."""
        folder = Path(folder)
        for name, (file, _) in TABLES.items():
            with replacing(folder / file) as beside:
                getattr(self, name).write_parquet(beside)
        with replacing(folder / INFO_FILE) as beside:
            beside.write_text(self.info.model_dump_json(indent=1), encoding="utf-8")

    @classmethod
    def load(cls, folder: str | Path) -> Score:
        """Read what `save` wrote.

        Raises
        ------
        DataError
            A file is absent, damaged or of another version.
        """
        folder = Path(folder)
        try:
            tables = {name: pl.read_parquet(folder / file) for name, (file, _) in TABLES.items()}
            info = ScoreInfo.model_validate(json.loads((folder / INFO_FILE).read_text("utf-8")))
        except FileNotFoundError as error:
            raise DataError(
                f"{folder} holds no score: expected {INFO_FILE} and its tables, as written by "
                f"prunescope forecast score -o {folder}"
            ) from error
        except (pl.exceptions.PolarsError, ValueError, OSError) as error:
            raise DataError(f"{folder}: the score cannot be read: {error}") from error
        for name, (file, schema) in TABLES.items():
            if tables[name].schema != pl.Schema(schema):
                raise DataError(f"{folder / file} has other columns than expected: score again")
        return cls(info=info, **tables)

    def __repr__(self) -> str:
        return (
            f"Score({self.info.forecast.scorer} on {', '.join(self.info.runs)}: "
            f"{self.info.n_samples:,} samples)"
        )

    def _repr_html_(self) -> str:
        """Show the average precision of flips in a notebook."""
        shown = ["population", "scorer", "value", "low", "high", "n"]
        return self.of("flips", "average_precision").select(shown)._repr_html_()
