"""Make the models whose damage is searched for: dense seeds, and each of them pruned to 95 and 98%.

    python examples/slices/models.py PATH/TO/celeba64.parquet -o out/slices/celeba64

Every model answers the split test: DIR/NAME.parquet; what the last layer of a dense model sees lies
beside it: DIR/NAME.embeddings.parquet. Stopped, the same command goes on where it was. With one
thread of a CPU celeba64 takes about 25 minutes for three seeds.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from prunescope.cli.console import progress, say
from prunescope.data import DataConfig, Dataset, load_dataset
from prunescope.models import Checkpoint, load_checkpoint
from prunescope.study import note_steps, predict_split, prune_model, train_model
from prunescope.training import Recipe

SPARSITIES = (0.95, 0.98)
FACES = (
    DataConfig(groups=("Male", "Young", "Chubby", "Pale_Skin"), cluster="identity"),
    Recipe(epochs=6, learning_rate=1.0, nesterov=True, weight_decay=5e-5, warmup=0.1),
    Recipe(epochs=3, optimizer="adam", learning_rate=1e-3, warmup=0.1),
)
"""Data, the recipe of dense models, and that of pruned ones."""


def main(
    source: Annotated[str, typer.Argument(help="celeba64.parquet")],
    out: Annotated[Path, typer.Option("-o", "--out")] = Path("out/slices/celeba64"),
    seeds: Annotated[int, typer.Option(help="How many dense models.")] = 3,
) -> None:
    """Train, prune, ask."""
    data, dense_recipe, recipe = FACES
    data = data.model_copy(update={"source": source})
    with progress("images") as update:
        dataset = load_dataset(data, update)
    train = dataset.split("train")
    for seed in range(seeds):
        folder = out / "models" / f"dense-seed{seed}"
        if not folder.exists():
            with progress(folder.name) as update:
                train_model(
                    train, "resnet_small", dense_recipe.replace(seed=seed), folder,
                    data=data, on_step=note_steps(update),
                )  # fmt: skip
        dense = load_checkpoint(folder)
        ask(dense, dataset, out / folder.name, embeddings=True)
        for sparsity in SPARSITIES:
            folder = out / "models" / f"gmp-pt-{100 * sparsity:g}-seed{seed}"
            if not folder.exists():
                with progress(folder.name) as update:
                    prune_model(
                        dense, train, "gmp-pt", sparsity, folder,
                        recipe=recipe.replace(seed=seed), data=data, on_step=note_steps(update),
                    )  # fmt: skip
            ask(load_checkpoint(folder), dataset, out / folder.name, embeddings=False)


def ask(model: Checkpoint, dataset: Dataset, path: Path, *, embeddings: bool) -> None:
    """Have a model answer the test split if it has not yet."""
    answers = path.with_name(f"{path.name}.parquet")
    seen = path.with_name(f"{path.name}.embeddings.parquet") if embeddings else None
    if answers.exists() and (seen is None or seen.exists()):
        return
    found = predict_split(model, dataset, "test", answers, name=path.name, embeddings=seen)
    known = found.samples.labels >= 0
    right = (found.decisions == (found.samples.labels == 1))[known].mean()
    say(f"{path.name}: {right:.2%} of all answers right")


if __name__ == "__main__":
    typer.run(main)
