"""Predictions that are too large for memory: Parquet files, read some rows at a time.

A model may be kept in several files of the same columns (shards): a folder or a pattern such as
``dense-*.parquet``. Samples must stand in the same order for every model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import logit

from prunescope.data.columns import UNKNOWN, absent_id, read_labels, read_text, whole
from prunescope.data.labels import read_classes
from prunescope.data.samples import Group, GroupValue, Task
from prunescope.errors import DataError, first_line
from prunescope.inputs import check_file
from prunescope.predictions.adjust import check_adjustment, map_columns
from prunescope.predictions.adjustment import Adjustment
from prunescope.predictions.batch import Answers
from prunescope.predictions.columns import rename
from prunescope.predictions.metadata import Metadata
from prunescope.predictions.reading import check_name, check_width, read_metadata
from prunescope.predictions.scores import Scores
from prunescope.predictions.tables import MISSING, check_matched, require_columns

SOME = 1000
"""Rows that are looked at to tell what is wrong with a file's columns."""

AT_ONCE = 1 << 20
"""Rows of a few columns that are read at once."""

ALMOST_0 = 1e-12
"""Distance that probabilities are kept from 0 and 1."""


def shards_of(source: str | Path) -> list[Path]:
    """Return the files that a path, a folder or a pattern stands for, sorted by name.

    Raises
    ------
    DataError
        There is none.
    """
    path = Path(source)
    if path.is_dir():
        found = sorted(path.glob("*.parquet"))
    elif path.exists():
        found = [path]
    else:
        root = Path(path.anchor)
        found = sorted(root.glob(str(path.relative_to(root))))
    if not found:
        what = "a folder without .parquet files" if path.is_dir() else "no such file"
        raise DataError(
            f"{source}: {what}; expected predictions as .parquet or .csv, a folder of "
            ".parquet files, or a pattern such as 'dense-*.parquet'"
        )
    return found


