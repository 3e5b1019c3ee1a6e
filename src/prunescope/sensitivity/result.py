"""What each layer's compression does, and how it is kept on disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import polars as pl
from pydantic import BaseModel

from prunescope.audit.result import Settings
from prunescope.audit.table import SCHEMA as AUDIT_SCHEMA
from prunescope.data.samples import Task
from prunescope.errors import ConfigError, DataError, one_of
from prunescope.notebook import rendered
from prunescope.predictions import Metadata
from prunescope.result_folder import ResultFolder

Kind = Literal["sparsity", "bits", "channels"]
LayerMethod = Literal["one-shot", "reconstruct"]

OF_ALL = ("model", "method", "sparsity", "seed")
"""Columns of an audit that are the same for all layers."""

SCHEMA: dict[str, pl.DataType] = {
    "layer": pl.String(),
    "level": pl.Float64(),
    **{name: kind for name, kind in AUDIT_SCHEMA.items() if name not in OF_ALL},
}
"""A row per layer, level and estimate: the audit's columns (docs/metrics.md) of the network in
which that layer alone is compressed, against the dense one. `layer` is null, and `level` too, of
the dense network whose batch normalisation is estimated anew, which every compressed one is."""

LAYER_SCHEMA: dict[str, pl.DataType] = {
    "layer": pl.String(),
    "level": pl.Float64(),
    "weights": pl.Int64(),
    "kept": pl.Int64(),
    "bytes": pl.Float64(),
    "bytes_dense": pl.Float64(),
    "macs": pl.Float64(),
    "macs_dense": pl.Float64(),
    "error": pl.Float64(),
    "harm": pl.Float64(),
    "worst_group": pl.String(),
    "worst_value": pl.String(),
    "worst_flips": pl.Float64(),
    "rare_lost": pl.Float64(),
    "reason": pl.String(),
}
"""A row per layer and level. `weights` numbers, of which `kept` are left; `bytes` that they take
and `macs` multiplications for an image, beside the dense layer's; `error` relative squared error of
the layer's output; `harm` = `worst_flips`, the harmful flips of the group value that has most of
them, + `rare_lost`, what the rare-value ratio lost, averaged over attributes. `reason` why a layer
was not looked at (then `level` is null, if it holds for all) or a figure is null."""

MEMBER_SCHEMA: dict[str, pl.DataType] = {"layer": pl.String(), "member": pl.String()}


class SensitivityInfo(BaseModel):
    """What is told beside the tables.

    `whole` says why whole passes were made, and is null where each began at its layer. `seconds`
    were spent on passes, `seconds_a_pass` on one of the dense network over the same images.

    History of the format: 1 (0.2.0) first.
    """

    format_version: Literal[1] = 1
    model: str
    metadata: Metadata
    task: Task
    kind: Kind
    levels: tuple[float, ...]
    pattern: str
    method: LayerMethod = "one-shot"
    split: str
    n_samples: int
    n_calibration: int
    attributes: tuple[str, ...]
    groups: tuple[str, ...]
    settings: Settings
    seed: int
    whole: str | None
    seconds: float
    seconds_a_pass: float
    notes: list[str] = []
    warnings: list[str] = []


FILES = ResultFolder(
    "sensitivity of layers",
    "prunescope sensitivity",
    "sensitivity.json",
    SensitivityInfo,
    {
        "sensitivity.parquet": SCHEMA,
        "layers.parquet": LAYER_SCHEMA,
        "together.parquet": MEMBER_SCHEMA,
    },
)


@dataclass(frozen=True, repr=False)
class Sensitivity:
    """Which layer hurts whom: every layer compressed alone, at every level.

    Parameters
    ----------
    info : SensitivityInfo
    table : polars.DataFrame
        Columns as in `SCHEMA`.
    layers : polars.DataFrame
        Columns as in `LAYER_SCHEMA`, in the order of the network.
    members : polars.DataFrame
        Which layers go together: ``layer``, as in the other tables, and ``member``.
    """

    info: SensitivityInfo
    table: pl.DataFrame
    layers: pl.DataFrame
    members: pl.DataFrame

    @property
    def measured(self) -> pl.DataFrame:
        """The layers and levels that were looked at."""
        return self.layers.filter(pl.col("harm").is_not_null())

    @property
    def cost(self) -> float:
        """Seconds of passes for each layer and level, beside a dense pass over the same images."""
        return self.info.seconds / max(self.measured.height, 1) / self.info.seconds_a_pass

    @property
    def left_out(self) -> pl.DataFrame:
        """The layers, or single levels of them, that were not looked at, and why."""
        return self.layers.filter(pl.col("harm").is_null()).select("layer", "level", "reason")

    def grid(
        self, metric: str, attribute: str | None = None, group: str | None = None,
        group_value: str | None = None,
    ) -> pl.DataFrame:  # fmt: skip
        """Return one figure of every layer and level.

        Raises
        ------
        ConfigError
            No such metric is in the table.
        """
        known = sorted(self.table["metric"].unique())
        if metric not in known:
            raise ConfigError(one_of("metric", metric, known))
        where = {"attribute": attribute, "group": group, "group_value": group_value}
        return self.table.filter(
            pl.col("metric") == metric,
            pl.col("layer").is_not_null(),
            *(pl.col(name).eq_missing(pl.lit(value)) for name, value in where.items()),
        )

    def save(self, folder: str | Path) -> None:
        """Write the tables and ``sensitivity.json``; `load` reads them back."""
        FILES.save(folder, self.info, self.table, self.layers, self.members)

    @classmethod
    def load(cls, folder: str | Path) -> Sensitivity:
        """Read what `save` wrote.

        Raises
        ------
        DataError
            A file is absent, damaged or of another version.
        """
        info, [table, layers, members] = FILES.load(folder)
        if not set(table["layer"].drop_nulls()) <= set(layers["layer"]):
            raise DataError(f"{folder}: the tables are of other layers: make it again")
        return cls(info, table, layers, members)

    def __repr__(self) -> str:
        n = self.measured["layer"].n_unique()
        return (
            f"Sensitivity({self.info.model}: {n} layers × {len(self.info.levels)} levels of "
            f"{self.info.kind}, {self.info.n_samples:,} samples)"
        )

    def _repr_html_(self) -> str:
        """Show the layers in a notebook."""
        return rendered(repr(self), self.layers)
