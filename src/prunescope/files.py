"""Writing files so that no half-written one is ever left."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prunescope.errors import DataError

__all__ = ["FolderExistsError", "new_folder", "replacing", "write_new"]


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a path beside `path` to write to; rename it to `path` when the block succeeds.

    Folders above `path` are made. If the block fails, `path` is as it was and nothing is left.

    Raises
    ------
    DataError
        The folder cannot be made or written to, or `path` is a folder.

    Examples
    --------
    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "new" / "answer.txt"
    >>> with replacing(target) as beside:
    ...     _ = beside.write_text("42")
    >>> target.read_text(), [file.name for file in target.parent.iterdir()]
    ('42', ['answer.txt'])
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    except OSError as error:
        raise DataError(f"cannot write {path}: {error.strerror}") from error
    os.close(handle)
    beside = Path(name)
    try:
        yield beside
        beside.chmod(0o666 & ~_umask())
        beside.replace(path)
    except OSError as error:
        raise DataError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        beside.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> Path:
    """Write a text file, whole or not at all; return its path.

    Raises
    ------
    DataError
        It cannot be written.
    """
    with replacing(path) as beside:
        beside.write_text(text, encoding="utf-8")
    return path


def write_new(path: Path, text: str) -> None:
    """Write a text file that is not there yet.

    Raises
    ------
    DataError
        It is there, and left alone; or it cannot be written.
    """
    if path.exists():
        raise DataError(f"{path} exists and is left alone: name another file")
    write_text(path, text)


class FolderExistsError(DataError):
    """A folder that was to be written is there already."""


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Give a folder beside `folder` to fill; it gets that name when the block succeeds.

    Folders above are made. If the block fails, nothing is left.

    Raises
    ------
    FolderExistsError
        `folder` has come to exist and is not empty.
    DataError
        The folder above cannot be made or written to.
    """
    part = folder.parent / f".{folder.name}.{uuid.uuid4().hex}.part"
    try:
        part.mkdir(parents=True)
    except OSError as error:
        raise DataError(f"cannot write {folder}: {error.strerror}") from error
    try:
        yield part
        try:
            part.rename(folder)
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
                raise
            raise FolderExistsError(f"{folder} exists already: choose another folder") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _umask() -> int:
    """Return the process's umask, which can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
