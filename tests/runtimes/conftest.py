"""One small network as files of each runtime, quantised by that runtime's own tool."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from prunescope.data.dataset import Dataset
from prunescope.data.samples import Samples

EXAMPLE = Path(__file__).parents[2] / "examples" / "runtimes" / "small_net.py"
NAMES = ("Bald", "Male", "Young")
SIDE = 16


@pytest.fixture(scope="session")
def maker():
    """The example's module, which writes and quantises a network."""
    spec = importlib.util.spec_from_file_location("example_small_net", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def net(maker, seed):
    rng = np.random.default_rng(seed)
    kernels = rng.normal(0, 0.3, (4, 3, 4, 4)).astype(np.float32)
    weights = rng.normal(0, 0.5, (len(NAMES), 4, 4, 4)).astype(np.float32)
    return maker.Net(kernels, weights, np.array([0.5, -1, 0], np.float32), SIDE)


@pytest.fixture(scope="session")
def faces(seed):
    """Return a function that makes a data set of noise."""

    def make(n=70, names=NAMES, side=SIDE, task="multilabel"):
        rng = np.random.default_rng(seed)
        pixels = rng.integers(0, 256, (n, 3, side, side), dtype=np.uint8)
        labels = rng.integers(0, 2, (n, len(names))).astype(np.int8)
        if task == "multiclass":
            labels = np.eye(len(names), dtype=np.int8)[rng.integers(0, len(names), n)]
        ids = pl.Series([f"{i}.png" for i in range(n)])
        samples = Samples(ids, tuple(names), labels, task=task)
        rows, splits = rng.permutation(n), np.array(["test"] * n)
        return Dataset("noise", "0", samples, pixels, rows, splits)

    return make


@pytest.fixture(scope="session")
def shown(faces):
    """The images of that data set in its order, as floats in [0, 1]."""
    dataset = faces()
    return np.stack([dataset.pixels[row] for row in dataset.rows]).astype(np.float32) / 255


@pytest.fixture(scope="session")
def onnx_files(tmp_path_factory, maker, net, shown):
    folder = tmp_path_factory.mktemp("onnx")
    maker.write_onnx(net, folder / "float.onnx")
    maker.quantize_onnx(folder / "float.onnx", shown, folder / "int8.onnx")
    return folder


@pytest.fixture(scope="session")
def litert_files(tmp_path_factory, maker, net, shown):
    folder = tmp_path_factory.mktemp("litert")
    for name, batch in (("", None), ("-one", 1)):
        maker.write_litert(net, folder / f"float{name}.tflite", batch=batch)
        maker.quantize_litert(folder / f"float{name}.tflite", shown, folder / f"int8{name}.tflite")
    return folder


@pytest.fixture(scope="session")
def openvino_files(tmp_path_factory, maker, net, shown):
    folder = tmp_path_factory.mktemp("openvino")
    maker.write_onnx(net, folder / "float.onnx")
    maker.write_openvino(folder / "float.onnx", folder / "float.xml")
    maker.quantize_openvino(folder / "float.xml", shown, folder / "int8.xml")
    return folder


@pytest.fixture(scope="session")
def logits(net, shown):
    """What the network answers, worked out in float64 by plain loops over its patches."""
    answers = np.tile(net.offsets.astype(np.float64), (len(shown), 1))
    for i in range(SIDE // 4):
        for j in range(SIDE // 4):
            patch = shown[:, :, 4 * i : 4 * i + 4, 4 * j : 4 * j + 4].astype(np.float64)
            seen = np.maximum(np.tensordot(patch, net.kernels, ([1, 2, 3], [1, 2, 3])), 0)
            answers += seen @ net.weights[:, :, i, j].T
    return answers
