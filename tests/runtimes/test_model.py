import json
from types import SimpleNamespace

import numpy as np
import onnx
import pytest

from prunescope.data.framing import Frame
from prunescope.errors import CheckpointError, ConfigError, DataError, MissingExtraError
from prunescope.runtimes import Quantization, TensorInfo, model, open_model

UNIT = {"input_range": (0, 1)}
FLOAT, INT8 = np.dtype(np.float32), np.dtype(np.int8)


@pytest.fixture
def fake(monkeypatch):
    """Return a function that opens a runner made of what it is given."""

    def make(answer, *outputs, inputs=None, notes=None, **options):
        images = TensorInfo("x", (None, 3, None, None), FLOAT)
        runner = SimpleNamespace(
            runtime="fake 1", inputs=inputs or (images,), outputs=outputs, notes=notes or {},
            run=lambda batch, output: answer(batch),
        )  # fmt: skip
        monkeypatch.setattr(model, "open_runner", lambda path: runner)
        return open_model("fake.onnx", **UNIT | options)

    return make


def scores(*shape, dtype=FLOAT, told=None, name="y"):
    return TensorInfo(name, shape, dtype, told)


def first_pixels(batch):
    """Three numbers of each image, so that each has an answer of its own."""
    return batch[:, :, 0, 0]


def test_integers_come_out_as_what_they_stand_for(fake, faces):
    dataset = faces(3)
    told = Quantization(0.5, -10)
    opened = fake(
        lambda b: (b[:, :, 0, 0] * 100).astype(np.int8), scores(None, 3, dtype=INT8, told=told)
    )
    stored = (dataset.images(np.arange(3))[:, :, 0, 0] / np.float32(255) * 100).astype(np.int8)
    assert np.array_equal(opened.infer(dataset), (stored + 10.0) * 0.5)


def test_integers_that_stand_for_nothing_known_are_refused(fake):
    with pytest.raises(ConfigError, match="holds integers, and the file does not tell"):
        fake(first_pixels, scores(None, 3, dtype=INT8))


def test_of_several_outputs_one_is_named(fake, faces):
    outputs = (scores(None, 3), scores(None, 7, name="features"))
    with pytest.raises(ConfigError, match=r"has 2 outputs, y \(\?×3, float32\), features"):
        fake(first_pixels, *outputs)
    with pytest.raises(ConfigError, match=r"unknown output 'z'.*y, features"):
        fake(first_pixels, *outputs, output="z")
    assert fake(first_pixels, *outputs, output="y").output.name == "y"


def test_a_second_input_is_refused(fake):
    images = TensorInfo("x", (None, 3, None, None), FLOAT)
    with pytest.raises(ConfigError, match=r"has 2 inputs, .*expected one, the images"):
        fake(first_pixels, scores(None, 3), inputs=(images, images))


@pytest.mark.parametrize("shape", [(-1, 4), (-1, 3, 2), (-1, 2), (1, -1)])
def test_another_number_of_scores_is_refused(fake, faces, shape):
    opened = fake(lambda b: np.zeros([len(b) if s == -1 else s for s in shape]), scores(None, 3))
    with pytest.raises(DataError, match=r"for 5 images, but the data set has 3 attributes"):
        opened.infer(faces(5))


def test_sides_of_one_do_not_count(fake, faces):
    dataset = faces(5)
    flat = fake(first_pixels, scores(None, 3)).infer(dataset)
    deep = fake(lambda b: first_pixels(b)[:, :, None, None], scores(None, 3, 1, 1)).infer(dataset)
    assert np.array_equal(flat, deep)


def test_images_of_another_size_are_refused(fake, faces):
    images = TensorInfo("x", (None, 3, 8, 8), FLOAT)
    with pytest.raises(DataError, match="takes images of 8 px: got 16 px"):
        fake(first_pixels, scores(None, 3), inputs=(images,)).infer(faces(2))


def notes(names=("Young", "Bald", "Male"), **more):
    return {"prunescope": json.dumps({"attributes": names, "task": "multilabel", **more})}


