"""Prediction files as tables: from Parquet or CSV to columns with our names."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from prunescope.data.labels import typed
from prunescope.errors import DataError, first_line, shorten
from prunescope.inputs import UNREADABLE, check_file, parse_json
from prunescope.predictions.cells import numbers
from prunescope.predictions.columns import FIXED, rename
from prunescope.predictions.metadata import Metadata

KEY = "prunescope"
"""Key of the Parquet file's metadata under which the provenance stands."""
MAX_COLUMNS = 20_000
"""A file with more columns is refused from its schema alone."""
NO_TEXT = {
    b"PAR1": "Parquet: let its name end in .parquet",
    b"PK\x03\x04": "a workbook or an archive: save the table as CSV",
    b"\x1f\x8b": "compressed: unpack it first",
    b"\xff\xfe": "UTF-16: save it as UTF-8",
    b"\xfe\xff": "UTF-16: save it as UTF-8",
}
"""What a file starts with that is no CSV → what it is, and what to do."""
SEPARATORS = (",", ";", "\t")
"""What may separate the cells of a CSV file: the first that its header holds."""


def check_suffix(path: str | Path) -> Path:
    """Return the path if predictions can be kept under that name, else raise a `DataError`."""
    path = Path(path)
    if path.suffix not in (".parquet", ".csv"):
        raise DataError(f"{path}: expected a file that ends in .parquet or .csv")
    return path


def read_table(
    path: Path,
    columns: Mapping[str, str] | None = None,
    optional: tuple[str, ...] = (),
    *,
    what: str = "predictions",
) -> tuple[pl.DataFrame, Metadata]:
    """Read the table, its columns renamed as `columns` says, and its provenance.

    Parameters
    ----------
    path : path
    columns : dict, optional
        Our name → the name in the file; see `rename`, and there for `optional`.
    what : str
        What messages call that which the file should hold.

    Raises
    ------
    DataError
        The file is absent, damaged, too wide, or has no column that `columns` names.
    """
    check_name(path)
    if path.is_dir():
        raise DataError(f"{path}: a folder; expected one file of {what}, .parquet or .csv")
    if not path.is_file():
        raise DataError(f"{path}: no such file; expected {what} as .parquet or .csv")
    kind = path.suffix.lower()
    if kind not in (".csv", ".parquet"):
        raise DataError(f"{path}: expected a file that ends in .parquet or .csv")
    try:
        check_file(path)
        if kind == ".csv":
            return _read_csv(path, columns or {}, optional), Metadata()
        names = list(pl.read_parquet_schema(path))
        check_width(len(names), path)
        renamed = rename(names, columns or {}, str(path), optional)
        frame = pl.read_parquet(path, glob=False).rename(renamed)
    except UNREADABLE as error:
        raise unreadable(path, error) from error
    return frame, read_metadata(path)


def check_name(path: Path) -> None:
    """Raise unless the name of a file is text, as results name what they were made of.

    Raises
    ------
    DataError
    """
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        raise DataError(f"{str(path)!a}: its name is no UTF-8: rename it") from error


def read_metadata(path: Path) -> Metadata:
    """Read the provenance of a Parquet file; a file of another tool has none.

    Raises
    ------
    DataError
        The file is damaged, or its provenance is not what the format asks for.
    """
    try:
        check_file(path)
        text = pl.read_parquet_metadata(path).get(KEY)
    except UNREADABLE as error:
        raise unreadable(path, error) from error
    try:
        return Metadata.model_validate(parse_json(text)) if text else Metadata()
    except ValueError as error:
        raise DataError(
            f"{path}: its metadata {KEY!r} is not what format version 1 asks for: {error}"
        ) from error


