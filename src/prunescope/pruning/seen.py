"""What the layers of a model see: the inputs that each weight multiplies, as matrices.

A convolution multiplies patches of its input, a linear layer its features, attention its queries,
keys and values. Written as a matrix X, one column per place of an image, a layer's output is W·X.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from prunescope.pruning.layers import TRANSPOSED, module_of, names_of_weights

Columns = Sequence[Tensor]
"""For each group of a layer the matrix (C, N) that its weights multiply."""


def as_matrices(weight: Tensor, groups: int) -> Tensor:
    """Return a weight as matrices (groups, outputs, inputs), in float64.

    The inputs are in the order of the kernel's places first, the input channels last, so that
    neighbours along the input channels are neighbours.

    Examples
    --------
    >>> as_matrices(torch.arange(8.0).view(2, 2, 1, 2), 1)[0, 0]
    tensor([0., 2., 1., 3.], dtype=torch.float64)
    """
    rows = weight.detach().movedim(1, -1).reshape(groups, len(weight) // groups, -1)
    return rows.to(torch.float64)


def from_matrices(matrices: Tensor, weight: Tensor) -> Tensor:
    """Turn back what `as_matrices` made of a weight."""
    shape = (*weight.shape[:1], *weight.shape[2:], weight.shape[1])
    return matrices.reshape(shape).movedim(-1, 1).to(weight.device)


def groups_of(layer: nn.Module, weight: str) -> int:
    """Return how many groups of a layer's outputs have inputs of their own."""
    if isinstance(layer, nn.MultiheadAttention) and weight.endswith("in_proj_weight"):
        return 3
    return int(getattr(layer, "groups", 1))


def order_of_calls(model: nn.Module, names: Sequence[str], images: Tensor) -> dict[str, int]:
    """Return the weights whose layers are called, in this order, and how often.

    Parameters
    ----------
    model : torch.nn.Module
        In evaluation mode.
    names : sequence of str
        Weights of the model.
    images : tensor
        One batch of its inputs.
    """
    calls: dict[str, int] = {}

    def count(name: str) -> Callable[..., None]:
        def hook(*_: object) -> None:
            calls[name] = calls.get(name, 0) + 1

        return hook

    with ExitStack() as hooks, torch.no_grad():
        for name in names:
            for layer, _ in _owners(model, name):
                hooks.callback(layer.register_forward_pre_hook(count(name)).remove)
        model(images)
    return calls


@torch.no_grad()
def inputs_of(model: nn.Module, name: str, images: Tensor, calls: int) -> list[Columns]:
    """Return what a weight multiplies when a model is asked about images, call by call.

    Nothing after the last of its calls is computed.

    Parameters
    ----------
    model : torch.nn.Module
        In evaluation mode.
    name : str
        One of its weights.
    images : tensor
        Its input.
    calls : int
        How often the layer is called (`order_of_calls`).

    Examples
    --------
    >>> model = nn.Sequential(nn.ReLU(), nn.Linear(2, 1))
    >>> inputs_of(model, "1.weight", torch.tensor([[1.0, -1.0]]), 1)
    [[tensor([[1.],
            [0.]])]]
    """
    seen: list[Columns] = []

    def see(columns: _Reader, layer: nn.Module, args: Any, kwargs: Any) -> None:  # noqa: ANN401
        seen.append(columns(layer, args, kwargs))
        if len(seen) == calls:
            raise _Enough

    with ExitStack() as hooks:
        for layer, columns in _owners(model, name):
            handle = layer.register_forward_pre_hook(partial(see, columns), with_kwargs=True)
            hooks.callback(handle.remove)
        with suppress(_Enough):
            model(images)
    return seen


class _Enough(Exception):  # noqa: N818 - it says that all is well
    """All that was asked for has been seen."""


_Reader = Callable[[nn.Module, tuple[Any, ...], dict[str, Any]], Columns]


def _owners(model: nn.Module, name: str) -> Iterator[tuple[nn.Module, _Reader]]:
    """Yield the modules whose calls show what a weight multiplies, and how to read it."""
    for own in names_of_weights(model)[name]:
        path = module_of(own)
        layer = model.get_submodule(path)
        above = model.get_submodule(path.rpartition(".")[0]) if path else model
        if isinstance(layer, TRANSPOSED):
            continue
        if isinstance(layer, nn.MultiheadAttention):
            yield layer, _attention(own.rpartition(".")[2])
        elif isinstance(above, nn.MultiheadAttention):
            yield above, _attended
        elif isinstance(layer, nn.Linear):
            yield layer, _features
        else:
            yield layer, _patches


def _features(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Columns:
    x: Tensor = args[0] if args else kwargs["input"]
    return [x.reshape(-1, x.shape[-1]).t()]


def _patches(layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Columns:  # noqa: ANN401
    """Unfold the input of a convolution, whatever its dimensions, padding and dilation."""
    x: Tensor = args[0] if args else kwargs["input"]
    mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
    x = functional.pad(x, layer._reversed_padding_repeated_twice, mode=mode)
    kernel = zip(layer.kernel_size, layer.stride, layer.dilation, strict=True)
    for axis, (size, stride, dilation) in enumerate(kernel, start=2):
        x = x.unfold(axis, dilation * (size - 1) + 1, stride)[..., ::dilation]
    n = len(layer.kernel_size)
    x = x.reshape(len(x), layer.groups, -1, *x.shape[2:])  # (B, groups, I, *places, *kernel)
    places = range(3, 3 + n)
    x = x.permute(1, *range(3 + n, 3 + 2 * n), 2, 0, *places)
    return list(x.reshape(layer.groups, -1, x[0].numel() // layer.weight[0].numel()))


def _attention(projection: str) -> _Reader:
    """Read what a projection of attention multiplies: queries, keys, values, or all three."""

    def read(layer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Columns:
        given = dict(zip(("query", "key", "value"), args, strict=False)) | kwargs
        asked = {"q": ("query",), "k": ("key",), "v": ("value",)}.get(
            projection[0], ("query", "key", "value")
        )
        return [given[one].reshape(-1, given[one].shape[-1]).t() for one in asked]

    return read


def _attended(layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Columns:  # noqa: ANN401
    """Read what attention projects out: what it gives where that projection changes nothing."""
    with _changes_nothing(layer.out_proj):
        attended: Tensor = layer.forward(*args, **kwargs)[0]
    return [attended.reshape(-1, attended.shape[-1]).t()]


@contextmanager
def _changes_nothing(layer: nn.Linear) -> Iterator[None]:
    """Make a square linear layer the identity for a while."""
    before = {name: parameter.data for name, parameter in layer.named_parameters()}
    for parameter in layer.parameters():
        same = torch.eye if parameter.dim() == 2 else torch.zeros
        parameter.data = same(len(parameter), dtype=parameter.dtype, device=parameter.device)
    try:
        yield
    finally:
        for name, parameter in layer.named_parameters():
            parameter.data = before[name]
