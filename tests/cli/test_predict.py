"""Asking what prunescope did not make: files of other runtimes, and functions."""

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import polars as pl
import pytest
import torch

from prunescope.predictions import Embeddings, Predictions

EXAMPLE = Path(__file__).parents[2] / "examples" / "runtimes" / "small_net.py"
NAMES = ("Male", "Smiling", "Young")


@pytest.fixture(scope="module")
def maker():
    spec = importlib.util.spec_from_file_location("example_small_net", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def folder(tmp_path_factory, maker, seed):
    """Faces as files, and a network as ONNX."""
    from prunescope.data import export_dataset, synthetic_faces

    folder = tmp_path_factory.mktemp("predict")
    export_dataset(synthetic_faces(20, 4, 24, size=32, seed=seed), folder / "faces")
    rng = np.random.default_rng(seed)
    net = maker.Net(
        rng.normal(0, 0.3, (4, 3, 4, 4)).astype(np.float32),
        rng.normal(0, 0.3, (3, 4, 8, 8)).astype(np.float32),
        np.zeros(3, np.float32),
        32,
    )
    maker.write_onnx(net, folder / "shipped.onnx")
    (folder / "own_functions.py").write_text(FUNCTIONS)
    return folder


FUNCTIONS = """
import numpy as np
import torch

def means(images):
    return images.mean(axis=(2, 3)) * 20 - 10

def sure(images):
    return np.full((len(images), 3), 0.75)

def make(n_outputs):
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 32 * 32, n_outputs))

class Means(torch.nn.Module):
    def forward(self, images):
        return images.mean((2, 3)) * 20 - 10

model = Means()
number = 3
"""


@pytest.fixture(autouse=True)
def surroundings(folder, monkeypatch):
    monkeypatch.setenv("PRUNESCOPE_CACHE", str(folder / "cache"))
    monkeypatch.syspath_prepend(str(folder))


@pytest.fixture
def data(folder):
    return ("--data", folder / "faces", "--attributes", ",".join(NAMES), "--groups", "Male")


def pixels_of(folder, found):
    """Read the images themselves, in the order of the answers."""
    from PIL import Image

    return np.stack(
        [np.asarray(Image.open(folder / "faces" / path)) for path in found.samples.images]
    ).transpose(0, 3, 1, 2)


def test_an_onnx_file_is_asked_and_audited(folder, data, prunescope):
    ran = prunescope("predict", folder / "shipped.onnx", *data, "--input-range", "0,1", "--json")
    assert ran.code == 0, ran.err
    assert ran.json == {
        "file": str(folder / "shipped.onnx.parquet"), "name": "shipped.onnx",
        "n": 24, "split": "test", "embeddings": None,
    }  # fmt: skip
    found = Predictions.load(folder / "shipped.onnx.parquet")
    session = onnxruntime.InferenceSession(folder / "shipped.onnx")
    images = pixels_of(folder, found).astype(np.float32) / 255
    assert np.allclose(found.logits, session.run(None, {"images": images})[0], rtol=0, atol=1e-6)
    assert found.attributes == NAMES
    assert found.metadata.model["file"] == "shipped.onnx"
    assert found.metadata.model["runtime"].startswith("ONNX Runtime 1.")
    labels = pl.read_csv(folder / "faces" / "labels.csv").filter(split="train")
    assert found.metadata.train_prevalence["Young"] == labels["Young"].cast(float).mean()

    ran = prunescope(
        "predict", folder / "shipped.onnx", *data, "--input-range", "-1,1",
        "-o", folder / "other.parquet",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    ran = prunescope(
        "audit", folder / "shipped.onnx.parquet", "--compressed", folder / "other.parquet",
        "-o", folder / "audit", "--replicates", 100,
    )  # fmt: skip
    assert ran.code == 0, ran.err


def test_no_torch_is_needed(folder, data, tmp_path):
    code = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "transformers", "accelerate"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
from prunescope.cli import main
main()
"""
    ask = ["predict", folder / "shipped.onnx", *data, "--input-range", "0,1"]
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, ask), "-o", str(tmp_path / "a.parquet")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(Predictions.load(tmp_path / "a.parquet").samples) == 24


def test_means_and_deviations(folder, data, prunescope):
    for name, scale in (
        ("range", ("--input-range", "-1,1")),
        ("mean", ("--mean", "0.5,0.5,0.5", "--std", "0.5,0.5,0.5")),
    ):
        ran = prunescope(
            "predict", folder / "shipped.onnx", *data, *scale, "-o", folder / f"{name}.parquet"
        )
        assert ran.code == 0, ran.err
    one, two = (Predictions.load(folder / f"{name}.parquet").logits for name in ("range", "mean"))
    assert np.allclose(one, two, atol=1e-5)


@pytest.mark.parametrize(
    ("model", "options", "said"),
    [
        ("shipped.onnx", (), "--input-range 0,1"),
        ("shipped.onnx", ("--input-range", "0"), "--input-range 0: expected 2 numbers"),
        ("shipped.onnx", ("--input-range", "a,b"), "expected numbers by commas"),
        ("shipped.onnx", ("--input-range", "0,1", "--size", 64), "images of 32 px: got 64 px"),
        ("shipped.onnx", ("--input-range", "0,1", "--output", "x"), "unknown output 'x'"),
        ("shipped.onnx", ("--input-range", "0,1", "--input-layout", "NHWC"), "is NCHW"),
        ("shipped.onnx", ("--input-range", "0,1", "--device", "cuda"), "runs on the CPU"),
        ("shipped.onnx", ("--input-range", "0,1", "--attributes", "Male"), "expected (24, 1)"),
        ("shipped.onnx", ("--input-range", "0,1", "-o", "a.txt"), "ends in .parquet or .csv"),
        ("absent.tflite", (), "absent.tflite: no such file"),
        ("faces", ("--scores", "probability"), "--scores: only for a model's file"),
        ("faces", ("--mean", "0,0,0"), "--mean: only for a model's file"),
        ("own_functions:means", (), "say it with --size"),
        ("own_functions:number", ("--size", 32), "unknown function or module:factory"),
        ("own_functions:meens", ("--size", 32), "did you mean means"),
        ("nowhere:f", ("--size", 32), "cannot import 'nowhere'"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_one_error(folder, data, prunescope, tmp_path, model, options, said):
    name = model if ":" in model else folder / model
    out = () if "-o" in options else ("-o", tmp_path / "no.parquet")
    ran = prunescope("predict", name, *data, *options, *out)
    assert (ran.code, said in " ".join(ran.err.split())) == (2, True), ran.err
    assert not list(tmp_path.iterdir())


def test_the_answers_lie_beside_the_model_under_its_whole_name(folder, data, prunescope, tmp_path):
    file = tmp_path / "model.onnx"
    shutil.copy(folder / "shipped.onnx", file)
    (tmp_path / "model.parquet").write_text("of model.tflite, or of the folder model")
    ran = prunescope("predict", file, *data, "--input-range", "0,1", "--json")
    assert (ran.code, ran.json["name"]) == (0, "model.onnx"), ran.err
    assert ran.json["file"] == str(tmp_path / "model.onnx.parquet")
    assert (tmp_path / "model.parquet").read_text() == "of model.tflite, or of the folder model"


def test_a_note_of_compression_that_makes_no_sense_is_an_error(folder, data, prunescope, tmp_path):
    model = onnx.load(folder / "shipped.onnx")
    note = {"attributes": ["Bald", "Male", "Young"], "compression": {"sparsity": "a"}}
    onnx.helper.set_model_props(model, {"prunescope": json.dumps(note)})
    onnx.save(model, tmp_path / "m.onnx")
    ran = prunescope("predict", tmp_path / "m.onnx", *data, "--attributes", "Bald,Male,Young")
    said = "the note of how the model was compressed: sparsity: Input should be a valid number"
    assert (ran.code, said in " ".join(ran.err.split())) == (2, True), ran.err
    assert [path.name for path in tmp_path.iterdir()] == ["m.onnx"]


def test_the_data_have_to_be_named(folder, prunescope):
    ran = prunescope("predict", folder / "shipped.onnx", "--input-range", "0,1")
    assert (ran.code, "name them with --data" in ran.err) == (2, True)
    ran = prunescope("predict", "own_functions:means", "--data", folder / "faces")
    assert (ran.code, "name a file with -o" in " ".join(ran.err.split())) == (2, True)


@pytest.mark.parametrize("name", ["means", "model"])
def test_a_function_and_a_module_answer(folder, data, prunescope, tmp_path, name):
    out = tmp_path / "answers.parquet"
    ran = prunescope("predict", f"own_functions:{name}", *data, "--size", 32, "-o", out)
    assert ran.code == 0, ran.err
    found = Predictions.load(out)
    expected = pixels_of(folder, found).mean(axis=(2, 3)) / 255 * 20 - 10
    assert np.allclose(found.logits, expected, atol=1e-4)
    assert found.metadata.model == {"function": f"own_functions:{name}"}


def test_a_factory_stays_a_factory(folder, data, prunescope, tmp_path):
    out = tmp_path / "answers.parquet"
    ran = prunescope("predict", "own_functions:make", *data, "--size", 32, "-o", out, "--json")
    assert ran.code == 0, ran.err
    assert Predictions.load(out).metadata.model["arch"] == "own_functions:make"


@pytest.mark.filterwarnings("always:.*every score lies in")
def test_probabilities_are_told_never_guessed(folder, data, prunescope, tmp_path):
    out = tmp_path / "answers.parquet"
    ask = ("predict", "own_functions:sure", *data, "--size", 32, "-o", out)
    ran = prunescope(*ask)
    assert (ran.code, "add --scores probability" in ran.err) == (0, True), ran.err
    assert np.allclose(Predictions.load(out).logits, 0.75)
    ran = prunescope(*ask, "--scores", "probability")
    assert ran.code == 0, ran.err
    assert np.allclose(Predictions.load(out).logits, np.log(3))


def test_an_order_that_nobody_told_is_said(folder, prunescope, maker, tmp_path):
    out = tmp_path / "answers.parquet"
    table = tmp_path / "three.csv"
    labels = pl.read_csv(folder / "faces" / "labels.csv")
    labels.select("image", "split", "Young", "Male", "Smiling").write_csv(table)
    data = ("--data", table, "--images", folder / "faces", "--input-range", "0,1")
    ran = prunescope("predict", folder / "shipped.onnx", *data, "-o", out)
    assert ran.code == 0, ran.err
    assert "the outputs are taken for Young, Male, Smiling, in the order of the data" in ran.err
    ran = prunescope(
        "predict", folder / "shipped.onnx", *data, "-o", out, "--attributes", "Male,Smiling,Young"
    )
    assert (ran.code, "taken for" in ran.err) == (0, False)
    assert Predictions.load(out).attributes == NAMES


def test_embeddings_are_written_in_the_same_pass(folder, data, prunescope):
    alone, out, seen = (folder / name for name in ("alone.parquet", "e.parquet", "seen.parquet"))
    for target, more in ((alone, ()), (out, ("--embeddings", seen))):
        torch.manual_seed(3)  # of the weights that the factory draws
        ran = prunescope(
            "predict", "own_functions:make", *data, "--size", 32, "-o", target, *more, "--json"
        )
        assert ran.code == 0, ran.err
    assert ran.json["embeddings"] == str(seen)
    found, embeddings = Predictions.load(out), Embeddings.load(seen)
    assert found.logits.tobytes() == Predictions.load(alone).logits.tobytes()
    assert embeddings.ids.equals(found.samples.ids)
    pixels = pixels_of(folder, found).reshape(24, -1)  # what goes into the only layer
    expected = (pixels.astype(np.float32) / 255 - 0.5) / 0.5
    np.testing.assert_allclose(embeddings.values, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("model", "more", "message"),
    [
        ("shipped.onnx", ("--input-range", "0,1"), "gives answers and no embeddings"),
        ("own_functions:means", (), "own_functions:means gives answers and no embeddings"),
        ("own_functions:model", (), "no layer of Means is known to give its answers"),
        ("own_functions:make", ("--embeddings", "seen.csv"), "let it end in .parquet"),
        ("own_functions:make", ("--embeddings", "o.parquet"), "name another file"),
    ],
)
def test_embeddings_that_cannot_be_had_are_refused(
    folder, data, prunescope, monkeypatch, model, more, message
):
    monkeypatch.chdir(folder)
    ran = prunescope(
        "predict", model, *data, "--size", 32, "-o", "o.parquet", "--embeddings", "n.parquet", *more
    )
    assert ran.code == 2
    assert message in " ".join(ran.err.split())
    assert not (folder / "o.parquet").exists()
    assert not (folder / "n.parquet").exists()
