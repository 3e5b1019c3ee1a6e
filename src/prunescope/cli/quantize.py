"""`prunescope quantize`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from prunescope.cli import options
from prunescope.cli.console import progress, result
from prunescope.cli.models import CheckpointFolder, Factory, open_model

if TYPE_CHECKING:
    from prunescope.pruning import StaysFloat


def quantize(
    checkpoint: CheckpointFolder,
    out: options.ModelOut = Path("int8"),
    batches: Annotated[int, typer.Option(help="Batches of images to calibrate on.")] = 8,
    batch_size: Annotated[int, typer.Option(help="Images in each.")] = 32,
    seed: Annotated[int, typer.Option(help="Of the choice of images.")] = 0,
    factory: Factory = None,
    *,
    data: options.Data,
    as_json: options.Json = False,
) -> None:
    """Quantise a dense or pruned model to int8, without training, and say what stays float.

    Scales come from images of the split 'train'. Ask the result with 'predict' as any model.
    """
    from prunescope.pruning import what_stays_float
    from prunescope.study import quantize_model

    parent, config, dataset = open_model(str(checkpoint), factory, data)
    with progress("quantize"):
        made = quantize_model(
            parent, dataset.split("train"), out,
            data=config, n_batches=batches, batch_size=batch_size, seed=seed,
        )  # fmt: skip
    compression = made.provenance.compression
    parts = what_stays_float(made.model)
    sizes = {"bytes_before": _weight_bytes(checkpoint), "bytes": _weight_bytes(out)}
    told: dict[str, Any] = {"folder": str(out), **compression, **sizes}

    def show() -> None:
        _print_parts(parts)
        typer.echo(
            f"{compression['method']} model in {out}: {sizes['bytes']:,} bytes of weights, "
            f"{sizes['bytes_before']:,} before"
        )

    result(as_json, {**told, "stays_float": [asdict(part) for part in parts]}, show)


def _weight_bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.glob("model*.safetensors"))


def _print_parts(parts: list[StaysFloat]) -> None:
    from rich.table import Table

    from prunescope.cli.terminal import Terminal

    table = Table("operation", "calls", "modules", "MACs", "weights", title="What stays float")
    for part in parts:
        shares = (f"{part.share_macs:.1%}", f"{part.share_weights:.1%}")
        table.add_row(part.operation, str(part.calls), str(len(part.layers)), *shares)
    Terminal().print(table)
