"""What a caller holds in memory (arrays, tensors, frames, lists) as columns and matrices.

An *argument* is what messages call a value: ``labels``, ``compressed["int8"]``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, runtime_checkable

import narwhals as nw
import numpy as np
import polars as pl
from numpy.typing import NDArray

from prunescope.errors import DataError, first_line
from prunescope.predictions.cells import NOT_ENOUGH, check_numbers

Frame: TypeAlias = nw.DataFrame[Any]

QUANTISED = "a quantised answer q is the logit (q - zero_point) * scale: give that"


@runtime_checkable
class _Tensor(Protocol):
    """A tensor of torch, which is not imported here."""

    dtype: object

    def detach(self) -> _Tensor: ...

    def cpu(self) -> _Tensor: ...

    def float(self) -> _Tensor: ...


@dataclass(frozen=True)
class Matrix:
    """Scores of one model.

    Parameters
    ----------
    argument : str
        What messages call them.
    values : array (N, A) of float32 or float64
        All finite; shared with nobody.
    names : tuple of str, optional
        Of the columns, where they come from a frame.
    index : object, optional
        Of the rows, where they come from pandas.
    """

    argument: str
    values: NDArray[np.floating[Any]]
    names: tuple[str, ...] | None = None
    index: object | None = None

    @classmethod
    def of(cls, given: object, argument: str) -> Matrix:
        """Read scores: (N, A), or (N,) of one attribute.

        Raises
        ------
        DataError
            They have another shape, are no numbers, answers or quantised, or one is not finite.

        Examples
        --------
        >>> Matrix.of([1, -2], "dense").values.tolist()
        [[1.0], [-2.0]]
        """
        native = _native(given, argument)
        names = None
        if isinstance(native, nw.DataFrame):
            columns = [_polars(column, argument) for column in native.iter_columns()]
            for column in columns:
                check_numbers(column, argument)
            names = names_of(native)
            scores = [_scores(c.to_numpy(), f"{argument}, column {c.name!r},") for c in columns]
            values = np.stack(scores, axis=1) if scores else np.empty((len(native), 0))
        elif isinstance(native, nw.Series):
            column = _polars(native, argument)
            check_numbers(column, argument)
            values = _scores(column.to_numpy(), argument)
        else:
            values = _scores(native, argument)
        if values.ndim == 1:
            values = values[:, None]
        if values.ndim != 2 or not values.size:
            raise DataError(
                f"{argument} has shape {values.shape} ({type(given).__name__}): expected (N, A), "
                "one row per sample and one column per attribute or class"
            )
        bad = np.argwhere(~np.isfinite(values))
        if len(bad):
            row, column_at = bad[0]
            raise DataError(
                f"{argument}: row {row + 1}, column {column_at + 1} (counted from 1) is "
                f"{values[row, column_at]}; expected finite numbers ({len(bad):,} such values)"
            )
        return cls(argument, values, names, index_of(given))


def table_of_columns(given: object, argument: str) -> pl.DataFrame | None:
    """Return a frame as one of polars; None where it is no frame."""
    native = _native(given, argument)
    if not isinstance(native, nw.DataFrame):
        return None
    return pl.DataFrame([_polars(column, argument) for column in native.iter_columns()])


def names_of(frame: Frame) -> tuple[str, ...] | None:
    """Return the names of a frame's columns; None where pandas only numbered them."""
    names: list[object] = list(frame.columns)
    return None if names == list(range(len(names))) else tuple(map(str, names))


def column_of(given: object, argument: str, name: str = "") -> pl.Series:
    """Read one column (N,): null and NaN, masked and NA cells are null.

    Raises
    ------
    DataError
        It has another shape, or its values are of several types.

    Examples
    --------
    >>> column_of(np.array(["f", None, float("nan")], object), "sex").to_list()
    ['f', None, None]
    """
    native = _native(given, argument)
    if isinstance(native, nw.DataFrame):
        native = next(native.iter_columns()) if len(native.columns) == 1 else native.to_numpy()
    if isinstance(native, nw.Series):
        return _polars(native, argument).alias(name)
    if native.ndim == 2 and native.shape[1] == 1:
        native = native[:, 0]
    if native.ndim != 1:
        raise DataError(f"{argument} has shape {native.shape}: expected one value per sample, (N,)")
    return _series(native, argument, name)


def columns_of(given: object, argument: str) -> tuple[list[pl.Series], bool]:
    """Read one or several columns (N,) or (N, A), and whether a frame names them."""
    native = _native(given, argument)
    if isinstance(native, nw.DataFrame):
        names = names_of(native)
        columns = [_polars(column, argument) for column in native.iter_columns()]
        return columns, names is not None
    if isinstance(native, nw.Series):
        column = _polars(native, argument)
        return [column], bool(column.name) and native.name is not None
    if native.ndim < 2:
        return [column_of(given, argument)], False
    if native.ndim > 2:
        raise DataError(f"{argument} has shape {native.shape}: expected (N,) or (N, A)")
    return [_series(column, argument, str(at)) for at, column in enumerate(native.T)], False


