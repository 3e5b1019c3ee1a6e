"""Files for ONNX Runtime, against the runtime itself."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from prunescope.runtimes import Quantization, open_model

UNIT = {"input_range": (0, 1)}


def run(path, batch, name="images"):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, {name: batch})[0]


@pytest.mark.parametrize("name", ["float.onnx", "int8.onnx"])
def test_any_number_of_images(onnx_files, faces, shown, name):
    path = onnx_files / name
    found = open_model(path, **UNIT).infer(faces())
    assert np.allclose(found, run(path, shown), rtol=0, atol=1e-6)


def test_the_float_file_answers_as_worked_out_by_hand(onnx_files, faces, logits):
    assert np.allclose(
        open_model(onnx_files / "float.onnx", **UNIT).infer(faces()), logits, atol=1e-4
    )


def test_quantisation_changes_answers_but_little(onnx_files, faces, logits):
    off = np.abs(open_model(onnx_files / "int8.onnx", **UNIT).infer(faces()) - logits)
    assert 1e-3 < off.mean() < 0.1 * logits.std()


def test_a_fixed_number_of_images(onnx_files, faces, shown, tmp_path):
    model = onnx.load(onnx_files / "int8.onnx")
    for tensor in (*model.graph.input, *model.graph.output):
        tensor.type.tensor_type.shape.dim[0].dim_value = 4
    onnx.save(model, tmp_path / "four.onnx")
    opened = open_model(tmp_path / "four.onnx", **UNIT)
    assert opened.intake.batch == 4
    found = opened.infer(faces())  # 70 images: the last batch is half filled
    own = [run(tmp_path / "four.onnx", shown[i : i + 4]) for i in range(0, 68, 4)]
    assert np.allclose(found[:68], np.concatenate(own), rtol=0, atol=1e-6)
    last = run(tmp_path / "four.onnx", shown[[68, 69, 0, 1]])[:2]
    assert np.allclose(found[68:], last, rtol=0, atol=1e-6)


def without_ends(path, out):
    """Let int8 itself go in and come out, as compilers for small chips ask."""
    model = onnx.load(path)
    graph = model.graph
    first = next(node for node in graph.node if node.input[0] == "images")
    last = next(node for node in graph.node if node.output[0] == "logits")
    assert (first.op_type, last.op_type) == ("QuantizeLinear", "DequantizeLinear")
    graph.node.remove(first)
    graph.node.remove(last)
    for tensor, name in ((graph.input[0], first.output[0]), (graph.output[0], last.input[0])):
        tensor.name, tensor.type.tensor_type.elem_type = name, TensorProto.INT8
    onnx.save(model, out)
    numbers = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
    return [
        (float(numbers[n.input[1]]), int(numbers[n.input[2]])) for n in (first, last)
    ], graph.input[0].name  # fmt: skip


def test_integers_go_in_and_come_out(onnx_files, faces, shown, tmp_path):
    [(scale, zero), (out_scale, out_zero)], name = without_ends(
        onnx_files / "int8.onnx", tmp_path / "ends.onnx"
    )
    model = open_model(tmp_path / "ends.onnx", **UNIT)
    assert model.runner.inputs[0].dtype == np.int8
    assert model.runner.inputs[0].quantization == Quantization(scale, zero)
    assert model.output.quantization == Quantization(out_scale, out_zero)
    stored = np.clip(np.round(shown.astype(np.float64) / scale) + zero, -128, 127).astype(np.int8)
    given = run(tmp_path / "ends.onnx", stored, name).astype(np.float64)
    found = model.infer(faces())
    assert np.allclose(found, (given - out_zero) * out_scale, rtol=0, atol=1e-6)
    # the file with its ends on does the same to floats
    assert np.abs(found - run(onnx_files / "int8.onnx", shown)).max() < 1.01 * out_scale


def pixels_in(net, path, kind=TensorProto.UINT8):
    """Write a network that takes pixels, the channels last, and brings them to [0, 1] itself."""
    a = len(net.weights)
    nodes = [
        helper.make_node("Cast", ["pixels"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["floats"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Mul", ["planes", "unit"], ["images"]),
        helper.make_node("Conv", ["images", "kernels"], ["c"], strides=[4, 4]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("Flatten", ["r"], ["f"]),
        helper.make_node("Gemm", ["f", "weights", "offsets"], ["logits"]),
        helper.make_node("ArgMax", ["logits"], ["best"], axis=1, keepdims=0),
    ]
    numbers = {
        "unit": np.float32(1 / 255), "kernels": net.kernels, "offsets": net.offsets,
        "weights": np.ascontiguousarray(net.weights.reshape(a, -1).T),
    }  # fmt: skip
    graph = helper.make_graph(
        nodes, "net",
        [helper.make_tensor_value_info("pixels", kind, ["n", "h", "w", 3])],
        [
            helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", a]),
            helper.make_tensor_value_info("best", TensorProto.INT64, ["n"]),
        ],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in numbers.items()],
    )  # fmt: skip
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=10), path)


def test_pixels_go_in_as_they_are(net, faces, shown, logits, tmp_path):
    pixels_in(net, tmp_path / "pixels.onnx")
    model = open_model(tmp_path / "pixels.onnx", output="logits")
    assert (model.intake.layout, model.intake.side, model.intake.batch) == ("NHWC", None, None)
    found = model.infer(faces())
    pixels = np.round(255 * shown).astype(np.uint8).transpose(0, 2, 3, 1)
    assert np.allclose(found, run(tmp_path / "pixels.onnx", pixels, "pixels"), rtol=0, atol=1e-6)
    assert np.allclose(found, logits, atol=1e-4)


def test_integers_of_no_known_range_are_asked_for(net, faces, logits, tmp_path):
    pixels_in(net, tmp_path / "ints.onnx", TensorProto.INT32)
    with pytest.raises(Exception, match="does not tell its range; say what its images are scaled"):
        open_model(tmp_path / "ints.onnx", output="logits")
    model = open_model(tmp_path / "ints.onnx", output="logits", input_range=(0, 255))
    assert np.allclose(model.infer(faces()), logits, atol=1e-4)


QLINEAR = {
    "QLinearConv": ["x", "s", "z", "k", "one", "zero", "out", "none"],
    "QLinearMatMul": ["x", "s", "z", "m", "one", "zero", "out", "none"],
}


@pytest.mark.parametrize("operator", QLINEAR)
def test_scales_are_read_of_operators_that_take_integers_themselves(operator, tmp_path):
    numbers = {
        "s": np.float32(1 / 255), "z": np.uint8(3), "one": np.float32(1), "zero": np.uint8(0),
        "out": np.float32(0.5), "none": np.uint8(7), "k": np.ones((2, 3, 4, 4), np.uint8),
        "m": np.ones((4, 2), np.uint8),
    }  # fmt: skip
    shape = [1, 2, 1, 1] if operator == "QLinearConv" else [1, 3, 4, 2]
    graph = helper.make_graph(
        [helper.make_node(operator, QLINEAR[operator], ["y"])], "net",
        [helper.make_tensor_value_info("x", TensorProto.UINT8, [1, 3, 4, 4])],
        [helper.make_tensor_value_info("y", TensorProto.UINT8, shape)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in numbers.items()],
    )  # fmt: skip
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=10), tmp_path / "q.onnx")
    model = open_model(tmp_path / "q.onnx", **UNIT)
    assert model.runner.inputs[0].quantization == Quantization(float(np.float32(1 / 255)), 3)
    assert model.output.quantization == Quantization(0.5, 7)
    assert model.intake.values[0, [0, 100, 252, 255]].tolist() == [3, 103, 255, 255]
