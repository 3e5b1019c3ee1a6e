"""Which weights of a model may be pruned, and how they lie in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

from torch import Tensor, nn

from prunescope.errors import ConfigError, TrainingError, one_of, shorten

TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
PRUNABLE = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, *TRANSPOSED)
"""Layers with one weight."""
PROJECTIONS = ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight")
"""Weights of a `torch.nn.MultiheadAttention`: one for query, key and value, or one for each."""


def layer_of(weight: str) -> str:
    """Return the name of the layer that a weight belongs to.

    A projection of attention is a layer of its own.

    Examples
    --------
    >>> layer_of("encoder.conv1.weight"), layer_of("encoder.attention.in_proj_weight")
    ('encoder.conv1', 'encoder.attention.in_proj_weight')
    """
    return weight.removesuffix(".weight")


def check_finite(tensors: Mapping[str, Tensor]) -> None:
    """Raise where a number of a model is NaN or infinite; tensors go by their names.

    Raises
    ------
    TrainingError
        It names the layers.
    """
    bad = [layer_of(name) for name, tensor in tensors.items()
           if tensor.is_floating_point() and not tensor.isfinite().all()]  # fmt: skip
    if bad:
        raise TrainingError(
            f"{shorten(bad, 3)} has numbers that are NaN or infinite, so that no answer of the "
            "model means anything: train it again, with a lower learning rate"
        )


def module_of(weight: str) -> str:
    """Return the name of the module that holds a weight.

    Examples
    --------
    >>> module_of("encoder.attention.in_proj_weight")
    'encoder.attention'
    """
    return weight.rpartition(".")[0]


def matches(weight: str, pattern: str) -> bool:
    """Tell whether a name or shell pattern means the layer or the module of a weight."""
    return any(fnmatchcase(name, pattern) for name in (layer_of(weight), module_of(weight)))


def names_of_weights(model: nn.Module) -> dict[str, list[str]]:
    """Return all names of each weight that may be pruned, the one it has as a parameter first.

    A weight that several layers share has several.

    Examples
    --------
    >>> model = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2))
    >>> model[2].weight = model[0].weight
    >>> names_of_weights(model)
    {'0.weight': ['0.weight', '2.weight']}
    """
    first = {id(parameter): name for name, parameter in model.named_parameters()}
    found: dict[str, list[str]] = {}
    for layer, module in model.named_modules():
        own = dict(module.named_parameters(recurse=False))
        for tensor in _tensors(module):
            if tensor in own:
                names = found.setdefault(first[id(own[tensor])], [])
                names.append(f"{layer}.{tensor}".removeprefix("."))
    return found


def prunable_weights(model: nn.Module, ignore: str | Sequence[str] = ()) -> dict[str, nn.Parameter]:
    """Find the weights of convolutions, linear layers and attention, the final classifier too.

    That is also of transposed convolutions, and of the projections of
    `torch.nn.MultiheadAttention`. Biases, normalisation, embeddings and parameters that a module
    of one's own uses are never pruned (`what_stays_dense` lists them), nor are weights that a
    layer computes from others, until it is folded (`fold`). The final classifier is, as in the
    paper, whose lists of pruned modules run from the first convolution to ``fc``; to keep it
    dense name it in `ignore`.

    Parameters
    ----------
    model : torch.nn.Module
    ignore : str or sequence of str
        Layers to leave dense: names or shell patterns (``classifier*``), matched with case
        against the name of the layer in ``model.named_modules()``, and for attention against
        ``NAME.in_proj_weight`` too. A weight that several layers share goes by any of them.

    Returns
    -------
    dict
        Name of the parameter → the parameter, in the order in which the model registers its
        layers. A weight that two layers share stands there once.

    Raises
    ------
    ConfigError
        A pattern matches no layer, or no layer is left.

    Examples
    --------
    >>> model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(8, 2))
    >>> list(prunable_weights(model, ignore="3"))
    ['0.weight']
    """
    names = names_of_weights(model)
    if not names:
        raise ConfigError(
            f"{type(model).__name__} has no layer to prune: expected a convolution or a linear "
            "layer"
        )
    patterns = [ignore] if isinstance(ignore, str) else list(ignore)
    for pattern in patterns:
        if not any(matches(name, pattern) for same in names.values() for name in same):
            layers = [layer_of(name) for same in names.values() for name in same]
            raise ConfigError(one_of("layer to ignore", pattern, layers))
    parameters = dict(model.named_parameters())
    chosen = {
        weight: parameters[weight]
        for weight, same in names.items()
        if not any(matches(name, pattern) for name in same for pattern in patterns)
    }
    if not chosen:
        raise ConfigError(f"ignore={patterns} leaves no layer to prune: ignore fewer layers")
    return chosen


def outputs_first(tensors: Mapping[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
    """Turn what lies like the weights of a model so that output channels come first everywhere.

    Transposed convolutions have theirs second: (I, O / groups, …) becomes (O, I / groups, …), as a
    convolution's. Applied again, it turns them back.

    Examples
    --------
    >>> import torch
    >>> model = nn.ConvTranspose2d(4, 6, 1, groups=2)
    >>> outputs_first({"weight": torch.zeros(4, 3, 1, 1)}, model)["weight"].shape
    torch.Size([6, 2, 1, 1])
    """
    groups = {}
    for weight, names in names_of_weights(model).items():
        owners = [model.get_submodule(module_of(name)) for name in names]
        if all(isinstance(owner, TRANSPOSED) for owner in owners):
            groups[weight] = int(owners[0].groups)  # type: ignore[arg-type]
    return {
        name: _turned(tensor, groups[name]) if name in groups else tensor
        for name, tensor in tensors.items()
    }


def answers_of(model: nn.Module, n_answers: int) -> list[str]:
    """Return the layer whose outputs are the model's answers: the last that has as many.

    Examples
    --------
    >>> answers_of(nn.Sequential(nn.Linear(4, 2), nn.Linear(2, 2)), 2)
    ['1']
    """
    weights = outputs_first(prunable_weights(model), model)
    last = [layer_of(name) for name, weight in weights.items() if len(weight) == n_answers]
    return last[-1:]


def _turned(tensor: Tensor, groups: int) -> Tensor:
    first, second, *kernel = tensor.shape
    apart = tensor.reshape(groups, first // groups, second, *kernel).transpose(1, 2)
    return apart.reshape(groups * second, first // groups, *kernel).contiguous()


def _tensors(module: nn.Module) -> tuple[str, ...]:
    if isinstance(module, PRUNABLE):
        return ("weight",)
    return PROJECTIONS if isinstance(module, nn.MultiheadAttention) else ()
