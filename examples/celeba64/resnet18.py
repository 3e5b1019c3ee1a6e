"""GMP at 90% on ResNet18: how far from its dense model, as far as two CPU cores get.

    python examples/celeba64/resnet18.py PATH/TO/celeba64.parquet

The network sees the faces at 64 pixels as they are (not enlarged to 128, as is the default), which
is four times as fast. Prints accuracy and its change, with intervals. Ten to twenty minutes.

What it costs not to enlarge is told by the dense models of two calls, which take an hour and more
for ResNet18, a quarter of an hour for the small network:

    python examples/celeba64/resnet18.py PATH/TO/TABLE --arch resnet_small --epochs-pruned 0
    python examples/celeba64/resnet18.py PATH/TO/TABLE --arch resnet_small@128 --epochs-pruned 0
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import polars as pl
import typer

from prunescope.audit import audit
from prunescope.cli.console import progress
from prunescope.data import DataConfig, load_dataset
from prunescope.models import build_model
from prunescope.predictions import Compression, Metadata, predict
from prunescope.pruning import prune
from prunescope.study import note_steps
from prunescope.training import RECIPES, Recipe, train


def main(
    source: Annotated[Path, typer.Argument(help="celeba64.parquet")],
    arch: Annotated[str, typer.Option(help="Architecture, with the side it sees.")] = "resnet18@64",
    epochs: Annotated[float, typer.Option(help="Of the dense model.")] = 3,
    epochs_pruned: Annotated[float, typer.Option(help="Of pruning from it; 0: none.")] = 2,
    seed: Annotated[int, typer.Option(help="Of weights and order.")] = 0,
) -> None:
    """Train, prune, compare."""
    dataset = load_dataset(DataConfig(source=str(source), cluster="identity"))
    training, test = dataset.split("train"), dataset.split("test")
    model = build_model(arch, dataset.samples.attributes, image_size=64, seed=seed)
    recipe = RECIPES["small"].replace(epochs=epochs, precision="bf16", seed=seed)
    with progress("dense") as update:
        train(model, training, recipe, progress=note_steps(update))
    models = {"dense": (model, Compression())}
    if epochs_pruned:
        after = Recipe(
            epochs=epochs_pruned,
            optimizer="adam",
            learning_rate=1e-3,
            warmup=0.1,
            precision="bf16",
        )
        with progress("gmp-pt at 90%") as update:
            pruned = prune(
                model, training, "gmp-pt", 0.9, recipe=after, progress=note_steps(update)
            )
        models["gmp-pt-90"] = pruned.model, Compression(method="gmp-pt", sparsity=0.9)
    dense, *sparse = (
        predict(network, test, Metadata(name=name, compression=how))
        for name, (network, how) in models.items()
    )
    same = replace(dense, metadata=Metadata(name="the same"))  # an audit is of two models
    found = audit([dense], sparse or [same])
    told = found.overall.filter(pl.col("model").is_in(list(models)), metric="accuracy")
    for row in told.iter_rows(named=True):
        print("{model}: accuracy {value:.4f} [{low:.4f}, {high:.4f}]".format(**row))
        if row["delta"] is not None:
            print("change {delta:+.4f} [{delta_low:+.4f}, {delta_high:+.4f}]".format(**row))


if __name__ == "__main__":
    typer.run(main)
