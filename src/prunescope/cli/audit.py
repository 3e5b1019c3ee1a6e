"""`prunescope audit` and `prunescope report`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from prunescope.cli import options, output
from prunescope.cli.console import progress, result, say

if TYPE_CHECKING:
    from prunescope.audit import Audit

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


def audit(
    dense: Annotated[
        list[str],
        typer.Argument(
            metavar="DENSE...",
            help="Predictions of dense models: .parquet or .csv files; a folder, or a pattern in "
            "quotes, is one model in several .parquet files.",
        ),
    ],
    compressed: Annotated[
        list[str],
        typer.Option("--compressed", metavar="FILE...", help="Predictions of compressed models."),
    ],
    out: options.Out = Path("audit"),
    train_labels: options.TrainLabels = None,
    stream: Annotated[
        bool | None,
        typer.Option(
            "--stream/--in-memory",
            help="Read a part of the files at a time.",
            show_default="where they are too large for memory",
            rich_help_panel=options.RUNNING,
        ),
    ] = None,
    engine: Annotated[
        Literal["local", "ray"],
        typer.Option(
            help="Where to count: here, or on a Ray cluster.", rich_help_panel=options.RUNNING
        ),
    ] = "local",
    address: Annotated[
        str | None,
        typer.Option(
            help="Of the Ray cluster: auto, or host:port.",
            show_default="one on this machine",
            rich_help_panel=options.RUNNING,
        ),
    ] = None,
    groups: options.Identity = None,
    intersect: Annotated[
        list[str] | None,
        typer.Option(
            help="Groups to cross, by commas: Male,Young. Repeat for several.",
            rich_help_panel=options.STATISTICS,
        ),
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(
            help="Group whose samples depend on each other: one unit each of its values.",
            rich_help_panel=options.STATISTICS,
        ),
    ] = None,
    replicates: Annotated[
        int,
        typer.Option(
            help="Blocks of samples to leave out in turn, behind intervals; 0 for none.",
            rich_help_panel=options.STATISTICS,
        ),
    ] = 512,
    confidence: options.Confidence = 0.95,
    min_effect: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[METRIC=]CHANGE",
            help="The least change that matters, for all metrics or one: accuracy=0.005. Smaller "
            "ones get the verdict 'negligible'. Repeat for several.",
            rich_help_panel=options.STATISTICS,
        ),
    ] = None,
    min_support: Annotated[
        int,
        typer.Option(help="Samples that an estimate needs.", rich_help_panel=options.STATISTICS),
    ] = 10,
    allow_missing: Annotated[
        bool,
        typer.Option(
            "--allow-missing",
            help="Judge models by the samples that all files have, however few. Without it the "
            "answer is 'cannot tell' where they share less than 95% of them.",
            rich_help_panel=options.FILES,
        ),
    ] = False,
    bins: Annotated[
        int, typer.Option(help="Bins of the calibration error.", rich_help_panel=options.STATISTICS)
    ] = 10,
    band: Annotated[
        tuple[float, float],
        typer.Option(
            help="A probability inside is called uncertain.", rich_help_panel=options.STATISTICS
        ),
    ] = (0.1, 0.9),
    trigger: Annotated[
        str | None,
        typer.Option(
            help="Boolean group that marks a planted backdoor.",
            show_default="the group backdoor, where there is one",
            rich_help_panel=options.STATISTICS,
        ),
    ] = None,
    seed: Annotated[
        int,
        typer.Option(
            help="Seed by which many samples share blocks.", rich_help_panel=options.STATISTICS
        ),
    ] = 0,
    *,
    answers: options.Answers,
    page: Page,
    as_json: options.Json = False,
) -> None:
    """Compare compressed models with dense ones: a table, and a report to look at.

    Writes audit.parquet (one row per estimate), audit.json, more tables and report.html to the
    folder --out.
    """
    from prunescope.predictions import train_rates_from

    crossed = [options.names(text) or [] for text in intersect or ()]
    files = answers.of([*dense, *compressed])
    rates = None
    if train_labels is not None:
        rates = train_rates_from(train_labels, files.columns, crossed)
    choice = {
        "identity": options.names(groups),
        "intersect": crossed,
        "train_rates": rates,
        "cluster": cluster,
        "replicates": replicates,
        "confidence": confidence,
        "min_effect": _effects(min_effect or ()),
        "min_support": min_support,
        "allow_missing": allow_missing,
        "n_bins": bins,
        "band": band,
        "trigger": trigger,
        "seed": seed,
    }
    streamed = files.streamed([*dense, *compressed], stream, engine)
    with progress("audit") as update:
        if streamed:
            found = files.audit_streamed(dense, compressed, engine, address, update, choice)
        else:
            found = files.audit_in_memory(dense, compressed, update, choice)
    read = files.sources([model.name for model in found.info.models], [*dense, *compressed])
    found = found.read_from(out, read)
    output.outdated(out, *output.REPORT)
    found.save(out)
    _write(found, out, page, as_json)


def _effects(texts: Iterable[str]) -> dict[str, float]:
    """Read the least changes that matter: CHANGE, or METRIC=CHANGE.

    Examples
    --------
    >>> _effects(["0.01", "accuracy=0.005"])
    {'*': 0.01, 'accuracy': 0.005}
    """
    from prunescope.errors import ConfigError

    effects = {}
    for text in texts:
        metric, _, number = text.rpartition("=")
        try:
            effects[metric or "*"] = float(number)
        except ValueError as error:
            raise ConfigError(
                f"least effect {text!r}: expected a number, or METRIC=number, such as accuracy=0.01"
            ) from error
    return effects


def report(
    folder: Annotated[Path, typer.Argument(help="Folder that 'prunescope audit' wrote.")],
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", help="Folder to write to.", show_default="FOLDER"),
    ] = None,
    *,
    page: Page,
    as_json: options.Json = False,
) -> None:
    """Write the report of an audit again, with images of a data set, say."""
    from prunescope.audit import Audit

    found, target = Audit.load(folder), out or folder
    output.pages(target)
    _write(found, target, page, as_json)


def _write(found: Audit, out: Path, shown: Page, as_json: bool) -> None:
    """Write the report and print its answer."""
    from prunescope.cli.tables import print_findings
    from prunescope.report import build, read_gain, write_figures, write_report
    from prunescope.slices import Slices
    from prunescope.verdict import Policy

    page = build(
        found,
        title=shown.title,
        gain=None if shown.gain is None else read_gain(shown.gain),
        policy=None if shown.policy is None else Policy.load(shown.policy),
        slices=None if shown.slices is None else Slices.load(shown.slices),
        dataset=None if shown.data is None else options.load(options.Data(shown.data).config()),
        base_model=shown.base_model,
    )
    written = write_report(page, out, formats=options.names(shown.formats) or ())
    if shown.figures is not None:
        written += write_figures(page, out, options.names(shown.figures) or ())
    for text in (*found.info.warnings, *found.info.notes):
        say(f"note: {text}")

    def show() -> None:
        print_findings(page)
        typer.echo(f"\nreport: {', '.join(map(str, written))}")

    findings = [finding.model_dump(mode="json", exclude={"rows"}) for finding in page.findings]
    files = [str(path) for path in written]
    verdict = page.verdict.model_dump(mode="json")
    about = {"headline": page.headline, "verdict": verdict, "folder": str(out), "report": files}
    result(as_json, {**about, "findings": findings}, show)
