"""GMP at 90% on ResNet18: how far from its dense model, as far as two CPU cores get.

    python examples/celeba64/resnet18.py PATH/TO/celeba64.parquet

The network sees the faces at 64 pixels as they are (not enlarged to 128, as is the default), which
is four times as fast. Prints accuracy and its change, with intervals. About ten minutes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from prunescope.audit import audit
from prunescope.cli.console import progress
from prunescope.data import DataConfig, load_dataset
from prunescope.models import build_model
from prunescope.predictions import Compression, Metadata, predict
from prunescope.pruning import prune
from prunescope.study import note_steps
from prunescope.training import Recipe, train


def main(
    source: Annotated[Path, typer.Argument(help="celeba64.parquet")],
    epochs: Annotated[float, typer.Option(help="Of the dense model.")] = 3,
    epochs_pruned: Annotated[float, typer.Option(help="Of pruning from it.")] = 2,
) -> None:
    """Train, prune, compare."""
    dataset = load_dataset(DataConfig(source=str(source), cluster="identity"))
    training, test = dataset.split("train"), dataset.split("test")
    model = build_model("resnet18", dataset.samples.attributes, image_size=64, input_size=64)
    recipe = Recipe(epochs=epochs, learning_rate=1.0, nesterov=True, weight_decay=5e-5, warmup=0.1)
    with progress("dense") as update:
        train(model, training, recipe, progress=note_steps(update))
    after = Recipe(epochs=epochs_pruned, optimizer="adam", learning_rate=1e-3, warmup=0.1)
    with progress("gmp-pt at 90%") as update:
        pruned = prune(model, training, "gmp-pt", 0.9, recipe=after, progress=note_steps(update))
    dense, sparse = (
        predict(network, test, Metadata(name=name, compression=how))
        for network, name, how in (
            (model, "dense", Compression()),
            (pruned.model, "gmp-pt-90", Compression(method="gmp-pt", sparsity=0.9)),
        )
    )
    found = audit([dense], [sparse])
    for row in found.overall.filter(metric="accuracy").iter_rows(named=True):
        print("{model}: accuracy {value:.4f} [{low:.4f}, {high:.4f}]".format(**row))
        if row["delta"] is not None:
            print("change {delta:+.4f} [{delta_low:+.4f}, {delta_high:+.4f}]".format(**row))


if __name__ == "__main__":
    typer.run(main)
