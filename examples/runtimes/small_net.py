"""A small classifier as files of three runtimes, in float and quantised by each one's own tool.

The network looks at patches of 4 × 4 pixels (a convolution), keeps what is positive, and answers by
a linear layer, which is fitted here by logistic regression. No deep-learning framework is needed.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from prunescope.data import Dataset

PATCH = 4
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Net:
    """A convolution of patches, ReLU, a linear layer.

    Parameters
    ----------
    kernels : array (C, 3, 4, 4)
    weights : array (A, C, S/4, S/4)
    offsets : array (A,)
    side : int
        S, of its images, in pixels.
    """

    kernels: Floats
    weights: Floats
    offsets: Floats
    side: int


def fit(train: Dataset, n_kernels: int = 8, seed: int = 0) -> Net:
    """Fit the linear layer to the attributes of a training split; the kernels are drawn."""
    rng = np.random.default_rng(seed)
    kernels = rng.normal(0, 0.2, (n_kernels, 3, PATCH, PATCH)).astype(np.float32)
    images = train.images(np.arange(len(train))).astype(np.float32) / 255
    n, cells = len(images), train.size // PATCH
    patches = images.reshape(n, 3, cells, PATCH, cells, PATCH)
    seen = np.maximum(np.einsum("nkiajb,ckab->ncij", patches, kernels), 0).reshape(n, -1)
    fitted = [
        LogisticRegression(C=0.1, max_iter=300).fit(seen[known], labels[known])
        for labels in train.samples.labels.T
        for known in [labels != -1]
    ]
    weights = np.concatenate([one.coef_ for one in fitted]).astype(np.float32)
    offsets = np.concatenate([one.intercept_ for one in fitted]).astype(np.float32)
    return Net(kernels, weights.reshape(-1, n_kernels, cells, cells), offsets, train.size)


def batches(images: Floats, size: int = 16) -> Iterator[Floats]:
    """Yield images in batches, to calibrate with."""
    for start in range(0, len(images), size):
        yield images[start : start + size]


# --- ONNX Runtime: NCHW --------------------------------------------------------------------------


def write_onnx(net: Net, path: Path) -> None:
    """Write the network as ONNX, for any number of images (N, 3, S, S)."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    a = len(net.weights)
    nodes = [
        helper.make_node("Conv", ["images", "kernels"], ["patches"], strides=[PATCH, PATCH]),
        helper.make_node("Relu", ["patches"], ["seen"]),
        helper.make_node("Flatten", ["seen"], ["flat"]),
        helper.make_node("Gemm", ["flat", "weights", "offsets"], ["logits"]),
    ]
    numbers = {
        "kernels": net.kernels,
        "weights": np.ascontiguousarray(net.weights.reshape(a, -1).T),
        "offsets": net.offsets,
    }
    sides = ["n", 3, net.side, net.side]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, sides)],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", a])],
        [numpy_helper.from_array(value, name) for name, value in numbers.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    onnx.save(model, path)


def quantize_onnx(path: Path, images: Floats, out: Path) -> None:
    """Quantise an ONNX file to int8 as ONNX Runtime does, calibrated by images (N, 3, S, S)."""
    from onnxruntime import quantization

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.rest = batches(images)

        def get_next(self) -> dict[str, Floats] | None:
            batch = next(self.rest, None)
            return None if batch is None else {"images": batch}

    quantization.quantize_static(
        path,
        out,
        Reader(),
        quant_format=quantization.QuantFormat.QDQ,
        activation_type=quantization.QuantType.QInt8,
        weight_type=quantization.QuantType.QInt8,
    )


# --- LiteRT: NHWC --------------------------------------------------------------------------------


def write_litert(net: Net, path: Path, *, batch: int | None = None) -> None:
    """Write the network as TensorFlow Lite's flatbuffer, for images (N, S, S, 3).

    Usually a converter does this (litert-torch, TensorFlow); here the file is put together by hand,
    so that none has to be installed.
    """
    from ai_edge_litert import schema_py_generated as schema
    from ai_edge_litert.tools.flatbuffer_utils import write_model

    a, c, cells, _ = net.weights.shape
    model = schema.ModelT()
    model.version = 3
    graph = schema.SubGraphT()
    graph.name, graph.tensors, graph.operators = "main", [], []
    model.subgraphs, model.buffers = [graph], [schema.BufferT()]

    def tensor(name: str, shape: list[int], content: Floats | None = None) -> int:
        made = schema.TensorT()
        made.name, made.shape, made.type = name, shape, schema.TensorType.FLOAT32
        made.buffer = 0
        if content is None:
            made.shape = [batch or 1, *shape[1:]]
            made.shapeSignature = [batch or -1, *shape[1:]]
        else:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(np.ascontiguousarray(content).tobytes(), np.uint8)
            model.buffers.append(buffer)
            made.buffer = len(model.buffers) - 1
        graph.tensors.append(made)
        return len(graph.tensors) - 1

    def operator(code: int, inputs: list[int], output: int, kind: int, options: object) -> None:
        made = schema.OperatorT()
        made.opcodeIndex, made.inputs, made.outputs = len(graph.operators), inputs, [output]
        made.builtinOptionsType, made.builtinOptions = kind, options
        graph.operators.append(made)
        known = schema.OperatorCodeT()
        known.builtinCode = known.deprecatedBuiltinCode = code
        known.version = 1
        model.operatorCodes = [*(model.operatorCodes or []), known]

    images = tensor("images", [1, net.side, net.side, 3])
    kernels = tensor("kernels", [c, PATCH, PATCH, 3], net.kernels.transpose(0, 2, 3, 1))
    zeros = tensor("zeros", [c], np.zeros(c, np.float32))
    seen = tensor("seen", [1, cells, cells, c])
    weights = net.weights.transpose(0, 2, 3, 1).reshape(a, -1)
    flat = tensor("weights", list(weights.shape), weights)
    offsets = tensor("offsets", [a], net.offsets)
    logits = tensor("logits", [1, a])
    convolution = schema.Conv2DOptionsT()
    convolution.padding = schema.Padding.VALID
    convolution.strideH = convolution.strideW = PATCH
    convolution.fusedActivationFunction = schema.ActivationFunctionType.RELU
    codes, kinds = schema.BuiltinOperator, schema.BuiltinOptions
    operator(codes.CONV_2D, [images, kernels, zeros], seen, kinds.Conv2DOptions, convolution)
    operator(
        codes.FULLY_CONNECTED, [seen, flat, offsets], logits,
        kinds.FullyConnectedOptions, schema.FullyConnectedOptionsT(),
    )  # fmt: skip
    graph.inputs, graph.outputs = [images], [logits]
    signature = schema.SignatureDefT()
    signature.signatureKey, signature.subgraphIndex = "serving_default", 0
    for role, index in (("inputs", images), ("outputs", logits)):
        named = schema.TensorMapT()
        named.name, named.tensorIndex = graph.tensors[index].name, index
        setattr(signature, role, [named])
    model.signatureDefs = [signature]
    write_model(model, path)


def quantize_litert(path: Path, images: Floats, out: Path) -> None:
    """Quantise to int8, input and output too, as Google's AI Edge quantizer does."""
    from ai_edge_quantizer import quantizer, recipe

    tool = quantizer.Quantizer(str(path), recipe.static_wi8_ai8())
    shown = [{"images": one[None].transpose(0, 2, 3, 1)} for one in images]
    with warnings.catch_warnings():  # of memory, which all that it looks at takes
        warnings.simplefilter("ignore", UserWarning)
        result = tool.quantize(tool.calibrate({"serving_default": shown}))
    result.export_model(str(out), overwrite=True)


# --- OpenVINO ------------------------------------------------------------------------------------


def write_openvino(onnx_file: Path, path: Path) -> None:
    """Convert an ONNX file to OpenVINO's: an .xml and a .bin beside it."""
    import openvino

    openvino.save_model(openvino.convert_model(onnx_file), path, compress_to_fp16=False)


def quantize_openvino(path: Path, images: Floats, out: Path) -> None:
    """Quantise to int8 as OpenVINO's NNCF does, calibrated by images (N, 3, S, S)."""
    import nncf
    import openvino

    model = openvino.Core().read_model(path)
    shown = nncf.Dataset(list(batches(images)))
    openvino.save_model(nncf.quantize(model, shown, subset_size=8), out)
