"""How much each weight matters: the higher its score, the longer it is kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import torch
from torch import Tensor, nn

from prunescope.errors import ConfigError
from prunescope.pruning.calibration import Calibration, Gradients
from prunescope.pruning.shares import order_by_shares


@dataclass(frozen=True)
class ScoreInputs:
    """What a score may look at.

    Parameters
    ----------
    weights : mapping of str to tensor
        The weights of every layer that may be pruned, by parameter name.
    seed : int
    model : torch.nn.Module, optional
    calibration : Calibration, optional
        Both for scores that look at gradients.
    """

    weights: Mapping[str, Tensor]
    seed: int = 0
    model: nn.Module | None = None
    calibration: Calibration | None = None

    @cached_property
    def gradients(self) -> Gradients:
        """Gradients of the loss on calibration images.

        Raises
        ------
        ConfigError
            There are none.
        """
        if self.model is None or self.calibration is None:
            raise ConfigError(
                "this score looks at gradients: give images to calibrate on, or score by magnitude"
            )
        return self.calibration.gradients(self.model, self.weights)

    def gradients_by_group(self) -> dict[str, Gradients]:
        """Gradients on the calibration images of each value of their group.

        Raises
        ------
        ConfigError
            There are no images, or no group.
        """
        if self.model is None or self.calibration is None:
            raise ConfigError(
                "this score looks at gradients: give images to calibrate on, or score by magnitude"
            )
        return {
            value: self.calibration.gradients(self.model, self.weights, positions)
            for value, positions in self.calibration.by_group().items()
        }


Score: TypeAlias = Callable[[ScoreInputs], dict[str, Tensor]]
"""Gives each weight a score, in a tensor of the weight's shape."""


def magnitude(inputs: ScoreInputs) -> dict[str, Tensor]:
    """Score a weight w by abs(w).

    Examples
    --------
    >>> magnitude(ScoreInputs({"fc.weight": torch.tensor([[-2.0, 1.0]])}))
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


def taylor(inputs: ScoreInputs) -> dict[str, Tensor]:
    """Score a weight w with mean gradient g by abs(g · w): its removal's effect, to first order.

    On a fresh network this is SNIP.

    References
    ----------
    Molchanov et al., "Importance estimation for neural network pruning", CVPR 2019.
    Lee, Ajanthan and Torr, "SNIP: single-shot network pruning based on connection sensitivity",
    ICLR 2019.
    """
    gradients = inputs.gradients.mean
    return {name: (gradients[name] * w.detach()).abs() for name, w in inputs.weights.items()}


def fisher(inputs: ScoreInputs) -> dict[str, Tensor]:
    """Score a weight w by F · w² / 2, F the diagonal of the empirical Fisher matrix.

    That is by how much its removal raises the loss, to second order, of a network at a minimum:
    optimal brain damage, with Fisher's matrix for the second derivatives. (WoodFisher with a
    diagonal matrix.)

    References
    ----------
    LeCun, Denker and Solla, "Optimal brain damage", NIPS 1989.
    Singh and Alistarh, "WoodFisher", NeurIPS 2020.
    """
    squares = inputs.gradients.square
    return {name: squares[name] * w.detach() ** 2 / 2 for name, w in inputs.weights.items()}


def fairgrape(inputs: ScoreInputs) -> dict[str, Tensor]:
    """Score weights by when group-wise lists of importance reach them (`order_by_shares`).

    The importance of a weight w to a group value is F · w², F as in `fisher` but on the images of
    that value alone. The weights kept, however many, hold at least the same share c of every
    value's importance in the network as it is now; unlike scores by mean gradients, which follow
    the groups that have most images. Where layers do not compete, each has a c of its own.

    This is FairGRAPE's aim by another rule: there weights are taken one by one for the value that
    has fallen behind most, which a network's millions do not allow.

    References
    ----------
    Lin, Kim and Joo, "FairGRAPE: fairness-aware gradient pruning method for face attribute
    classification", ECCV 2022.
    """
    importance = [
        torch.cat([(found.square[name] * w.detach() ** 2).flatten() for name, w in
                   inputs.weights.items()])
        for found in inputs.gradients_by_group().values()
    ]  # fmt: skip
    order = order_by_shares(torch.stack(importance))
    scores = torch.split(len(order) - order, [w.numel() for w in inputs.weights.values()])
    return {
        name: score.reshape(w.shape).to(torch.float32)
        for (name, w), score in zip(inputs.weights.items(), scores, strict=True)
    }


SCORES: dict[str, Score] = {
    "magnitude": magnitude,
    "random": random,
    "taylor": taylor,
    "fisher": fisher,
    "fairgrape": fairgrape,
}
GRADIENT_SCORES = ("taylor", "fisher", "fairgrape")
"""Those that need calibration images."""
GROUP_SCORES = ("fairgrape",)
"""Those of them that need a group."""
