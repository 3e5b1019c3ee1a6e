"""What commands say of a model that they made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from prunescope.cli.console import result

if TYPE_CHECKING:
    from prunescope.models import Checkpoint
    from prunescope.pruning import StaysDense


def report_model(
    as_json: bool,
    out: Path,
    made: Checkpoint,
    **more: Any,  # noqa: ANN401 - plain values
) -> None:
    """Say what was made, layer by layer; `more` goes into the JSON object."""
    from prunescope.cli.tables import print_layers
    from prunescope.pruning import Masks, prunable_weights, what_stays_dense

    compression = made.provenance.compression
    if made.masks is None:
        n = sum(parameter.numel() for parameter in made.model.parameters())
        text = f"{compression['method']} model in {out}: {n:,} parameters"
        if (kept := compression.get("weights_kept")) is not None:
            text += f", {100 * kept:.3g}% of the weights kept"
        result(as_json, {"folder": str(out), **compression, **more}, text)
        return
    masks = Masks(made.masks)
    layers, dense = masks.report(), what_stays_dense(made.model, masks)
    n_weights = sum(weight.numel() for weight in prunable_weights(made.model).values())
    n_kept = n_weights - (masks.n_weights - masks.n_kept)

    def show() -> None:
        print_layers(layers)
        for line in (_stays_dense(dense), _folded(compression.get("folded", {}))):
            if line:
                typer.echo(line)
        typer.echo(
            f"{compression['method']} model in {out}: {n_kept:,} of {n_weights:,} weights kept"
        )

    told = {"layers": layers, "stays_dense": [asdict(each) for each in dense]}
    result(as_json, {"folder": str(out), **compression, **told, **more}, show)


def _stays_dense(dense: Sequence[StaysDense]) -> str:
    """Name what no mask covers, with its share of the parameters."""
    from prunescope.errors import shorten

    each = [f"{part.name} ({part.reason}, {100 * part.share:.2g}%)" for part in dense]
    return f"stays dense, with its share of all parameters: {shorten(each)}" if each else ""


def _folded(folded: Mapping[str, str]) -> str:
    """Name the weights that were computed by layers before pruning."""
    from prunescope.errors import shorten

    each = [f"{name} ({how})" for name, how in folded.items()]
    return f"computed weights made plain before pruning: {shorten(each)}" if each else ""