def index_of(given: object) -> object | None:
    """Return the index of the rows of a pandas object; None of anything else."""
    frame = nw.from_native(given, eager_only=True, allow_series=True, pass_through=True)
    if not isinstance(frame, nw.DataFrame | nw.Series):
        return None
    return nw.maybe_get_index(frame)


def only_counts(index: Any) -> bool:  # noqa: ANN401 - an index of pandas
    """Tell whether an index says no more of rows than their places (0, 1, 2, …)."""
    return np.array_equal(index.to_numpy(), np.arange(len(index)))


def _native(given: object, argument: str) -> Frame | nw.Series[Any] | NDArray[Any]:
    """Return a frame or column of narwhals, or an array."""
    try:
        held = nw.from_native(given, eager_only=True, allow_series=True, pass_through=True)
        if isinstance(held, nw.DataFrame | nw.Series):
            return held
        return array_of(given)
    except (TypeError, ValueError, RuntimeError) as error:
        raise DataError(
            f"{argument} ({type(given).__name__}) cannot be read: {first_line(error)}; "
            "expected an array, a tensor, or a frame of pandas or polars"
        ) from error


def array_of(given: object) -> NDArray[Any]:
    """Return an array of a tensor on any device, of an array, or of numbers in lists."""
    if isinstance(given, _Tensor):
        given = given.detach().cpu()
        if any(kind in str(given.dtype) for kind in ("bfloat16", "float8")):
            given = given.float()  # NumPy has no such numbers
    array = np.asanyarray(given)
    if array.dtype.kind == "V" and array.dtype.names is None:  # bfloat16 of ml_dtypes
        array = array.astype(np.float32)
    if isinstance(array, np.ma.MaskedArray):
        return array
    return np.asarray(array)


def _scores(array: NDArray[Any], argument: str) -> NDArray[np.floating[Any]]:
    """Return scores as floats of 32 or 64 bits, in memory of their own."""
    if np.ma.is_masked(array):
        raise DataError(f"{argument}: some scores are masked; expected a number for every sample")
    kind, dtype = array.dtype.kind, array.dtype
    if kind == "O":
        try:
            if any(isinstance(cell, bool | np.bool_ | str | None) for cell in array.flat):
                raise TypeError
            array = array.astype(np.float64)
        except (TypeError, ValueError):
            raise DataError(f"{argument} holds objects: expected an array of floats") from None
    elif kind == "b":
        raise DataError(f"{argument} holds booleans: {NOT_ENOUGH}")
    elif kind == "u" or dtype == np.int8:
        raise DataError(f"{argument} holds {dtype}: expected floats. {QUANTISED}")
    elif kind == "i" and array.size and np.isin(array, (0, 1)).all():
        raise DataError(f"{argument} holds 0 and 1 alone: {NOT_ENOUGH}")
    elif kind not in "if":
        raise DataError(f"{argument} holds {dtype}: expected floats")
    single = array.dtype.kind == "f" and array.dtype.itemsize <= 4
    return np.array(array, dtype=np.float32 if single else np.float64, order="C", subok=False)


def _polars(column: nw.Series[Any], argument: str) -> pl.Series:
    """Turn a column of a frame into one of polars, without pyarrow."""
    native, name = column.to_native(), str(column.name)
    if isinstance(native, pl.Series):
        return native
    if column.dtype.is_numeric() and (column.dtype.is_float() or not column.is_null().any()):
        return _series(column.to_numpy(), argument, name)
    if column.dtype == nw.Boolean and not column.is_null().any():
        return pl.Series(name, column.to_numpy().astype(bool))
    return _of_cells(column.to_list(), column.is_null().to_list(), argument, name)


def _series(array: NDArray[Any], argument: str, name: str) -> pl.Series:
    """Turn an array (N,) into a column."""
    masked = np.ma.getmaskarray(array) if isinstance(array, np.ma.MaskedArray) else None
    array = np.asarray(array)
    if array.dtype.kind == "O":
        column = _of_cells(array.tolist(), map(_is_nothing, array), argument, name)
    else:
        if array.dtype.kind == "f":
            array = array.astype(np.float32 if array.dtype.itemsize <= 4 else np.float64)
        if array.dtype.kind in "iu":
            array = array.astype(array.dtype.newbyteorder("="))
        column = pl.Series(name, np.ascontiguousarray(array))
    return column if masked is None else column.set(pl.Series(masked), None)


def _of_cells(
    cells: Iterable[object], nothing: Iterable[bool], argument: str, name: str
) -> pl.Series:
    """Turn Python's values into a column."""
    known = [None if none else cell for cell, none in zip(cells, nothing, strict=True)]
    try:
        return pl.Series(name, known)
    except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError) as error:
        kinds = sorted({type(cell).__name__ for cell in known if cell is not None})
        raise DataError(
            f"{argument} holds values of several types, {', '.join(kinds)}: expected one"
        ) from error


def _is_nothing(cell: object) -> bool:
    """Tell whether a cell is None, NaN, or NA or NaT of pandas."""
    if cell is None or type(cell).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(cell, float | np.floating) and bool(np.isnan(cell))
