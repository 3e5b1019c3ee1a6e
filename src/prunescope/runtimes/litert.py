"""TensorFlow Lite files through LiteRT."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from prunescope.runtimes.tensors import Quantization, TensorInfo


class LiteRtRunner:
    """A model in LiteRT's interpreter."""

    def __init__(self, path: Path) -> None:
        self.runtime = f"LiteRT {version('ai-edge-litert')}"
        self._interpreter = Interpreter(model_path=str(path))
        self._interpreter.allocate_tensors()
        inputs = self._interpreter.get_input_details()
        outputs = self._interpreter.get_output_details()
        self.inputs = tuple(map(_info, inputs))
        self.outputs = tuple(map(_info, outputs))
        self.notes: Mapping[str, str] = {}
        self._input = inputs[0]["index"] if inputs else None
        self._outputs = {one["name"]: one["index"] for one in outputs}
        self._shape = tuple(inputs[0]["shape"]) if inputs else ()

    def run(self, batch: NDArray[Any], output: str) -> NDArray[Any]:
        """Return an output for a batch of the only input."""
        if batch.shape != self._shape:
            self._interpreter.resize_tensor_input(self._input, batch.shape)
            self._interpreter.allocate_tensors()
            self._shape = batch.shape
        self._interpreter.set_tensor(self._input, batch)
        self._interpreter.invoke()
        return np.asarray(self._interpreter.get_tensor(self._outputs[output]))


open_file = LiteRtRunner


def _info(details: dict[str, Any]) -> TensorInfo:
    shape = details.get("shape_signature", ())
    if not len(shape):
        shape = details["shape"]
    told = details["quantization_parameters"]
    quantization = None
    if len(told["scales"]) == 1:
        quantization = Quantization(float(told["scales"][0]), int(told["zero_points"][0]))
    sides = tuple(int(side) if side >= 0 else None for side in shape)
    return TensorInfo(details["name"], sides, np.dtype(details["dtype"]), quantization)
