"""Write a page of results: it ends with the day and the version that it was seen with."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import prunescope
from prunescope.files import replacing

BEFORE = re.compile(r"\n*^Seen on .* with prunescope .*$", re.MULTILINE)
"""The line of an earlier page, parts of which a benchmark may keep."""


def write_page(path: Path, text: str) -> None:
    """Write a page of Markdown whole, or not at all."""
    seen = f"Seen on {date.today()} with prunescope {prunescope.__version__}."
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as beside:
        beside.write_text(f"{BEFORE.sub('', text).strip()}\n\n{seen}\n", encoding="utf-8")
