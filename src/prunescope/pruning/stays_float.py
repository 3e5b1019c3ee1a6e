"""What of a quantised model is not in int8, as seen when it answers an image."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from prunescope.models import Classifier
from prunescope.models.quantized import Int8Layer
from prunescope.training.inference import evaluation_mode

MOVES_ONLY = {
    "clone", "copy_", "_to_copy", "cat", "constant_pad_nd", "_unsafe_view", "empty",
    "zeros", "ones",
}  # fmt: skip
"""Operations that make or move numbers and compute none; views are left out as well."""

BIAS = "bias"


@dataclass(frozen=True)
class StaysFloat:
    """An operation that a model computes in floats.

    Parameters
    ----------
    operation : str
        As torch calls it: ``add`` (of a residual, say), ``relu``, ``native_batch_norm``
        (normalisation that is not folded), ``addmm`` (a linear layer), ``_safe_softmax``; or
        ``bias``, the biases and scales of int8 layers.
    layers : tuple of str
        The modules that compute it; ``""`` is the model itself.
    calls : int
        How often for one image.
    share_macs : float
        Of the multiply-accumulates of convolutions and matrix products, all layers together, in
        [0, 1]. What works number by number has none.
    share_weights : float
        Of the numbers that the checkpoint stores, in [0, 1].
    """

    operation: str
    layers: tuple[str, ...]
    calls: int
    share_macs: float
    share_weights: float


def what_stays_float(model: Classifier) -> list[StaysFloat]:
    """List the operations of a model that are not in int8, those with most work first.

    In int8 are the products and sums of int8 layers, and nothing else. What is listed runs in
    floats here; a runtime may choose to run some of it in int8 too, with other answers.

    Examples
    --------
    >>> from prunescope.models import build_model
    >>> parts = what_stays_float(build_model("resnet_small", ["Bald"], image_size=64))
    >>> parts[0].operation, parts[0].calls, round(parts[0].share_macs, 3)
    ('convolution', 12, 1.0)
    """
    side = model.spec.image_size
    device = next(iter(model.state_dict().values())).device
    image = torch.zeros(1, 3, side, side, device=device)
    recorder = _Recorder(model)
    # Attention is taken apart into products that can be counted.
    with (
        evaluation_mode(model),
        torch.no_grad(),
        recorder.watching(model),
        sdpa_kernel(SDPBackend.MATH),
        recorder,
    ):
        model(image)
    return recorder.result()


@dataclass
class _Part:
    layers: dict[str, None] = field(default_factory=dict)  # a set that keeps its order
    calls: int = 0
    macs: int = 0
    weights: int = 0


class _Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Sees every operation, and knows which module it is for."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.parts: dict[str, _Part] = {}
        self.stack: list[tuple[str, bool]] = [("", False)]
        self.macs = 0
        tensors = model.state_dict().values()
        self.weights = sum(tensor.numel() for tensor in tensors)
        self.unclaimed = {_memory(tensor): tensor.numel() for tensor in tensors if tensor.numel()}
        layers = [layer for layer in model.modules() if isinstance(layer, Int8Layer)]
        # A network may look at a layer's weight, for its type, say; that is no part of its work.
        self.in_int8 = {_memory(tensor) for layer in layers for tensor in layer.buffers()}

    def __torch_dispatch__(
        self,
        func: Any,  # noqa: ANN401 - torch's signature
        types: Any,  # noqa: ANN401
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        count = flop_registry.get(func.overloadpacket)
        macs = count(*args, **kwargs, out_val=result) // 2 if count else 0
        self.macs += macs
        name = func.overloadpacket.__name__
        layer, in_int8 = self.stack[-1]
        if not in_int8 and not func.is_view and name not in MOVES_ONLY:
            values = tree_leaves((args, kwargs))
            inputs = [_memory(value) for value in values if isinstance(value, Tensor)]
            if self.in_int8.isdisjoint(inputs):
                claimed = sum(self.unclaimed.pop(memory, 0) for memory in inputs)
                self._add(name.removesuffix("_"), layer, macs, claimed)
        return result

    def _add(self, operation: str, layer: str, macs: int, weights: int) -> None:
        part = self.parts.setdefault(operation, _Part())
        part.layers[layer] = None
        part.calls += 1
        part.macs += macs
        part.weights += weights

    @contextmanager
    def watching(self, model: nn.Module) -> Iterator[None]:
        """Keep track of the module that is at work."""

        def enter(name: str, module: nn.Module) -> Callable[..., None]:
            def hook(*_: object) -> None:
                in_int8 = isinstance(module, Int8Layer)
                if in_int8:
                    self._add(BIAS, name, 0, _n_floats(module))
                self.stack.append((name, in_int8))

            return hook

        def leave(*_: object) -> None:
            self.stack.pop()

        handles = []
        for name, module in model.named_modules():
            handles.append(module.register_forward_pre_hook(enter(name, module)))
            handles.append(module.register_forward_hook(leave))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def result(self) -> list[StaysFloat]:
        found = [
            StaysFloat(
                operation,
                tuple(part.layers),
                part.calls,
                part.macs / self.macs if self.macs else 0.0,
                part.weights / self.weights if self.weights else 0.0,
            )
            for operation, part in self.parts.items()
        ]
        return sorted(found, key=lambda part: (-part.share_macs, -part.share_weights))


def _n_floats(layer: nn.Module) -> int:
    return sum(tensor.numel() for tensor in layer.buffers() if tensor.dtype != torch.int8)


def _memory(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()
