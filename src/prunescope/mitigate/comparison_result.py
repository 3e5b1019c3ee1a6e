"""The result of comparing measures, and how it is kept on disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import polars as pl
from pydantic import BaseModel, ConfigDict

from prunescope.errors import shorten
from prunescope.notebook import rendered
from prunescope.result_folder import ResultFolder

EFFECT_SCHEMA: dict[str, pl.DataType] = {
    "measure": pl.String(),
    "metric": pl.String(),
    "group": pl.String(),
    "dense": pl.Float64(),
    "nothing": pl.Float64(),
    "value": pl.Float64(),
    "low": pl.Float64(),
    "high": pl.Float64(),
    "n": pl.Int64(),
    "status": pl.String(),
    "reason": pl.String(),
    "change": pl.Float64(),
    "change_low": pl.Float64(),
    "change_high": pl.Float64(),
    "q_value": pl.Float64(),
    "verdict": pl.String(),
    "undone": pl.Float64(),
}
"""Columns of the effects, a row per measure and headline metric. `change` is from doing nothing,
with a paired interval, a q-value and a verdict on it. `undone` is the share of pruning's harm that
a measure takes back: 1 = as good as dense, 0 = as bad as nothing, < 0 worse; null where pruning did
no harm that could be shown. Metrics of flips compare with dense, and have no paired change."""


class MeasureInfo(BaseModel):
    """One measure: what it is, needs and costs, and on how many headline metrics it helps.

    `better` and `worse` count the headline rows with that verdict against doing nothing; `cells`
    those of single attributes, group values and both.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    summary: str
    needs: str
    cost: str
    better: int
    worse: int
    cells_better: int
    cells_worse: int


class ComparisonInfo(BaseModel):
    """What was compared; measures in the order of their rank.

    History of the format: 1 (0.1.0) first.
    """

    model_config = ConfigDict(frozen=True)

    format_version: Literal[1] = 1
    dense: str
    pruned: str
    sparsity: float
    n_samples: int
    measures: tuple[MeasureInfo, ...]
    settings: dict[str, Any]
    notes: tuple[str, ...] = ()


FILES = ResultFolder(
    "comparison",
    "prunescope mitigate compare",
    "comparison.json",
    ComparisonInfo,
    {"comparison.parquet": EFFECT_SCHEMA},
)


@dataclass(frozen=True)
class Comparison:
    """Measures side by side.

    Parameters
    ----------
    info : ComparisonInfo
    table : polars.DataFrame
        Columns as in `EFFECT_SCHEMA`; doing nothing first, then measures by rank.
    """

    info: ComparisonInfo
    table: pl.DataFrame

    def save(self, folder: str | Path) -> None:
        """Write comparison.json and comparison.parquet to a folder."""
        FILES.save(folder, self.info, self.table)

    @classmethod
    def load(cls, folder: str | Path) -> Comparison:
        """Read what `save` wrote.

        Raises
        ------
        DataError
            A file is absent or damaged.
        """
        info, [table] = FILES.load(folder)
        return cls(info, table)

    def __repr__(self) -> str:
        names = shorten(measure.name for measure in self.info.measures)
        return f"Comparison({names}: {self.info.pruned!r} on {self.info.n_samples:,} samples)"

    def _repr_html_(self) -> str:
        """Show in a notebook what each measure is, needs and costs, and where it helps."""
        measures = [measure.model_dump() for measure in self.info.measures]
        return rendered(repr(self), pl.DataFrame(measures))
