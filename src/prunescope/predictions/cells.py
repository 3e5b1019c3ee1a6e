"""The cells of a column: numbers that are text, and what is neither."""

from __future__ import annotations

import re

import polars as pl

from prunescope.errors import DataError

NOT_ENOUGH = "answers without scores are not enough; logits or probabilities are needed"

_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?")


def numbers(column: pl.Series) -> pl.Series:
    """Turn a column of text into floats where every cell that is not null spells a number.

    Examples
    --------
    >>> numbers(pl.Series([" 1.5", "nan", None])).to_list()
    [1.5, nan, None]
    >>> numbers(pl.Series(["1.5", "n/a"])).to_list()
    ['1.5', 'n/a']
    """
    if column.dtype != pl.String:
        return column
    parsed = column.str.strip_chars().cast(pl.Float64, strict=False)
    return column if parsed.null_count() > column.null_count() else parsed


def check_numbers(column: pl.Series, source: str) -> None:
    """Raise a `DataError` that names the row where a cell is empty or no number.

    Examples
    --------
    >>> check_numbers(pl.Series("logit__Bald", ["0,5", "1,2"]), "sparse.csv")
    Traceback (most recent call last):
    prunescope.errors.DataError: sparse.csv: row 1 of column 'logit__Bald' is '0,5', with a decimal
    comma: expected numbers with a decimal point, 0.5
    """
    where, kind = f"{source}: column {column.name!r}", column.dtype
    if kind in (pl.String, pl.Categorical, pl.Enum):
        raise _no_numbers(column.cast(pl.String), source)
    if kind == pl.Boolean:
        raise DataError(f"{where} holds {kind}: expected numbers; {NOT_ENOUGH}")
    if kind.is_nested():
        raise DataError(f"{where} holds {kind}: expected numbers, in one column per attribute")
    if column.has_nulls():
        raise _empty(column.is_null(), column.name, source)
    if not kind.is_numeric():
        raise DataError(f"{where} holds {kind}: expected numbers")


def _no_numbers(column: pl.Series, source: str) -> DataError:
    """Word what is wrong with the first cell of text that is no number."""
    text = column.str.strip_chars()
    empty = column.is_null() | (text == "")
    wrong = text.cast(pl.Float64, strict=False).is_null() & ~empty
    if wrong.any():
        row = int(wrong.arg_true()[0])
        where = f"{source}: row {row + 1} of column {column.name!r} is {column[row]!r}"
        if _DECIMAL_COMMA.fullmatch(text[row]):
            point = text[row].replace(",", ".")
            return DataError(
                f"{where}, with a decimal comma: expected numbers with a decimal point, {point}"
            )
        return DataError(f"{where}: expected a number")
    if empty.any():
        return _empty(empty, column.name, source)
    return DataError(
        f"{source}: column {column.name!r} holds text, such as {column[0]!r}: expected numbers; "
        "save the column as floats"
    )


def _empty(cells: pl.Series, name: str, source: str) -> DataError:
    """Word that a score is missing."""
    row = int(cells.arg_true()[0]) + 1
    return DataError(
        f"{source}: row {row} of column {name!r} is empty: expected a number in every row "
        f"({cells.sum()} such cells)"
    )
