"""Make the models that forecasts are judged on: three dense seeds, and what pruning makes of them.

    python examples/forecast/models.py PATH/TO/celeba64.parquet -o out/forecast/celeba64
    python examples/forecast/models.py synthetic -o out/forecast/synthetic

Every model answers the splits val and test: DIR/val/NAME.parquet, DIR/test/NAME.parquet. Methods
that start from a trained model all start from the first dense one, so that their seeds tell what
chance adds to one pruning; the others start from three fresh sets of weights. Stopped, the same
command goes on where it was. With one thread of a CPU celeba64 takes about an hour and a half.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

from prunescope.cli.console import progress, say
from prunescope.data import DataConfig, Dataset, load_dataset
from prunescope.models import Checkpoint, load_checkpoint
from prunescope.pruning import METHODS
from prunescope.study import note_steps, predict_split, prune_model, train_model
from prunescope.training import Recipe

SEEDS = (0, 1, 2)
SPARSITIES = (0.95, 0.8, 0.9, 0.98, 0.99)
STEM = "network.resnet.embedder.embedder.convolution"


@dataclass(frozen=True)
class Setting:
    """One data set, with recipes that suit its size."""

    data: DataConfig
    scratch: Recipe
    trained: Recipe


@dataclass(frozen=True)
class Run:
    """One pruned model."""

    method: str
    sparsity: float
    seed: int
    choices: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Such as ``gmp-pt-95-seed0``."""
        told = [str(self.choices[k]) for k in ("pattern",) if k in self.choices]
        return "-".join([self.method, *told, f"{100 * self.sparsity:g}", f"seed{self.seed}"])


RUNS = [
    *(Run(method, sparsity, seed) for sparsity in SPARSITIES for method in ("gmp-pt", "gmp-ri")
      for seed in SEEDS),
    *(Run("one-shot", 0.95, seed) for seed in SEEDS),
    *(Run("gmp-pt", 0.75, seed, {"pattern": "1:4", "ignore": [STEM]}) for seed in SEEDS),
]  # fmt: skip
"""The last two, a method and a pattern, are left out of all choices."""


def setting(source: str) -> Setting:
    """Choose recipes by the data."""
    if source == "synthetic":
        return Setting(
            DataConfig(source=source, n_train=8000, n_val=2000, n_test=5000, seed=100),
            Recipe(steps=500, learning_rate=1.0, nesterov=True, weight_decay=5e-5, warmup=0.1),
            Recipe(steps=250, optimizer="adam", learning_rate=1e-3, warmup=0.1),
        )
    return Setting(
        DataConfig(
            source=source, groups=("Male", "Young", "Chubby", "Pale_Skin"), cluster="identity"
        ),
        Recipe(epochs=6, learning_rate=1.0, nesterov=True, weight_decay=5e-5, warmup=0.1),
        Recipe(epochs=3, optimizer="adam", learning_rate=1e-3, warmup=0.1),
    )


def main(
    source: Annotated[str, typer.Argument(help="celeba64.parquet, or synthetic")],
    out: Annotated[Path, typer.Option("-o", "--out")] = Path("out/forecast"),
) -> None:
    """Train, prune, ask."""
    chosen = setting(source)
    with progress("images") as update:
        dataset = load_dataset(chosen.data, update)
    train = dataset.split("train")
    dense = []
    for seed in SEEDS:
        folder = out / "models" / f"dense-seed{seed}"
        if not folder.exists():
            with progress(folder.name) as update:
                train_model(
                    train, "resnet_small", chosen.scratch.replace(seed=seed), folder,
                    data=chosen.data, on_step=note_steps(update),
                )  # fmt: skip
        dense.append(ask(load_checkpoint(folder), dataset, out, folder.name))
    for run in RUNS:
        fresh = METHODS[run.method].starts_from == "random"
        folder = out / "models" / run.name
        if not folder.exists():
            recipe = (chosen.scratch if fresh else chosen.trained).replace(seed=run.seed)
            with progress(run.name) as update:
                prune_model(
                    dense[run.seed if fresh else 0], train, run.method, run.sparsity, folder,
                    recipe=recipe, data=chosen.data, on_step=note_steps(update), **run.choices,
                )  # fmt: skip
        ask(load_checkpoint(folder), dataset, out, run.name)


def ask(model: Checkpoint, dataset: Dataset, out: Path, name: str) -> Checkpoint:
    """Have a model answer the splits that it has not answered yet."""
    for split in ("val", "test"):
        path = out / split / f"{name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            found = predict_split(model, dataset, split, path, name=name)
            known = found.samples.labels >= 0
            right = (found.decisions == (found.samples.labels == 1))[known].mean()
            say(f"{name}, {split}: {right:.2%} of all answers right")
    return model


if __name__ == "__main__":
    typer.run(main)
