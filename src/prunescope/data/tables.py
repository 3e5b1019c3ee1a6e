"""Tables with images: CSV or Parquet, alone or in a folder that `export_dataset` wrote."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import polars as pl

from prunescope.data.config import Columns, DataConfig
from prunescope.data.images import EmbeddedImages, FileImages, Images
from prunescope.errors import ConfigError, DataError, first_line, one_of, shorten
from prunescope.inputs import UNREADABLE, check_file, read_json

TABLE_NAMES = ("labels.csv", "labels.parquet")
"""The table of a data folder."""
ROLES_NAME = "dataset.json"
"""The file in a data folder that tells the roles of its table's columns."""


@dataclass(frozen=True)
class Table:
    """A source before its images are decoded.

    Parameters
    ----------
    name : str
        Name of the data set.
    source : str
        What messages call it: a path.
    frame : polars.DataFrame
        One row per sample; with the image paths, without encoded images.
    columns : Columns
        The roles of its columns.
    images : Images
    """

    name: str
    source: str
    frame: pl.DataFrame
    columns: Columns
    images: Images


class RolesFile(Columns):
    """The content of `ROLES_NAME`."""

    format_version: Literal[1] = 1


def read_csv(path: Path, config: DataConfig) -> Table:
    """Read a CSV file with a column of image paths.

    Raises
    ------
    DataError
        The file is no CSV in UTF-8, repeats a column, or has no column of images.
    """
    return _with_files(path, read_cells(path), config)


def read_parquet(path: Path, config: DataConfig) -> Table:
    """Read a Parquet file with a column of image paths or of encoded images.

    Encoded images are ``struct{bytes, path}``, the Hugging Face layout, or plain bytes.

    Raises
    ------
    DataError
        The file is no Parquet or has no column of images.
    """
    try:
        check_file(path)
        lazy = pl.scan_parquet(path, glob=False)
        schema = lazy.collect_schema()
        flat = [name for name, dtype in schema.items() if not _is_heavy(dtype)]
        frame = lazy.select(flat).collect()
    except UNREADABLE as error:
        raise _unreadable(path, "Parquet", error) from error
    if not flat:
        raise DataError(f"{path}: no column of labels: its columns are {shorten(schema)}")
    column = config.image_column
    kind = schema.get(column, pl.String())
    if kind == pl.String:
        return _with_files(path, frame, config)
    fields = (
        {field.name: field.dtype for field in kind.fields} if isinstance(kind, pl.Struct) else {}
    )
    if kind != pl.Binary and fields.get("bytes") != pl.Binary:
        raise DataError(
            f"{path}: column {column!r} holds {kind}: expected image paths, bytes, or a struct of "
            "bytes and path"
        )
    images = EmbeddedImages(path, column, frame.height)
    return Table(path.stem, str(path), frame, config.over(Columns()), images)


def read_folder(folder: Path, config: DataConfig) -> Table:
    """Read the table of a folder, with the roles that its `ROLES_NAME` states.

    Raises
    ------
    DataError
        There is no such table, or the roles cannot be read.
    """
    path = next((folder / name for name in TABLE_NAMES if (folder / name).is_file()), None)
    if path is None:
        tables = sorted(file.name for suffix in READERS for file in folder.glob(f"*{suffix}"))
        hint = f"; or name one of its tables instead: {shorten(tables)}" if tables else ""
        raise DataError(
            f"{folder} has no labels: expected {' or '.join(TABLE_NAMES)} in it, or CelebA's "
            "list_attr_celeba.txt. Write a labels.csv, a row per image, with the columns image "
            "(its path in the folder), split (train, val or test) and one of 0 and 1 per attribute"
            f"{hint}"
        )
    columns = config.over(read_roles(folder / ROLES_NAME))
    table = READERS[path.suffix](path, config.model_copy(update=dict(columns)))
    return replace(table, name=folder.resolve().name)


def read_roles(path: Path) -> Columns:
    """Read the roles of columns; none are stated where the file is absent.

    Raises
    ------
    DataError
        The file is not what format version 1 asks for.
    """
    try:
        stated = RolesFile.model_validate(read_json(path))
    except FileNotFoundError:
        return Columns()
    except (OSError, ValueError, ConfigError) as error:
        raise _unreadable(path, "the roles of columns in format version 1", error) from error
    return Columns(**stated.model_dump(exclude={"format_version"}))


def write_roles(path: Path, columns: Columns) -> None:
    """Write the roles of columns, as `read_roles` reads them."""
    stated = RolesFile(**columns.model_dump())
    path.write_text(stated.model_dump_json(indent=2) + "\n")


READERS: dict[str, Callable[[Path, DataConfig], Table]] = {
    ".csv": read_csv,
    ".parquet": read_parquet,
}
"""File suffix → reader of a table."""


def read_cells(path: Path) -> pl.DataFrame:
    """Read a CSV file with all its cells as text.

    Raises
    ------
    DataError
        The file is no CSV in UTF-8, or repeats a column.
    """
    try:
        check_file(path)
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = next(csv.reader(file), [])
        frame = pl.read_csv(path, infer_schema=False, glob=False)
    except (UnicodeDecodeError, *UNREADABLE) as error:
        raise _unreadable(path, "CSV in UTF-8, with a line of column names", error) from error
    if repeated := sorted({name for name in header if header.count(name) > 1}):
        raise DataError(f"{path}: the column {shorten(repeated)} stands twice: rename one")
    return frame.rename(dict(zip(frame.columns, header, strict=True)))  # polars leaves "" doubled


def _with_files(path: Path, frame: pl.DataFrame, config: DataConfig) -> Table:
    """Join a table of image paths with the files."""
    source, column = str(path), config.image_column
    if column not in frame.columns:
        raise DataError(f"{source}: {one_of('column', column, frame.columns)} (the images)")
    root = path.parent if config.images is None else config.images.expanduser()
    images = FileImages.find(root, frame[column], source)
    return Table(path.stem, source, frame, config.over(Columns()), images)


def _is_heavy(dtype: pl.DataType) -> bool:
    """Tell columns that may hold images or embeddings from those that hold labels."""
    return dtype.is_nested() or dtype in (pl.Binary, pl.Object)


def _unreadable(path: Path, expected: str, error: Exception) -> DataError:
    """Word what a file should have been, with the first line of what its reader said."""
    return DataError(f"{path} cannot be read: expected {expected}; {first_line(error)}")
