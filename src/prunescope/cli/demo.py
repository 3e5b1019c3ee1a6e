"""`prunescope demo`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from prunescope.cli import options
from prunescope.cli.console import progress, result, say


def demo(
    out: options.Out = Path("demo"),
    seed: Annotated[int, typer.Option(help="Seed of the faces and of training.")] = 0,
    as_json: options.Json = False,
) -> None:
    """Tell the whole story on drawn faces: train, prune, audit, report. Takes minutes."""
    from prunescope.cli.tables import print_findings, print_overall
    from prunescope.study import run_demo

    start = time.monotonic()
    done = run_demo(out, seed=seed, tell=say, show=progress)
    seconds = time.monotonic() - start

    def show() -> None:
        print_overall(done.audit)
        print_findings(done.report)
        typer.echo(f"\nOpen {done.page} in a browser ({seconds:.0f} s).")

    about = {"folder": str(out), "report": str(done.page), "headline": done.report.headline}
    result(as_json, {**about, "seconds": round(seconds, 1)}, show)
