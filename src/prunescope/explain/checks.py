"""Does a map depend on what the network learned? The checks of Adebayo et al. (2018)."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr
from torch import Tensor, nn

from prunescope.explain.layers import last_layer
from prunescope.models import Classifier

Layers = Literal["last", "all"]
LAYERS: tuple[Layers, ...] = ("last", "all")

SAME = 0.7
"""Rank correlation from which a map counts as one that did not change."""


@dataclass(frozen=True)
class Check:
    """The map of a network whose weights were drawn, beside that of the one that learned.

    Parameters
    ----------
    layers : {"last", "all"}
        Whose weights were drawn.
    values : array (H, W) of float32
        The map of the first draw.
    correlation : float or None
        Spearman's, between the sizes of the values of both maps; the mean over draws. None where a
        map is the same everywhere.
    """

    layers: Layers
    values: NDArray[np.float32]
    correlation: float | None

    @property
    def passed(self) -> bool:
        """Whether the map changed."""
        return self.correlation is None or self.correlation < SAME


def randomised(model: Classifier, layers: Layers, seed: int) -> Classifier:
    """Return a copy of a classifier that learned nothing.

    Kernels and matrices are drawn anew, normal with variance 2 / inputs (He et al. 2015), whole
    numbers and vectors are shuffled, and running statistics of normalisation are set back.

    Parameters
    ----------
    model : Classifier
    layers : {"last", "all"}
        The last layer alone, or all of them.
    seed : int
        Nothing else matters.
    """
    made = copy.deepcopy(model)
    source = torch.Generator().manual_seed(seed)
    chosen = [last_layer(made)] if layers == "last" else list(made.network.modules())
    with torch.no_grad():
        for module in chosen:
            _draw_(module, source)
    return made


def _draw_(module: nn.Module, source: torch.Generator) -> None:
    """Draw what a module holds itself, not in its parts."""
    if isinstance(getattr(module, "running_mean", None), Tensor):
        getattr(module, "reset_running_stats", lambda: None)()
    for parameter in module.parameters(recurse=False):
        if parameter.dim() >= 2:
            deviation = math.sqrt(2 / max(1, parameter[0].numel()))
            parameter.copy_(deviation * torch.randn(parameter.shape, generator=source))
        else:
            _shuffle_(parameter, source)
    for tensor in module.buffers(recurse=False):
        if tensor.dtype == torch.int8:
            _shuffle_(tensor, source)


def _shuffle_(tensor: Tensor, source: torch.Generator) -> None:
    order = torch.randperm(tensor.numel(), generator=source)
    tensor.copy_(tensor.flatten()[order].reshape(tensor.shape))


def alike(one: NDArray[np.float32], other: NDArray[np.float32]) -> float | None:
    """Return Spearman's rank correlation of the sizes of two maps' values.

    None where one of them is the same everywhere.

    Examples
    --------
    >>> one = np.array([[0.1, 0.2], [0.3, -0.4]], np.float32)
    >>> round(alike(one, one**2), 6), alike(one, np.zeros((2, 2), np.float32))
    (1.0, None)
    """
    first, second = np.abs(one).ravel(), np.abs(other).ravel()
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return None
    return float(spearmanr(first, second).statistic)
