"""`prunescope audit` and `prunescope report`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from prunescope.cli import options
from prunescope.cli.console import progress, result, say

if TYPE_CHECKING:
    from prunescope.audit import Audit
    from prunescope.data import Dataset

MANY = "--compressed"
Formats = Annotated[
    str, typer.Option("--format", help="Formats of the report, by commas: html, json, md.")
]


def spread(args: list[str]) -> list[str]:
    """Repeat ``--compressed`` before each of the files that follow it, as the parser asks.

    Examples
    --------
    >>> spread(["dense", "--compressed", "a", "b", "-o", "out"])
    ['dense', '--compressed', 'a', '--compressed', 'b', '-o', 'out']
    """
    spread_out: list[str] = []
    option, n_values = "", 0
    for arg in args:
        if arg.startswith("-"):
            option, n_values = (MANY, 1) if arg.startswith(f"{MANY}=") else (arg, 0)
        else:
            n_values += 1
            if option == MANY and n_values > 1:
                spread_out.append(MANY)
        spread_out.append(arg)
    return spread_out


def audit(
    dense: Annotated[
        list[Path], typer.Argument(metavar="DENSE...", help="Predictions of dense models.")
    ],
    compressed: Annotated[
        list[Path],
        typer.Option(MANY, metavar="FILE...", help="Predictions of compressed models."),
    ],
    out: options.Out = Path("audit"),
    groups: Annotated[
        str | None, typer.Option(help="Groups to slice by, by commas.", show_default="every group")
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(help="Group whose samples depend on each other: resampled as a whole."),
    ] = None,
    scores: Annotated[
        Literal["logits", "probability"], typer.Option(help="What the columns logit__* hold.")
    ] = "logits",
    train_labels: Annotated[
        Path | None,
        typer.Option(help="Predictions or labels of the training split, for its rates."),
    ] = None,
    replicates: Annotated[int, typer.Option(help="Bootstrap replicates.")] = 1000,
    confidence: Annotated[float, typer.Option(help="Level of the intervals.")] = 0.95,
    min_support: Annotated[int, typer.Option(help="Samples that an estimate needs.")] = 10,
    bins: Annotated[int, typer.Option(help="Bins of the calibration error.")] = 10,
    band: Annotated[
        tuple[float, float], typer.Option(help="A probability inside is called uncertain.")
    ] = (0.1, 0.9),
    trigger: Annotated[
        str | None, typer.Option(help="Boolean group that marks a planted backdoor.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the bootstrap.")] = 0,
    data: Annotated[
        str | None, typer.Option(help="Data set (or its .yaml) to show images from.")
    ] = None,
    title: Annotated[str | None, typer.Option(help="Title of the report.")] = None,
    formats: Formats = "html",
    as_json: options.Json = False,
) -> None:
    """Compare compressed models with dense ones: a table, and a report to look at.

    Writes audit.parquet (one row per estimate), audit.json and report.html to the folder --out.
    """
    from prunescope.audit import audit as run
    from prunescope.predictions import Predictions, train_rates_from

    loaded = [[Predictions.load(path, scores=scores) for path in paths]
              for paths in (dense, compressed)]  # fmt: skip
    rates = None if train_labels is None else train_rates_from(train_labels)
    with progress("audit") as update:
        found = run(
            *loaded,
            identity=options.names(groups),
            train_rates=rates,
            progress=update,
            cluster=cluster,
            replicates=replicates,
            confidence=confidence,
            min_support=min_support,
            n_bins=bins,
            band=band,
            trigger=trigger,
            seed=seed,
        )
    found.save(out)
    _write(found, out, title, data, formats, as_json)


def report(
    folder: Annotated[Path, typer.Argument(help="Folder that 'prunescope audit' wrote.")],
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", help="Folder to write to.", show_default="FOLDER"),
    ] = None,
    data: Annotated[
        str | None, typer.Option(help="Data set (or its .yaml) to show images from.")
    ] = None,
    title: Annotated[str | None, typer.Option(help="Title of the report.")] = None,
    formats: Formats = "html",
    as_json: options.Json = False,
) -> None:
    """Write the report of an audit again, with images of a data set, say."""
    from prunescope.audit import Audit

    _write(Audit.load(folder), out or folder, title, data, formats, as_json)


def _write(
    found: Audit, out: Path, title: str | None, data: str | None, formats: str, as_json: bool
) -> None:
    """Write the report and print its findings."""
    from prunescope.cli.tables import print_findings
    from prunescope.report import build, write_report

    page = build(found, title=title, dataset=_dataset(data))
    written = write_report(page, out, formats=options.names(formats) or ())
    for text in (*found.info.warnings, *found.info.notes):
        say(f"note: {text}")

    def show() -> None:
        print_findings(page)
        typer.echo(f"\nreport: {', '.join(map(str, written))}")

    findings = [finding.model_dump(mode="json", exclude={"rows"}) for finding in page.findings]
    files = [str(path) for path in written]
    about = {"headline": page.headline, "folder": str(out), "report": files}
    result(as_json, {**about, "findings": findings}, show)


def _dataset(data: str | None) -> Dataset | None:
    if data is None:
        return None
    from prunescope.data import load_dataset

    with progress("images") as update:
        return load_dataset(options.data_config(data), update)
