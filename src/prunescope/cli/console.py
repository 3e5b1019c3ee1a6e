"""What the command line says: results on stdout, everything else on stderr."""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO

from prunescope.errors import DataError

PLAIN_EVERY = 10.0
"""Seconds between two lines of progress where there is no terminal."""

SILENT = os.environ.get("RANK", "0") != "0"
"""Of several processes that train together, the first talks."""

OF_ANSWERS = {"ship": "green", "care": "yellow", "stop": "red", "unknown": "magenta"}
"""Answer of a verdict → its colour."""


def say(text: str) -> None:
    """Print a line about the work, on stderr."""
    if not SILENT:
        with suppress(OSError):  # a full disk: the exit code tells on
            print(text, file=sys.stderr, flush=True)


def result(as_json: bool, data: dict[str, Any], text: str | Callable[[], None]) -> None:
    """Print a command's result on stdout: one JSON object, or text for a person."""
    if SILENT:
        return
    if as_json:
        print(json.dumps(data, default=str))  # ASCII alone: no console can change a name
    elif callable(text):
        text()
    else:
        print(text)


def colourless() -> bool:
    """Tell whether a person asked for no escape codes, by ``NO_COLOR`` or ``TERM=dumb``."""
    return bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") in ("dumb", "unknown")


@contextmanager
def progress(label: str) -> Iterator[Callable[..., None]]:
    """Show how far a piece of work is: a bar on a terminal, plain lines elsewhere.

    The function that is given takes the steps done and of all, and optionally a note.
    """
    if SILENT:
        yield lambda *_: None
    elif sys.stderr.isatty() and not colourless():
        with _bar(label) as update:
            yield update
    else:
        with _lines(label, sys.stderr) as update:
            yield update


@contextmanager
def _bar(label: str) -> Iterator[Callable[..., None]]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
    )
    with Progress(*columns, console=Console(stderr=True)) as bars:
        task = bars.add_task(label, total=None, note="")

        def update(done: int, total: int, note: str = "") -> None:
            bars.update(task, completed=done, total=total, note=note)

        yield update


@contextmanager
def _lines(label: str, stream: TextIO) -> Iterator[Callable[..., None]]:
    start = last = time.monotonic()

    def update(done: int, total: int, note: str = "") -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= PLAIN_EVERY and done < total:
            last = now
            share = f"{done / total:.0%}" if total else f"{done}"
            left = f", {(now - start) * (total / done - 1):,.0f} s left" if done and total else ""
            print(f"{label}: {f'{share} {note}'.rstrip()}{left}", file=stream, flush=True)

    yield update
    took = time.monotonic() - start
    print(f"{label}: done in {took:.1f} s", file=stream, flush=True)


@contextmanager
def flushed() -> Iterator[None]:
    """Write out all that was printed; where the disk is full, say so and drop the rest."""
    try:
        yield
    finally:
        try:
            sys.stdout.flush()
        except OSError as error:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise DataError(f"cannot print: {error.strerror}") from error


@contextmanager
def plain_warnings() -> Iterator[None]:
    """Show warnings as one line each, without the place in the code that raised them."""

    def show(message: Warning | str, *_: object, **__: object) -> None:
        say(f"warning: {message}")

    before = warnings.showwarning
    warnings.showwarning = show
    try:
        yield
    finally:
        warnings.showwarning = before
