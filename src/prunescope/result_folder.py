"""How a result is kept on disk: one JSON file that tells of it, beside tables in Parquet.

The JSON file holds the SHA-256 of each table and of what it says itself; readers take no others.
A table is written beside its place, the JSON file is then replaced in one step, and the tables move
to their places. Killed before that step the old result stands, after it the new: readers find a
table in its place or where it still waits. A folder is locked while it is written, so the tables of
two writers do not mix.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import polars as pl
from pydantic import BaseModel, ValidationError

from prunescope.errors import DataError, shorten
from prunescope.files import (
    LOCK,
    WriteError,
    leftovers,
    locked,
    remove_leftovers,
    replacing,
    writable,
)
from prunescope.inputs import parquet_schema, parse_json, parse_parquet, read_bytes, read_json

SEAL = "sha256"
"""Key in the JSON file: table → hash."""

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
        """Write a result; one that is there stands until the new one is whole.

        Raises
        ------
        DataError
            The folder cannot be written to, another process writes to it, or it has files of these
            names that are no such result.
        """
        folder = Path(folder)
        with writable(folder), locked(folder / LOCK, folder):
            check_ours(folder, [self.info_file], self.tables)
            self._settle(folder)
            seal = {}
            try:
                for file, table in zip(self.tables, tables, strict=True):
                    with replacing(_waiting(folder / file)) as beside:
                        table.write_parquet(beside)
                        seal[file] = _hash_of(beside)
                told = json.loads(info.model_dump_json())
                told[SEAL] = seal | {self.info_file: _hash_of_rest(told)}
                with replacing(folder / self.info_file) as beside:
                    beside.write_text(json.dumps(told, indent=1, ensure_ascii=False), "utf-8")
            except WriteError as error:
                raise WriteError(folder, error.reason) from error
            finally:
                self._settle(folder)

    def load(self, folder: str | Path) -> tuple[Info, list[pl.DataFrame]]:
        """Read what `save` wrote.

        Raises
        ------
        DataError
            A file is absent, damaged, of another version or of another result.
        """
        folder = Path(folder)
        if not folder.is_dir():
            raise self._absent(folder)
        while True:
            text = self._read(folder, self.info_file)
            try:
                return self._loaded(folder, text)
            except DataError:
                if self._read(folder, self.info_file) == text:
                    raise  # no writer has just replaced it

    def _loaded(self, folder: Path, text: bytes) -> tuple[Info, list[pl.DataFrame]]:
        """Read the result that the text of the JSON file tells of."""
        unread = f"{folder}: the {self.what} cannot be read"
        try:
            told = parse_json(text)
            seal = told.pop(SEAL, None) if isinstance(told, dict) else None
            info = self.info.model_validate(told)
        except ValidationError as error:
            raise DataError(
                f"{unread}: {self.info_file} is damaged or of another version: {error}"
            ) from error
        except ValueError as error:
            raise DataError(f"{unread}: {self.info_file}: {error}") from error
        if not isinstance(seal, dict):
            raise DataError(
                f"{unread}: {self.info_file} does not say which tables are its own, as it does "
                f"since version 0.2: make it again with {self.command}"
            )
        if seal.get(self.info_file) != _hash_of_rest(told):
            raise DataError(
                f"{unread}: {self.info_file} was changed since it was written: make it again with "
                f"{self.command}"
            )
        return info, [self._table(folder, file, seal.get(file)) for file in self.tables]

    def _table(self, folder: Path, file: str, seal: object) -> pl.DataFrame:
        """Read a table, if it is the one that belongs to the result."""
        try:
            content = self._read(folder, _waiting(Path(file)).name)
            if hashlib.sha256(content).hexdigest() != seal:
                content = self._read(folder, file)
        except DataError:
            content = self._read(folder, file)
        if hashlib.sha256(content).hexdigest() != seal:  # first: damaged bytes may abort polars
            raise self._other(folder, file, content)
        unread = f"{folder}: the {self.what} cannot be read: {file}"
        try:
            table = parse_parquet(content)
        except ValueError as error:
            raise DataError(f"{unread}: {error}") from error
        if table.schema != pl.Schema(self.tables[file]):
            raise self._other(folder, file, content)
        return table

    def _other(self, folder: Path, file: str, content: bytes) -> DataError:
        """Say that a table is not the one that belongs to the result, and how that shows."""
        unread = f"{folder}: the {self.what} cannot be read: {file}"
        try:
            schema = parquet_schema(content)
        except ValueError as error:
            return DataError(f"{unread}: {error}")
        if schema != pl.Schema(self.tables[file]):
            found, wanted = (
                shorten((f"{name} ({kind})" for name, kind in columns.items()), 30)
                for columns in (schema, self.tables[file])
            )
            return DataError(f"{folder / file} has the columns {found}: expected {wanted}")
        return DataError(
            f"{unread} is not the table that {self.info_file} was written with; copy the folder "
            f"again, or make it again with {self.command}"
        )

    def _read(self, folder: Path, file: str) -> bytes:
        try:
            return read_bytes(folder / file)
        except FileNotFoundError as error:
            raise self._absent(folder) from error
        except OSError as error:
            raise DataError(
                f"{folder}: the {self.what} cannot be read: {file}: {error.strerror}"
            ) from error

    def _settle(self, folder: Path) -> None:
        """Move the tables that wait to their places, and drop those of a writer that was killed."""
        try:
            seal = dict(read_json(folder / self.info_file)[SEAL])
        except (OSError, ValueError, KeyError, TypeError):  # it says of no table that it is its own
            seal = {}
        for file in (*self.tables, self.info_file):
            beside = _waiting(folder / file)
            remove_leftovers(leftovers(folder, file, beside.name))
            with suppress(OSError):  # it waits on: on Windows somebody reads the old one
                if beside.exists() and _hash_of(beside) == seal.get(file):
                    beside.replace(folder / file)
                else:
                    beside.unlink(missing_ok=True)

    def _absent(self, folder: Path) -> DataError:
        """Say that there is no such result, and how to make one."""
        return DataError(
            f"{folder} holds no {self.what}: expected {next(iter(self.tables))} and "
            f"{self.info_file}, as written by {self.command} -o {folder}"
        )


def check_ours(folder: Path, info_files: Iterable[str], beside: Iterable[str]) -> None:
    """Raise where files would be overwritten that are not those of a result.

    Parameters
    ----------
    folder : path
    info_files : iterable of str
        The JSON files that tell of a result, of whatever version; one is enough.
    beside : iterable of str
        What a result has beside them.

    Raises
    ------
    DataError
    """
    told = [file for file in info_files if os.path.lexists(folder / file)]
    for file in told:
        try:
            content = read_json(folder / file)
        except (OSError, ValueError):
            content = None
        if not isinstance(content, dict) or "format_version" not in content:
            raise DataError(
                f"{folder} has a {file} that is not of prunescope, or is damaged: it is left "
                "alone; choose another folder"
            )
    theirs = [file for file in beside if os.path.lexists(folder / file)]
    if theirs and not told:
        raise DataError(
            f"{folder} has {theirs[0]} and no {', '.join(info_files)}, so it is no result of "
            "prunescope: it is left alone; choose another folder"
        )


def _waiting(table: Path) -> Path:
    """Return where a table is written, before it moves to its place."""
    return table.with_name(f".{table.name}.next")


def _hash_of_rest(told: object) -> str:
    """Hash what the JSON file says beside its seal, however it is laid out."""
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _hash_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
