"""The page of a search for slices."""

from __future__ import annotations

from pathlib import Path

from prunescope import __version__
from prunescope.data import Dataset
from prunescope.files import write_text
from prunescope.report.html import page
from prunescope.report.hurt import build_hurt
from prunescope.slices import Slices


def write_slices(
    slices: Slices,
    folder: str | Path,
    *,
    title: str | None = None,
    dataset: Dataset | None = None,
) -> Path:
    """Write ``slices.html`` to a folder, whole or not at all; return its path."""
    hurt = build_hurt(slices, dataset=dataset)
    title = title or f"Where {', '.join(hurt.models)} hurts"
    text = page("slices.html", title=title, hurt=hurt, version=__version__)
    return write_text(Path(folder) / "slices.html", text)
