"""Feeding: from a memory-mapped data set to batches on the device, one batch ahead."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from prunescope.data.dataset import Dataset
from prunescope.errors import ConfigError, DataError, shorten
from prunescope.models import Classifier, to_unit_range
from prunescope.training.augmentation import flip, shift
from prunescope.training.processes import Processes
from prunescope.training.recipe import Recipe

T = TypeVar("T")
ALONE = Processes()


@dataclass(frozen=True)
class Batch:
    """What one step of training sees.

    Parameters
    ----------
    images : tensor (B, 3, H, W) of float
        In [0, 1], augmented, on the device.
    labels : tensor (B, A) of int8
        1, 0, or -1 for unknown, on the device.
    positions : array (B,) of int64
        Where the samples stand in the data set.
    """

    images: Tensor
    labels: Tensor
    positions: NDArray[np.int64]


@dataclass(frozen=True)
class EpochPlan:
    """All that is random in the batches of an epoch: a function of the seed and the epoch alone.

    So training that is resumed at an epoch needs no state of a random generator.

    Parameters
    ----------
    order : array (N,) of int64
        The samples, shuffled.
    flips : array (N,) of bool
        Which of these to mirror.
    shifts : array (N, 2) of int64
        By how many pixels to move each.
    """

    order: NDArray[np.int64]
    flips: NDArray[np.bool_]
    shifts: NDArray[np.int64]

    @classmethod
    def draw(cls, recipe: Recipe, n_samples: int, epoch: int) -> EpochPlan:
        """Draw the plan of one epoch."""
        rng = np.random.default_rng([recipe.seed, epoch])
        reach = recipe.crop_padding
        return cls(
            order=rng.permutation(n_samples),
            flips=rng.random(n_samples) < (0.5 if recipe.flip else 0.0),
            shifts=rng.integers(-reach, reach, (n_samples, 2), endpoint=True),
        )


def training_batches(
    dataset: Dataset,
    recipe: Recipe,
    epoch: int,
    n_steps: int,
    device: torch.device,
    processes: Processes = ALONE,
) -> Iterator[Batch]:
    """Yield the first `n_steps` batches of an epoch, or this process's share of each."""
    plan = EpochPlan.draw(recipe, len(dataset), epoch)
    size = min(recipe.batch_size, len(dataset))
    if size % processes.count:
        raise ConfigError(
            f"batches of {size} images cannot be shared evenly by {processes.count} processes: "
            f"choose a batch size that is a multiple of {processes.count}"
        )
    parts = [processes.share(np.arange(step * size, (step + 1) * size)) for step in range(n_steps)]
    fed = feed(dataset, [plan.order[part] for part in parts], device)
    for part, (positions, pixels, labels) in zip(parts, fed, strict=True):
        if recipe.flip:
            pixels = flip(pixels, torch.from_numpy(plan.flips[part]).to(device))
        if recipe.crop_padding:
            pixels = shift(pixels, torch.from_numpy(plan.shifts[part]).to(device))
        images = to_unit_range(pixels).contiguous(memory_format=memory_format(recipe))
        yield Batch(images, labels, positions)


def memory_format(recipe: Recipe) -> torch.memory_format:
    """Return how images and weights lie in memory."""
    return torch.channels_last if recipe.channels_last else torch.contiguous_format


def feed(
    dataset: Dataset, batches: Sequence[NDArray[np.int64]], device: torch.device
) -> Iterator[tuple[NDArray[np.int64], Tensor, Tensor]]:
    """Yield (positions, pixels as uint8, labels) of each batch of positions, on the device."""
    on_gpu = device.type == "cuda"

    def load(index: int) -> tuple[Tensor, Tensor]:
        positions = batches[index]
        pixels = torch.from_numpy(dataset.images(positions))
        labels = torch.from_numpy(dataset.samples.labels[positions])
        # Pinned memory can travel to the GPU while that computes.
        return (pixels.pin_memory(), labels.pin_memory()) if on_gpu else (pixels, labels)

    for positions, (pixels, labels) in zip(batches, ahead(load, len(batches)), strict=True):
        yield (
            positions,
            pixels.to(device, non_blocking=on_gpu),
            labels.to(device, non_blocking=on_gpu),
        )


def ahead(make: Callable[[int], T], n: int) -> Iterator[T]:
    """Yield ``make(0) … make(n − 1)``, each made in a thread while the one before is in use.

    Examples
    --------
    >>> list(ahead(lambda i: i * i, 4))
    [0, 1, 4, 9]
    """
    with ThreadPoolExecutor(max_workers=1) as thread:
        waiting = [thread.submit(make, 0)] if n else []
        for index in range(n):
            made = waiting.pop().result()
            if index + 1 < n:
                waiting.append(thread.submit(make, index + 1))
            yield made


def consecutive(n_samples: int, batch_size: int) -> list[NDArray[Any]]:
    """Return the positions 0 … N − 1 in batches; the last may be smaller."""
    return [
        np.arange(start, min(start + batch_size, n_samples))
        for start in range(0, n_samples, batch_size)
    ]


def check_fit(model: nn.Module, dataset: Dataset) -> None:
    """Raise where a data set is not for a model.

    Raises
    ------
    DataError
        The model answers other attributes than those the data set is labelled with, or in
        another order.
    """
    if isinstance(model, Classifier) and model.spec.attributes != dataset.samples.attributes:
        raise DataError(
            f"the model answers {shorten(model.spec.attributes)}, but {dataset.name} is labelled "
            f"with {shorten(dataset.samples.attributes)}: load it with the model's attributes, in "
            "their order"
        )