@dataclass(frozen=True)
class Shards:
    """One model's predictions in Parquet files that together hold n samples.

    Parameters
    ----------
    paths : tuple of Path
    metadata : Metadata
        That of the first file.
    attributes : tuple of str
    task : {"multilabel", "multiclass"}
    groups : tuple of str
    n : int
    scores : {"logits", "probability"}
    renamed : dict
        Their name of a column → ours.
    adjustment : Adjustment, optional
        What is done to its logits before they become answers.
    """

    paths: tuple[Path, ...]
    metadata: Metadata
    attributes: tuple[str, ...]
    task: Task
    groups: tuple[str, ...]
    n: int
    scores: Scores
    renamed: Mapping[str, str]
    adjustment: Adjustment | None = None

    @classmethod
    def scan(
        cls,
        source: str | Path,
        *,
        scores: Scores = "logits",
        name: str | None = None,
        columns: Mapping[str, str] | None = None,
    ) -> Shards:
        """Look at the files' schemas, and count their rows.

        Raises
        ------
        DataError
            A file is absent, damaged, no Parquet, has other columns than the first, or lacks some.
        """
        paths = shards_of(source)
        for path in paths:
            check_name(path)
            if path.suffix.lower() != ".parquet":
                raise DataError(f"{path}: only .parquet files can be read a part at a time")
        try:
            for path in paths:
                check_file(path)
            schemas = [pl.read_parquet_schema(path) for path in paths]
            lengths = [pl.scan_parquet(path, glob=False).select(pl.len()).collect().item()
                       for path in paths]  # fmt: skip
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
            raise DataError(f"{source}: cannot be read as parquet: {first_line(error)}") from error
        for path, schema in zip(paths, schemas, strict=True):
            check_width(len(schema), path)
            if schema != schemas[0]:
                raise DataError(
                    f"{path} has other columns than {paths[0]}: expected shards of one model"
                )
        renamed = rename(list(schemas[0]), columns or {}, str(source))
        names = [renamed.get(column, column) for column in schemas[0]]
        attributes = _of(names, "logit__")
        labels = _of(names, "y__")
        task: Task = "multiclass" if "y" in names and not labels else "multilabel"
        if "id" not in names or not attributes or not (labels or "y" in names):
            some = pl.read_parquet(paths[0], n_rows=SOME, glob=False).rename(renamed)
            require_columns(some, paths[0], MISSING)
        if task == "multilabel":
            check_matched(labels, attributes, paths[0])
        metadata = read_metadata(paths[0])
        stem = Path(source).name.split("*")[0].rstrip("-_. ").removesuffix(".parquet")
        told = {"name": name or metadata.name or stem or "model", "task": task}
        return cls(
            tuple(paths),
            metadata.model_copy(update=told),
            attributes,
            task,
            _of(names, "group__"),
            sum(lengths),
            scores,
            renamed,
        )

    def adjusted(self, adjustment: Adjustment) -> Shards:
        """Return the same model with an adjustment.

        Raises
        ------
        DataError
            As `prunescope.predictions.adjust` does.
        """
        values: dict[str, tuple[GroupValue, ...]] = dict.fromkeys(self.groups, ())
        needed = [name for name in self.groups if name == adjustment.group]
        values |= {name: found for name, (found, _) in self.group_values(needed).items()}
        metadata = check_adjustment(adjustment, self.metadata, self.attributes, values, self.task)
        return replace(self, adjustment=adjustment, metadata=metadata)

    @property
    def name(self) -> str:
        """The model's name in tables and reports."""
        return str(self.metadata.name)

    def lazy(self) -> pl.LazyFrame:
        """Return the table, not yet read, with our names."""
        return pl.scan_parquet(list(self.paths), glob=False).rename(dict(self.renamed))

    def rows(self, start: int, n: int, columns: Sequence[str]) -> pl.DataFrame:
        """Read some columns of some rows.

        Raises
        ------
        DataError
            The files cannot be read.
        """
        try:
            return self.lazy().select(columns).slice(start, n).collect().rechunk()
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
            raise DataError(f"{self.name}: cannot be read: {first_line(error)}") from error

    def parts(
        self, columns: Sequence[str], start: int = 0, rows: int = AT_ONCE
    ) -> Iterator[tuple[int, pl.DataFrame]]:
        """Yield some columns part by part, each with its first row."""
        for first in range(start, self.n, rows):
            yield first, self.rows(first, rows, columns)

    def ids(self, start: int = 0) -> Iterator[tuple[int, pl.Series]]:
        """Yield the ids as text part by part, each with its first row.

        Raises
        ------
        DataError
            A row has none.
        """
        for first, frame in self.parts(["id"], start):
            ids = read_text(frame["id"], self.name)
            if ids.null_count():
                raise absent_id(first + int(ids.is_null().arg_true()[0]) + 1, self.name)
            yield first, ids

    def answers(self, frame: pl.DataFrame, start: int) -> Answers:
        """Take the answers out of some rows, which begin at row `start`."""
        logits = []
        for attribute in self.attributes:
            column = frame[f"logit__{attribute}"]
            if not column.dtype.is_numeric():
                raise DataError(
                    f"{self.name}: column {column.name!r} holds {column.dtype}: expected numbers"
                )
            scores = column.to_numpy()
            if scores.dtype not in (np.float32, np.float64):
                scores = scores.astype(np.float64)
            if self.scores == "probability":
                scores = self._logits(scores, column.name, start)
            if not np.isfinite(scores).all():
                row = int(np.flatnonzero(~np.isfinite(scores))[0])
                raise DataError(
                    f"{self.name}: row {start + row + 1} of column {column.name!r} is "
                    f"{column[row]}: expected a finite number"
                )
            logits.append(scores)
        if self.adjustment is None:
            return Answers(logits, self.task)
        limits = self._limits(self.adjustment, frame)
        if self.adjustment.curves:
            logits = map_columns(self.adjustment, self.attributes, logits)
        if self.adjustment.offsets and limits is not None:
            return Answers([z + b for z, b in zip(logits, limits, strict=True)], self.task)
        return Answers(logits, self.task, limits)

    def _limits(self, adjustment: Adjustment, frame: pl.DataFrame) -> NDArray[np.float64] | None:
        """Return the thresholds or offsets of some rows: (A,) or (A, n)."""
        group = None
        if adjustment.group is not None:
            group = Group.from_series(frame[f"group__{adjustment.group}"], self.name)
        limits = adjustment.limits(self.attributes, group)
        return None if limits is None else limits.T

    def _logits(self, p: NDArray[np.float64], column: str, start: int) -> NDArray[np.float64]:
        """Turn probabilities into logits."""
        outside = (p < 0) | (p > 1)
        if outside.any():
            row = int(np.flatnonzero(outside)[0])
            raise DataError(
                f"{self.name}: row {start + row + 1} of column {column!r} is {p[row]}: expected "
                "probabilities in [0, 1]. If these are logits, leave out the option for "
                "probabilities"
            )
        p = np.clip(p.astype(np.float64), ALMOST_0, 1 - ALMOST_0)
        return np.asarray(np.log(p) if self.task == "multiclass" else logit(p))

    def labels(self, frame: pl.DataFrame) -> NDArray[np.uint8]:
        """Take the labels (A, n) out of some rows: 0, 1, 2 = unlabelled."""
        if self.task == "multiclass":
            codes = read_classes(frame["y"].cast(pl.String), self.attributes, self.name)[1].T
            return np.where(codes == UNKNOWN, 2, codes).astype(np.uint8)
        labels = np.empty((len(self.attributes), frame.height), np.uint8)
        for row, attribute in zip(labels, self.attributes, strict=True):
            column = frame[f"y__{attribute}"]
            if column.dtype == pl.Boolean:
                row[:] = column.cast(pl.UInt8).fill_null(2).to_numpy()
            else:
                codes = read_labels(whole(column), self.name)
                row[:] = np.where(codes == UNKNOWN, 2, codes)
        return labels

    def label_columns(self) -> list[str]:
        """Name the columns that hold labels."""
        return ["y"] if self.task == "multiclass" else [f"y__{a}" for a in self.attributes]

    def answer_columns(self) -> list[str]:
        """Name the columns that answers follow from."""
        needed = self.adjustment and self.adjustment.group
        return [
            *(f"logit__{a}" for a in self.attributes),
            *([f"group__{needed}"] if needed else []),
        ]

    def group_values(self, names: Sequence[str]) -> dict[str, tuple[tuple[GroupValue, ...], bool]]:
        """Find the values of groups, and whether some samples have none.

        Raises
        ------
        DataError
            A group holds fractions or other things that are no categories.
        """
        found = {}
        for name in names:
            column = f"group__{name}"
            values = self.lazy().select(pl.col(column).unique()).collect().to_series()
            group = Group.from_series(values, self.name)
            found[name] = (group.values, bool((group.codes == UNKNOWN).any()))
        return found


def _of(names: Sequence[str], family: str) -> tuple[str, ...]:
    return tuple(name.removeprefix(family) for name in names if name.startswith(family))
