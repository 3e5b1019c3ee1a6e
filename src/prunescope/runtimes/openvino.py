"""OpenVINO's files (an ``.xml`` with its ``.bin``) through OpenVINO."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import openvino
from numpy.typing import NDArray

from prunescope.runtimes.tensors import TensorInfo

EXACT = {"INFERENCE_PRECISION_HINT": "f32"}
"""Not in bfloat16 where a processor has it: answers are the file's, not the machine's."""


class OpenVinoRunner:
    """A model in OpenVINO, compiled for the CPU."""

    def __init__(self, path: Path) -> None:
        self.runtime = f"OpenVINO {openvino.__version__.partition('-')[0]}"
        core = openvino.Core()
        weights = path.with_suffix(".bin")
        if not weights.is_file():
            raise FileNotFoundError(f"{weights}, which holds its weights, is not beside it")
        model = core.read_model(path)
        self.inputs = tuple(_info(port, i) for i, port in enumerate(model.inputs))
        self.outputs = tuple(_info(port, i) for i, port in enumerate(model.outputs))
        self.notes: Mapping[str, str] = {}
        self._compiled = core.compile_model(model, "CPU", EXACT)
        self._outputs = {output.name: i for i, output in enumerate(self.outputs)}

    def run(self, batch: NDArray[Any], output: str) -> NDArray[Any]:
        """Return an output for a batch of the only input."""
        return np.asarray(self._compiled([batch])[self._outputs[output]])


open_file = OpenVinoRunner


def _info(port: Any, position: int) -> TensorInfo:  # noqa: ANN401 - an Output of openvino
    sides = (None if side.is_dynamic else side.get_length() for side in port.get_partial_shape())
    name = port.get_any_name() if port.get_names() else f"#{position}"
    node = port.get_node()
    layout = None
    if node.get_type_name() == "Parameter" and not node.layout.empty:
        layout = str(node.layout).strip("[]").replace(",", "")
    return TensorInfo(name, tuple(sides), np.dtype(port.element_type.to_dtype()), None, layout)
