"""One task for all trainers: small images in three colours, a network, and a plain loop."""

from dataclasses import dataclass

import numpy as np
import polars as pl
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from prunescope.data.samples import Group, Samples
from prunescope.predictions import Metadata, Predictions
from prunescope.pruning import Pruner

CLASSES = ("red", "green", "blue")
EPOCHS, BATCH, STEPS = 4, 8, 24
SPARSITY = 0.8


class Net(nn.Module):
    """conv (3·4·9) → norm → linear (4·3): 120 weights to prune."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.head = nn.Linear(4, 3)

    def forward(self, images):
        return self.head(self.norm(self.conv(images)).relu().mean((2, 3)))


def make_optimizer(model):
    return torch.optim.AdamW(model.parameters(), lr=0.02, weight_decay=0.01)


@dataclass
class Task:
    """48 images to train by, 120 to validate on."""

    train: TensorDataset
    validation: TensorDataset

    def network(self):
        torch.manual_seed(self.seed)
        return Net()

    seed: int = 0

    @property
    def train_loader(self):
        return DataLoader(self.train, BATCH)

    @property
    def validation_loader(self):
        return DataLoader(self.validation, 32)

    def logits(self, model):
        was_training = model.training
        model.eval()
        with torch.no_grad():
            found = torch.cat([model(images) for images, _ in self.validation_loader])
        model.train(was_training)
        return found.numpy()

    def answers(self, logits, name="dense"):
        labels = self.validation.tensors[1].numpy()
        samples = Samples(
            ids=pl.Series([f"image-{i}" for i in range(len(labels))]),
            attributes=CLASSES,
            labels=np.eye(3, dtype=np.int8)[labels],
            groups={"camera": Group.from_series(pl.Series(np.arange(len(labels)) % 2 == 0))},
            task="multiclass",
        )
        return Predictions(samples, logits, Metadata(name=name, task="multiclass"))

    def plain(self, model, optimizer=None, *, parts=1, clip=None, **choices):
        """Train in a plain loop and return the masks; a step is made of `parts` batches."""
        optimizer = optimizer or make_optimizer(model)
        pruner = Pruner(
            model, optimizer, **{"sparsity": SPARSITY, "steps": STEPS // parts, **choices}
        )
        model.train()
        for _ in range(EPOCHS):
            for number, (images, labels) in enumerate(self.train_loader):
                pruner.step()
                (nn.functional.cross_entropy(model(images), labels) / parts).backward()
                if number % parts == parts - 1:
                    if clip is not None:
                        nn.utils.clip_grad_norm_(model.parameters(), clip)
                    optimizer.step()
                    optimizer.zero_grad()
        return pruner.finish()


@pytest.fixture
def task(seed):
    generator = torch.Generator().manual_seed(seed)

    def draw(n):
        labels = torch.randint(0, 3, (n,), generator=generator)
        images = torch.rand(n, 3, 6, 6, generator=generator)
        images[torch.arange(n), labels] += 0.5
        return TensorDataset(images, labels)

    return Task(draw(BATCH * STEPS // EPOCHS), draw(120), seed)


@pytest.fixture(scope="session")
def same():
    """Return a function that tells whether two models hold the same bits."""

    def check(a, b):
        other = b.state_dict()
        return all(torch.equal(other[name], value) for name, value in a.state_dict().items())

    return check
