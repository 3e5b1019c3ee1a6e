"""How much each weight matters: the higher its score, the longer it is kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor


@dataclass(frozen=True)
class ScoreInputs:
    """What a score may look at.

    Parameters
    ----------
    weights : mapping of str to tensor
        The weights of every layer that may be pruned, by parameter name.
    seed : int
    """

    weights: Mapping[str, Tensor]
    seed: int


Score: TypeAlias = Callable[[ScoreInputs], dict[str, Tensor]]
"""Gives each weight a score, in a tensor of the weight's shape."""


def magnitude(inputs: ScoreInputs) -> dict[str, Tensor]:
    """Score a weight w by abs(w).

    Examples
    --------
    >>> magnitude(ScoreInputs({"fc.weight": torch.tensor([[-2.0, 1.0]])}, seed=0))
    {'fc.weight': tensor([[2., 1.]])}
    """
    return {name: weight.detach().abs() for name, weight in inputs.weights.items()}


def random(inputs: ScoreInputs) -> dict[str, Tensor]:
    """Score weights by independent uniform numbers in [0, 1).

    They depend on the seed and the shapes alone, not on the device, so that repeated calls rank
    the weights alike.

    Examples
    --------
    >>> weights = {"fc.weight": torch.zeros(2, 2)}
    >>> first, again = (random(ScoreInputs(weights, seed=1)) for _ in range(2))
    >>> torch.equal(first["fc.weight"], again["fc.weight"])
    True
    """
    generator = torch.Generator().manual_seed(inputs.seed)
    return {
        name: torch.rand(weight.shape, generator=generator)
        for name, weight in inputs.weights.items()
    }


SCORES: dict[str, Score] = {"magnitude": magnitude, "random": random}
