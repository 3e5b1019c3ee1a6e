"""Prune a small network on real faces and audit it by Male, Young, Chubby and Pale_Skin.

    python examples/celeba64/run.py PATH/TO/celeba64.parquet -o out/celeba64

The table holds images in the Hugging Face layout (`image`), the 40 attributes, `identity` and
`split`, as `prunescope data info` describes. On two cores it takes about half an hour; stopped, the
same command goes on where it was. `examples/celeba64/tables.py` turns the folder into what
docs/results shows: figures and tables, no image.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from prunescope.cli.console import progress, say
from prunescope.cli.tables import print_overall
from prunescope.data import DataConfig
from prunescope.study import Sweep, run_sweep
from prunescope.training import Recipe

DENSE = Recipe(epochs=12, learning_rate=1.0, nesterov=True, weight_decay=5e-5, warmup=0.1)
PRUNED = Recipe(epochs=6, optimizer="adam", learning_rate=1e-3, warmup=0.1)


def main(
    source: Annotated[Path, typer.Argument(help="celeba64.parquet")],
    out: Annotated[Path, typer.Option("-o", "--out")] = Path("out/celeba64"),
    arch: Annotated[str, typer.Option(help="An architecture.")] = "resnet_small",
    epochs: Annotated[float, typer.Option(help="Epochs of the dense models.")] = 12,
    epochs_pruned: Annotated[float, typer.Option(help="Epochs of each pruned model.")] = 6,
    seed: int = 0,
) -> None:
    """Run the sweep."""
    sweep = Sweep(
        data=DataConfig(
            source=str(source),
            groups=("Male", "Young", "Chubby", "Pale_Skin"),
            cluster="identity",
        ),
        arch=arch,
        dense=DENSE.replace(epochs=epochs, seed=seed),
        pruned=PRUNED.replace(epochs=epochs_pruned, seed=seed),
        methods=["gmp-pt"],
        sparsities=[0.8, 0.9, 0.95, 0.99],
        n_dense=2,
    )
    done = run_sweep(sweep, out, tell=say, show=progress, title=f"Pruning {arch} on 64-pixel faces")
    print_overall(done.audit)
    say(f"report: {done.page}")


if __name__ == "__main__":
    typer.run(main)
