"""A planted bias whose cause is known: the two groups need different weights of a tiny model.

Channel 0 of an image says the truth about attribute ``Bent`` in group a, channel 1 in group b, and
channel 2 says which group it is. A linear model of the channels' brightness whose weight for
channel 2 is pruned cannot tell the groups apart, and follows the larger one, a. ``Rare`` is true
for one in eight, and can be told from channel 0 only in part.
"""

import numpy as np
import polars as pl
import pytest
import torch
from torch import nn

from prunescope.data.dataset import Dataset
from prunescope.data.samples import Group, Samples
from prunescope.pruning import Masks

N, SHARE_OF_B = 4800, 0.2


class Channels(nn.Module):
    """Logits that are linear in the mean brightness of the channels, scaled to mean 0, spread 1."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(3, 2)

    def features(self, images):
        return (images.mean((2, 3)) - 0.5) * 5

    def forward(self, images):
        return self.head(self.features(images))


class Oracle(Channels):
    """Knows the group, and so is always right about Bent."""

    def forward(self, images):
        x = self.features(images)
        bent = torch.where(x[:, 2] > 0, x[:, 1], x[:, 0])
        return torch.stack([4 * bent, 2 * x[:, 0] - 3], dim=1)


@pytest.fixture(scope="session")
def planted(seed):
    rng = np.random.default_rng(seed)
    in_b = rng.random(N) < SHARE_OF_B
    x = rng.normal(0, 1, (N, 3)).clip(-2.4, 2.4)
    x[:, 2] = np.where(in_b, 2.0, -2.0)
    bent = np.where(in_b, x[:, 1], x[:, 0]) > 0
    rare = x[:, 0] + rng.normal(0, 1, N) > 1.62
    pixels = np.round((x / 5 + 0.5) * 255).astype(np.uint8)
    return Dataset(
        name="channels",
        fingerprint="0",
        samples=Samples(
            pl.Series([str(i) for i in range(N)]),
            ("Bent", "Rare"),
            np.stack([bent, rare], 1).astype(np.int8),
            groups={"side": Group.from_series(pl.Series(np.where(in_b, "b", "a")))},
        ),
        pixels=np.repeat(pixels, 4, axis=1).reshape(N, 3, 2, 2),
        rows=np.arange(N),
        splits=np.full(N, "train"),
    )


@pytest.fixture
def pruned(seed):
    torch.manual_seed(seed)
    model = Channels()
    masks = Masks({"head.weight": torch.tensor([[True, True, False]] * 2)})
    masks.apply_(model)
    return model, masks


@pytest.fixture
def oracle():
    return Oracle()
