"""`write_explanations`: a page, its figures as JSON and its pictures as files."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

from prunescope.explain.pictures import data_uri
from prunescope.explain.result import MAPS, Found
from prunescope.explain.words import METHOD_NAMES
from prunescope.files import write_all
from prunescope.report.html import page
from prunescope.verdict.numbers import counted

PAGE, INFO = "explain.html", "explain.json"

_OURS = re.compile(r"\d{3,}-(image|difference|(dense|compressed)(-last|-all)?)\.png")
"""What a picture's file is called."""


def write_explanations(found: Found, folder: str | Path, *, title: str | None = None) -> Path:
    """Write ``explain.html``, ``explain.json`` and ``maps/*.png`` to a folder; return the page.

    The page holds its pictures and works offline. Pictures of an earlier result go.

    Raises
    ------
    DataError
        The folder cannot be written to; then everything in it is as it was.
    """
    folder = Path(folder)
    text = to_page(found, title=title)
    made = {
        folder / PAGE: text.encode("utf-8"),
        folder / INFO: (found.info.model_dump_json(indent=1) + "\n").encode("utf-8"),
        **{folder / name: picture for name, picture in found.pictures.items()},
    }
    write_all(made)
    for path in (folder / MAPS).iterdir() if found.pictures else ():
        if path not in made and _OURS.fullmatch(path.name):
            with suppress(OSError):
                path.unlink()
    return folder / PAGE


def to_page(found: Found, *, title: str | None = None) -> str:
    """Render explanations as one self-contained HTML page."""
    info = found.info
    return page(
        "explain.html",
        title or f"Why did it flip? {info.compressed} against {info.dense}",
        f"{counted(len(info.cases), 'answer')}, as {info.dense} and {info.compressed} see "
        + ("it" if len(info.cases) == 1 else "them"),
        told=info,
        method=METHOD_NAMES[info.method],
        pictures={name: data_uri(picture) for name, picture in found.pictures.items()},
    )
