"""`prunescope data`: describe a data set, make the synthetic one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from prunescope.cli import options, output
from prunescope.cli.bundles import Without
from prunescope.cli.console import progress, result


def info(
    source: Annotated[
        str,
        typer.Argument(help="As for --data of the other commands.", metavar="DATA"),
    ] = "synthetic",
    *,
    data: Annotated[options.Data, Without("source")],
    as_json: options.Json = False,
) -> None:
    """Check a data set: read every image once, count labels, rates and their gaps by group."""
    from prunescope.cli.tables import description_data, print_description
    from prunescope.data import describe

    description = describe(options.load(replace(data, source=source).config()))
    result(as_json, description_data(description), lambda: print_description(description))


def make(
    out: Annotated[
        Path, typer.Option("-o", "--out", help="Folder to write.", callback=output.new)
    ] = Path("faces"),
    n_train: Annotated[int, typer.Option(help="Faces to train on.")] = 6000,
    n_val: Annotated[int, typer.Option(help="Faces to validate on.")] = 1000,
    n_test: Annotated[int, typer.Option(help="Faces to test on.")] = 2000,
    size: Annotated[int, typer.Option(help="Side of the images, in pixels.")] = 64,
    seed: Annotated[int, typer.Option(help="Seed of the faces.")] = 0,
    as_json: options.Json = False,
) -> None:
    """Draw synthetic faces and write them as PNG files with a table of labels."""
    from prunescope.data import export_dataset, synthetic_faces

    with progress("drawing") as update:
        faces = synthetic_faces(n_train, n_val, n_test, size=size, seed=seed, progress=update)
    with progress("writing") as update:
        export_dataset(faces, out, progress=update)
    result(
        as_json,
        {"folder": str(out), "n": len(faces)},
        f"{len(faces):,} faces in {out}; read them with --data {out}",
    )
