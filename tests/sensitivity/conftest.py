import numpy as np
import polars as pl
import pytest
import torch
from torch import nn

from prunescope.data.dataset import Dataset
from prunescope.data.samples import Group, Samples


class Block(nn.Module):
    """Adds what two convolutions make of its input, in place, as residual networks do."""

    def __init__(self, inner=8, width=8):
        super().__init__()
        self.first = nn.Conv2d(width, inner, 3, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(inner)
        self.second = nn.Conv2d(inner, width, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(width)

    def forward(self, x):
        inside = self.first_norm(self.first(x)).relu_()
        inside = self.second_norm(self.second(inside))
        inside += x
        return nn.functional.relu(inside, inplace=True)


class Residual(nn.Module):
    """stem → block → block → head: six layers."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.stem_norm = nn.BatchNorm2d(8)
        self.one = Block()
        self.two = Block(12)
        self.head = nn.Linear(8, 2)

    def forward(self, images):
        x = self.stem_norm(self.stem(images)).relu()
        return self.head(self.two(self.one(x)).mean((2, 3)))


@pytest.fixture(scope="session")
def settled():
    """Return a function that lets normalisation see images, and makes answers of both kinds."""

    def settle(model, images):
        model.train()
        with torch.no_grad():
            for _ in range(30):
                model(images)
            model.eval()
            model.head.bias -= model(images).median(0).values
        return model

    return settle


@pytest.fixture(scope="session")
def dataset(seed):
    rng = np.random.default_rng(seed)
    n = 300
    pixels = rng.integers(0, 256, (n, 3, 6, 6), np.uint8)
    labels = (pixels.reshape(n, -1)[:, :2] > (140, 200)).astype(np.int8)
    return Dataset(
        name="dots",
        fingerprint="0",
        samples=Samples(
            pl.Series([str(i) for i in range(n)]),
            ("Dark", "Coin"),
            labels,
            groups={"Side": Group.from_series(pl.Series(np.arange(n) % 3 == 0))},
        ),
        pixels=pixels,
        rows=np.arange(n),
        splits=np.repeat(["train", "val"], [100, 200]),
    )


@pytest.fixture(scope="session")
def images(dataset):
    return torch.from_numpy(dataset.images(np.arange(100))).float() / 255


@pytest.fixture(scope="session")
def residual():
    return Residual


@pytest.fixture
def network(images, settled, seed):
    torch.manual_seed(seed)
    return settled(Residual(), images)