def unreadable(path: Path, error: BaseException) -> DataError:
    """Word that a file cannot be read, why, and what to do."""
    kind = path.suffix.lower()
    reason = first_line(error)
    hint = ""
    if "utf-8" in reason.lower():
        hint = ". Save it as UTF-8"
    elif kind == ".parquet" and not isinstance(error, OSError) and path.stat().st_size:
        with path.open("rb") as file:
            whole_start = file.read(4) == b"PAR1"
        hint = (
            ". Is it complete? Write or copy it again"
            if whole_start
            else ". It does not start like Parquet: if it is CSV, let its name end in .csv"
        )
    return DataError(f"{path}: cannot be read as {kind[1:]}: {reason}{hint}")


def read_cells(path: Path) -> pl.DataFrame:
    """Read a CSV file with all its cells as text, null where empty."""
    names, separator = read_header(path)
    frame = pl.read_csv(path, infer_schema=False, separator=separator, glob=False)
    return _named(frame, [name.lstrip(" ") for name in names], path)


def read_header(path: Path) -> tuple[list[str], str]:
    """Return the names of a CSV file's columns, and what separates its cells.

    Raises
    ------
    DataError
        The file is no text, or a name stands twice, or there are too many.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "answers.csv"
    >>> _ = path.write_text("file;Bald_true;Bald_prob")
    >>> read_header(path)
    (['file', 'Bald_true', 'Bald_prob'], ';')
    """
    with path.open("rb") as binary:
        start = binary.read(4)
    for magic, what in NO_TEXT.items():
        if start.startswith(magic):
            raise DataError(f"{path}: cannot be read as csv: it is {what}")
    names: list[str] = []
    for separator in SEPARATORS:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            rows = csv.reader(file, delimiter=separator)
            names = next((row for row in rows if row), [])
        if len(names) > 1:
            break
    else:
        separator = ","
    check_width(len(names), path)
    if repeated := [name for name, times in Counter(names).items() if times > 1]:
        raise DataError(f"{path}: the column {shorten(repeated)} stands twice: rename one")
    return names, separator


def check_width(n_columns: int, path: Path) -> None:
    """Raise a `DataError` if a file has more than `MAX_COLUMNS` columns."""
    if n_columns > MAX_COLUMNS:
        raise DataError(
            f"{path}: {n_columns:,} columns; expected at most {MAX_COLUMNS:,}. Rows are samples "
            "and columns are attributes: is the table transposed?"
        )


def _read_csv(path: Path, columns: Mapping[str, str], optional: tuple[str, ...]) -> pl.DataFrame:
    """Read CSV: names stay text (007 is no number), groups of True/False or 0/1 become booleans."""
    names, separator = read_header(path)
    plain = [name.lstrip(" ") for name in names]  # a blank after each comma
    renamed = rename(plain, columns, str(path), optional)
    ours = [renamed.get(name, name) for name in plain]
    texts = [name for name, new in zip(names, ours, strict=True) if new in FIXED]
    frame = pl.read_csv(
        path,
        infer_schema_length=None,
        schema_overrides={name.replace('"', '""'): pl.String for name in texts},
        separator=separator,
        glob=False,
    )
    frame = _named(frame, ours, path)
    return frame.with_columns(_settled(column) for column in frame)


def _named(frame: pl.DataFrame, names: Sequence[str], path: Path) -> pl.DataFrame:
    """Give the columns their names; polars leaves a quote in a header doubled."""
    if len(names) != frame.width:
        raise DataError(
            f"{path}: cannot be read as csv: its first line names {len(names)} columns, and "
            f"{frame.width} came. Is it plain text, with one line of names first?"
        )
    frame.columns = list(names)
    return frame


def _settled(column: pl.Series) -> pl.Series:
    """Give a column of CSV the type that all of its cells spell."""
    if column.name.startswith("logit__"):
        return numbers(column)
    if not column.name.startswith(("y__", "group__")) or column.null_count() == len(column):
        return column
    column = typed(column)
    if column.name.startswith("group__") and column.dtype.is_integer():
        return column.cast(pl.Boolean) if column.is_between(0, 1).all() else column
    return column
