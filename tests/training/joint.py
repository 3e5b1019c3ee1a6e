"""A process of a joint training: prunes the networks of `test_processes`, and writes them."""

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
from prunescope.training import Distill, Processes, Recipe

SEED = int(os.environ.get("PRUNESCOPE_TEST_SEED", "0"))
RECIPE = Recipe(steps=24, batch_size=16, learning_rate=0.05)
METHODS = {
    "gmp-ri": {},
    "gmp-ri taylor": {"score": "taylor", "calibration_images": 32},
    "rigl": {},
    "ac/dc": {"distill": Distill()},
    "imp": {},
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


if __name__ == "__main__":
    torch.set_num_threads(1)
    run(Path(sys.argv[1]), f"rank{Processes.current().rank}")
