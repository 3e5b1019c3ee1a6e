"""One interface over the runtimes, chosen by the suffix of a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, cast

from numpy.typing import NDArray

from prunescope.errors import CheckpointError, MissingExtraError, first_line
from prunescope.runtimes.tensors import TensorInfo


class Runner(Protocol):
    """A model in its runtime.

    Parameters
    ----------
    runtime : str
        The runtime's name and version.
    inputs, outputs : tuple of TensorInfo
    notes : mapping of str to str
        What the file says about itself beside them.
    """

    runtime: str
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    notes: Mapping[str, str]

    def run(self, batch: NDArray[Any], output: str) -> NDArray[Any]:
        """Return an output, as the runtime gives it, for a batch of its only input."""
        ...


RUNTIMES: dict[str, tuple[str, str]] = {
    ".onnx": ("onnx", "ONNX Runtime"),
    ".tflite": ("litert", "LiteRT"),
    ".xml": ("openvino", "OpenVINO"),
}
"""Suffix of a file → the module here that opens it, which is also the extra's name; its runtime."""


def is_model_file(path: str | Path) -> bool:
    """Tell whether a path names a model's file by its suffix.

    Examples
    --------
    >>> is_model_file("phone/int8.tflite"), is_model_file("dense")
    (True, False)
    """
    return Path(path).suffix.lower() in RUNTIMES and not Path(path).is_dir()


def open_runner(path: str | Path) -> Runner:
    """Load a model's file into its runtime, on the CPU.

    Raises
    ------
    CheckpointError
        The file is absent or damaged, or the runtime cannot run it.
    MissingExtraError
        The runtime is not installed.
    """
    path = Path(path)
    name, runtime = RUNTIMES[path.suffix.lower()]
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file; expected a model's {path.suffix}")
    try:
        opened = cast(Callable[[Path], Runner], import_module(f"{__package__}.{name}").open_file)
    except ImportError as error:
        raise MissingExtraError(f"asking {path} through {runtime}", name) from error
    try:
        return opened(path)
    except Exception as error:  # what runtimes raise on damaged bytes has no root
        raise CheckpointError(
            f"{path}: {runtime} cannot open it: {first_line(error, kind=True)}; expected a whole "
            f"{path.suffix} of a model"
        ) from error
