"""A process of a joint training: prunes the networks of `test_processes`, and writes them."""

import contextlib
import os
import sys
import warnings
from pathlib import Path

import numpy as np
import polars as pl
import torch
from safetensors.torch import save_file
from torch import nn

from prunescope.data.dataset import Dataset
from prunescope.data.samples import Samples
from prunescope.pruning import prune
from prunescope.pruning.methods import reconstruct
from prunescope.training import Distill, Processes, Recipe

SEED = int(os.environ.get("PRUNESCOPE_TEST_SEED", "0"))
RECIPE = Recipe(steps=24, batch_size=16, learning_rate=0.05)
METHODS = {
    "gmp-ri": {},
    "gmp-ri taylor": {"score": "taylor", "calibration_images": 32},
    "rigl": {},
    "ac/dc": {"distill": Distill()},
    "imp": {},
    "reconstruct": {},
}


def dots():
    """Images whose brightness tells the first attribute; some labels are unknown."""
    rng = np.random.default_rng(SEED)
    labels = rng.integers(0, 2, (64, 2)).astype(np.int8)
    labels[rng.random((64, 2)) < 0.3] = -1
    pixels = rng.integers(0, 256, (64, 3, 6, 6), np.uint8)
    pixels[labels[:, 0] == 1] //= 2
    ids = pl.Series([str(i) for i in range(64)])
    samples = Samples(ids, ("Dark", "Coin"), labels)
    splits = np.full(64, "train")
    return Dataset("dots", "0", samples, pixels, np.arange(64), splits)


def network(normalized):
    torch.manual_seed(SEED)
    norm = nn.BatchNorm2d(8) if normalized else nn.Identity()
    return nn.Sequential(nn.Conv2d(3, 8, 3), norm, nn.ReLU(), nn.Flatten(), nn.Linear(128, 2))


def run(folder, name):
    warnings.simplefilter("ignore")
    for name_of_method, choices in METHODS.items():
        method = name_of_method.split()[0]
        for normalized in (False, True):
            pruned = prune(
                network(normalized), dots(), method, 0.8, recipe=RECIPE, device="cpu",
                resume_dir=folder / f"resume-{name}" / name_of_method / str(normalized),
                **choices,
            )  # fmt: skip
            masks = {f"mask.{key}": value for key, value in pruned.masks.items()}
            file = f"{name}-{name_of_method.replace('/', '')}-{normalized}.safetensors"
            weights = {key: value.contiguous() for key, value in pruned.model.state_dict().items()}
            save_file(weights | masks, folder / file)


def resume(folder, rank):
    """Reconstruct at once; and stopped after a layer and begun anew, in a folder that all share."""

    def made(name, resume_dir):
        pruned = prune(
            network(True), dots(), "reconstruct", 0.8, device="cpu", resume_dir=resume_dir
        )
        save_file(pruned.model.state_dict(), folder / f"{name}-resumed-True.safetensors")

    fit, fitted = reconstruct._Work._fit, []

    def stops(self, name, n_kept):
        if name == "4.weight" and "0.weight" in fitted:
            raise KeyboardInterrupt
        fitted.append(name)
        return fit(self, name, n_kept)

    made(f"whole{rank}", None)
    reconstruct._Work._fit = stops
    with contextlib.suppress(KeyboardInterrupt):
        made(f"rank{rank}", folder / "shared")
    Processes.current().wait()
    fitted.clear()
    made(f"rank{rank}", folder / "shared")
    assert fitted == ["4.weight"], fitted


if __name__ == "__main__":
    torch.set_num_threads(1)
    rank = Processes.current().rank
    run(Path(sys.argv[1]), f"rank{rank}")
    resume(Path(sys.argv[1]), rank)
