from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from prunescope.data import DataConfig


@pytest.fixture
def make_config(tmp_path):
    """Return a function that configures a source with a cache of its own."""

    def make(source, **options):
        return DataConfig(
            **{"size": 8, "cache": tmp_path / "cache", **options, "source": str(source)}
        )

    return make


@pytest.fixture
def save_images():
    """Return a function that writes one random 8×8 image per name and returns their pixels."""

    def save(folder: Path, names, *, seed=0):
        pixels = np.random.default_rng(seed).integers(0, 256, (len(names), 3, 8, 8), np.uint8)
        for name, image in zip(names, pixels, strict=True):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0))).save(folder / name)
        return pixels

    return save


@pytest.fixture
def faces(tmp_path, save_images):
    """A folder with three images and a CSV table of them: (path of the table, pixels)."""
    names = ["a.png", "b.png", "c.png"]
    folder = tmp_path / "faces"
    pixels = save_images(folder, names)
    table = pl.DataFrame(
        {
            "image": names,
            "Smiling": ["1", "0", ""],
            "Bald": ["true", "False", "TRUE"],
            "Male": [1, None, 0],
            "person": [12, 7, 12],
            "age": ["young", "old", "young"],
        }
    )
    table.write_csv(folder / "faces.csv")
    return folder / "faces.csv", pixels
