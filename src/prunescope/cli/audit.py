"""`prunescope audit` and `prunescope report`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from prunescope.cli import options, output
from prunescope.cli.console import progress, result, say
from prunescope.cli.page import Given, Page

if TYPE_CHECKING:
    from prunescope.audit import Audit


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
        list[str] | None,
        typer.Option(
            "--compressed",
            metavar="FILE...",
            help="Predictions of compressed models, one at least.",
            show_default=False,
        ),
    ] = None,
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
            rich_help_panel=options.FILES,
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

    compressed = _compressed(dense, compressed)
    given = page.read()
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
    _write(found, out, given, as_json)


def _compressed(dense: list[str], compressed: list[str] | None) -> list[str]:
    """Return the compressed models; of dense ones alone, say how both are named."""
    from prunescope.errors import ConfigError

    if compressed:
        return compressed
    first, *others = dense
    example = " ".join(["prunescope audit", first, "--compressed", *(others or ["FILE"])])
    raise ConfigError(
        f"no compressed model is named: dense models come first, compressed ones after "
        f"--compressed, for example: {example}"
    )


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
    _write(found, target, page.read(), as_json)


def _write(found: Audit, out: Path, given: Given, as_json: bool) -> None:
    """Write the report and print its answer."""
    from prunescope.cli.tables import print_findings
    from prunescope.report import build, write_figures, write_report

    page = build(found, **given.shown)
    written = write_report(page, out, formats=given.formats)
    if given.figures:
        written += write_figures(page, out, given.figures)
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
