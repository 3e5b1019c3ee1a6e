"""What the page of an audit shows beside the audit, as options."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from prunescope.cli import options

REPORT = "Report"

PolicyFile = Annotated[
    Path | None,
    typer.Option(
        "--policy",
        metavar="FILE",
        help="What a model has to keep to be shipped: docs/gate.md.",
        show_default="the shipped policy",
    ),
]


@dataclass(frozen=True)
class Given:
    """What a page is built of beside the audit, read; and what it is written as."""

    shown: dict[str, Any]
    formats: list[str]
    figures: list[str]


@dataclass(frozen=True)
class Page:
    """What the report of an audit shows, and as what it is written."""

    data: Annotated[
        str | None, typer.Option(help="Data set (or its .yaml) to show images from.")
    ] = None
    title: Annotated[
        str | None, typer.Option(help="Title of the page.", rich_help_panel=REPORT)
    ] = None
    formats: Annotated[
        str,
        typer.Option(
            "--format",
            help="Formats of the report, by commas: html, json, md, csv, card.",
            rich_help_panel=REPORT,
        ),
    ] = "html"
    figures: Annotated[
        str | None,
        typer.Option(
            help="Write the charts to --out/figures too: svg, png, or both by a comma.",
            rich_help_panel=REPORT,
        ),
    ] = None
    gain: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="What 'prunescope gain --json' printed: sizes and times for the trade-off.",
            rich_help_panel=REPORT,
        ),
    ] = None
    policy: PolicyFile = None
    slices: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="What 'prunescope slices' found: the report then tells where it hurts most.",
            rich_help_panel=REPORT,
        ),
    ] = None
    base_model: Annotated[
        str | None,
        typer.Option(
            metavar="OWNER/NAME",
            help="Model on the Hugging Face hub that all were made of: for the format card.",
            show_default="that of dense models hf:OWNER/NAME",
            rich_help_panel=REPORT,
        ),
    ] = None

    def read(self) -> Given:
        """Read the files that it names, and check its formats."""
        from prunescope.report import FORMATS, KINDS, check_known, read_gain
        from prunescope.report.front_matter import checked_name
        from prunescope.slices import Slices
        from prunescope.verdict import Policy

        formats, kinds = options.names(self.formats) or [], options.names(self.figures or "") or []
        check_known("report format", formats, FORMATS)
        check_known("kind of figure", kinds, KINDS)
        shown = {
            "title": self.title,
            "gain": None if self.gain is None else read_gain(self.gain),
            "policy": None if self.policy is None else Policy.load(self.policy),
            "slices": None if self.slices is None else Slices.load(self.slices),
            "dataset": None
            if self.data is None
            else options.load(options.Data(self.data).config()),
            "base_model": None if self.base_model is None else checked_name(self.base_model),
        }
        return Given(shown, formats, kinds)
