"""Gradients on calibration images: what scores that look beyond the weights rest on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from prunescope.data.dataset import Dataset
from prunescope.errors import ConfigError, DataError, one_of, shorten
from prunescope.models import logits_of, to_unit_range
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
    group : str, optional
        A group of the data set, for scores that look at each of its values apart.

    Raises
    ------
    ConfigError
        A number is below 1, or the group is not there or has fewer than two values.
    DataError
        There are fewer images, or none of a group value among those drawn.
    """

    dataset: Dataset = field(repr=False)
    n_images: int = N_IMAGES
    batch_size: int = BATCH_SIZE
    seed: int = 0
    group: str | None = None

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
        if self.group is not None:
            self._check_group(self.group)

    @cached_property
    def positions(self) -> NDArray[np.int64]:
        """Where the images stand in the data set."""
        return np.random.default_rng(self.seed).permutation(len(self.dataset))[: self.n_images]

    def by_group(self) -> dict[str, NDArray[np.int64]]:
        """Return the positions of each value of the group.

        Raises
        ------
        ConfigError
            There is no group.
        """
        if self.group is None:
            raise ConfigError(
                "this score looks at each value of a group apart: name a group of the data set"
            )
        group = self.dataset.samples.groups[self.group]
        codes = group.codes[self.positions]
        return {
            str(value): self.positions[codes == code] for code, value in enumerate(group.values)
        }

    def _check_group(self, name: str) -> None:
        samples = self.dataset.samples
        usable = [other for other in samples.groups if other != samples.cluster]
        if name not in usable:
            raise ConfigError(one_of("group", name, usable))
        found = self.by_group()
        if len(found) < 2:
            raise ConfigError(f"group {name!r} has {len(found)} value: expected two or more")
        absent = [f"{name}={value}" for value, positions in found.items() if not len(positions)]
        if absent:
            raise DataError(
                f"none of the {self.n_images:,} calibration images is of {shorten(absent)}: ask "
                "for more calibration images, or choose another group"
            )

    def gradients(
        self,
        model: nn.Module,
        weights: Mapping[str, Tensor],
        positions: NDArray[np.int64] | None = None,
    ) -> Gradients:
        """Return the gradients of the training loss by some weights; the model is only read.

        In evaluation mode: normalisation by its running statistics, no dropout.

        Parameters
        ----------
        model : torch.nn.Module
        weights : mapping of str to tensor
        positions : array of int64, optional
            Images of the data set; by default those of the calibration.
        """
        frozen = [name for name, weight in weights.items() if not weight.requires_grad]
        if frozen:
            raise ConfigError(
                f"{shorten(frozen)} are frozen, so that the loss has no gradient by them: ignore "
                "these layers, or score by magnitude"
            )
        if positions is None:
            positions = self.positions
        batches = np.array_split(positions, -(-len(positions) // self.batch_size))
        loss_of = LOSSES[self.dataset.samples.task]
        device = next(iter(weights.values())).device
        mean = {name: torch.zeros_like(weight) for name, weight in weights.items()}
        square = {name: torch.zeros_like(weight) for name, weight in weights.items()}
        with evaluation_mode(model), torch.enable_grad():
            for _, pixels, labels in feed(self.dataset, batches, device):
                loss = loss_of(logits_of(model(to_unit_range(pixels))).float(), labels)
                share = len(labels) / len(positions)
                found: Sequence[Tensor | None] = torch.autograd.grad(
                    loss, list(weights.values()), allow_unused=True
                )
                for name, gradient in zip(weights, found, strict=True):
                    if gradient is None:  # not on the way to the loss
                        continue
                    mean[name].add_(gradient, alpha=share)
                    square[name].addcmul_(gradient, gradient, value=share)
        return Gradients(mean, square)
