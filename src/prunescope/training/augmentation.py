"""Augmentation of a whole batch at once, on pixels of uint8 and on the device they are on."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


def flip(images: Tensor, flips: Tensor) -> Tensor:
    """Mirror some images left to right.

    Parameters
    ----------
    images : tensor (B, 3, H, W)
    flips : tensor (B,) of bool
        Which.

    Examples
    --------
    >>> images = torch.tensor([1, 2, 3, 4]).reshape(2, 1, 1, 2)
    >>> flip(images, torch.tensor([True, False])).flatten().tolist()
    [2, 1, 3, 4]
    """
    return torch.where(flips[:, None, None, None], images.flip(-1), images)


def shift(images: Tensor, shifts: Tensor) -> Tensor:
    """Move each image, repeating its edge where nothing is left: a random crop after padding.

    Parameters
    ----------
    images : tensor (B, 3, H, W)
    shifts : tensor (B, 2) of int64
        Pixels up and to the left; negative is down and to the right.

    Examples
    --------
    >>> image = torch.tensor([[1, 2, 3]]).reshape(1, 1, 1, 3)
    >>> shift(image, torch.tensor([[0, 1]])).flatten().tolist()
    [2, 3, 3]
    >>> shift(image, torch.tensor([[0, -1]])).flatten().tolist()
    [1, 1, 2]
    """
    n, _, height, width = images.shape
    rows = torch.arange(height, device=images.device) + shifts[:, :1]
    columns = torch.arange(width, device=images.device) + shifts[:, 1:]
    return images.permute(0, 2, 3, 1)[
        torch.arange(n, device=images.device)[:, None, None],
        rows.clamp(0, height - 1)[:, :, None],
        columns.clamp(0, width - 1)[:, None, :],
    ].permute(0, 3, 1, 2)


class Augmented(nn.Module):
    """A model that answers with its mean logits over an image, its mirror image and moved ones.

    Parameters
    ----------
    model : torch.nn.Module
        Maps images (B, 3, H, W) to logits (B, A).
    shifts : sequence of (int, int)
        By which the image is moved, see `shift`.

    Examples
    --------
    >>> first = nn.Sequential(nn.Flatten(), nn.Linear(2, 1, bias=False))
    >>> _ = first[1].weight.data.copy_(torch.tensor([[1.0, 0.0]]))
    >>> image = torch.tensor([2.0, 8.0]).reshape(1, 1, 1, 2)
    >>> Augmented(first, [(0, 1)])(image).tolist()  # the mean of 2, 8 and 8
    [[6.0]]
    """

    def __init__(self, model: nn.Module, shifts: Sequence[tuple[int, int]]) -> None:
        super().__init__()
        self.model = model
        self.shifts = tuple(shifts)

    def forward(self, images: Tensor) -> Tensor:
        """Answer a batch."""
        total: Tensor = self.model(images) + self.model(images.flip(-1))
        for move in self.shifts:
            by = torch.tensor([move], device=images.device).expand(len(images), 2)
            total = total + self.model(shift(images, by))
        return total / (2 + len(self.shifts))
