"""What is inside of wrappers: compiled, parallel and averaged models, optimizers of accelerate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn
from torch.nn.parallel import DataParallel, DistributedDataParallel
from torch.optim import Optimizer
from torch.optim.swa_utils import AveragedModel

from prunescope.errors import ConfigError, shorten
from prunescope.pruning.layers import layer_of

SHARDED = ("DTensor", "FullyShardedDataParallel", "DeepSpeedEngine")
"""Types, by name, that hold a part of each weight only; importing them would take long."""


def network_of(model: nn.Module) -> nn.Module:
    """Return the network in a wrapper; its weights have their own names, without a prefix.

    Taken off are `torch.compile`, `DataParallel`, `DistributedDataParallel` and `AveragedModel`.

    Raises
    ------
    ConfigError
        The weights are sharded, or a part of the network is wrapped on its own.

    Examples
    --------
    >>> layer = nn.Linear(2, 1)
    >>> network_of(nn.DataParallel(layer)) is layer
    True
    """
    wrapped: Any = model
    while True:
        if isinstance(wrapped, DataParallel | DistributedDataParallel | AveragedModel):
            wrapped = wrapped.module
        elif hasattr(wrapped, "_orig_mod"):  # of torch.compile
            wrapped = wrapped._orig_mod
        else:
            break
    model = wrapped
    parts = [*model.modules(), *model.parameters()]
    sharded = {type(part).__name__ for part in parts} & set(SHARDED)
    if sharded or any(hasattr(parameter, "ds_id") for parameter in model.parameters()):
        raise ConfigError(
            f"{type(model).__name__} has weights that are sharded ({shorten(sharded or ['ZeRO'])}),"
            " which cannot be ranked: prune in a loop that keeps whole weights, such as DDP"
        )
    for name, part in model.named_modules():
        if isinstance(part, DataParallel | DistributedDataParallel) or hasattr(part, "_orig_mod"):
            raise ConfigError(
                f"{name} is wrapped in {type(part).__name__} on its own, so its weights change "
                f"their names: wrap the whole model, or compile in place, by {name}.compile()"
            )
    return model


def optimizer_of(optimizer: Optimizer) -> Optimizer:
    """Return torch's optimizer in a wrapper, such as accelerate's.

    Raises
    ------
    ConfigError
        It is none of torch's.
    """
    inner: Any = optimizer
    while hasattr(inner, "optimizer"):
        inner = inner.optimizer
    if not isinstance(inner, Optimizer):
        raise ConfigError(
            f"the optimizer is a {type(inner).__name__}: expected a torch.optim.Optimizer, whose "
            "steps can be followed"
        )
    return inner


def check_trained(weights: Mapping[str, nn.Parameter], optimizer: Optimizer) -> None:
    """Raise a ConfigError if weights are trained by another optimizer, or by none."""
    own = {id(weight) for group in optimizer.param_groups for weight in group["params"]}
    others = [n for n, weight in weights.items() if weight.requires_grad and id(weight) not in own]
    if others:
        raise ConfigError(
            f"the optimizer does not train {shorten(map(layer_of, others))}: make the optimizer of "
            "this model's parameters, freeze these layers, or name them in ignore"
        )
