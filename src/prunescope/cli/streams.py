"""Where a command prints to, whatever it is: few letters, no reader any more, closed, narrow."""

from __future__ import annotations

import codecs
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO, cast

LEAST_WIDTH = 20
"""Columns of a terminal that says it has fewer."""

PLAIN = {
    "−": "-", "–": "-", "—": "-", "×": "x", "÷": "/", "±": "+/-", "≤": "<=", "≥": ">=", "≈": "~",
    "→": "->", "←": "<-", "↑": "^", "↓": "v", "…": "...", "·": "-", "•": "*", "’": "'", "‘": "'",
    "“": '"', "”": '"',
}  # fmt: skip
"""What stands for a character that a console lacks, where anything means the same; else ``?``."""

PLAINLY = "prunescope.plainly"
"""Name of the way to encode for a console of few letters."""


def plainly(error: UnicodeError) -> tuple[str, int]:
    """Encode what a console lacks by characters that any console has.

    Examples
    --------
    >>> "−2.5 points → é".encode("ascii", PLAINLY)
    b'-2.5 points -> ?'
    """
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(PLAIN.get(letter, "?") for letter in lacking), error.end


codecs.register_error(PLAINLY, plainly)


class Unread(io.RawIOBase):
    """A file in which what is written is dropped once nobody reads it any more, as after ``head``.

    So the command goes on to its end, and to its own exit code.
    """

    def __init__(self, file: io.RawIOBase) -> None:
        self._file = file

    def write(self, data: object) -> int | None:
        """Write, or drop, bytes."""
        view = cast(memoryview, data)
        try:
            return self._file.write(view)
        except BrokenPipeError:
            return len(view)

    def writable(self) -> bool:
        """Return True."""
        return True

    def fileno(self) -> int:
        """Return the number of the file."""
        return self._file.fileno()

    def isatty(self) -> bool:
        """Tell whether a person sees it."""
        return self._file.isatty()


class Lasting(io.TextIOWrapper):
    """A stream of text alone: where it has the bytes, click prints UTF-8 to a console of ASCII."""

    @property
    def buffer(self) -> None:  # type: ignore[override]
        """Return nothing."""


@contextmanager
def any_console() -> Iterator[None]:
    """Let everything be printed to whatever there is."""
    if (width := os.environ.get("COLUMNS", "")).isdigit():
        os.environ["COLUMNS"] = str(max(int(width), LEAST_WIDTH))
    if os.environ.get("NO_COLOR"):
        from typer import rich_utils

        rich_utils.COLOR_SYSTEM = None
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (_lasting(stream) for stream in before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def _lasting(stream: TextIO | None) -> TextIO:
    """Return a stream that prints to where another does, and never fails for want of a reader."""
    if stream is None:  # it was closed when the program began
        return Path(os.devnull).open("w", encoding="utf-8")
    buffer = getattr(stream, "buffer", None)
    raw = getattr(buffer, "raw", buffer)
    if not isinstance(stream, io.TextIOWrapper) or not isinstance(raw, io.RawIOBase):
        return stream  # a notebook's or a test's, which takes every letter
    stream.flush()
    return Lasting(
        io.BufferedWriter(Unread(raw)),
        encoding=stream.encoding,
        errors=PLAINLY,
        line_buffering=stream.line_buffering or stream.write_through,
    )
