"""Gradients on calibration images: what scores that look beyond the weights rest on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from prunescope.data.dataset import Dataset
from prunescope.errors import ConfigError, DataError, shorten
from prunescope.models import to_unit_range
from prunescope.training import LOSSES
from prunescope.training.batches import feed
from prunescope.training.inference import evaluation_mode

N_IMAGES, BATCH_SIZE = 512, 16


@dataclass(frozen=True)
class Gradients:
    """Of the loss by the weights, over calibration batches.

    Parameters
    ----------
    mean : mapping of str to tensor
        The mean gradient g of each weight.
    square : mapping of str to tensor
        The mean of squared gradients of batches: the diagonal of the empirical Fisher matrix for
        batches of one image, and an estimate of it, up to a factor, for small ones.
    """

    mean: Mapping[str, Tensor]
    square: Mapping[str, Tensor]


@dataclass(frozen=True)
class Calibration:
    """Which images gradients are taken on, and in what batches.

    Parameters
    ----------
    dataset : Dataset
        The training split.
    n_images : int
        How many of them, drawn by the seed.
    batch_size : int
    seed : int

    Raises
    ------
    ConfigError
        A number is below 1.
    DataError
        There are fewer images.
    """

    dataset: Dataset = field(repr=False)
    n_images: int = N_IMAGES
    batch_size: int = BATCH_SIZE
    seed: int = 0

    def __post_init__(self) -> None:
        if self.n_images < 1 or self.batch_size < 1:
            raise ConfigError(
                f"calibration on {self.n_images} images in batches of {self.batch_size}: expected "
                "at least 1 of 1"
            )
        if len(self.dataset) < self.n_images:
            raise DataError(
                f"{self.dataset.name} has {len(self.dataset):,} images to calibrate on, and "
                f"{self.n_images:,} were asked for: give more data, or ask for fewer calibration "
                "images"
            )

    def gradients(self, model: nn.Module, weights: Mapping[str, Tensor]) -> Gradients:
        """Return the gradients of the training loss by some weights; the model is only read.

        In evaluation mode: normalisation by its running statistics, no dropout.
        """
        frozen = [name for name, weight in weights.items() if not weight.requires_grad]
        if frozen:
            raise ConfigError(
                f"{shorten(frozen)} are frozen, so that the loss has no gradient by them: ignore "
                "these layers, or score by magnitude"
            )
        positions = np.random.default_rng(self.seed).permutation(len(self.dataset))[: self.n_images]
        n_batches = -(-self.n_images // self.batch_size)
        batches = np.array_split(positions, n_batches)
        loss_of = LOSSES[self.dataset.samples.task]
        device = next(iter(weights.values())).device
        mean = {name: torch.zeros_like(weight) for name, weight in weights.items()}
        square = {name: torch.zeros_like(weight) for name, weight in weights.items()}
        with evaluation_mode(model), torch.enable_grad():
            for _, pixels, labels in feed(self.dataset, batches, device):
                loss = loss_of(model(to_unit_range(pixels)).float(), labels)
                share = len(labels) / self.n_images
                found: Sequence[Tensor | None] = torch.autograd.grad(
                    loss, list(weights.values()), allow_unused=True
                )
                for name, gradient in zip(weights, found, strict=True):
                    if gradient is None:  # not on the way to the loss
                        continue
                    mean[name].add_(gradient, alpha=share)
                    square[name].addcmul_(gradient, gradient, value=share)
        return Gradients(mean, square)
