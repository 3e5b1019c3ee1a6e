"""Where encoded images come from: files in a folder, or a column of a Parquet table."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

import polars as pl

from prunescope.errors import DataError, ImageError
from prunescope.inputs import UNREADABLE

_BLOCK = 256
"""Rows of encoded images held in memory at a time."""


class Images(Protocol):
    """The encoded images of a table, in its order."""

    @property
    def key(self) -> str:
        """Changes whenever the images may have changed, and costs little to find out."""
        ...

    @property
    def bad(self) -> Mapping[int, str]:
        """Rows whose image is known to be bad before decoding, with the reason."""
        ...

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[tuple[str | None, Path | bytes | None]]:
        """Yield each row's name, where it has one, and its image, where it is not bad."""
        ...


@dataclass(frozen=True)
class FileImages:
    """Images as files in a folder that no path leaves.

    The key is a hash of the folder's place and of every file's path, size, time of modification
    and time of status change, in order: nothing is read, and a file that was rewritten, replaced
    or touched counts as another. Copying the folder makes a new key.
    """

    root: Path
    names: tuple[str | None, ...]
    key: str
    bad: Mapping[int, str]

    @classmethod
    def find(cls, root: Path, names: pl.Series, source: str) -> FileImages:
        """Look up the files `names` below `root`.

        Raises
        ------
        DataError
            The folder does not exist.
        ImageError
            A path is absolute, climbs with ``..``, or is a link that leads out of the folder.
        """
        if not root.is_dir():
            raise DataError(f"{source}: its images should be in {root}, which is not a folder")
        root = root.resolve()
        paths: list[str | None] = names.to_list()
        digest = hashlib.blake2b(str(root).encode(), digest_size=16)
        bad = {}
        parents: set[str] = set()
        for row, name in enumerate(paths):
            status = "none"
            try:
                found = _look_up(root, name, parents)
            except _LeavesError as error:
                raise ImageError(f"{source}: row {row + 1}: image {name!r} {error}") from None
            except ImageError as error:
                bad[row] = str(error)
            else:
                status = f"{found.st_size} {found.st_mtime_ns} {found.st_ctime_ns}"
            digest.update(f"{name!r} {status}\n".encode())
        return cls(root, tuple(paths), digest.hexdigest(), bad)

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[tuple[str | None, Path | None]]:
        for row, name in enumerate(self.names):
            yield name, None if name is None or row in self.bad else self.root / name


@dataclass(frozen=True)
class EmbeddedImages:
    """Images as bytes in a Parquet column: ``struct{bytes, path}`` (Hugging Face) or binary.

    The key is made of the file's place, size and times and of the column's name: the table may
    hold gigabytes, which are read only to be decoded.
    """

    path: Path
    column: str
    n: int

    @property
    def key(self) -> str:
        """See the class."""
        found = self.path.stat()
        told = [self.path.resolve(), self.column, found.st_size, found.st_mtime_ns]
        text = repr([*map(str, told), found.st_ctime_ns])
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    @property
    def bad(self) -> Mapping[int, str]:
        """Nothing is known before the bytes are read."""
        return {}

    def __len__(self) -> int:
        return self.n

    def __iter__(self) -> Iterator[tuple[str | None, bytes | None]]:
        table = pl.scan_parquet(self.path, glob=False).select(pl.col(self.column).alias("image"))
        for start in range(0, self.n, _BLOCK):
            try:
                images = table.slice(start, _BLOCK).collect()["image"]
            except UNREADABLE as error:
                raise DataError(f"{self.path}: its images cannot be read; {error}") from error
            if images.dtype == pl.Binary:
                yield from ((None, encoded) for encoded in images)
            else:
                parts = images.struct.unnest()
                names = parts["path"] if "path" in parts.columns else [None] * len(parts)
                yield from zip(names, parts["bytes"], strict=True)


class _LeavesError(ImageError):
    """A path leads out of its folder; no setting lets that pass."""


def _look_up(root: Path, name: str | None, inside: set[str]) -> os.stat_result:
    """Return the status of a file below `root`; its folder joins those known to be `inside`."""
    if name is None:
        raise ImageError("is not given")
    parts = PurePosixPath(name)
    if parts.is_absolute() or ".." in parts.parts:
        raise _LeavesError(f"leaves its folder: give a path relative to {root}, without '..'")
    path = root / parts
    try:
        if str(parts.parent) not in inside:
            _check_link(root, path.parent)
            inside.add(str(parts.parent))
        found = path.lstat()
        if stat.S_ISLNK(found.st_mode):
            _check_link(root, path)
            found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        hint = ": its path has Windows' backslashes, write / instead" if "\\" in name else ""
        raise ImageError(f"is missing{hint}") from None
    except (OSError, RuntimeError, ValueError) as error:  # a loop of links, a null byte
        raise ImageError(f"cannot be opened ({error})") from None
    if not stat.S_ISREG(found.st_mode):
        raise ImageError("is not a file")
    return found


def _check_link(root: Path, path: Path) -> None:
    """Refuse a path that resolves to a place outside `root`."""
    if not path.resolve().is_relative_to(root):
        raise _LeavesError(f"is a link that leaves {root}: copy the file into the folder")
