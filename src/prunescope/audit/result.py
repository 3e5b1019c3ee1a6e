"""The result of an audit, and how it is kept on disk."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, field_validator

from prunescope.audit.affected import Affected
from prunescope.audit.table import SCHEMA
from prunescope.errors import DataError, shorten
from prunescope.files import replacing
from prunescope.predictions import Metadata

TABLE_FILE = "audit.parquet"
INFO_FILE = "audit.json"


class Settings(BaseModel):
    """How an audit is made.

    `replicates` bootstrap replicates, drawn with `seed`, give intervals of level `confidence`;
    `cluster` names the group to resample as a whole; estimates that rest on fewer than
    `min_support` samples are not made; `n_bins` and `band` belong to the calibration error and to
    uncertainty; `trigger` names the boolean group that marks a planted backdoor.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    groups: tuple[str, ...] | None = None
    cluster: str | None = None
    replicates: int = Field(default=1000, ge=100, le=100_000)
    confidence: float = Field(default=0.95, gt=0, lt=1)
    seed: int = Field(default=0, ge=0)
    min_support: int = Field(default=10, ge=1)
    n_bins: int = Field(default=10, ge=1)
    band: tuple[float, float] = (0.1, 0.9)
    trigger: str | None = None
    n_affected: int = Field(default=24, ge=0)

    @field_validator("band")
    @classmethod
    def _check_band(cls, band: tuple[float, float]) -> tuple[float, float]:
        if not 0 <= band[0] < band[1] <= 1:
            raise ValueError("expected two probabilities, the lower one first")
        return band


class ModelInfo(BaseModel):
    """One model of an audit; `baseline` names the dense model that it is compared with."""

    name: str
    baseline: str | None
    metadata: Metadata


class AuditInfo(BaseModel):
    """What an audit says beside its table: settings, models, notes, the most affected images.

    History of the format: 1 (0.1.0) first.
    """

    format_version: Literal[1] = 1
    n_samples: int
    attributes: tuple[str, ...]
    settings: Settings
    models: list[ModelInfo]
    notes: list[str] = []
    warnings: list[str] = []
    affected: list[Affected] = []


@dataclass(frozen=True, repr=False)
class Audit:
    """The result of an audit: the tidy table, and what belongs to it.

    Parameters
    ----------
    table : polars.DataFrame
        One row per estimate, columns as in `prunescope.audit.table.SCHEMA`.
    info : AuditInfo
    """

    table: pl.DataFrame
    info: AuditInfo

    @property
    def overall(self) -> pl.DataFrame:
        """The rows over all attributes and all samples."""
        return self.table.filter(pl.col("attribute").is_null() & pl.col("group").is_null())

    def save(self, folder: str | Path) -> None:
        """Write ``audit.parquet`` and ``audit.json``; `load` reads them back."""
        folder = Path(folder)
        with replacing(folder / TABLE_FILE) as beside:
            self.table.write_parquet(beside)
        with replacing(folder / INFO_FILE) as beside:
            beside.write_text(self.info.model_dump_json(indent=1), encoding="utf-8")

    @classmethod
    def load(cls, folder: str | Path) -> Audit:
        """Read what `save` wrote.

        Raises
        ------
        DataError
            A file is absent, damaged or of another version.
        """
        folder = Path(folder)
        try:
            table = pl.read_parquet(folder / TABLE_FILE)
            info = AuditInfo.model_validate(json.loads((folder / INFO_FILE).read_text("utf-8")))
        except FileNotFoundError as error:
            raise DataError(
                f"{folder} holds no audit: expected {TABLE_FILE} and {INFO_FILE}, as written by "
                f"prunescope audit -o {folder}"
            ) from error
        except (pl.exceptions.PolarsError, ValueError, OSError) as error:
            raise DataError(f"{folder}: the audit cannot be read: {error}") from error
        if table.schema != pl.Schema(SCHEMA):
            found, wanted = (
                shorten((f"{name} ({kind})" for name, kind in schema.items()), 30)
                for schema in (table.schema, SCHEMA)
            )
            raise DataError(f"{folder / TABLE_FILE} has the columns {found}: expected {wanted}")
        return cls(table, info)

    def __repr__(self) -> str:
        models = shorten(model.name for model in self.info.models)
        return (
            f"Audit({models}: {self.table.height:,} estimates on {self.info.n_samples:,} samples "
            f"× {len(self.info.attributes)} attributes)"
        )

    def _repr_html_(self) -> str:
        """Show the overall rows in a notebook."""
        columns = ["model", "metric", "value", "low", "high", "delta", "delta_low", "delta_high"]
        return self.overall.select(columns)._repr_html_()
