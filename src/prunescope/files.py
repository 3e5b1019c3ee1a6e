"""Writing files and folders so that none is half-written, mixed or taken from another's."""

from __future__ import annotations

import errno
import os
import re
import shutil
import tempfile
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from prunescope.errors import DataError, PrunescopeError

__all__ = [
    "FolderExistsError",
    "WriteError",
    "leftovers",
    "locked",
    "new_folder",
    "remove_leftovers",
    "replacing",
    "reserved",
    "writable",
    "write_all",
    "write_new",
    "write_text",
]

LOCK = ".prunescope.lock"
"""The lock of a folder that is filled, inside it."""

PART = re.compile(r"\.(?P<name>.+)\.([a-z0-9_]{8}|[0-9a-f]{32})\.part")
"""What `replacing` and `new_folder` call what is not whole yet."""

OF_THE_SYSTEM = re.compile(r"\b(I/?O error|os error \d+)", re.IGNORECASE)
"""How libraries written in Rust say that it was the system, in errors of their own."""

ROOM = 2**16
"""Bytes that must fit on the disk before work is begun; no result takes fewer."""


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
    if path.is_dir():
        raise WriteError(path, os.strerror(errno.EISDIR))
    if path.exists() and not path.is_file():
        raise WriteError(path, "it is a pipe or a device")
    with _told(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    os.close(handle)
    beside = Path(name)
    try:
        with _told(path):
            yield beside
            beside.chmod(0o666 & ~_umask())
            beside.replace(path)
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


def write_all(made: Mapping[Path, bytes]) -> None:
    """Write files of which all are whole before the first gets its name; the first gets it last.

    Raises
    ------
    DataError
        One of them cannot be written; that shows before the first gets its name, so all are as
        they were.
    """
    with ExitStack() as written:
        for path, content in made.items():
            written.enter_context(replacing(path)).write_bytes(content)


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


class WriteError(DataError):
    """A file or folder cannot be written; `reason` is the system's."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"cannot write {path}: {reason}")
        self.reason = reason


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
        with _told(folder):
            part.mkdir(parents=True)
            yield part
            try:
                part.rename(folder)
            except OSError as error:
                if error.errno not in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
                    raise
                raise FolderExistsError(
                    f"{folder} exists already: choose another folder"
                ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


@contextmanager
def reserved(target: Path, *, inside: Iterable[str] | None = None) -> Iterator[None]:
    """Make sure, before the work, that a place can be written to, and keep it to oneself.

    What killed writers left there goes. Folders that are made for it and stay empty go, too.

    Parameters
    ----------
    target : path
        A file or folder that will be replaced whole.
    inside : iterable of str, optional
        Of a folder that files are put into: their names.

    Raises
    ------
    DataError
        Nothing can be written there, or another process is writing.
    """
    target = Path(os.path.realpath(target))
    if inside is None:
        folder, names, lock = target.parent, [target.name], f".{target.name}.lock"
    else:
        folder, names, lock = target, list(inside), LOCK
    with writable(folder, target), locked(folder / lock, target):
        remove_leftovers(leftovers(folder, *names))
        yield


def leftovers(folder: Path, *names: str) -> list[Path]:
    """Return what killed writers left in a folder of files or folders of these names.

    Parameters
    ----------
    folder : path
    names : str
        Whole ones, so that nothing goes that belongs to another file.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> for name in (".a.csv.0z_4k8s2.part", ".a.csv.gz.0z_4k8s2.part", ".a.csv.part"):
    ...     (folder / name).touch()
    >>> [path.name for path in leftovers(folder, "a.csv")]
    ['.a.csv.0z_4k8s2.part']
    """
    found = ((path, PART.fullmatch(path.name)) for path in sorted(folder.glob(".*.part")))
    return [path for path, part in found if part and part["name"] in names]


@contextmanager
def writable(folder: Path, target: Path | None = None) -> Iterator[None]:
    """Make a folder and see that a file can be written to it; it goes again if it stays empty.

    Raises
    ------
    DataError
        It cannot; names `target`.
    """
    made: list[Path] = []
    try:
        with _told(target or folder):
            made = [path for path in (folder, *folder.parents) if not path.exists()]
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder) as probe:
                probe.write(bytes(ROOM))
        yield
    finally:
        with suppress(OSError):  # one that is not empty stays
            for path in made:
                path.rmdir()


@contextmanager
def locked(lock: Path, target: Path) -> Iterator[None]:
    """Hold a lock, which dies with its process; whoever holds it may take it once more.

    Raises
    ------
    DataError
        Another process holds it, so `target` is being written; or `lock` cannot be written.
    """
    from filelock import FileLock, Timeout  # here, for the command line to print help without it

    held = FileLock(os.path.realpath(lock), is_singleton=True)
    try:
        with _told(target):
            held.acquire(timeout=0)
    except Timeout as error:
        raise DataError(
            f"another prunescope is writing to {target}: wait until it has ended, or choose "
            "another place"
        ) from error
    try:
        yield
    finally:
        try:
            if held.lock_counter == 1:
                with suppress(OSError):  # Windows removes it on release
                    lock.unlink()
        finally:
            held.release()


def remove_leftovers(paths: Iterable[Path]) -> None:
    """Remove files and folders that a killed process was writing, where nobody else writes."""
    for path in list(paths):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Say in one error what the system has against writing a file or folder."""
    try:
        yield
    except TimeoutError:  # of a lock
        raise
    except OSError as error:
        raise WriteError(path, error.strerror or str(error)) from error
    except Exception as error:
        if OF_THE_SYSTEM.search(str(error)) is None or isinstance(error, PrunescopeError):
            raise
        raise WriteError(path, str(error)) from error


def _umask() -> int:
    """Return the process's umask, which can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
