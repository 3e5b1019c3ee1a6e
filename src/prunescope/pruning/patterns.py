"""In what shape weights are kept: which of the highest scores may stay."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

Pattern: TypeAlias = Callable[[Sequence[Tensor], int], list[Tensor]]
"""Turns the scores of layers that compete and a count into their masks, True where kept."""


def unstructured(scores: Sequence[Tensor], n_kept: int) -> list[Tensor]:
    """Keep exactly the `n_kept` weights with the highest scores, wherever they are.

    Among equal scores the earlier layer wins, and within a layer the lower index in row-major
    order. The ranking runs on the CPU in single precision, so it does not depend on the device.

    Parameters
    ----------
    scores : sequence of tensors
        Of any shapes, without NaN.
    n_kept : int
        Between 0 and the number of scores.

    Returns
    -------
    list of tensors
        Boolean, on the CPU, in the shapes of `scores`.

    Examples
    --------
    >>> unstructured([torch.tensor([3.0, 1.0]), torch.tensor([1.0, 2.0])], 3)
    [tensor([True, True]), tensor([False,  True])]
    """
    # Negated, because numpy's partition is twenty times slower when the lowest values are tied,
    # as the scores of pruned weights are.
    costs = np.concatenate([-score.to("cpu", torch.float32).numpy().ravel() for score in scores])
    if n_kept == 0:
        kept = np.zeros(len(costs), np.bool_)
    else:
        threshold = np.partition(costs, n_kept - 1)[n_kept - 1]
        kept = costs < threshold
        tied = np.flatnonzero(costs == threshold)
        kept[tied[: n_kept - np.count_nonzero(kept)]] = True
    parts = torch.split(torch.from_numpy(kept), [score.numel() for score in scores])
    return [part.view(score.shape) for part, score in zip(parts, scores, strict=True)]


PATTERNS: dict[str, Pattern] = {"unstructured": unstructured}
