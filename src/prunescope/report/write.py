"""Renderers by name, and writing their files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from prunescope.errors import ConfigError, one_of
from prunescope.files import write_all
from prunescope.report.estimates import to_csv
from prunescope.report.html import to_html
from prunescope.report.markdown import to_markdown
from prunescope.report.model_card import to_model_card
from prunescope.report.structure import Report


def to_json(report: Report) -> str:
    """Render a report as JSON; ``Report.model_validate_json`` reads it back, equal."""
    return report.model_dump_json()


FORMATS: Mapping[str, Callable[[Report], str]] = {
    "html": to_html,
    "json": to_json,
    "md": to_markdown,
    "csv": to_csv,
    "card": to_model_card,
}
"""Format → renderer."""

FILES = {"card": "model_card.md"}
"""Format → name of its file, where that is not ``report.<format>``."""


def write_report(
    report: Report, folder: str | Path, *, formats: Sequence[str] = ("html",)
) -> list[Path]:
    """Write a report to ``report.html``, ``report.json`` …, ``model_card.md``.

    The files appear when all are whole.

    Parameters
    ----------
    report : Report
        From `build`.
    folder : path
        Made where it is absent.
    formats : sequence of {"html", "json", "md", "csv", "card"}

    Returns
    -------
    list of Path
        The files, in the order of `formats`.

    Raises
    ------
    ConfigError
        A format is not known.
    DataError
        The folder cannot be written to.
    """
    for name in formats:
        if name not in FORMATS:
            raise ConfigError(one_of("report format", name, FORMATS))
    rendered = {name: FORMATS[name](report) for name in formats}
    made = {
        Path(folder) / FILES.get(name, f"report.{name}"): text.encode()
        for name, text in rendered.items()
    }
    write_all(made)
    return list(made)
