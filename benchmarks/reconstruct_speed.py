"""How long `reconstruct` takes for a network of the usual size, and how much memory.

    python benchmarks/reconstruct_speed.py --arch resnet18@64 --threads 2

Prunes a network with fresh weights to 90% by 2,048 drawn faces of 64 pixels: the work does not hang
on what the network has learned. Prints one line of results/reconstruct.md. Of another checkout by
PYTHONPATH=OTHER/src.
"""

from __future__ import annotations

import resource
import sys
import time
from typing import Annotated

import torch
import typer

from prunescope.cli.console import progress
from prunescope.data import DataConfig, load_dataset
from prunescope.models import build_model
from prunescope.pruning import prune
from prunescope.study import note_steps


def main(
    arch: Annotated[str, typer.Option(help="Architecture, with the side it sees.")] = "resnet18@64",
    threads: Annotated[int, typer.Option(help="Of torch.")] = 2,
    sparsity: Annotated[float, typer.Option(help="Share of weights that go.")] = 0.9,
    images: Annotated[int, typer.Option(help="To calibrate on.")] = 2048,
) -> None:
    """Draw faces, prune, tell."""
    torch.set_num_threads(threads)
    faces = load_dataset(DataConfig(n_train=images, n_val=1, n_test=1)).split("train")
    model = build_model(arch, faces.samples.attributes, image_size=64, seed=0)
    began = time.perf_counter(), time.process_time()
    with progress("reconstruct") as update:
        prune(
            model,
            faces,
            "reconstruct",
            sparsity,
            calibration_images=images,
            progress=note_steps(update),
        )
    wall, cpu = time.perf_counter() - began[0], time.process_time() - began[1]
    used = resource.getrusage(resource.RUSAGE_SELF)
    memory = used.ru_maxrss / (2**30 if sys.platform == "darwin" else 2**20)
    print(
        f"| {arch} | {threads} | {wall / 60:.1f} | {cpu:.0f} | {used.ru_stime:.0f} | {memory:.1f} |"
    )


if __name__ == "__main__":
    typer.run(main)
