"""ONNX files through ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from prunescope.runtimes.sessions import open_session
from prunescope.runtimes.tensors import Quantization, TensorInfo

if TYPE_CHECKING:
    from onnx import ModelProto

DTYPES = {
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(float16)": "float16",
    **{f"tensor({kind}{bits})": f"{kind}{bits}"
       for kind in ("int", "uint") for bits in (8, 16, 32, 64)},
}  # fmt: skip
"""ONNX Runtime's names of types; images and scores have no others."""

READERS = {"DequantizeLinear": 0, "QLinearConv": 0, "QLinearMatMul": 0, "QGemm": 0}
WRITERS = {"QuantizeLinear": 0, "QLinearConv": 5, "QLinearMatMul": 5, "QGemm": 6}
"""Operators of integers → the place before their scale and zero point of what they read or write.

A QuantizeLinear or DequantizeLinear reads the other side, so theirs are the first pair either way.
"""


class OnnxRunner:
    """A model in ONNX Runtime."""

    def __init__(self, path: Path) -> None:
        self.runtime = f"ONNX Runtime {onnxruntime.__version__}"
        self._session = open_session(path)
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        scales: Mapping[str, Quantization] = {}
        if any("int" in tensor.type for tensor in (*inputs, *outputs)):
            scales = _quantizations(path)
        self.inputs = tuple(_info(tensor, scales) for tensor in inputs)
        self.outputs = tuple(_info(tensor, scales) for tensor in outputs)
        self.notes: Mapping[str, str] = self._session.get_modelmeta().custom_metadata_map

    def run(self, batch: NDArray[Any], output: str) -> NDArray[Any]:
        """Return an output for a batch of the only input."""
        [answer] = self._session.run([output], {self.inputs[0].name: batch})
        return np.asarray(answer)


open_file = OnnxRunner


def _info(tensor: Any, scales: Mapping[str, Quantization]) -> TensorInfo:  # noqa: ANN401 - NodeArg
    shape = tuple(side if isinstance(side, int) and side > 0 else None for side in tensor.shape)
    dtype: np.dtype[Any] = np.dtype(DTYPES.get(tensor.type, "object"))
    return TensorInfo(tensor.name, shape, dtype, scales.get(tensor.name))


def _quantizations(path: Path) -> dict[str, Quantization]:
    """Return what integer inputs and outputs stand for, by the nodes that read or write them.

    ONNX Runtime does not tell.
    """
    import onnx

    model: ModelProto = onnx.load(path, load_external_data=False)
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant":
            for attribute in node.attribute:
                if attribute.name == "value":
                    constants[node.output[0]] = attribute.t
    found: dict[str, Quantization] = {}

    def note(tensor: str, told: Sequence[str]) -> None:
        """Note what a tensor stands for, where scale and zero point are one constant each."""
        numbers = [
            onnx.numpy_helper.to_array(constants[name]).reshape(-1)
            for name in told
            if name in constants
        ]
        if told and len(numbers) == len(told) and all(len(n) == 1 for n in numbers):
            scale, *zero_point = (one[0] for one in numbers)
            found[tensor] = Quantization(float(scale), int(*zero_point))

    for node in model.graph.node:
        for operators, tensor in ((READERS, node.input), (WRITERS, node.output)):
            if node.op_type in operators:
                place = operators[node.op_type]
                note(tensor[0], [name for name in node.input[place + 1 : place + 3] if name])
    return found
