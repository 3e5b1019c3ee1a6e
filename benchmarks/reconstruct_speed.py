"""How long `reconstruct` takes for a trained network, and how much memory.

    python benchmarks/reconstruct_speed.py MODEL PATH/TO/celeba64.parquet --threads 2

MODEL is the folder of a trained dense model; it is pruned to 90% by 2,048 faces of the training
split. Of weights that have learned nothing other layers go, and it takes longer. Prints a line of
results/reconstruct.md. Of another checkout by PYTHONPATH=OTHER/src.
"""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path
from typing import Annotated

import torch
import typer

from prunescope.cli.console import progress
from prunescope.data import DataConfig, load_dataset
from prunescope.models import load_checkpoint
from prunescope.pruning import prune
from prunescope.study import note_steps


def main(
    model: Annotated[Path, typer.Argument(help="Folder of a trained dense model.")],
    source: Annotated[str, typer.Argument(help="celeba64.parquet")],
    threads: Annotated[int, typer.Option(help="Of torch.")] = 2,
    sparsity: Annotated[float, typer.Option(help="Share of weights that go.")] = 0.9,
    images: Annotated[int, typer.Option(help="To calibrate on.")] = 2048,
) -> None:
    """Prune, tell."""
    torch.set_num_threads(threads)
    faces = load_dataset(DataConfig(source=source, cluster="identity")).split("train")
    dense = load_checkpoint(model).model
    began = time.perf_counter(), time.process_time()
    with progress("reconstruct") as update:
        prune(
            dense,
            faces,
            "reconstruct",
            sparsity,
            calibration_images=images,
            progress=note_steps(update),
        )
    wall, cpu = time.perf_counter() - began[0], time.process_time() - began[1]
    used = resource.getrusage(resource.RUSAGE_SELF)
    memory = used.ru_maxrss / (2**30 if sys.platform == "darwin" else 2**20)
    system = used.ru_stime
    print(f"| {model} | {threads} | {wall / 60:.1f} | {cpu:.0f} | {system:.0f} | {memory:.1f} |")


if __name__ == "__main__":
    typer.run(main)
