"""How much less than by magnitude pruning changes answers when what stays makes up for what goes.

    python examples/slices/models.py PATH/TO/celeba64.parquet -o out/slices/celeba64
    python benchmarks/reconstruct.py PATH/TO/celeba64.parquet out/slices/celeba64/models

Of each dense model: pruned at once by magnitude, by magnitude with what stays fitted by least
squares to what the dense layers give (as AdaPrune does), and by `reconstruct`; all with batch
normalisation re-estimated, none trained. Then flips, harmful flips and the rare-value ratio on the
split test, whose persons are in no other split. The quotients of flips have intervals over 1,000
draws of persons with replacement. The second table is of weights of few bits: rounded to nearest,
and by `reconstruct`. The third is of training, by the same steps: gmp-pt from the dense model, and
from one that `reconstruct` pruned to 80%; and what `reconstruct` and magnitude leave at
once, trained on.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any
from unittest import mock

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from torch import Tensor, nn

from prunescope.cli.console import progress, say
from prunescope.data import DataConfig, Dataset, load_dataset
from prunescope.errors import PrunescopeWarning
from prunescope.models import load_checkpoint
from prunescope.pruning import Masks, prune
from prunescope.pruning.methods import reconstruct
from prunescope.pruning.patterns import NOfM, Pattern
from prunescope.pruning.reconstruction import Cut
from prunescope.training import Recipe, infer
from seen import write_page

OUT = Path(__file__).parent / "results" / "reconstruct.md"
CONDITIONS: dict[str, dict[str, Any]] = {
    "70%": {"sparsity": 0.7},
    "80%": {"sparsity": 0.8},
    "90%": {"sparsity": 0.9},
    "2:4": {"sparsity": 0.5, "pattern": "2:4"},
}
RECIPE = Recipe(epochs=3, optimizer="adam", learning_rate=1e-3, warmup=0.1)
N_DRAWS = 1000


def main(
    source: Annotated[str, typer.Argument(help="celeba64.parquet")],
    models: Annotated[Path, typer.Argument(help="Folder with dense-seed0 and so on.")],
    seeds: Annotated[str, typer.Option(help="Of which dense models, by commas.")] = "0,1,2",
    out: Annotated[Path, typer.Option("-o", "--out")] = OUT,
    parts: Annotated[
        str, typer.Option(help="Which tables: zeros, bits, trained (8 trainings a seed).")
    ] = "zeros,bits",
) -> None:
    """Prune, ask, write."""
    warnings.simplefilter("ignore", PrunescopeWarning)
    with progress("images") as update:
        data = DataConfig(source=source, groups=("Male",), cluster="identity")
        dataset = load_dataset(data, update)
    told, train = Told(dataset.split("test")), dataset.split("train")
    tables: list[list[str]] = [[], [], []]
    for seed in map(int, seeds.split(",")):
        dense = load_checkpoint(models / f"dense-seed{seed}").model
        told.begin(dense)
        for name, asked in CONDITIONS.items() if "zeros" in parts else ():
            if "pattern" in asked:
                asked = {**asked, "ignore": first_layers(dense)}
            ways = {
                "magnitude": partial(pruned, dense, train, "one-shot", seed=seed, **asked),
                "least squares": partial(least_squares, dense, train, seed=seed, **asked),
                "reconstruct": partial(pruned, dense, train, "reconstruct", seed=seed, **asked),
            }
            tables[0] += told.lines(f"| {seed} | {name} |", ways)
        for n in (8, 4, 3) if "bits" in parts else ():
            ways = {
                name: partial(pruned, dense, train, method, 0.0, bits=n, seed=seed)
                for name, method in (("nearest", "one-shot"), ("reconstruct", "reconstruct"))
            }
            tables[1] += told.lines(f"| {seed} | {n} bits |", ways)
        for sparsity in (0.95, 0.98) if "trained" in parts else ():
            recipe = RECIPE.replace(seed=seed)
            start = partial(pruned, dense, train, "reconstruct", 0.8, seed=seed)
            ways = {
                "gmp-pt": partial(pruned, dense, train, "gmp-pt", sparsity, recipe=recipe),
                "reconstruct to 80%, gmp-pt": partial(
                    after, start, train, "gmp-pt", sparsity, recipe=recipe
                ),
                **{
                    f"{method}, trained": partial(
                        pruned, dense, train, method, sparsity, recipe=recipe
                    )
                    for method in ("reconstruct", "one-shot")
                },
            }
            tables[2] += told.lines(f"| {seed} | {sparsity:.0%} |", ways)
        head = [(__doc__ or "").split("\n\n")[2].replace("\n", " "), "", *told.about(train)]
        lines = [*head, *(line for table in tables if table for line in (*TABLE, *table))]
        write_page(out, "\n".join(lines))


def pruned(
    model: nn.Module,
    train: Dataset,
    method: str,
    sparsity: float,
    **asked: Any,
) -> nn.Module:
    """Prune a model and leave all else."""
    return prune(model, train, method, sparsity, **asked).model


def after(start: Callable[[], nn.Module], train: Dataset, *told: Any, **asked: Any) -> nn.Module:
    """Prune what was made before."""
    return pruned(start(), train, *told, **asked)


TABLE = [
    "",
    "| dense seed | to | how | flips | harmful flips | rare-value ratio | flips, beside the first "
    "| harmful, beside the first | CPU s |",
    "|---|---|---|---|---|---|---|---|---|",
]


class Told:
    """Compares models with the dense one on some faces."""

    def __init__(self, faces: Dataset) -> None:
        self.faces = faces
        self.labels = faces.samples.labels
        persons = faces.samples.groups[str(faces.samples.cluster)].codes
        self.persons = np.unique(persons, return_inverse=True)[1]

    def begin(self, dense: nn.Module) -> None:
        """Take another dense model."""
        self.dense = infer(dense, self.faces) > 0

    def about(self, train: Dataset) -> list[str]:
        """Say what was looked at."""
        n = len(np.unique(self.persons))
        return [
            f"{len(train):,} faces to train and calibrate on, {len(self.faces):,} of {n:,} persons "
            f"to judge on, {self.labels.shape[1]} attributes; {torch.get_num_threads()} thread(s), "
            f"torch {torch.__version__}."
        ]

    def lines(self, start: str, ways: Mapping[str, Callable[[], nn.Module]]) -> list[str]:
        """Ask each model, write a line of each; quotients beside the first."""
        lines, first = [], None
        for name, make in ways.items():
            began = time.process_time()
            model = make()
            took = time.process_time() - began
            answers = infer(model, self.faces) > 0
            flips = answers != self.dense
            harmful = flips & (self.dense == (self.labels == 1)) & (self.labels >= 0)
            each = np.stack([flips.mean(1), harmful.mean(1)])
            sums = np.stack([np.bincount(self.persons, weights=one) for one in each])
            quotients = ["", ""]
            if first is None:
                first = sums
            else:
                quotients = [self.quotient(a, b) for a, b in zip(sums, first, strict=True)]
            line = (
                f"{start} {name} | {each[0].mean():.2%} | {each[1].mean():.2%} | "
                f"{self.rare(answers):.3f} | {quotients[0]} | {quotients[1]} | {took:.0f} |"
            )
            say(line)
            lines.append(line)
        return lines

    def rare(self, answers: NDArray[np.bool_]) -> float:
        """Return the mean over attributes of how often their rarer value is given, beside dense."""
        rarer = (self.labels == 1).mean(0) < 0.5
        given = np.where(rarer, answers, ~answers).mean(0)
        dense = np.where(rarer, self.dense, ~self.dense).mean(0)
        return float((given[dense > 0] / dense[dense > 0]).mean())

    def quotient(self, ours: NDArray[np.float64], first: NDArray[np.float64]) -> str:
        """Return the quotient of two sums over persons with its interval."""
        drawn = np.random.default_rng(0).integers(0, len(ours), (N_DRAWS, len(ours)))
        low, high = np.quantile(ours[drawn].sum(1) / first[drawn].sum(1), (0.025, 0.975))
        return f"{ours.sum() / first.sum():.2f} ({low:.2f} to {high:.2f})"


def least_squares(
    dense: nn.Module,
    train: Dataset,
    **asked: Any,
) -> nn.Module:
    """Keep the largest weights of each layer, as many as magnitude does, and fit them."""

    def largest(weights: list[Tensor], _: list[Tensor], pattern: Pattern) -> Callable[[int], Cut]:
        def cut(n_kept: int) -> Cut:
            if isinstance(pattern, NOfM):
                n_kept = sum(w.numel() for w in weights) * pattern.n // pattern.m
            return Cut(weights, pattern.masks([w.abs() for w in weights], n_kept))

        return cut

    with mock.patch.object(reconstruct, "cutter", largest):
        return pruned(dense, train, "reconstruct", distribution="global", **asked)


def first_layers(model: nn.Module) -> list[str]:
    """Name the layers whose input channels are no multiple of four."""
    return [
        name.removesuffix(".weight")
        for name, mask in Masks.dense(model).items()
        if mask.shape[1] % 4
    ]


if __name__ == "__main__":
    typer.run(main)
