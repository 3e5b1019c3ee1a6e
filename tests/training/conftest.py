"""What the tests of training share: tiny images with a planted answer, and a tiny network."""

import numpy as np
import polars as pl
import pytest
import torch
from torch import nn

from prunescope.data.dataset import Dataset
from prunescope.data.samples import Samples


@pytest.fixture(autouse=True)
def one_thread():
    """Tiny networks are faster without threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def dots(seed):
    """Return a function that makes images in which attribute k is the brightness of channel k."""
    base = seed

    def make(n=64, size=8, n_attributes=3, task="multilabel", unlabelled=0.0, seed=0):
        rng = np.random.default_rng([base, seed])
        if task == "multilabel":
            labels = rng.integers(0, 2, (n, n_attributes)).astype(np.int8)
        else:
            labels = np.eye(n_attributes, dtype=np.int8)[rng.integers(0, n_attributes, n)]
        pixels = rng.integers(0, 100, (n, 3, size, size))
        pixels[:, :n_attributes] += 120 * labels[:, :3, None, None]
        if task == "multilabel":
            labels[rng.random(labels.shape) < unlabelled] = -1
        else:
            labels[rng.random(n) < unlabelled] = -1
        return Dataset(
            name="dots",
            fingerprint=f"dots-{seed}",
            samples=Samples(
                ids=pl.Series([str(i) for i in range(n)]),
                attributes=tuple("RGB"[:n_attributes]),
                labels=labels,
                task=task,
            ),
            # Stored in another order than the samples', as a split of a larger set would be.
            pixels=pixels.astype(np.uint8)[::-1],
            rows=np.arange(n)[::-1].copy(),
            splits=np.full(n, "train"),
        )

    return make


@pytest.fixture
def network(seed):
    """Return a function that makes a convolutional network with everything that has state."""
    base = 1000 * seed

    def make(n_outputs=3, seed=0, dropout=0.2):
        with torch.random.fork_rng():
            torch.manual_seed(base + seed)
            return nn.Sequential(
                nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(8),
                nn.ReLU(),
                nn.Conv2d(8, 8, 3, padding=1),
                nn.AdaptiveAvgPool2d(1),
                nn.Flatten(),
                nn.Dropout(dropout),
                nn.Linear(8, n_outputs),
            )

    return make
