"""Columns of a table: what stands in them, or an error that says which row is wrong."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from prunescope.errors import DataError

UNKNOWN = -1
"""Code of a label or group value that is not known."""

TRUE_WORDS = ("1", "true", "t")
FALSE_WORDS = ("0", "false", "f")
_EXACT = 2**53
"""Integers below are exact as floats of 64 bits."""


def whole(column: pl.Series) -> pl.Series:
    """Turn floats that are all whole into integers, NaN into null.

    Other tools make floats of integers and booleans where a cell is empty.

    Examples
    --------
    >>> whole(pl.Series([1.0, float("nan"), 3.0])).to_list()
    [1, None, 3]
    >>> whole(pl.Series([1.5, 2.0])).to_list()
    [1.5, 2.0]
    """
    if not column.dtype.is_float():
        return column
    column = column.fill_nan(None)
    fits = (column == column.round()) & (column.abs() < _EXACT)
    return column.cast(pl.Int64) if fits.all() else column


def read_labels(column: pl.Series, source: str) -> NDArray[np.int8]:
    """Read a column of true, false and null as int8 codes 1, 0 and -1 (unlabelled).

    Booleans, the numbers 0 and 1, and the words true, false, t, f, 0, 1 in any case are read;
    null and, in text, the empty string mean unlabelled.

    Raises
    ------
    DataError
        Any other value, with its row.

    Examples
    --------
    >>> read_labels(pl.Series("Bald", [1, 0, None]), "faces.csv").tolist()
    [1, 0, -1]
    >>> read_labels(pl.Series("Bald", ["true", "yes"]), "faces.csv")
    Traceback (most recent call last):
    prunescope.errors.DataError: faces.csv: row 2 of column 'Bald' is 'yes': expected a label (0, 1,
    true, false) or nothing where it is not known
    """
    if column.dtype == pl.Boolean:
        codes = column.cast(pl.Int8)
    elif column.dtype.is_numeric():
        codes = pl.select(
            pl.when((column == 0) | (column == 1)).then(column).cast(pl.Int8, strict=False)
        ).to_series()
    elif column.dtype == pl.Null:
        codes = column.cast(pl.Int8)
    else:
        words = read_text(column, source).str.strip_chars().str.to_lowercase()
        column = column.set(words == "", None)
        codes = words.replace_strict(
            [*TRUE_WORDS, *FALSE_WORDS], [1] * 3 + [0] * 3, default=None, return_dtype=pl.Int8
        )
    wrong = codes.is_null() & column.is_not_null()
    if wrong.any():
        row = int(wrong.arg_true()[0])
        raise DataError(
            f"{source}: row {row + 1} of column {column.name!r} is {column[row]!r}: expected a "
            "label (0, 1, true, false) or nothing where it is not known"
        )
    return codes.fill_null(UNKNOWN).to_numpy().astype(np.int8)


def read_text(column: pl.Series, source: str) -> pl.Series:
    """Read a column of text, numbers or dates as text; null stays null.

    Raises
    ------
    DataError
        The column holds lists, structures or bytes.

    Examples
    --------
    >>> read_text(pl.Series("id", [7, None]), "faces.csv").to_list()
    ['7', None]
    """
    if column.dtype.is_nested() or column.dtype in (pl.Binary, pl.Object):
        raise DataError(f"{source}: column {column.name!r} holds {column.dtype}: expected text")
    return column.cast(pl.String)


def check_ids(ids: pl.Series, source: str = "") -> None:
    """Raise a `DataError` that names the row where an id is null or repeated.

    Examples
    --------
    >>> check_ids(pl.Series(["a", "b", "a"]), "faces.csv")
    Traceback (most recent call last):
    prunescope.errors.DataError: faces.csv: id 'a' stands in rows 1 and 3: ids must be unique
    """
    if ids.null_count():
        raise absent_id(int(ids.is_null().arg_true()[0]) + 1, source)
    if ids.n_unique() == len(ids):
        return
    first = ids.filter(ids.is_duplicated())[0]
    rows = (ids == first).arg_true() + 1
    raise repeated_id(first, rows[0], rows[1], source)


def absent_id(row: int, source: str = "") -> DataError:
    """Say that a row, counted from 1, has no id."""
    where = f"{source}: " if source else ""
    return DataError(f"{where}row {row} has no id: every sample needs one")


def repeated_id(id_: str, first: int, second: int, source: str = "") -> DataError:
    """Say that an id stands in two rows, counted from 1."""
    where = f"{source}: " if source else ""
    return DataError(f"{where}id {id_!r} stands in rows {first} and {second}: ids must be unique")
