"""Augmentation of a whole batch at once, on pixels of uint8 and on the device they are on."""

from __future__ import annotations

import torch
from torch import Tensor


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
