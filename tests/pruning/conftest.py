import numpy as np
import pytest
import torch
from torch import nn


class TinyNet(nn.Module):
    """conv (3·4·9) → norm → conv (4·6·9) → norm → linear (6·2): 336 weights to prune."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1, bias=False)
        self.stem_norm = nn.BatchNorm2d(4)
        self.body = nn.Conv2d(4, 6, 3, padding=1)
        self.body_norm = nn.BatchNorm2d(6)
        self.head = nn.Linear(6, 2)

    def forward(self, images):
        x = self.stem_norm(self.stem(images)).relu()
        x = self.body_norm(self.body(x)).relu()
        return self.head(x.mean((2, 3)))


@pytest.fixture
def fresh(seed):
    torch.manual_seed(seed)
    return TinyNet()


@pytest.fixture
def trained(fresh):
    """Return a net whose normalisation has seen data, as after training."""
    fresh.train()
    with torch.no_grad():
        fresh(torch.randn(8, 3, 6, 6))
    return fresh


@pytest.fixture
def dataset(dots, seed):
    rng = np.random.default_rng(seed)
    n = 64
    labels = rng.integers(0, 2, (n, 2)).astype(np.int8)
    pixels = rng.integers(0, 256, (n, 3, 6, 6), np.uint8)
    pixels[labels[:, 0] == 1, 0] //= 2
    return dots(pixels, labels, np.full(n, "train"))
