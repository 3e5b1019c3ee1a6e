"""Which channels of a network belong together, by the dependency graph of Torch-Pruning.

The channels of layers whose outputs are added up can only be removed together, with the
normalisation and the depthwise convolutions that they pass through, and with the weights of the
next layers that read them.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from prunescope.errors import ConfigError, MissingExtraError, PrunescopeError, shorten
from prunescope.models.classifier import logits_of
from prunescope.models.widths import BATCH_NORMS, CONVOLUTIONS, is_depthwise
from prunescope.pruning.layers import module_of, names_of_weights, prunable_weights


@dataclass(frozen=True)
class Member:
    """A layer's part in a group.

    Parameters
    ----------
    layer : str
    side : {"given", "taken"}
        Whether the layer gives these channels or takes them.
    channels : tuple of int
        Numbers of channels of the layer.
    roots : tuple of int
        To which channel of the group each of them belongs.
    """

    layer: str
    side: Literal["given", "taken"]
    channels: tuple[int, ...]
    roots: tuple[int, ...]


@dataclass(frozen=True)
class ChannelGroup:
    """Channels of one or more layers that go or stay as one.

    Parameters
    ----------
    name : str
        The first convolution or linear layer that gives them.
    n_channels : int
    members : tuple of Member
    """

    name: str
    n_channels: int
    members: tuple[Member, ...]


def channel_groups(
    model: nn.Module, example: Tensor, ignore: str | Sequence[str] = ()
) -> list[ChannelGroup]:
    """Find the channels that may be removed, in the order in which the model registers its layers.

    Not among them are the model's outputs and the channels that a layer to ignore gives.

    Parameters
    ----------
    model : torch.nn.Module
        Is only read.
    example : tensor
        An input of it; one sample will do.
    ignore : str or sequence of str
        Names or shell patterns of layers.

    Raises
    ------
    ConfigError
        The model cannot be traced, a pattern matches nothing, channels reach a layer that cannot
        be made narrower, or nothing is left.
    MissingExtraError
        Torch-Pruning is not installed.
    """
    kept_in = prunable_weights(model, ignore)
    owners = {
        weight: {module_of(name) for name in names}
        for weight, names in names_of_weights(model).items()
    }
    left = set().union(*(owners[weight] for weight in kept_in))
    ignored = set().union(*owners.values()) - left
    traced = copy.deepcopy(model).requires_grad_(True)
    names: dict[object, str] = {module: name for name, module in traced.named_modules()}
    names |= {parameter: name for name, parameter in traced.named_parameters()}
    order = {name: number for number, name in enumerate(names.values())}
    shared = _shared_weights(traced)
    groups, obstacles = [], {}
    for items in _trace(traced, example):
        if any(item.dep.target.type.name == "OUTPUT" for item in items):
            continue
        targets = [item.dep.target.module for item in items if item.dep.target.module in names]
        members = tuple(
            sorted(_members(items, names), key=lambda each: (order[each.layer], each.side))
        )
        givers = [member.layer for member in members if member.side == "given"]
        if ignored.intersection(givers):
            continue
        if not givers:
            continue
        name = min(left.intersection(givers) or givers, key=order.__getitem__)
        targets.sort(key=lambda target: order[names[target]])
        problem = next(filter(None, (_obstacle(each, names, shared) for each in targets)), None)
        if problem or any(None in member.roots for member in members):
            obstacles[name] = problem or "an operation that mixes channels"
        groups.append(ChannelGroup(name, len(items[0].idxs), members))
    if obstacles:
        first = sorted(obstacles, key=order.__getitem__)
        reasons = [f"{name} (reaches {obstacles[name]})" for name in first]
        raise ConfigError(
            f"cannot remove channels of {shorten(reasons, 3)}: expected convolutions, linear "
            "layers and batch normalisation alone; leave these whole with "
            f"ignore=[{shorten(map(repr, first), 40)}], or prune weights instead"
        )
    if not groups:
        raise ConfigError(
            "there are no channels to remove: all are outputs of the model or to be ignored"
        )
    return sorted(groups, key=lambda group: order[group.name])


def _members(items: Any, names: dict[object, str]) -> Iterator[Member]:  # noqa: ANN401
    """Yield the parts of layers; operations without weights have none."""
    for item in items:
        target, handler = item.dep.target.module, item.dep.handler.__name__
        if target in names:
            side: Literal["given", "taken"] = "given" if "out_channels" in handler else "taken"
            yield Member(names[target], side, tuple(item.idxs), tuple(item.root_idxs))


def _obstacle(target: object, names: dict[object, str], shared: set[str]) -> str | None:
    """Say why a layer cannot be made narrower; None if it can."""
    name = names[target]
    if isinstance(target, nn.Parameter):
        return f"the parameter {name}"
    if name in shared:
        return f"{name}, whose weight another layer shares"
    fits = isinstance(target, (nn.Linear, *BATCH_NORMS)) or (
        isinstance(target, CONVOLUTIONS) and (target.groups == 1 or is_depthwise(target))
    )
    own = isinstance(target, nn.Module) and (
        "weight" in target._parameters or isinstance(target, BATCH_NORMS)
    )
    if fits and own:
        return None
    groups = getattr(target, "groups", 1)
    return f"the {type(target).__name__} {name}" + (f" with {groups} groups" if groups > 1 else "")


def _shared_weights(model: nn.Module) -> set[str]:
    """Find the layers whose parameters have a second name, in another layer."""
    owners: dict[int, set[str]] = {}
    for name, module in model.named_modules():
        for parameter in module.parameters(recurse=False):
            owners.setdefault(id(parameter), set()).add(name)
    return {name for layers in owners.values() if len(layers) > 1 for name in layers}


def _as_a_node(output: Any) -> Tensor:  # noqa: ANN401
    """Multiply the logits, so that they are a node of their own, which marks their channels."""
    return logits_of(output) * 1


def _trace(model: nn.Module, example: Tensor) -> list[Any]:
    """Let Torch-Pruning follow an example through the model."""
    try:
        from torch_pruning import DependencyGraph  # here, as it is an optional dependency
    except ImportError as error:
        raise MissingExtraError("removing channels", "structured") from error
    try:
        with torch.enable_grad():
            graph = DependencyGraph().build_dependency(
                model,
                example,
                forward_fn=lambda model, images: model(images),
                output_transform=_as_a_node,
                verbose=False,
            )
            return list(graph.get_all_groups())
    except PrunescopeError:
        raise
    except Exception as error:  # whatever the model raises, or Torch-Pruning on it
        raise ConfigError(
            f"cannot follow the channels of {type(model).__name__} on an input of shape "
            f"{tuple(example.shape)}: {type(error).__name__}: {error}"
        ) from error
