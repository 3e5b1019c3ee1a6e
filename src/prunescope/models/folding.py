"""Folding: weights that a layer computes from others become plain weights.

``weight_norm``, ``spectral_norm``, ``orthogonal`` and any other parametrisation of torch, the older
ones that work by hooks, and the masks of ``torch.nn.utils.prune`` compute a weight anew before each
use. A network that is folded has the weight itself as a parameter, under its plain name, and
answers as it did in evaluation mode; what the computation ensured, later training need not keep.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize, prune, remove_spectral_norm, remove_weight_norm
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

TORCH_PRUNE = "torch.nn.utils.prune"


def computed_weights(model: nn.Module) -> dict[str, str]:
    """Return the tensors that a model computes from parameters, and by what.

    Examples
    --------
    >>> from torch.nn.utils.parametrizations import weight_norm
    >>> computed_weights(nn.Sequential(weight_norm(nn.Linear(2, 2)), nn.Linear(2, 2)))
    {'0.weight': 'WeightNorm'}
    """
    return {
        f"{layer}.{tensor}".removeprefix("."): how
        for layer, module in model.named_modules()
        for tensor, how in {**_parametrised(module), **_by_hooks(module)}.items()
    }


def fold(model: nn.Module) -> nn.Module:
    """Return a copy of a model in which every weight is a plain parameter.

    Examples
    --------
    >>> from torch.nn.utils.parametrizations import weight_norm
    >>> model = weight_norm(nn.Linear(2, 2))
    >>> [name for name, _ in fold(model).named_parameters()]
    ['bias', 'weight']
    """
    # torch refuses to copy tensors that hooks computed with gradients; they are computed anew.
    computed = {
        id(value): value.detach()
        for module in model.modules()
        for value in vars(module).values()
        if isinstance(value, Tensor) and not value.is_leaf
    }
    copied = copy.deepcopy(model, computed)
    fold_(copied)
    return copied


def plain(model: nn.Module) -> nn.Module:
    """Return the model itself where it computes no weight, else a folded copy; to read only."""
    return fold(model) if computed_weights(model) else model


@torch.no_grad()
def fold_(model: nn.Module) -> None:
    """Make every weight of a model a plain parameter, in place."""
    for module in list(model.modules()):
        for tensor in reversed(_by_hooks(module)):  # the last computes from what those before gave
            _fold_hook_(module, tensor)
        if _parametrised(module):
            _fold_parametrisations_(module)


def torch_masks(model: nn.Module) -> dict[str, Tensor]:
    """Return the masks that ``torch.nn.utils.prune`` holds, by the names of the pruned tensors."""
    return {
        name: model.get_buffer(f"{name}_mask").bool()
        for name, how in computed_weights(model).items()
        if how == TORCH_PRUNE
    }


def _parametrised(module: nn.Module) -> dict[str, str]:
    if not parametrize.is_parametrized(module):
        return {}
    chains = module.get_submodule("parametrizations").named_children()
    return {
        tensor: " + ".join(type(step).__name__.strip("_") for step in chain.children())
        for tensor, chain in chains
    }


def _by_hooks(module: nn.Module) -> dict[str, str]:
    found = {}
    for hook in module._forward_pre_hooks.values():
        if isinstance(hook, (WeightNorm, SpectralNorm)):
            found[hook.name] = type(hook).__name__
        elif isinstance(hook, prune.BasePruningMethod):
            found[hook._tensor_name] = TORCH_PRUNE
    return found


def _fold_parametrisations_(module: nn.Module) -> None:
    # Not by torch's remove_parametrizations: it changes a class that copies of the module share.
    chains = module.get_submodule("parametrizations").eval()
    folded = {
        tensor: nn.Parameter(
            getattr(module, tensor).detach().clone(),
            requires_grad=any(parameter.requires_grad for parameter in chain.parameters()),
        )
        for tensor, chain in chains.named_children()
    }
    del module.parametrizations
    module.__class__ = type(module).__bases__[0]
    for tensor, parameter in folded.items():
        module.register_parameter(tensor, parameter)


def _fold_hook_(module: nn.Module, tensor: str) -> None:
    how, sources = _by_hooks(module)[tensor], f"{tensor}_"
    own = {
        name: p for name, p in module.named_parameters(recurse=False) if name.startswith(sources)
    }
    if how == TORCH_PRUNE:
        for name, parameter in own.items():  # torch writes into it, and another layer may share it
            setattr(module, name, nn.Parameter(parameter.detach().clone()))
        prune.remove(module, tensor)  # type: ignore[no-untyped-call]
    elif how == WeightNorm.__name__:
        remove_weight_norm(module, tensor)
    else:
        remove_spectral_norm(module, tensor)
    trained = any(parameter.requires_grad for parameter in own.values())
    module.get_parameter(tensor).requires_grad_(trained)
