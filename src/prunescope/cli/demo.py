"""`prunescope demo`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from prunescope.cli import options, output
from prunescope.cli.console import progress, result, say


def demo(
    out: Annotated[
        Path, typer.Option("-o", "--out", help="Folder to write to.", callback=output.story)
    ] = Path("demo"),
    seed: Annotated[int, typer.Option(help="Seed of the faces and of training.")] = 0,
    as_json: options.Json = False,
) -> None:
    """Tell the whole story on drawn faces: train, forecast, prune, audit, mend. Takes minutes."""
    from prunescope.cli.mitigate.tables import print_comparison
    from prunescope.cli.tables import print_findings, print_overall, print_score
    from prunescope.study import run_demo

    start = time.monotonic()
    done = run_demo(out, seed=seed, tell=say, show=progress)
    seconds = time.monotonic() - start

    sweep = done.sweep

    def show() -> None:
        print_overall(sweep.audit)
        print_findings(sweep.report)
        typer.echo("\nForetold from the dense model alone, before it was pruned:")
        print_score(done.score)
        typer.echo("\nWhat helps, fitted on other faces than it is judged on:")
        print_comparison(done.comparison)
        pages = "\n".join(f"  {page}" for page in (sweep.page, *done.pages))
        typer.echo(f"\nOpen in a browser ({seconds:.0f} s):\n{pages}")
        typer.echo(f"\nLook at the images behind it: prunescope view {out}")

    about = {
        "folder": str(out),
        "report": str(sweep.page),
        "headline": sweep.report.headline,
        "pages": [str(page) for page in done.pages],
    }
    result(as_json, {**about, "seconds": round(seconds, 1)}, show)