def test_named_outputs_are_matched_by_name(fake, faces):
    dataset = faces(5)
    plain = fake(first_pixels, scores(None, 3)).infer(dataset)
    named = fake(first_pixels, scores(None, 3), notes=notes()).infer(dataset)
    assert np.array_equal(named, plain[:, [1, 2, 0]])  # the data ask Bald, Male, Young


@pytest.mark.parametrize("names", [("Bald", "Male"), ("Bald", "Male", "Old")])
def test_other_names_are_refused(fake, faces, names):
    with pytest.raises(DataError, match=r"answers Bald, Male.*asks Bald, Male, Young"):
        fake(first_pixels, scores(None, 3), notes=notes(names)).infer(faces(2))


def test_another_task_is_refused(fake, faces):
    with pytest.raises(DataError, match="is multilabel, and the labels of noise are multiclass"):
        fake(first_pixels, scores(None, 3), notes=notes()).infer(faces(2, task="multiclass"))


OK = '{"attributes": ["a", "b", "c"]'
DAMAGED = (
    "{", "[]", '{"attributes": [1]}', '{"attributes": 3}', "[" * 9999, '{"attributes": []}',
    OK + ', "task": "regression"}', OK + ', "compression": [1]}', OK + ', "compression": "x"}',
    OK + ', "frame": {"crop": "wide"}}', OK + ', "frame": {"resize": 40}}',
)  # fmt: skip


@pytest.mark.parametrize("note", DAMAGED)
def test_a_damaged_note_is_an_error(fake, note):
    with pytest.raises(CheckpointError, match="its note 'prunescope' is damaged"):
        fake(first_pixels, scores(None, 3), notes={"prunescope": note})


def test_what_a_runtime_raises_is_told(fake, faces):
    def fail(batch):
        raise RuntimeError("no such kernel\nat line 1")

    with pytest.raises(
        CheckpointError, match=r"fake 1 fails on 2 images of 16 px: .*no such kernel$"
    ):
        fake(fail, scores(None, 3)).infer(faces(2))


@pytest.mark.parametrize("suffix", [".onnx", ".tflite", ".xml"])
@pytest.mark.parametrize("content", [b"", b"\x00" * 64, b"<net", b"TFL3 and nothing more"])
def test_damaged_files_are_one_error(tmp_path, suffix, content):
    path = tmp_path / f"bad{suffix}"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=rf"bad{suffix}: .* cannot open it"):
        open_model(path)
    with pytest.raises(CheckpointError, match="no such file"):
        open_model(tmp_path / f"absent{suffix}")


@pytest.mark.parametrize(
    ("suffix", "library", "extra"),
    [
        (".onnx", "onnxruntime", "onnx"),
        (".tflite", "ai_edge_litert", "litert"),
        (".xml", "openvino", "openvino"),
    ],
)
def test_a_runtime_that_is_not_installed_is_named(tmp_path, monkeypatch, suffix, library, extra):
    import sys

    for name in [name for name in sys.modules if name.partition(".")[0] == library]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, library, None)
    monkeypatch.delitem(sys.modules, f"prunescope.runtimes.{extra}", raising=False)
    (tmp_path / f"a{suffix}").touch()
    with pytest.raises(MissingExtraError, match=rf"\[{extra}\]"):
        open_model(tmp_path / f"a{suffix}")


def test_what_an_exported_file_tells_of_itself_survives_quantising(
    faces, shown, maker, onnx_files, tmp_path
):
    noted = onnx.load(onnx_files / "float.onnx")
    about = notes(
        compression={"method": "gmp-pt", "sparsity": 0.5}, frame={"resize": 20, "crop": 16}
    )
    onnx.helper.set_model_props(noted, about)
    onnx.save(noted, tmp_path / "ours.onnx")
    maker.quantize_onnx(tmp_path / "ours.onnx", shown, tmp_path / "int8.onnx")
    told = open_model(tmp_path / "int8.onnx")
    assert told.attributes == ("Young", "Bald", "Male")
    assert told.compression == {"method": "gmp-pt", "sparsity": 0.5}
    assert told.frame == Frame(resize=20, crop=16)
    plain = open_model(onnx_files / "int8.onnx", **UNIT).infer(faces())
    assert np.allclose(told.infer(faces()), plain[:, [1, 2, 0]], rtol=0, atol=1e-6)
