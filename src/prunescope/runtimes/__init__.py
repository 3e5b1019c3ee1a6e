"""Models as files, asked through the runtime that they were made for. No torch is needed.

=========== ================= ==========================
``.onnx``   ONNX Runtime      the extra ``onnx``
``.tflite`` LiteRT            the extra ``litert``
``.xml``    OpenVINO          the extra ``openvino``
=========== ================= ==========================

Words, as used here:

runner
    A model in its runtime: its inputs, its outputs, and a batch run through it as it is.
stored, real
    A number as an integer tensor holds it, and what it stands for:
    ``(stored − zero point) · scale``.
layout
    Where the channels of an input stand: NCHW or NHWC.
intake
    From pixels to the input of a model: normalised, quantised, laid out.
"""

from prunescope.runtimes.function import Function, imported, makes_models
from prunescope.runtimes.intake import CHANNELS, LAYOUTS, Channels, Intake, Layout
from prunescope.runtimes.model import FileModel, open_model
from prunescope.runtimes.runner import RUNTIMES, Runner, is_model_file, open_runner
from prunescope.runtimes.tensors import Quantization, TensorInfo

__all__ = [
    "CHANNELS",
    "LAYOUTS",
    "RUNTIMES",
    "Channels",
    "FileModel",
    "Function",
    "Intake",
    "Layout",
    "Quantization",
    "Runner",
    "TensorInfo",
    "imported",
    "is_model_file",
    "makes_models",
    "open_model",
    "open_runner",
]
