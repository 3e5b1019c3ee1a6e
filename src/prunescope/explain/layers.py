"""`feature_map`: the part of a network whose output Grad-CAM looks at."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from prunescope.errors import ConfigError
from prunescope.explain.answers import slopes_of
from prunescope.models import Classifier
from prunescope.training.inference import evaluation_mode

_KERNEL, _MAP, _TOKENS = 4, 4, 3
"""Dimensions of a convolution's weights, of a map (N, K, h, w), and of tokens (N, T, D)."""


@dataclass(frozen=True)
class FeatureMap:
    """A part of a network that gives a map.

    Parameters
    ----------
    name : str
        Within the network; empty: itself.
    places : (int, int)
        Height and width of its map.
    """

    name: str
    places: tuple[int, int]


@dataclass(frozen=True)
class _Ran:
    """One call of a part of a network: the tensor that it gave."""

    name: str
    module: nn.Module
    output: Tensor


def feature_map(model: Classifier) -> FeatureMap:
    """Find the last map of a convolutional network that the answers depend on.

    The parts of the network are watched while it answers one grey image. A map is a tensor
    (N, K, h, h), h > 1, given after a first convolution, from which on no layer with weights gives
    tokens (N, T, D), as attention does. The one that is finished last is taken: from there on
    networks mostly take means over places, so that the map tells exactly what each place adds.
    Earlier ones are finer, and tell less truly.

    Raises
    ------
    ConfigError
        There is none: the network has no convolution, or attends to tokens after it.

    Examples
    --------
    >>> from prunescope.models import build_model
    >>> feature_map(build_model("resnet_small", ["Bald"], image_size=64))
    FeatureMap(name='resnet.encoder.stages.3', places=(2, 2))
    """
    side = model.spec.image_size
    with evaluation_mode(model), torch.enable_grad():
        images = torch.full((1, 3, side, side), 0.5, requires_grad=True)
        with _watched(model.network) as ran:
            logits = model(images)
        maps = _maps(ran)
        slopes = slopes_of(model, logits, [one.output for one in maps]) if maps else []
    found = [one for one, slope in zip(maps, slopes, strict=True) if slope is not None]
    if not found:
        raise ConfigError(
            f"Grad-CAM needs a network that ends in a map of features, and {model.spec.arch} has "
            "none: it has no convolution, or layers of attention after it; choose the method "
            "'gradients'"
        )
    height, width = found[-1].output.shape[-2:]
    return FeatureMap(found[-1].name, (int(height), int(width)))


def last_layer(model: Classifier) -> nn.Module:
    """Return the last part of a network to compute with weights of its own: what answers.

    Raises
    ------
    ConfigError
        Nothing in it has weights.
    """
    side = model.spec.image_size
    with evaluation_mode(model), torch.no_grad(), _watched(model.network) as ran:
        model(torch.full((1, 3, side, side), 0.5))
    weighted = [one.module for one in ran if _has_weights(one.module)]
    if not weighted:
        raise ConfigError(f"{model.spec.arch} has no weights: there is nothing that it learned")
    return weighted[-1]


def _maps(ran: list[_Ran]) -> list[_Ran]:
    """Return the calls that gave maps, in the order in which they ended."""
    first = next((i for i, one in enumerate(ran) if _is_convolution(one.module)), len(ran))
    tokens = [
        i for i, one in enumerate(ran) if one.output.dim() == _TOKENS and _has_weights(one.module)
    ]
    start = max([first, *(i + 1 for i in tokens)])
    return [one for one in ran[start:] if _is_map(one.output)]


def _is_map(output: Tensor) -> bool:
    """Tell whether an output is a map of more than one place: as square as the images are."""
    shape = output.shape
    return output.dim() == _MAP and shape[-1] == shape[-2] > 1 and output.requires_grad


def _is_convolution(module: nn.Module) -> bool:
    weight = getattr(module, "weight", None)
    return isinstance(weight, Tensor) and weight.dim() == _KERNEL


def _has_weights(module: nn.Module) -> bool:
    """Tell whether a module has weights of its own, whose parts are not counted."""
    return isinstance(getattr(module, "weight", None), Tensor) or any(
        True for _ in module.parameters(recurse=False)
    )


@contextmanager
def _watched(network: nn.Module) -> Iterator[list[_Ran]]:
    """Note each part of a network that gives a tensor, as they end."""
    ran: list[_Ran] = []

    def note(name: str) -> Any:  # noqa: ANN401 - a hook of torch's
        def hook(module: nn.Module, _: object, output: object) -> None:
            if isinstance(output, Tensor):
                ran.append(_Ran(name, module, output))

        return hook

    hooks = [module.register_forward_hook(note(name)) for name, module in network.named_modules()]
    try:
        yield ran
    finally:
        for one in hooks:
            one.remove()
