"""Counting multiplications: of a whole network, and of each of its weights."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from prunescope.models import plain
from prunescope.models.quantized import Int8Layer
from prunescope.pruning.layers import PROJECTIONS, PRUNABLE, TRANSPOSED, names_of_weights


class Macs(NamedTuple):
    """Multiplications with a weight that one image takes, each with its addition.

    Parameters
    ----------
    dense : int
        With every weight.
    effective : int
        With those that are not zero.
    """

    dense: int
    effective: int


@torch.no_grad()
def count_macs(model: nn.Module, image: Tensor) -> Macs:
    """Count what the layers of a model multiply for one image: those of `prunable_weights`.

    A weight is used once at each position of its layer's output (pixel, or token), where it meets
    a pixel of the padding too; of a transposed convolution, at each position of its input. So a
    layer takes ``positions × weights``, whatever its stride and groups. Layers count as often as
    they are called. Biases, normalisation, and products of activations with each other (attention)
    do not count.

    Parameters
    ----------
    model : torch.nn.Module
        In evaluation mode.
    image : Tensor (1, C, H, W)

    Examples
    --------
    >>> model = nn.Conv2d(1, 1, 3, padding=1, bias=False)
    >>> _ = nn.init.ones_(model.weight)
    >>> model.weight.data[0, 0, 0] = 0
    >>> count_macs(model, torch.zeros(1, 1, 4, 4))
    Macs(dense=144, effective=96)
    """
    model = plain(model)
    dense = effective = 0
    for weight, positions in _all_uses(model, image):
        dense += positions * weight.numel()
        effective += positions * int(weight.count_nonzero())
    return Macs(dense, effective)


@torch.no_grad()
def macs_by_weight(model: nn.Module, image: Tensor) -> dict[str, int]:
    """Count what each weight tensor that may be pruned multiplies for one image, as `count_macs`.

    Examples
    --------
    >>> model = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.Flatten(), nn.Linear(32, 1))
    >>> macs_by_weight(model, torch.zeros(1, 1, 4, 4))
    {'0.weight': 288, '2.weight': 32}
    """
    model = plain(model)
    parameters = dict(model.named_parameters())
    names = {_place(parameters[name]): name for name in names_of_weights(model)}
    found = dict.fromkeys(names.values(), 0)
    for weight, positions in _all_uses(model, image):
        found[names[_place(weight)]] += positions * weight.numel()
    return found


def _place(weight: Tensor) -> int:
    """Return where a weight lies in memory; a part of it lies there too."""
    return weight.untyped_storage().data_ptr()


def _all_uses(model: nn.Module, image: Tensor) -> list[tuple[Tensor, int]]:
    """Return each weight and at how many positions it is used, call by call."""
    found: list[tuple[Tensor, int]] = []

    def note(layer: nn.Module, inputs: Any, named: Any, output: Any) -> None:  # noqa: ANN401
        found.extend(_uses(layer, inputs, named, output))

    kinds = (*PRUNABLE, nn.MultiheadAttention, Int8Layer)
    hooks = [
        layer.register_forward_hook(note, with_kwargs=True)
        for layer in model.modules()
        if isinstance(layer, kinds)
    ]
    try:
        model(image)
    finally:
        for hook in hooks:
            hook.remove()
    return found


def _uses(
    layer: nn.Module,
    inputs: tuple[Any, ...],
    named: dict[str, Any],
    output: Any,  # noqa: ANN401
) -> Iterator[tuple[Tensor, int]]:
    """Yield each weight of a layer and at how many positions it is used, as it is called."""
    if isinstance(layer, nn.MultiheadAttention):
        given = [*inputs, *(named[name] for name in ("query", "key", "value") if name in named)]
        tokens = [x.numel() // x.shape[-1] for x in given[:3]]
        own = dict(layer.named_parameters(recurse=False))
        joint, *apart = (own.get(name) for name in PROJECTIONS)
        yield from zip(apart if joint is None else joint.chunk(3), tokens, strict=True)
        yield layer.out_proj.weight, tokens[0]  # without a call of that layer
        return
    weight = layer.weight
    assert isinstance(weight, Tensor)
    where, channels = (
        (inputs[0], layer.in_channels) if isinstance(layer, TRANSPOSED) else (output, len(weight))
    )
    yield weight, where.numel() // channels
