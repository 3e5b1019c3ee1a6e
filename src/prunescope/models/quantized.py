"""Classifiers in int8: what their layers store, and how they compute."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from prunescope.errors import CheckpointError, ConfigError
from prunescope.models.classifier import Classifier, ModelSpec

INPUT_MAX = 255
"""Inputs of a layer become integers from 0 to this."""

WEIGHT_MAX = 127
"""Weights become integers from minus this to this."""


class Int8Layer(nn.Module):
    """A layer whose weights and inputs are integers of 8 bits.

    ::

        q = clamp(round(x / input_scale) + input_zero_point, 0, 255)
        y = layer((q − input_zero_point) · input_scale, weight_int8 · weight_scale) + bias

    for inputs x, with one scale for all inputs and one weight scale per output. These are the
    numbers that an int8 kernel multiplies, whose sums here are taken in float32: so answers differ
    from those of a kernel that adds up integers by rounding in float32 alone, and no time is won.

    A new one is blank: ``load_state_dict`` fills it.

    Parameters
    ----------
    layer : torch.nn.Module
        Whose place it takes.
    """

    weight_int8: Tensor
    weight_scale: Tensor
    bias: Tensor
    input_scale: Tensor
    input_zero_point: Tensor

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        shape = tuple(layer.get_parameter("weight").shape)
        self.register_buffer("weight_int8", torch.zeros(shape, dtype=torch.int8))
        self.register_buffer("weight_scale", torch.ones(shape[0]))
        self.register_buffer("bias", torch.zeros(shape[0]))
        self.register_buffer("input_scale", torch.ones(()))
        self.register_buffer("input_zero_point", torch.zeros((), dtype=torch.int32))

    @property
    def weight(self) -> Tensor:
        """The weights as floats, ``weight_int8 · weight_scale``; pruned ones are exactly 0."""
        per_output = (-1, *[1] * (self.weight_int8.dim() - 1))
        return self.weight_int8 * self.weight_scale.reshape(per_output)

    def quantized_input(self, x: Tensor) -> Tensor:
        """Return the inputs as the layer sees them: floats that 8 bits can say."""
        # A product with the inverse, as kernels take it: at ties it rounds otherwise than division.
        q = _rounded(x * (1.0 / self.input_scale)) + self.input_zero_point
        return (q.clamp(0, INPUT_MAX) - self.input_zero_point) * self.input_scale


class _Round(torch.autograd.Function):
    """`torch.round`, whose slope is taken as 1: the true one is 0, and explains nothing."""

    @staticmethod
    def forward(_: Any, x: Tensor) -> Tensor:  # noqa: ANN401 - torch's context
        return torch.round(x)

    @staticmethod
    def backward(_: Any, slope: Tensor) -> Tensor:  # noqa: ANN401 - torch's context
        return slope


def _rounded(x: Tensor) -> Tensor:
    """Round; where somebody asks for slopes, so that they pass."""
    if not (x.requires_grad and torch.is_grad_enabled()):
        return torch.round(x)
    made: Tensor = _Round.apply(x)  # type: ignore[no-untyped-call]
    return made


class Int8Linear(Int8Layer):
    """A `torch.nn.Linear` in int8."""

    def forward(self, x: Tensor) -> Tensor:
        """Return (…, O) of (…, I)."""
        return functional.linear(self.quantized_input(x), self.weight, self.bias)


class Int8Conv2d(Int8Layer):
    """A `torch.nn.Conv2d` that pads with zeros, in int8."""

    def __init__(self, layer: nn.Conv2d) -> None:
        super().__init__(layer)
        self.settings: dict[str, Any] = {
            name: getattr(layer, name) for name in ("stride", "padding", "dilation", "groups")
        }

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, O, H', W') of (N, I, H, W)."""
        return functional.conv2d(self.quantized_input(x), self.weight, self.bias, **self.settings)


def can_be_int8(layer: nn.Module) -> bool:
    """Tell whether a layer is a plain convolution or linear layer, computing as torch's do.

    Examples
    --------
    >>> can_be_int8(nn.Linear(2, 1)), can_be_int8(nn.ConvTranspose2d(3, 4, 1))
    (True, False)
    """
    if isinstance(layer, nn.Conv2d):
        own = type(layer)
        plain = own.forward is nn.Conv2d.forward and own._conv_forward is nn.Conv2d._conv_forward
        return plain and layer.padding_mode == "zeros"
    return isinstance(layer, nn.Linear) and type(layer).forward is nn.Linear.forward


class Quantized(Classifier):
    """A classifier some layers of which are in int8.

    Parameters
    ----------
    network : torch.nn.Module
        The float network. It is changed: its layers give way to blank ones.
    spec : ModelSpec
    layers : iterable of str
        Names within the network of the layers to be in int8; ``""`` is the network itself.
    folded : iterable of str
        Names of the normalisation whose factors are in the weights of the layer before.

    Raises
    ------
    CheckpointError
        The network has no such layer, or one of another kind.

    Examples
    --------
    >>> from prunescope.models import build_model
    >>> model = build_model("resnet_small", ["Bald"], image_size=64)
    >>> quantized = Quantized(model.network, model.spec, layers=["classifier.1"], folded=[])
    >>> type(quantized.network.classifier[1]).__name__
    'Int8Linear'
    """

    def __init__(
        self, network: nn.Module, spec: ModelSpec, *, layers: Iterable[str], folded: Iterable[str]
    ) -> None:
        super().__init__(network, spec)
        self.layers = tuple(layers)
        self.folded = tuple(folded)
        for name in self.layers:
            layer = self._layer(name)
            if not can_be_int8(layer):
                raise CheckpointError(
                    f"{name!r} of {spec.arch} is a {type(layer).__name__}: expected a convolution "
                    "or a linear layer to hold in int8"
                )
            self._put(
                name, Int8Conv2d(layer) if isinstance(layer, nn.Conv2d) else Int8Linear(layer)
            )
        for name in self.folded:
            self._layer(name)
            self._put(name, nn.Identity())

    def _layer(self, name: str) -> nn.Module:
        try:
            return self.network.get_submodule(name)
        except AttributeError as error:
            raise CheckpointError(
                f"{self.spec.arch} has no layer {name!r}: the int8 weights belong to another "
                "architecture"
            ) from error

    def _put(self, name: str, layer: nn.Module) -> None:
        parent, _, last = f"network.{name}".rstrip(".").rpartition(".")
        setattr(self.get_submodule(parent), last, layer)


def check_float(model: nn.Module, purpose: str) -> None:
    """Raise where a model is in int8 and floats are needed.

    Raises
    ------
    ConfigError
        It is.

    Examples
    --------
    >>> check_float(nn.Linear(1, 1), "to prune")
    """
    if isinstance(model, Quantized):
        raise ConfigError(
            f"the model is in int8, and a float model is needed {purpose}: give the one that it "
            "was made from"
        )
