"""The result of scoring a forecast, and how it is kept on disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import polars as pl
from pydantic import BaseModel

from prunescope.forecast.happened import ANOTHER_TRAINING, CEILING
from prunescope.forecast.levels import LEVEL_SCHEMA
from prunescope.forecast.reliability import RELIABILITY_SCHEMA
from prunescope.forecast.result import ForecastInfo
from prunescope.forecast.routing import ROUTING_SCHEMA
from prunescope.notebook import rendered
from prunescope.result_folder import ResultFolder

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
"""Columns of the score. `scorer` is the forecast's, ``floor``, ``margin``, ``ceiling`` or ``another
training``; `n` counts the answers of all runs to which the target happened."""

OVER_MARGIN = "over_margin"
"""Measure: the scorer's average precision less the margin's, on the same answers."""

TABLES = ("table", "levels", "reliability", "routing")


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


FILES = ResultFolder(
    "score",
    "prunescope forecast score",
    "score.json",
    ScoreInfo,
    {
        "score.parquet": SCORE_SCHEMA,
        "levels.parquet": LEVEL_SCHEMA,
        "reliability.parquet": RELIABILITY_SCHEMA,
        "routing.parquet": ROUTING_SCHEMA,
    },
)


def beside(scorer: str) -> list[str]:
    """Return what a score may name, a forecast's scorer among them, from the worst to the best.

    >>> beside("margin")
    ['floor', 'margin', 'ceiling', 'another training']
    """
    return list(dict.fromkeys(["floor", "margin", scorer, CEILING, ANOTHER_TRAINING]))


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
        FILES.save(folder, self.info, *(getattr(self, name) for name in TABLES))

    @classmethod
    def load(cls, folder: str | Path) -> Score:
        """Read what `save` wrote.

        Raises
        ------
        DataError
            A file is absent, damaged or of another version.
        """
        info, tables = FILES.load(folder)
        return cls(info=info, **dict(zip(TABLES, tables, strict=True)))

    def __repr__(self) -> str:
        return (
            f"Score({self.info.forecast.scorer} on {', '.join(self.info.runs)}: "
            f"{self.info.n_samples:,} samples)"
        )

    def _repr_html_(self) -> str:
        """Show the average precision of flips in a notebook."""
        shown = ["population", "scorer", "value", "low", "high", "n"]
        return rendered(repr(self), self.of("flips", "average_precision").select(shown))
