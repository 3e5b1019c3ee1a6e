"""Widths: how many channels each layer of a network has, to rebuild one that was made smaller.

A *width* is three numbers of a layer: the channels that it gives, those that it takes, and its
groups. Convolutions, linear layers and batch normalisation have one; a network of other layers that
depend on the number of channels cannot be made smaller here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

import torch
from torch import Tensor, nn

from prunescope.errors import ConfigError, one_of
from prunescope.models.quantized import Int8Conv2d, Int8Layer

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
LAYERS = (*CONVOLUTIONS, nn.Linear, *BATCH_NORMS)

Layer: TypeAlias = nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.Linear | nn.modules.batchnorm._BatchNorm
Width: TypeAlias = tuple[int, int, int]


def layers_of(network: nn.Module) -> dict[str, Layer]:
    """Return the layers that can be made narrower, by name, in the order of ``named_modules()``."""
    return {name: module for name, module in network.named_modules() if isinstance(module, LAYERS)}


def is_depthwise(layer: nn.Module) -> bool:
    """Tell whether each output channel of a layer comes from the input channel of its number."""
    return (
        isinstance(layer, CONVOLUTIONS)
        and layer.groups == layer.in_channels == layer.out_channels
        and layer.groups > 1
    )


def shapes_of(network: nn.Module) -> dict[str, Width]:
    """Return the widths of a network: layer → channels it gives, channels it takes, groups.

    Those of layers in int8 too.

    Examples
    --------
    >>> shapes_of(nn.Sequential(nn.Conv2d(3, 8, 1), nn.BatchNorm2d(8), nn.Linear(8, 2)))
    {'0': (8, 3, 1), '1': (8, 8, 1), '2': (2, 8, 1)}
    """
    return {
        name: _width(module)
        for name, module in network.named_modules()
        if isinstance(module, (*LAYERS, Int8Layer))
    }


def reshape_(network: nn.Module, shapes: Mapping[str, Sequence[int]]) -> None:
    """Make layers of a network narrower, in place; layers that are not named stay as they are.

    Of every tensor the first channels remain: weights of these shapes are to be loaded into it.
    Whether the widths of one layer suit those of the next only asking the network shows.

    Parameters
    ----------
    network : torch.nn.Module
    shapes : mapping
        Layer → channels it gives, channels it takes, groups, as from `shapes_of`.

    Raises
    ------
    ConfigError
        A layer is unknown or cannot have this width; then the network is as before.

    Examples
    --------
    >>> network = nn.Sequential(nn.Conv2d(3, 8, 1), nn.BatchNorm2d(8))
    >>> reshape_(network, {"0": (5, 3, 1), "1": (5, 5, 1)})
    >>> network[0]
    Conv2d(3, 5, kernel_size=(1, 1), stride=(1, 1))
    """
    layers = layers_of(network)
    for name, shape in shapes.items():
        if name not in layers:
            raise ConfigError(one_of("layer", name, layers))
        _check(name, layers[name], shape)
    for name, shape in shapes.items():
        given, taken, _ = shape
        select_(layers[name], range(given), range(taken))


def select_(layer: Layer, given: Iterable[int], taken: Iterable[int]) -> None:
    """Keep these channels of a layer, in this order: of those it gives and of those it takes.

    Batch normalisation and depthwise convolutions take what they give; `taken` is not looked at.
    A tensor of which all is kept stays the same object.
    """
    rows, columns = list(given), list(taken)
    both_ways = isinstance(layer, BATCH_NORMS) or is_depthwise(layer)
    for name in ("weight", "bias", "running_mean", "running_var"):
        tensor = getattr(layer, name, None)
        if not isinstance(tensor, Tensor):
            continue
        chosen = _take(tensor, 0, rows)
        if name == "weight" and tensor.ndim > 1 and not both_ways and _n_groups(layer) == 1:
            chosen = _take(chosen, 1, columns)
        if isinstance(tensor, nn.Parameter) and chosen is not tensor:
            chosen = nn.Parameter(chosen, requires_grad=tensor.requires_grad)
        setattr(layer, name, chosen)
    if isinstance(layer, nn.Linear):
        layer.out_features, layer.in_features = len(rows), len(columns)
    elif isinstance(layer, CONVOLUTIONS):
        if both_ways:
            layer.groups = layer.in_channels = layer.out_channels = len(rows)
        else:
            layer.out_channels, layer.in_channels = len(rows), len(columns)
    else:
        layer.num_features = len(rows)


def _take(tensor: Tensor, dim: int, channels: list[int]) -> Tensor:
    if channels == list(range(tensor.shape[dim])):
        return tensor
    return tensor.detach().index_select(dim, torch.tensor(channels, device=tensor.device))


def _n_groups(layer: Layer) -> int:
    return layer.groups if isinstance(layer, CONVOLUTIONS) else 1


def _width(layer: Layer | Int8Layer) -> Width:
    if isinstance(layer, Int8Layer):
        groups = layer.settings["groups"] if isinstance(layer, Int8Conv2d) else 1
        given, taken, *_ = layer.weight_int8.shape
        return given, taken * groups, groups
    if isinstance(layer, CONVOLUTIONS):
        return layer.out_channels, layer.in_channels, layer.groups
    if isinstance(layer, nn.Linear):
        return layer.out_features, layer.in_features, 1
    return layer.num_features, layer.num_features, 1


def _check(name: str, layer: Layer, shape: Sequence[int]) -> None:
    """Raise unless `layer` can be made to have this width."""
    width = _width(layer)
    whole = len(shape) == 3 and all(type(number) is int for number in shape)
    if not whole or not all(1 <= new <= old for new, old in zip(shape, width, strict=True)):
        raise ConfigError(
            f"{name} cannot have the width {list(shape)}: expected the channels it gives, those "
            f"it takes and its groups, three whole numbers from 1 to {list(width)}"
        )
    given, taken, groups = shape
    if tuple(shape) == width:
        return
    if is_depthwise(layer):
        rule, fits = "one number three times", given == taken == groups
    elif isinstance(layer, BATCH_NORMS):
        rule, fits = "the same number twice", given == taken
    else:
        rule, fits = "one group", groups == width[2] == 1
    if not fits:
        raise ConfigError(
            f"{name} cannot have the width {list(shape)}: made smaller, this "
            f"{type(layer).__name__} of width {list(width)} has {rule}"
        )
