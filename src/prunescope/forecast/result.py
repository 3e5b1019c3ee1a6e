"""The result of a forecast, and how it is kept on disk."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import BaseModel

from prunescope.data.samples import Task
from prunescope.errors import ConfigError, DataError, one_of
from prunescope.forecast.calibration import Calibration
from prunescope.forecast.criteria import ATTRIBUTE_SCHEMA
from prunescope.forecast.scorers import Tier
from prunescope.metrics.statistics import Floats
from prunescope.notebook import rendered
from prunescope.predictions import Metadata
from prunescope.predictions.spreadsheets import write_table
from prunescope.result_folder import ResultFolder

SAMPLE_SCHEMA: dict[str, pl.DataType] = {
    "id": pl.String(),
    "attribute": pl.String(),
    "risk": pl.Float32(),
    "probability": pl.Float32(),
    "rank": pl.UInt32(),
    "scorer": pl.String(),
    "tier": pl.String(),
    "answer": pl.Boolean(),
    "margin": pl.Float32(),
    "expected": pl.Float32(),
    "why": pl.String(),
}
"""Columns of the answers at risk, one row per sample and attribute. `risk`: higher = likelier to
flip; `probability` of flipping, null where uncalibrated; `rank` 1 = most at risk of all answers;
`answer` and signed `margin` of the dense model; `expected` margin of the sparse one, null where the
scorer only ranks; `why` in words. Of classes the one that is named flips where the image's answer
changes, and another where it becomes the answer."""

REVIEW_COLUMNS = ["rank", "id", "attribute", "answer", "probability", "margin", "expected", "why"]


class ForecastInfo(BaseModel):
    """What a forecast says beside its tables.

    History of the format: 1 (0.1.0) first.
    """

    format_version: Literal[1] = 1
    model: str
    metadata: Metadata
    thresholds: dict[str, float] | None = None
    task: Task
    sparsity: float
    scorer: str
    tier: Tier
    summary: str
    probabilities: str | None
    calibration: Calibration | None = None
    attributes: tuple[str, ...]
    groups: tuple[str, ...] = ()
    n_samples: int
    reasons: tuple[str, ...]
    min_support: int
    seed: int
    seconds: float
    warnings: list[str] = []
    notes: list[str] = []

    @property
    def nouns(self) -> str:
        """What the model answers, in the plural."""
        return "classes" if self.task == "multiclass" else "attributes"


FILES = ResultFolder(
    "forecast",
    "prunescope forecast",
    "forecast.json",
    ForecastInfo,
    {"forecast.parquet": SAMPLE_SCHEMA, "attributes.parquet": ATTRIBUTE_SCHEMA},
)


@dataclass(frozen=True, repr=False)
class Forecast:
    """What pruning would break, before it is done.

    Parameters
    ----------
    info : ForecastInfo
    ids : polars.Series (N,) of strings
    risk : array (N, A) of float32
        Higher: likelier to flip.
    probability : array (N, A), optional
        Of flipping, in [0, 1]; None where the scorer only ranks.
    margin, answer : arrays (N, A)
        Of the dense model: signed margins, and what it answers.
    expected : array (N, A), optional
        Signed margins that are expected of the sparse model.
    why : array (N, A) of uint8
        Positions in ``info.reasons``.
    attributes : polars.DataFrame
        What attributes and groups are in for; columns as in
        `prunescope.forecast.criteria.ATTRIBUTE_SCHEMA`.
    """

    info: ForecastInfo
    ids: pl.Series
    risk: Floats
    probability: Floats | None
    margin: Floats
    answer: NDArray[np.bool_]
    expected: Floats | None
    why: NDArray[np.uint8]
    attributes: pl.DataFrame

    @cached_property
    def _order(self) -> NDArray[np.int64]:
        """The places of all answers, row by row, the riskiest first."""
        return np.argsort(-self.risk, axis=None, kind="stable")

    @cached_property
    def rank(self) -> NDArray[np.uint32]:
        """Rank (N, A) among all answers by risk: 1 = highest; ties in the order of the samples."""
        ranks = np.empty(self.risk.size, np.uint32)
        ranks[self._order] = np.arange(1, self.risk.size + 1, dtype=np.uint32)
        return ranks.reshape(self.risk.shape)

    @cached_property
    def samples(self) -> pl.DataFrame:
        """One row per sample and attribute; columns as in `SAMPLE_SCHEMA`."""
        return self._frame(np.arange(self.risk.size))

    def riskiest(self, n: int = 100, attribute: str | None = None) -> pl.DataFrame:
        """Return the `n` answers most at risk, of all or of one attribute; the riskiest first.

        Of classes an image's answer is the class that the dense model names.

        Raises
        ------
        ConfigError
            There is no such attribute.
        """
        names = self.info.attributes
        if attribute is not None and attribute not in names:
            raise ConfigError(one_of("attribute", attribute, names))
        chosen = self._order
        if self.info.task == "multiclass":
            chosen = chosen[self.answer.ravel()[chosen]]
        if attribute is not None:
            chosen = chosen[chosen % len(names) == names.index(attribute)]
        return self._frame(chosen[:n])

    @cached_property
    def rivals(self) -> NDArray[np.int64]:
        """The class that each image's answer would rather become: (N,), where classes are chosen.

        It is the one beside the named that is likeliest to be the answer.
        """
        return np.asarray(np.where(self.answer, -np.inf, self.risk).argmax(axis=1))

    def review(self, n: int = 1000) -> pl.DataFrame:
        """Return the `n` riskiest answers for a person to look at: `REVIEW_COLUMNS`.

        Where classes are chosen ``becomes`` says which class each image would rather get.
        """
        table = self.riskiest(n).select(REVIEW_COLUMNS)
        if self.info.task == "multilabel":
            return table
        classes = pl.Series(self.info.attributes, dtype=pl.String)
        rivals = pl.DataFrame({"id": self.ids, "becomes": classes.gather(self.rivals)})
        return table.join(rivals, on="id", how="left", maintain_order="left")

    def _frame(self, cells: NDArray[np.int64]) -> pl.DataFrame:
        """Lay out some answers, by their place in row-major order."""
        n_attributes = len(self.info.attributes)
        rows, columns = np.divmod(cells, n_attributes)

        def taken(array: NDArray[Any] | None, name: str) -> pl.Series:
            values = None if array is None else array.ravel()[cells]
            kind = SAMPLE_SCHEMA[name]
            if values is None:
                return pl.Series(name, [None], dtype=kind).new_from_index(0, len(cells))
            return pl.Series(name, values, dtype=kind)

        def named(names: tuple[str, ...], codes: NDArray[Any]) -> pl.Series:
            return pl.Series(names, dtype=pl.String).gather(codes)

        return (
            pl.DataFrame(
                {
                    "id": self.ids.gather(rows),
                    "attribute": named(self.info.attributes, columns),
                    "risk": taken(self.risk, "risk"),
                    "probability": taken(self.probability, "probability"),
                    "rank": taken(self.rank, "rank"),
                    "answer": taken(self.answer, "answer"),
                    "margin": taken(self.margin, "margin"),
                    "expected": taken(self.expected, "expected"),
                    "why": named(self.info.reasons, self.why.ravel()[cells]),
                }
            )
            .with_columns(scorer=pl.lit(self.info.scorer), tier=pl.lit(self.info.tier, pl.String))
            .select(list(SAMPLE_SCHEMA))
        )

    def save(self, folder: str | Path) -> None:
        """Write ``forecast.parquet``, ``attributes.parquet`` and ``forecast.json``."""
        FILES.save(folder, self.info, self.samples, self.attributes)

    def save_review(self, path: str | Path, n: int = 1000) -> None:
        """Write the `n` riskiest answers for a person to look at: .csv or .parquet.

        Raises
        ------
        ConfigError
            The name ends otherwise.
        """
        write_table(self.review(n), path)

    @classmethod
    def load(cls, folder: str | Path) -> Forecast:
        """Read what `save` wrote.

        Raises
        ------
        DataError
            A file is absent, damaged or of another version.
        """
        info, [samples, attributes] = FILES.load(folder)
        shape = (info.n_samples, len(info.attributes))
        if (
            samples.height != shape[0] * shape[1]
            or samples["attribute"].to_list() != [*info.attributes] * shape[0]
            or not set(samples["why"].unique()) <= set(info.reasons)
        ):
            raise DataError(
                f"{folder}: the tables are not those that {FILES.info_file} tells of: make the "
                "forecast again"
            )

        def grid(name: str) -> NDArray[Any]:
            return samples[name].to_numpy().reshape(shape)

        def grid_or_none(name: str) -> NDArray[Any] | None:
            return None if samples[name].null_count() else grid(name)

        codes = samples["why"].replace_strict(
            list(info.reasons), list(range(len(info.reasons))), return_dtype=pl.UInt8
        )
        return cls(
            info=info,
            ids=samples["id"].gather_every(shape[1]),
            risk=grid("risk"),
            probability=grid_or_none("probability"),
            margin=grid("margin"),
            answer=grid("answer"),
            expected=grid_or_none("expected"),
            why=codes.to_numpy().reshape(shape),
            attributes=attributes,
        )

    def at(self, sparsity: float | None = None) -> pl.DataFrame:
        """Return what attributes and groups are in for at one sparsity; default: the planned.

        Raises
        ------
        ConfigError
            That sparsity was not looked at.
        """
        wanted = self.info.sparsity if sparsity is None else sparsity
        known = sorted(self.attributes["sparsity"].unique())
        if wanted not in known:
            raise ConfigError(f"sparsity {wanted:g} was not looked at: choose one of {known}")
        return self.attributes.filter(pl.col("sparsity") == wanted)

    def __repr__(self) -> str:
        return (
            f"Forecast({self.info.model!r} at {self.info.sparsity:.1%}: {self.info.n_samples:,} "
            f"samples × {len(self.info.attributes)} {self.info.nouns}, {self.info.scorer}, tier "
            f"{self.info.tier})"
        )

    def _repr_html_(self) -> str:
        """Show the riskiest answers in a notebook."""
        return rendered(repr(self), self.review(10))
