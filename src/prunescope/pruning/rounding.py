"""Rounding weights to few bits, each to the nearest value that is left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from prunescope.errors import ConfigError, one_of
from prunescope.pruning.layers import layer_of, matches, outputs_first, prunable_weights

FEWEST_BITS, MOST_BITS = 2, 8


def check_bits(bits: float) -> int:
    """Return a width of weights as a whole number if it is one from 2 to 8.

    Raises
    ------
    ConfigError
        It is not.

    Examples
    --------
    >>> check_bits(4.0)
    4
    """
    if bits != int(bits) or not FEWEST_BITS <= bits <= MOST_BITS:
        raise ConfigError(
            f"{bits:g} bits: expected a whole number from {FEWEST_BITS} to {MOST_BITS}"
        )
    return int(bits)


@torch.no_grad()
def round_to_bits(weight: Tensor, bits: int) -> Tensor:
    """Return the weights of a layer as integers of so many bits would give them back.

    Symmetric, with one scale per output, w ≈ s·q for whole q from −(2^(b−1) − 1) to 2^(b−1) − 1,
    s = max abs(w) / (2^(b−1) − 1): so 0 stays 0, and 8 bits are those of `quantize`. An output
    whose weights are all 0 stays so.

    Parameters
    ----------
    weight : tensor (O, …)
        Outputs first.
    bits : int
        2 to 8.

    Examples
    --------
    >>> round_to_bits(torch.tensor([[3.0, -1.4, 0.4], [0.0, 0.0, 0.0]]), 3)
    tensor([[ 3., -1.,  0.],
            [ 0.,  0.,  0.]])
    """
    return on_grid(weight, step_of(weight, bits), bits)


def step_of(weight: Tensor, bits: int) -> Tensor:
    """Return the step (O, 1, …) of each output's grid that ends at its largest weight; 1 of none.

    Examples
    --------
    >>> step_of(torch.tensor([[7.0, -14.0], [0.0, 0.0]]), 4).tolist()
    [[2.0], [1.0]]
    """
    peak = weight.abs().flatten(1).amax(dim=1).view(-1, *[1] * (weight.ndim - 1))
    return torch.where(peak > 0, peak / _most_steps(bits), torch.ones_like(peak))


def on_grid(weight: Tensor, step: Tensor, bits: int) -> Tensor:
    """Return the nearest whole multiples of a step that so many bits can say.

    Examples
    --------
    >>> on_grid(torch.tensor([1.4, -9.0]), torch.tensor(1.0), 3)
    tensor([ 1., -3.])
    """
    most = _most_steps(bits)
    return (weight / step).round().clamp(-most, most) * step


def _most_steps(bits: int) -> int:
    return (1 << (check_bits(bits) - 1)) - 1


def widths_of(
    model: nn.Module, bits: Mapping[str, int], ignore: Sequence[str] = ()
) -> dict[str, int]:
    """Return the width of each weight that has one, given those of layers or patterns.

    Of several patterns that match a layer the first counts; layers to ignore have none.

    Raises
    ------
    ConfigError
        A pattern matches no layer, or a width makes no sense.

    Examples
    --------
    >>> widths_of(nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1)), {"1": 4})
    {'1.weight': 4}
    """
    weights = prunable_weights(model, ignore) if bits else {}
    for pattern, width in bits.items():
        check_bits(width)
        if not any(matches(name, pattern) for name in weights):
            layers = [layer_of(name) for name in weights]
            raise ConfigError(one_of("layer with a width", pattern, layers))
    found = {
        name: [width for pattern, width in bits.items() if matches(name, pattern)]
        for name in weights
    }
    return {name: widths[0] for name, widths in found.items() if widths}


@torch.no_grad()
def round_layers_(model: nn.Module, bits: Mapping[str, int], ignore: Sequence[str] = ()) -> None:
    """Round the weights of some layers, in place.

    Parameters
    ----------
    model : torch.nn.Module
    bits : mapping of str to int
        As for `widths_of`.

    Examples
    --------
    >>> model = nn.Linear(2, 1, bias=False)
    >>> _ = model.weight.data.copy_(torch.tensor([[3.0, -1.4]]))
    >>> round_layers_(model, {"*": 3})
    >>> model.weight.tolist()
    [[3.0, -1.0]]
    """
    for name, width in widths_of(model, bits, ignore).items():
        weight = model.get_parameter(name)
        lying = {name: weight.detach()}
        rounded = {name: round_to_bits(outputs_first(lying, model)[name], width)}
        weight.copy_(outputs_first(rounded, model)[name])
