"""The result of an audit, and how it is kept on disk."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, field_validator

from prunescope.audit.affected import Affected
from prunescope.audit.cies import CIE_SCHEMA
from prunescope.audit.correlations import CORRELATION_SCHEMA
from prunescope.audit.table import SCHEMA
from prunescope.audit.verdicts import JUDGED, VERDICTS, harm_of
from prunescope.errors import ConfigError, MissingExtraError, one_of, shorten
from prunescope.notebook import rendered
from prunescope.predictions import Metadata, Told
from prunescope.result_folder import ResultFolder

CONFUSION_SCHEMA: dict[str, pl.DataType] = {
    "model": pl.String(),
    "label": pl.String(),
    "dense": pl.String(),
    "compressed": pl.String(),
    "n": pl.Int64(),
}
"""Columns of the confusions: true class (null = unlabelled), dense answer, compressed answer."""

TABLES: dict[str, dict[str, pl.DataType]] = {
    "correlations": CORRELATION_SCHEMA,
    "cies": CIE_SCHEMA,
    "confusions": CONFUSION_SCHEMA,
}
"""Tables beside the audit's own, each in a Parquet file of its name."""

FEWEST = 16
"""Replicates below which an interval is too rough."""


class Settings(BaseModel):
    """How an audit is made.

    Intervals have level `confidence` and rest on `replicates`: every figure is made again without
    each of so many blocks of samples, or units where there are fewer (the jackknife); 0 leaves out
    all intervals. `seed` deals samples into blocks;
    `intersect` lists groups to cross, such as ``[("Male", "Young")]``; `cluster` names the group
    to resample as a whole; estimates that rest on fewer than
    `min_support` samples are not made; `n_bins` and `band` belong to the calibration error and to
    uncertainty; `trigger` names the boolean group that marks a planted
    backdoor, by default the one called ``backdoor`` where it is among the groups; `allow_missing`
    says that samples which only some files answer do not matter.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    groups: tuple[str, ...] | None = None
    intersect: tuple[tuple[str, ...], ...] = ()
    cluster: str | None = None
    replicates: int = Field(default=512, ge=0, le=100_000)
    confidence: float = Field(default=0.95, ge=0.5, lt=1)
    seed: int = Field(default=0, ge=0)
    min_support: int = Field(default=10, ge=1)
    n_bins: int = Field(default=10, ge=1)
    band: tuple[float, float] = (0.1, 0.9)
    trigger: str | None = None
    n_affected: int = Field(default=24, ge=0)
    allow_missing: bool = False
    min_effect: dict[str, float] = {}

    @property
    def alpha(self) -> float:
        """1 - confidence: the largest q-value that tells a change from chance."""
        return round(1 - self.confidence, 12)

    @field_validator("band")
    @classmethod
    def _check_band(cls, band: tuple[float, float]) -> tuple[float, float]:
        if not 0 <= band[0] < band[1] <= 1:
            raise ValueError("expected two probabilities, the lower one first")
        return band

    @field_validator("replicates")
    @classmethod
    def _check_replicates(cls, replicates: int) -> int:
        if 0 < replicates < FEWEST:
            raise ValueError(f"expected 0, for no intervals, or at least {FEWEST}")
        return replicates

    @field_validator("min_effect")
    @classmethod
    def _check_min_effect(cls, effects: dict[str, float]) -> dict[str, float]:
        for metric, effect in effects.items():
            if metric != "*" and metric not in JUDGED:
                raise ValueError(one_of("metric", metric, ("*", *JUDGED)))
            if not effect >= 0:
                raise ValueError(f"expected the least change of {metric} that matters, 0 or more")
        return effects


class ModelInfo(BaseModel):
    """One model of an audit; `baseline` names the dense model that it is compared with."""

    name: str
    baseline: str | None
    metadata: Metadata


class PopulationInfo(BaseModel):
    """Models that differ by their training seed alone, and have rows of their mean."""

    name: str
    baseline: str | None
    members: list[str]


class Sources(BaseModel):
    """Which files the answers of an audit's models were read from, and how.

    `files` maps the name of a model to its file, seen from the audit's folder; `scores`, `columns`
    and `thresholds` are as for `Predictions.load` and the command's option of that name; `told` is
    what was told of a model over what its file says.
    """

    files: dict[str, str] = {}
    scores: Literal["logits", "probability"] = "logits"
    columns: dict[str, str] = {}
    thresholds: str | None = None
    told: dict[str, Told] = {}


class AuditInfo(BaseModel):
    """What an audit says beside its table: settings, models, notes, the most affected images.

    `shared` is the share of the samples of any file that all files answer: the audit is of those.
    `sources` tells where the answers can be looked at again; it is empty where they never were in
    files.

    History of the format: 1 (0.1.0) first; 2: `units` beside `n` in the table. Audits of format
    2 may have `told` in their sources, and need not.
    """

    format_version: Literal[2] = 2
    n_samples: int
    shared: float = Field(default=1.0, gt=0, le=1)
    attributes: tuple[str, ...]
    settings: Settings
    models: list[ModelInfo]
    populations: list[PopulationInfo] = []
    notes: list[str] = []
    warnings: list[str] = []
    affected: list[Affected] = []
    sources: Sources = Sources()


FILES = ResultFolder(
    "audit",
    "prunescope audit",
    "audit.json",
    AuditInfo,
    {"audit.parquet": SCHEMA} | {f"{name}.parquet": schema for name, schema in TABLES.items()},
)


@dataclass(frozen=True, repr=False)
class Audit:
    """The result of an audit: the tidy table, and what belongs to it.

    Parameters
    ----------
    table : polars.DataFrame
        One row per estimate, columns as in `prunescope.audit.table.SCHEMA`.
    info : AuditInfo
    correlations : polars.DataFrame
        One row per model and pair of attributes (`prunescope.audit.correlations`).
    cies : polars.DataFrame
        One row per compression-identified exemplar (`prunescope.audit.cies`), where there are
        several seeds.
    confusions : polars.DataFrame
        Which class became which, of a multi-class task: how many samples, by true class.
    """

    table: pl.DataFrame
    info: AuditInfo
    correlations: pl.DataFrame = field(
        default_factory=lambda: pl.DataFrame(schema=CORRELATION_SCHEMA)
    )
    cies: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=CIE_SCHEMA))
    confusions: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=CONFUSION_SCHEMA))

    @property
    def overall(self) -> pl.DataFrame:
        """The rows over all attributes and all samples."""
        return self.table.filter(pl.col("attribute").is_null() & pl.col("group").is_null())

    @property
    def by_group(self) -> pl.DataFrame:
        """The rows of one value of a group, or about a group."""
        return self.table.filter(pl.col("group").is_not_null())

    def difference(
        self, metric: str, method: Literal["between_groups", "to_overall"] = "between_groups"
    ) -> pl.DataFrame:
        """Return how far groups lie apart: one row per model, attribute and group.

        Parameters
        ----------
        metric : str
            A metric with a row per group value, such as ``accuracy`` or ``tpr``.
        method : {"between_groups", "to_overall"}
            Highest minus lowest value over the group's values, or the furthest from the value over
            all samples. Values that the data do not support are left out, and counted.

        Raises
        ------
        ConfigError
            The metric has no rows by group value, or there is no such method.
        """
        values = self.by_group.filter(
            pl.col("metric") == metric, pl.col("group_value").is_not_null()
        )
        if values.is_empty():
            some = self.by_group.filter(pl.col("group_value").is_not_null())["metric"].unique()
            raise ConfigError(one_of("metric by group", metric, sorted(some)))
        if method not in ("between_groups", "to_overall"):
            raise ConfigError(one_of("method", method, ("between_groups", "to_overall")))
        key = ["model", "attribute"]
        whole = self.table.filter(pl.col("metric") == metric, pl.col("group").is_null())
        beside = values.join(
            whole.select(*key, whole="value"), on=key, how="left", nulls_equal=True
        )
        value = pl.col("value")
        gap = {
            "between_groups": value.max() - value.min(),
            "to_overall": (value - pl.col("whole")).abs().max(),
        }
        enough = value.count() >= 2 if method == "between_groups" else value.count() >= 1
        named = pl.col("group_value")
        return beside.group_by(*key, "group", maintain_order=True).agg(
            difference=pl.when(enough).then(gap[method]),
            lowest=named.sort_by("value", nulls_last=True).first(),
            highest=named.filter(value.is_not_null()).sort_by(value.drop_nulls()).last(),
            n_left_out=value.null_count(),
        )

    def worst(self, metric: str | None = None, n: int = 5) -> pl.DataFrame:
        """Return the `n` rows of each metric, or of one, that got worst, the worst first.

        Only rows whose verdict is "worse". `harm` is how much worse, in the metric's unit.

        Raises
        ------
        ConfigError
            No such metric is in the table.
        """
        known = sorted(self.table["metric"].unique())
        if metric is not None and metric not in known:
            raise ConfigError(one_of("metric", metric, known))
        rows = self.table.filter(pl.col("verdict") == "worse").with_columns(harm_of())
        if metric is not None:
            rows = rows.filter(pl.col("metric") == metric)
        shown = ["model", "metric", "attribute", "group", "group_value", "value", "baseline"]
        more = ["delta", "delta_low", "delta_high", "n", "q_value", "harm"]
        ordered = rows.sort("metric", "harm", descending=[False, True])
        return ordered.group_by("metric", maintain_order=True).head(n).select(*shown, *more)

    def summary(self) -> pl.DataFrame:
        """Count the verdicts on each compressed model, metric by metric."""
        told = self.table.filter(pl.col("verdict").is_not_null())
        counts = told.group_by("model", "metric", maintain_order=True).agg(
            (pl.col("verdict") == verdict).sum().alias(verdict) for verdict in VERDICTS
        )
        empty = [verdict for verdict in VERDICTS if not counts[verdict].sum()]
        return counts.drop(empty)

    def to_pandas(self) -> Any:  # noqa: ANN401 - pandas need not be installed
        """Return the table as a pandas data frame.

        Raises
        ------
        MissingExtraError
            pandas is not installed.
        """
        try:
            import pandas
        except ImportError as error:
            raise MissingExtraError("to_pandas", "pandas") from error
        return pandas.DataFrame(self.table.to_dict(as_series=False))

    def read_from(self, folder: Path, sources: Sources) -> Audit:
        """Return the audit with where its answers were read from.

        Paths are from the working folder; `folder` is where the audit will be saved.

        Examples
        --------
        >>> empty = AuditInfo(n_samples=0, attributes=(), settings=Settings(), models=[])
        >>> audit = Audit(pl.DataFrame(schema=SCHEMA), empty)
        >>> told = Sources(files={"dense": "answers/dense.parquet"})
        >>> audit.read_from(Path("audits/first"), told).info.sources.files["dense"]
        '../../answers/dense.parquet'
        """

        def seen(path: str) -> str:
            return Path(os.path.relpath(path, folder)).as_posix()

        thresholds = sources.thresholds
        told = {
            "files": {name: seen(path) for name, path in sources.files.items()},
            "thresholds": None if thresholds is None else seen(thresholds),
        }
        sources = sources.model_copy(update=told)
        return replace(self, info=self.info.model_copy(update={"sources": sources}))

    def save(self, folder: str | Path) -> None:
        """Write ``audit.parquet`` and ``audit.json``; `load` reads them back."""
        FILES.save(folder, self.info, self.table, *(getattr(self, name) for name in TABLES))

    @classmethod
    def load(cls, folder: str | Path) -> Audit:
        """Read what `save` wrote.

        Raises
        ------
        DataError
            A file is absent, damaged or of another version.
        """
        info, [table, *more] = FILES.load(folder)
        return cls(table, info, **dict(zip(TABLES, more, strict=True)))

    def __repr__(self) -> str:
        models = shorten(model.name for model in self.info.models)
        return (
            f"Audit({models}: {self.table.height:,} estimates on {self.info.n_samples:,} samples "
            f"× {len(self.info.attributes)} attributes)"
        )

    def _repr_html_(self) -> str:
        """Show the overall rows in a notebook."""
        columns = ["model", "metric", "value", "low", "high", "delta", "delta_low", "delta_high"]
        return rendered(repr(self), self.overall.select(*columns, "verdict"))
