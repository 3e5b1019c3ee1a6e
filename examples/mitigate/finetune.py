"""Fine-tune pruned models by every measure, and prune by FairGRAPE.

    python examples/forecast/models.py PATH/TO/celeba64.parquet -o out/forecast/celeba64
    python examples/mitigate/finetune.py PATH/TO/celeba64.parquet out/forecast/celeba64

The second argument is where the first script left its models. Every model answers the splits val
and test, some answer train: DIR/test/NAME.parquet, beside the answers of the dense and the pruned
models. What a measure is worth is its difference from ``none``, which trains as long without one.
Stopped, the same command goes on where it was. With one thread of a CPU celeba64 takes about half
an hour.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from prunescope.cli.console import progress, say
from prunescope.data import Dataset, load_dataset
from prunescope.models import Checkpoint, load_checkpoint
from prunescope.study import finetune_model, note_steps, predict_split, prune_model
from prunescope.training import Recipe

sys.path.append(str(Path(__file__).parents[1] / "forecast"))
from models import ask, setting

SPARSITIES = (0.95, 0.99)
GROUP = "Male"
RECIPE = Recipe(epochs=2, optimizer="adam", learning_rate=5e-4, warmup=0.1)
CALIBRATION_IMAGES = 512
MEASURES: dict[str, dict[str, Any]] = {
    "none": {},
    "distill": {},
    "constrain": {"groups": GROUP},
    "balance-groups": {"groups": GROUP},
    "balance-labels": {},
}
ON_TRAIN = ("none", "constrain")
"""What answers train, too, as the dense model does: there alone constraints are promised."""


def main(
    source: Annotated[str, typer.Argument(help="celeba64.parquet, or synthetic")],
    models: Annotated[Path, typer.Argument(help="What examples/forecast/models.py wrote")],
    out: Annotated[Path, typer.Option("-o", "--out")] = Path("out/mitigate/celeba64"),
) -> None:
    """Fine-tune, prune, ask."""
    chosen = setting(source)
    with progress("images") as update:
        dataset = load_dataset(chosen.data, update)
    train = dataset.split("train")
    dense = load_checkpoint(models / "models" / "dense-seed0")
    copy_answers(models, out, "dense-seed0")
    ask_on_train(dense, dataset, out, "dense-seed0")
    for sparsity in SPARSITIES:
        parent = f"gmp-pt-{100 * sparsity:g}-seed0"
        pruned = load_checkpoint(models / "models" / parent)
        copy_answers(models, out, parent)
        for measure, choices in MEASURES.items():
            name = f"{parent}+{measure}"
            folder = out / "models" / name
            if not folder.exists():
                with progress(name) as update:
                    _, notes = finetune_model(
                        pruned, dense, train, measure, folder,
                        recipe=RECIPE, data=chosen.data, on_step=note_steps(update), **choices,
                    )  # fmt: skip
                for note in notes:
                    say(f"{name}: {note}")
            made = ask(load_checkpoint(folder), dataset, out, name)
            if measure in ON_TRAIN:
                ask_on_train(made, dataset, out, name)
        name = f"fairgrape-{100 * sparsity:g}-seed0"
        folder = out / "models" / name
        if not folder.exists():
            with progress(name) as update:
                prune_model(
                    dense, train, "gmp-pt", sparsity, folder, recipe=chosen.trained,
                    data=chosen.data, on_step=note_steps(update), score="fairgrape", group=GROUP,
                    calibration_images=CALIBRATION_IMAGES,
                )  # fmt: skip
        ask(load_checkpoint(folder), dataset, out, name)


def copy_answers(models: Path, out: Path, name: str) -> None:
    """Put a given model's answers beside the others."""
    for split in ("val", "test"):
        target = out / split / f"{name}.parquet"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(models / split / f"{name}.parquet", target)


def ask_on_train(model: Checkpoint, dataset: Dataset, out: Path, name: str) -> None:
    """Have a model answer the images that it was trained on."""
    path = out / "train" / f"{name}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        predict_split(model, dataset, "train", path, name=name)


if __name__ == "__main__":
    typer.run(main)
