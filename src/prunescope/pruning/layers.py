"""Which weights of a model may be pruned."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from torch import nn

from prunescope.errors import ConfigError, one_of

PRUNABLE = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


def layer_of(weight: str) -> str:
    """Return the name of the layer that a weight belongs to.

    Examples
    --------
    >>> layer_of("encoder.conv1.weight")
    'encoder.conv1'
    """
    return weight.removesuffix(".weight")


def prunable_weights(model: nn.Module, ignore: str | Sequence[str] = ()) -> dict[str, nn.Parameter]:
    """Find the weights of convolutions and linear layers, the final classifier among them.

    Biases, normalisation and embeddings are never pruned. The final classifier is, as in the
    paper, whose lists of pruned modules run from the first convolution to ``fc``; to keep it
    dense name it in `ignore`.

    Parameters
    ----------
    model : torch.nn.Module
    ignore : str or sequence of str
        Layers to leave dense: names or shell patterns (``classifier*``), matched with case
        against the name of the layer in ``model.named_modules()``.

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
    parameters = dict(model.named_parameters())
    weights = {}
    for layer, module in model.named_modules():
        name = f"{layer}.weight" if layer else "weight"
        if isinstance(module, PRUNABLE) and name in parameters:
            weights[name] = parameters[name]
    if not weights:
        raise ConfigError(
            f"{type(model).__name__} has no layer to prune: expected a convolution or a linear "
            "layer"
        )
    layers = [layer_of(name) for name in weights]
    patterns = [ignore] if isinstance(ignore, str) else list(ignore)
    for pattern in patterns:
        if not any(fnmatchcase(layer, pattern) for layer in layers):
            raise ConfigError(one_of("layer to ignore", pattern, layers))
    chosen = {
        name: weight
        for name, weight in weights.items()
        if not any(fnmatchcase(layer_of(name), pattern) for pattern in patterns)
    }
    if not chosen:
        raise ConfigError(f"ignore={patterns} leaves no layer to prune: ignore fewer layers")
    return chosen
