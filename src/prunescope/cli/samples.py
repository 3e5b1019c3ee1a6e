"""`prunescope samples`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from prunescope.cli import options, output
from prunescope.cli.console import result, say


def samples(
    dense: Annotated[
        list[str], typer.Argument(metavar="DENSE...", help="Predictions of dense models.")
    ],
    compressed: Annotated[
        list[str],
        typer.Option("--compressed", metavar="FILE...", help="Predictions of compressed models."),
    ],
    forecast: Annotated[
        Path | None, typer.Option(help="Folder of a forecast of these samples, for their risk.")
    ] = None,
    out: Annotated[
        Path,
        typer.Option(
            "-o",
            "--out",
            callback=output.file,
            help="The file to write: .parquet, .csv, or .json (JSON lines).",
        ),
    ] = Path("samples.parquet"),
    band: Annotated[
        tuple[float, float], typer.Option(help="A probability inside is called uncertain.")
    ] = (0.1, 0.9),
    *,
    answers: options.Answers,
    as_json: options.Json = False,
) -> None:
    """Write one row per sample, to sort and filter in pandas, FiftyOne or Spotlight.

    What is true of it, what each model answers and how sure it is, and what compression changed
    (docs/samples.md).
    """
    from prunescope.forecast import Forecast
    from prunescope.predictions import align
    from prunescope.report import TAGS, sample_table, write_samples
    from prunescope.report.samples import check_samples_path

    check_samples_path(out)
    paths = [*dense, *compressed]
    models, notes = align(answers.of(paths).load(paths))
    foretold = None if forecast is None else Forecast.load(forecast)
    table = sample_table(models[: len(dense)], models[len(dense) :], foretold, band=band)
    write_samples(table, out)
    for note in notes:
        say(f"note: {note}")
    counts = {tag: int(table["tags"].list.contains(tag).sum()) for tag in TAGS}

    def show() -> None:
        for tag, n in counts.items():
            typer.echo(f"{tag:>12}  {n:>9,}  {n / table.height:.1%}")
        typer.echo(f"\n{table.height:,} samples: {out}")

    result(as_json, {"file": str(out), "n_samples": table.height, "tags": counts}, show)
