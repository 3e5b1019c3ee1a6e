"""Where commands write to: made sure of before the work, and kept to oneself until its end.

Each function is the callback of an option `-o`, so what is wrong is said before anything is read.
Of several processes that train together the first alone does so.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

from prunescope.cli.console import SILENT
from prunescope.errors import CheckpointError, DataError
from prunescope.files import FolderExistsError, reserved, writable

KINDS = (
    "audit", "comparison", "explain", "forecast", "route", "score", "search", "sensitivity",
    "slices",
)  # fmt: skip
RESULTS = tuple(f"{kind}.json" for kind in KINDS)
"""The files that tell of a result."""

REPORT = ("report.html", "report.json", "report.md", "report.csv", "model_card.md")
"""The pages of an audit, of every format."""

PAGES = (
    *REPORT, "review.csv", "members.parquet", "layers.parquet", "together.parquet",
    *(f"{kind}.{ending}" for kind in KINDS for ending in ("parquet", "html")),
)  # fmt: skip
"""What a result has beside them."""

MODEL = ("prunescope.json",)
STORY = ("data.yaml", "models", "audit.json")
"""What tells that a folder is a model's, or the demo's."""

_PLACES = ExitStack()


def places() -> AbstractContextManager[object]:
    """Return what gives up, at its end, the places that a command has taken."""
    return _PLACES


def result(path: Path | None) -> Path | None:
    """Take a folder for a result; it may hold other files, but none that would be overwritten.

    A result of ours is replaced.
    """
    if path is None:
        return None
    _check_ours(path, PAGES)
    return pages(path)


def pages(path: Path | None) -> Path | None:
    """Take a folder that files are added to."""
    return _take(path, inside=(*RESULTS, *PAGES))


def story(path: Path) -> Path:
    """Take a folder for the demo."""
    _check_ours(path, ())
    if _others(path, STORY):
        raise DataError(f"{path} holds other files: it is left alone; choose another folder")
    pages(path)
    return path


def model(path: Path) -> Path:
    """Take a folder for a model."""
    if _others(path, MODEL):
        raise CheckpointError(
            f"{path} exists and is no checkpoint: it is left alone; choose another folder"
        )
    _take(path)
    return path


def new(path: Path) -> Path:
    """Take a folder that is new or empty."""
    if _others(path, ()):
        raise FolderExistsError(f"{path} exists already: choose a new or empty folder")
    _take(path)
    return path


def file(path: Path | None) -> Path | None:
    """Take a file."""
    if path is not None and path.is_dir():
        raise DataError(f"cannot write {path}: it is a folder; name a file")
    return _take(path)


def shared(path: Path | None) -> Path | None:
    """See that a folder can be written to that several processes fill."""
    if path is not None:
        _hold(writable(path))
    return path


def _take(path: Path | None, *, inside: Iterable[str] | None = None) -> Path | None:
    if path is not None:
        _hold(reserved(path, inside=inside))
    return path


def _hold(place: AbstractContextManager[None]) -> None:
    """Keep a place until the command ends."""
    if not SILENT:
        _PLACES.enter_context(place)


def outdated(folder: Path, *names: str) -> None:
    """Remove pages of a result that is about to be replaced."""
    for name in names:
        (folder / name).unlink(missing_ok=True)


def _others(folder: Path, marks: Iterable[str]) -> bool:
    """Tell whether something is in a folder, and nothing that tells that it is ours."""
    _check_folder(folder)
    if not folder.is_dir() or any((folder / mark).exists() for mark in marks):
        return False
    return any(not path.name.startswith(".") for path in folder.iterdir())


def _check_ours(folder: Path, beside: Iterable[str]) -> None:
    from prunescope.result_folder import check_ours  # here: printing help takes no polars

    _check_folder(folder)
    check_ours(folder, RESULTS, beside)


def _check_folder(path: Path) -> None:
    if path.exists() and not path.is_dir():
        raise DataError(f"cannot write {path}: it is a file; name a folder")
