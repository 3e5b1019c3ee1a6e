"""Layers that compute with other weights than their own, in which zeros do not stay.

A convolution with weight standardisation (BiT, NFNet) subtracts the mean of its weights as it is
called: where a mask put zeros, it multiplies by something else. Such a layer is of torch's kind, so
only a call shows it.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Collection
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from prunescope.errors import PrunescopeWarning, shorten
from prunescope.models import fold
from prunescope.pruning.layers import PRUNABLE, layer_of, module_of, names_of_weights
from prunescope.training.inference import evaluation_mode

PRODUCTS = (
    functional.linear, functional.conv1d, functional.conv2d, functional.conv3d,
    functional.conv_transpose1d, functional.conv_transpose2d, functional.conv_transpose3d,
)  # fmt: skip


@torch.no_grad()
def refilled_weights(model: nn.Module, images: Tensor) -> dict[str, str]:
    """Return the weights whose zeros their layer fills as it is called, and the layer's kind.

    Parameters
    ----------
    model : torch.nn.Module
        Is only read, and called only where a layer has a ``forward`` of its own.
    images : tensor
        An input of it; on its device.

    Examples
    --------
    >>> class Centred(nn.Linear):
    ...     def forward(self, x):
    ...         return functional.linear(x, self.weight - self.weight.mean(), self.bias)
    >>> refilled_weights(nn.Sequential(Centred(4, 2), nn.Linear(2, 2)), torch.ones(1, 4))
    {'0.weight': 'Centred'}
    """
    suspects = _suspects(model)
    if not suspects:
        return {}
    trial = fold(model)
    watch = _Watch()
    layers = {weight: trial.get_submodule(module_of(weight)) for weight in suspects}
    for weight, layer in layers.items():
        own = layer.get_parameter("weight")
        _empty_half_(own)
        layer.register_forward_pre_hook(watch.entered(weight, own))
        layer.register_forward_hook(watch.left)
    with evaluation_mode(trial), watch:
        trial(images)
    return {weight: kind for weight, kind in suspects.items() if weight in watch.found}


@torch.no_grad()
def refilled_alone(model: nn.Module, weights: Collection[str]) -> dict[str, str]:
    """Return what `refilled_weights` does, of some weights; each layer is called by itself.

    Parameters
    ----------
    model : torch.nn.Module
        Is only read.
    weights : collection of str
        Names of its parameters.

    Warns
    -----
    PrunescopeWarning
        A layer with a ``forward`` of its own cannot be called with one tensor, so nobody knows.
    """
    watch = _Watch()
    suspects = {weight: kind for weight, kind in _suspects(model).items() if weight in weights}
    unknown = {}
    for weight, kind in suspects.items():
        layer = copy.deepcopy(model.get_submodule(module_of(weight)))
        own = layer.get_parameter("weight")
        _empty_half_(own)
        watch.at_work.append((weight, own))
        try:
            with watch:
                layer.forward(_input_of(layer))
        except Exception:  # whatever a forward of somebody's raises
            unknown[weight] = kind
        finally:
            watch.at_work.pop()
    if unknown:
        warnings.warn(
            f"{shorten(map(layer_of, unknown), 3)}: {shorten(dict.fromkeys(unknown.values()))} "
            "cannot be called by itself, to see whether zeros stay in its weights: they are pruned "
            "as any; if it computes with others than its own, name these layers in ignore",
            PrunescopeWarning,
            stacklevel=3,
        )
    return {weight: kind for weight, kind in suspects.items() if weight in watch.found}


def stay_dense(found: dict[str, str]) -> list[str]:
    """Return the layers of refilled weights, and warn that they stay dense."""
    if found:
        kinds = shorten(dict.fromkeys(found.values()))
        warnings.warn(
            f"{shorten(map(layer_of, found), 3)}: {kinds} computes with other weights than its own "
            "(it standardises them, say), in which zeros would not stay: these layers stay dense",
            PrunescopeWarning,
            stacklevel=3,
        )
    return [layer_of(weight) for weight in found]


def _suspects(model: nn.Module) -> dict[str, str]:
    """Return the weights whose layer has a ``forward`` of its own, and its kind."""
    return {
        weight: kind
        for weight, names in names_of_weights(model).items()
        if (kind := _own_kind(model.get_submodule(module_of(names[0]))))
    }


def _empty_half_(weight: Tensor) -> None:
    """Set every other value to zero, however they lie in memory."""
    weight[torch.arange(weight.numel(), device=weight.device).view(weight.shape) % 2 == 0] = 0


def _input_of(layer: Any) -> Tensor:  # noqa: ANN401 - a convolution or a linear layer
    """Return the smallest input of a layer, of ones."""
    if isinstance(layer, nn.Linear):
        return layer.weight.new_ones(1, layer.in_features)
    sides = [d * (k - 1) + 1 for d, k in zip(layer.dilation, layer.kernel_size, strict=True)]
    ones: Tensor = layer.weight.new_ones(1, layer.in_channels, *sides)
    return ones


def _own_kind(layer: nn.Module) -> str | None:
    """Name the class of a layer whose computation is not torch's own."""
    own = type(layer)
    if not isinstance(layer, PRUNABLE):
        return None
    base: Any = next(kind for kind in own.__mro__ if kind.__module__.startswith("torch.nn"))
    same = own.forward is base.forward and (
        getattr(own, "_conv_forward", None) is getattr(base, "_conv_forward", None)
    )
    return None if same else own.__name__


class _Watch(TorchFunctionMode):
    """Sees with which weights the layers that are at work multiply."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.at_work: list[tuple[str, Tensor]] = []

    def entered(self, weight: str, own: Tensor) -> Callable[..., None]:
        def hook(*_: object) -> None:
            self.at_work.append((weight, own))

        return hook

    def left(self, *_: object) -> None:
        self.at_work.pop()

    def __torch_function__(
        self,
        func: Any,  # noqa: ANN401 - torch's signature
        types: Any,  # noqa: ANN401
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401
        kwargs = kwargs or {}
        if self.at_work and func in PRODUCTS:
            weight, own = self.at_work[-1]
            used = args[1] if len(args) > 1 else kwargs["weight"]
            if used.shape == own.shape and (used[own == 0] != 0).any():
                self.found.add(weight)
        return func(*args, **kwargs)
