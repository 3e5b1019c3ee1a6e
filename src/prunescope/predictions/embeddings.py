"""Embeddings: what a network sees in each image, as numbers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from prunescope.data.columns import check_ids, read_text, whole
from prunescope.errors import DataError, shorten
from prunescope.files import replacing
from prunescope.predictions.cells import numbers
from prunescope.predictions.given import array_of, column_of, table_of_columns
from prunescope.predictions.ids import ABSENT, explain, places_of
from prunescope.predictions.reading import read_table

COLUMN = "embedding"
"""The column of a file that holds all numbers of a sample."""


def check_parquet(path: str | Path) -> Path:
    """Return the path if embeddings can be kept under that name, else raise a `DataError`."""
    path = Path(path)
    if path.suffix != ".parquet":
        raise DataError(f"{path}: embeddings are written as Parquet: let it end in .parquet")
    return path


@dataclass(frozen=True, repr=False)
class Embeddings:
    """A vector of D numbers for each of N samples, by id.

    Of any network: the features of the model itself (``prunescope predict --embeddings``), or those
    of another one, CLIP or DINO say. Samples that look alike to it lie near each other.

    Parameters
    ----------
    ids : polars.Series of String
        N unique ids.
    values : array (N, D) of float32
        All finite; N and D at least 1.

    Raises
    ------
    DataError
        A shape or type is another, an id is absent or repeated, or a number is not finite.

    Examples
    --------
    >>> seen = Embeddings.of([[0.5, 1.0], [2.0, -1.0]], ["a", "b"])
    >>> seen
    Embeddings(2 samples × 2 features)
    >>> seen.aligned_to(pl.Series(["b"])).values.tolist()
    [[2.0, -1.0]]
    """

    ids: pl.Series
    values: NDArray[np.float32]

    def __post_init__(self) -> None:
        _check_values(self.values, "values")
        if self.values.dtype != np.float32:
            raise DataError(f"values hold {self.values.dtype}: expected float32; Embeddings.of")
        if len(self.ids) != len(self.values):
            raise DataError(
                f"{len(self.ids):,} ids and {len(self.values):,} rows of values: expected one id "
                "per row"
            )
        check_ids(self.ids, "ids")

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        n, width = self.values.shape
        plural = [f"{n:,} sample{'s' * (n != 1)}", f"{width:,} feature{'s' * (width != 1)}"]
        return f"Embeddings({' × '.join(plural)})"

    @classmethod
    def of(cls, values: object, ids: object) -> Embeddings:
        """Make the record from memory: arrays, tensors, frames of pandas or polars, lists.

        Parameters
        ----------
        values : (N, D), or (N,) of one feature
            Numbers of any type.
        ids : (N,)
            Text or whole numbers, unique.

        Raises
        ------
        DataError
            Shapes or types do not fit together; says which argument.
        """
        frame = table_of_columns(values, "values")
        if frame is not None:
            array = _of_columns(frame, "values")
        else:
            array = array_of(values)
            if array.dtype.kind not in "biuf" or np.ma.is_masked(array):
                raise DataError(
                    f"values ({type(values).__name__} of {array.dtype}): expected numbers, (N, D)"
                )
            array = array[:, None] if array.ndim == 1 else array
        named = read_text(whole(column_of(ids, "ids")), "ids").alias("id")
        return cls(named, _single(array, "values"))

    @classmethod
    def load(cls, path: str | Path) -> Embeddings:
        """Read a Parquet or CSV file.

        It has a column ``id`` and either ``embedding``, in each row a list of D numbers (whatever
        else is there is passed over), or D columns of numbers and no others.

        Raises
        ------
        DataError
            The file is absent or damaged, lacks a column, or holds values that make no sense.
        """
        path = Path(path)
        frame, _ = read_table(path, what="embeddings")
        if "id" not in frame.columns:
            raise DataError(
                f"{path}: no column 'id'; expected id and {COLUMN!r}, or id and columns of "
                f"numbers; it has {shorten(frame.columns) or 'no column'}"
            )
        ids = read_text(whole(frame["id"]), str(path))
        check_ids(ids, str(path))
        if COLUMN in frame.columns:
            values = _of_lists(frame[COLUMN], str(path))
        else:
            values = _of_columns(frame.drop("id"), str(path))
        return cls(ids, _single(values, str(path)))

    def save(self, path: str | Path) -> None:
        """Write a Parquet file that `load` reads back identically.

        Raises
        ------
        DataError
            The file cannot be written, or its name has another suffix.
        """
        path = check_parquet(path)
        width = self.values.shape[1]
        column = pl.Series(COLUMN, self.values, dtype=pl.Array(pl.Float32, width))
        with replacing(path) as beside:
            pl.DataFrame([self.ids.alias("id"), column]).write_parquet(beside)

    def take(self, rows: NDArray[Any]) -> Embeddings:
        """Return some of the samples (indices or a boolean mask)."""
        if rows.dtype == bool:
            rows = np.flatnonzero(rows)
        return Embeddings(self.ids[rows], self.values[rows])

    def aligned_to(self, ids: pl.Series) -> Embeddings:
        """Return the samples `ids`, in that order; others are left out.

        Parameters
        ----------
        ids : polars.Series of String
            Unique, such as ``predictions.samples.ids``.

        Raises
        ------
        DataError
            Some of them have no embedding; says how many, and which for example.
        """
        if self.ids.equals(ids):
            return self
        places = places_of(ids, self.ids)
        absent = pl.Series(places == ABSENT)
        if absent.any():
            hint = explain(self.ids, ids, "the embeddings", "the samples") if absent.all() else ""
            raise DataError(
                f"the embeddings lack {absent.sum():,} of {len(ids):,} samples, "
                f"{shorten(map(repr, ids.filter(absent).head(3)))} for example; their own ids look "
                f"like {self.ids[0]!r}: expected one row for every sample{hint}"
            )
        return self.take(places)


def _of_lists(column: pl.Series, source: str) -> NDArray[np.floating[Any]]:
    """Read a column of lists of D numbers each: (N, D)."""
    where, kind = f"{source}: column {column.name!r}", column.dtype
    inner = kind.inner if isinstance(kind, pl.List | pl.Array) else None
    if inner is None or not inner.is_numeric():
        raise DataError(f"{where} holds {kind}: expected in each row one list of numbers")
    if column.has_nulls():
        row = int(column.is_null().arg_true()[0])
        raise DataError(f"{where}: row {row + 1} is empty: expected a list of numbers")
    lengths = pl.Series([kind.size]) if isinstance(kind, pl.Array) else column.list.len()
    width = lengths[0] if len(lengths) else 0
    if (lengths != width).any():
        row = int((lengths != width).arg_true()[0])
        raise DataError(
            f"{where}: row {row + 1} has {lengths[row]:,} numbers and row 1 has {width:,}: "
            "expected equally many in each"
        )
    cells = column.explode() if width and len(column) else pl.Series([], dtype=inner)
    if cells.has_nulls():
        row = int(cells.is_null().arg_true()[0]) // width
        raise DataError(f"{where}: a number of row {row + 1} is empty: expected one in every place")
    return cells.cast(pl.Float32).to_numpy().reshape(len(column), width)


def _of_columns(frame: pl.DataFrame, source: str) -> NDArray[np.floating[Any]]:
    """Read D columns of numbers: (N, D)."""
    columns = [numbers(column) for column in frame]
    for column in columns:
        if not (column.dtype.is_numeric() or column.dtype == pl.Boolean):
            raise DataError(
                f"{source}: column {column.name!r} holds {column.dtype}: expected numbers in every "
                f"column but 'id', or one column {COLUMN!r} with a list of numbers in each row"
            )
        if column.has_nulls():
            row = int(column.is_null().arg_true()[0])
            raise DataError(
                f"{source}: row {row + 1} of column {column.name!r} is empty: expected a number"
            )
    values = np.empty((frame.height, len(columns)), np.float32)
    for place, column in enumerate(columns):
        values[:, place] = column.cast(pl.Float32).to_numpy()
    return values


def _single(values: NDArray[Any], source: str) -> NDArray[np.float32]:
    """Return checked numbers in 32 bits, row by row in memory."""
    with np.errstate(over="ignore"):  # what is too large becomes infinite, and is told
        single = np.ascontiguousarray(values, np.float32)
    _check_values(single, source)
    return single


def _check_values(values: NDArray[Any], source: str) -> None:
    """Raise where numbers are not (N, D), or not finite."""
    if values.ndim != 2 or not values.size:
        raise DataError(
            f"{source}: shape {values.shape}: expected (N, D), one row per sample and one column "
            "per feature, at least one of each"
        )
    bad = ~np.isfinite(values)
    if bad.any():
        row, place = np.unravel_index(int(bad.argmax()), bad.shape)
        raise DataError(
            f"{source}: feature {place + 1} of row {row + 1} (counted from 1) is "
            f"{values[row, place]}: expected finite numbers of 32 bits ({bad.sum():,} such values)"
        )
