"""The page of a search for slices."""

from __future__ import annotations

from pathlib import Path

from prunescope.data import Dataset
from prunescope.report.html import write_page
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
    return write_page(folder, "slices", {"title": title, "headline": hurt.headline}, hurt=hurt)
