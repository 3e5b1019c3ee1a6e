"""The examples in docs/predictions.md write files that load."""

import re
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml
from sklearn.linear_model import LogisticRegression

from prunescope.predictions import Embeddings, Predictions, Told, read_about, read_thresholds

PAGE = (Path(__file__).parents[2] / "docs" / "predictions.md").read_text(encoding="utf-8")
LOGITS = np.array([[2.5, -4.0], [-0.5, -3.5], [-0.25, 2.0]])
LABELS = np.array([[1, 0], [0, 0], [1, 1]])


def blocks(kind):
    return re.findall(rf"```{kind}\n(.*?)```", PAGE, flags=re.DOTALL)


@pytest.fixture
def example(tmp_path, monkeypatch):
    """Return a function that runs the example after the pandas one that mentions a word."""
    pytest.importorskip("pandas")
    monkeypatch.chdir(tmp_path)

    def run(word, **given):
        space = {"ids": ["a", "b", "c"], "names": ["Smiling", "Bald"], "labels": LABELS}
        space |= {"male": [True, False, True], "batches": [LOGITS[:2], LOGITS[2:]], **given}
        [code] = [block for block in blocks("python") if word in block]
        for block in (blocks("python")[0], code):
            exec(block, space)
        return tmp_path / "pruned.csv"

    return run


def check(path):
    loaded = Predictions.load(path)
    assert loaded.logits.tolist() == LOGITS.tolist()
    assert loaded.samples.labels.tolist() == LABELS.tolist()
    assert loaded.samples.groups["Male"].codes.tolist() == [1, 0, 1]


def test_the_sample_of_three_rows(tmp_path):
    [text] = blocks("csv")
    (tmp_path / "x.csv").write_text(text)
    loaded = Predictions.load(tmp_path / "x.csv")
    assert loaded.attributes == ("Smiling", "Bald")
    assert loaded.samples.labels.tolist() == [[1, 0], [0, -1], [1, 1]]
    assert loaded.samples.groups["Male"].values == (False, True)


def test_the_samples_of_thresholds(tmp_path):
    found = []
    for text in blocks("yaml"):
        (tmp_path / "t.yaml").write_text(text)
        found.append(read_thresholds(tmp_path / "t.yaml"))
    assert found == [{"*": yaml.safe_load(blocks("yaml")[0])}, yaml.safe_load(blocks("yaml")[1])]


def test_onnx_runtime(example, monkeypatch):
    class Session:
        def __init__(self, path):
            assert path == "pruned.onnx"

        def get_inputs(self):
            return [SimpleNamespace(name="images")]

        def run(self, names, feed):
            return [feed["images"]]

    monkeypatch.setitem(sys.modules, "onnxruntime", SimpleNamespace(InferenceSession=Session))
    check(example("onnxruntime"))


def test_tensorrt(example, monkeypatch):
    memory = np.zeros((2, 2))

    class Runner:
        def __init__(self, engine):
            assert engine == "pruned.engine"

        def __enter__(self):
            return self

        def __exit__(self, *_):
            return None

        def infer(self, feed):
            batch = feed["images"]
            memory[: len(batch)] = batch
            return {"logits": memory[: len(batch)]}

    common = SimpleNamespace(BytesFromPath=str)
    trt = SimpleNamespace(EngineFromBytes=str, TrtRunner=Runner)
    monkeypatch.setitem(sys.modules, "polygraphy", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "polygraphy.backend", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "polygraphy.backend.common", common)
    monkeypatch.setitem(sys.modules, "polygraphy.backend.trt", trt)
    check(example("polygraphy"))


def test_scikit_learn(example):
    points, classes = np.array([[0.0], [1.0], [2.0]]), np.array(["cat", "dog", "cat"])
    model = LogisticRegression().fit(points, classes)
    path = example("predict_proba", model=model, X_test=points, y_test=classes)
    loaded = Predictions.load(path, scores="probability")
    assert loaded.attributes == ("cat", "dog")
    assert np.allclose(loaded.probabilities, model.predict_proba(points))
    assert loaded.samples.labels.tolist() == [[1, 0], [0, 1], [1, 0]]


def test_what_is_told_of_many_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    [text] = blocks("yml")
    Path("models.yaml").write_text(text)
    told = read_about([], "models.yaml", ["dense.csv", "runs/pruned.parquet"])
    assert told["dense.csv"] == Told(seed=1)
    assert told["runs/pruned.parquet"].name == "gmp, 90%"


def test_from_memory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    z = rng.normal(0, 2, (60, 2))
    y = (z + rng.normal(0, 1, z.shape) > 0).astype(int)
    ids = [f"img{i}" for i in range(60)]
    sex = rng.choice(["f", "m"], 60)
    dense = Predictions.of(z, y, attributes=["Smiling", "Bald"], ids=ids, name="dense")
    dense.save("dense.parquet")
    space = {"z": z, "y": y, "sex": sex, "ids": ids, "p8": dense.probabilities}
    space |= dict.fromkeys(("z0", "z1", "p0", "p1", "z4", "z8"), z + 0.1)
    everything, classes, record, _ = [block for block in blocks("python") if "ps." in block]
    exec(everything, space)
    exec(classes, space | {"y": y[:, 0]})
    exec(record, space)
    assert np.allclose(Predictions.load("int8.parquet").logits, z)


def test_embeddings(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    [text] = [block for block in blocks("python") if "ps.embed(" in block]
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 1))
    model.config = SimpleNamespace(id2label={0: "Bald"})
    images, ids = torch.rand(3, 3, 2, 2), ["a", "b", "c"]
    space = {"model": model, "loader": [{"images": images, "name": ids}], "ids": ids}
    exec(text, space | {"clip": (clip := np.random.default_rng(0).normal(size=(3, 5)))})
    assert np.allclose(Embeddings.load("features.parquet").values, images.flatten(1))
    assert np.allclose(Embeddings.load("clip.parquet").values, clip)
