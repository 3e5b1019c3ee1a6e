"""Files for OpenVINO, against the runtime itself."""

import shutil

import numpy as np
import openvino
import pytest
from openvino.preprocess import PrePostProcessor

from prunescope.errors import CheckpointError, ConfigError
from prunescope.runtimes import open_model

UNIT = {"input_range": (0, 1)}
BATCH = 64


def run(path, images):
    """Ask in batches of the size that is tested: another size adds up in another order."""
    compiled = openvino.Core().compile_model(str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    parts = [compiled(images[i : i + BATCH])[0] for i in range(0, len(images), BATCH)]
    return np.concatenate(parts)


@pytest.mark.parametrize("name", ["float.xml", "int8.xml"])
def test_answers_are_the_runtimes(openvino_files, faces, shown, logits, name):
    path = openvino_files / name
    found = open_model(path, **UNIT).infer(faces())
    assert np.allclose(found, run(path, shown), rtol=0, atol=1e-6)
    assert np.abs(found - logits).mean() < 0.1 * logits.std()


@pytest.fixture
def pixels(openvino_files, tmp_path):
    """The int8 file with its own preprocessing: pixels in, the channels last, nothing else told."""
    steps = PrePostProcessor(openvino.Core().read_model(openvino_files / "int8.xml"))
    steps.input().tensor().set_element_type(openvino.Type.u8).set_layout(openvino.Layout("NHWC"))
    steps.input().model().set_layout(openvino.Layout("NCHW"))
    steps.input().preprocess().convert_element_type(openvino.Type.f32).scale(255.0)
    model = steps.build()
    model.reshape({0: [-1, -1, -1, 3]})
    openvino.save_model(model, tmp_path / "pixels.xml")
    return tmp_path / "pixels.xml"


def test_pixels_go_in_as_the_file_says(openvino_files, pixels, faces, shown):
    model = open_model(pixels)
    assert (model.intake.layout, model.intake.values.dtype) == ("NHWC", np.uint8)
    found = model.infer(faces())
    stored = np.round(255 * shown).astype(np.uint8).transpose(0, 2, 3, 1)
    assert np.allclose(found, run(pixels, stored), rtol=0, atol=1e-6)


def test_a_layout_in_the_file_counts(tmp_path, openvino_files):
    model = openvino.Core().read_model(openvino_files / "float.xml")
    model.inputs[0].get_node().set_layout(openvino.Layout("NCHW"))
    openvino.save_model(model, tmp_path / "told.xml")
    assert open_model(tmp_path / "told.xml", **UNIT).intake.layout == "NCHW"
    with pytest.raises(ConfigError, match="is NCHW: leave out --input-layout NHWC"):
        open_model(tmp_path / "told.xml", layout="NHWC", **UNIT)


def test_weights_that_are_not_there(openvino_files, tmp_path):
    shutil.copy(openvino_files / "float.xml", tmp_path)
    with pytest.raises(
        CheckpointError, match=r"float\.bin, which holds its weights, is not beside"
    ):
        open_model(tmp_path / "float.xml")
