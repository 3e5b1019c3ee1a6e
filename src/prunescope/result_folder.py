"""How a result is kept on disk: one JSON file that tells of it, beside tables in Parquet."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import polars as pl
from pydantic import BaseModel, ValidationError

from prunescope.errors import DataError, shorten
from prunescope.files import replacing

Info = TypeVar("Info", bound=BaseModel)
Schema = Mapping[str, pl.DataType]


@dataclass(frozen=True)
class ResultFolder(Generic[Info]):
    """The files of one kind of result.

    Parameters
    ----------
    what : str
        Its name in messages, such as ``audit``.
    command : str
        What writes it.
    info_file : str
    info : type
        What the JSON file holds; of a fixed `format_version`.
    tables : dict
        Parquet file → its columns and their types; the main one first.
    """

    what: str
    command: str
    info_file: str
    info: type[Info]
    tables: Mapping[str, Schema]

    def save(self, folder: str | Path, info: Info, *tables: pl.DataFrame) -> None:
        """Write the tables, in their order, and the JSON file last; each whole or not at all."""
        folder = Path(folder)
        for file, table in zip(self.tables, tables, strict=True):
            with replacing(folder / file) as beside:
                table.write_parquet(beside)
        with replacing(folder / self.info_file) as beside:
            beside.write_text(info.model_dump_json(indent=1), encoding="utf-8")

    def load(self, folder: str | Path) -> tuple[Info, list[pl.DataFrame]]:
        """Read what `save` wrote.

        Raises
        ------
        DataError
            A file is absent, damaged or of another version.
        """
        folder = Path(folder)
        if not folder.is_dir():
            raise self._absent(folder)
        try:
            tables = [pl.read_parquet(folder / file) for file in self.tables]
            text = (folder / self.info_file).read_text("utf-8")
            info = self.info.model_validate(json.loads(text))
        except FileNotFoundError as error:
            raise self._absent(folder) from error
        except ValidationError as error:
            raise DataError(
                f"{folder}: the {self.what} cannot be read: {self.info_file} is damaged or of "
                f"another version: {error}"
            ) from error
        except (pl.exceptions.PolarsError, ValueError, OSError) as error:
            raise DataError(f"{folder}: the {self.what} cannot be read: {error}") from error
        for (file, schema), table in zip(self.tables.items(), tables, strict=True):
            if table.schema != pl.Schema(schema):
                found, wanted = (
                    shorten((f"{name} ({kind})" for name, kind in columns.items()), 30)
                    for columns in (table.schema, schema)
                )
                raise DataError(f"{folder / file} has the columns {found}: expected {wanted}")
        return info, tables

    def _absent(self, folder: Path) -> DataError:
        """Say that there is no such result, and how to make one."""
        return DataError(
            f"{folder} holds no {self.what}: expected {next(iter(self.tables))} and "
            f"{self.info_file}, as written by {self.command} -o {folder}"
        )
