"""Files for LiteRT, against its interpreter."""

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from prunescope.errors import ConfigError
from prunescope.runtimes import open_model

UNIT = {"input_range": (0, 1)}


def run(path, images):
    """Ask the interpreter about images (NCHW, floats), one at a time, as its guide does."""
    interpreter = Interpreter(model_path=str(path))
    interpreter.allocate_tensors()
    [image], [answer] = interpreter.get_input_details(), interpreter.get_output_details()
    found = []
    for one in images:
        batch = one.transpose(1, 2, 0)[None]
        scale, zero = image["quantization"]
        if scale:
            stored = np.round(batch.astype(np.float64) / scale) + zero
            batch = np.clip(stored, -128, 127).astype(image["dtype"])
        interpreter.set_tensor(image["index"], batch)
        interpreter.invoke()
        given = interpreter.get_tensor(answer["index"])[0].astype(np.float64)
        scale, zero = answer["quantization"]
        found.append((given - zero) * scale if scale else given)
    return np.stack(found)


@pytest.mark.parametrize(
    ("name", "batch", "dtype"),
    [
        ("float.tflite", None, "float32"),
        ("int8.tflite", None, "int8"),
        ("int8-one.tflite", 1, "int8"),
    ],
)
def test_answers_are_the_interpreters(litert_files, faces, shown, name, batch, dtype):
    path = litert_files / name
    model = open_model(path, **UNIT)
    assert (model.intake.layout, model.intake.batch) == ("NHWC", batch)
    assert model.runner.inputs[0].dtype == dtype
    steps = []
    found = model.infer(faces(), progress=lambda *step: steps.append(step))
    # In float, batches of another size add up in another order.
    assert np.allclose(found, run(path, shown), rtol=0, atol=1e-5 if dtype == "float32" else 1e-6)
    assert (len(steps), steps[-1]) == ((70, (70, 70)) if batch else (2, (70, 70)))


def test_the_float_file_answers_as_worked_out_by_hand(litert_files, faces, logits):
    assert np.allclose(
        open_model(litert_files / "float.tflite", **UNIT).infer(faces()), logits, atol=1e-4
    )


def test_quantisation_changes_answers_but_little(litert_files, faces, logits):
    off = np.abs(open_model(litert_files / "int8.tflite", **UNIT).infer(faces()) - logits)
    assert 1e-3 < np.median(off) < 0.1 * logits.std()


def test_a_quantised_input_tells_its_range_where_it_is_a_usual_one(litert_files):
    """The calibrating noise has black and white pixels, so int8 reaches from 0 to 1."""
    told = open_model(litert_files / "int8.tflite").intake
    given = open_model(litert_files / "int8.tflite", **UNIT).intake
    assert np.array_equal(told.values, given.values)
    assert (told.values.min(), told.values.max()) == (-128, 127)


def test_another_range_is_asked_for(maker, net, shown, tmp_path):
    maker.write_litert(net, tmp_path / "float.tflite")
    maker.quantize_litert(tmp_path / "float.tflite", 0.7 * shown, tmp_path / "dim.tflite")
    with pytest.raises(ConfigError, match=r"from 0 to 0\.7, the range of no usual scaling; say"):
        open_model(tmp_path / "dim.tflite")


def test_floats_do_not_tell_their_range(litert_files):
    with pytest.raises(ConfigError, match=r"float.tflite: input images .* --input-range 0,1"):
        open_model(litert_files / "float.tflite")
