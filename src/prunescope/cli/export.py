"""`prunescope export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from prunescope.cli import options, output
from prunescope.cli.console import result
from prunescope.cli.models import CheckpointFolder, Factory


def export(
    checkpoint: CheckpointFolder,
    out: Annotated[
        Path,
        typer.Option(
            "-o", "--out", help="File to write: .onnx or .safetensors.", callback=output.file
        ),
    ] = Path("model.onnx"),
    factory: Factory = None,
    as_json: options.Json = False,
) -> None:
    """Write a model as one file that other tools read.

    An .onnx file holds all of it, preprocessing included, and is checked with ONNX Runtime; one
    that ends in .safetensors holds its weights. The zeros of its masks are baked in.
    """
    from prunescope.models import load_checkpoint
    from prunescope.pruning import export_checkpoint

    export_checkpoint(load_checkpoint(checkpoint, factory=factory), out)
    size = out.stat().st_size
    result(as_json, {"file": str(out), "bytes": size}, f"{out}: {size:,} bytes")
