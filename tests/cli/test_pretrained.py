"""A folder of transformers by command: its answers are those that transformers gives."""

import json

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image
from transformers import (
    AutoImageProcessor,
    AutoModelForImageClassification,
    MobileViTConfig,
    MobileViTImageProcessor,
)
from transformers.image_utils import load_image

from prunescope.models import load_checkpoint

SHAPES = ((61, 83), (97, 40), (31, 30), (48, 48))
ONE_SHOT = ("--method", "one-shot", "--sparsity", 0.5)
pytestmark = pytest.mark.filterwarnings("ignore:one-shot starts from a trained model")


@pytest.fixture
def model(tmp_path):
    """A network that wants blue first, and whose outputs are in another order than the data's."""
    torch.manual_seed(0)
    config = MobileViTConfig(
        hidden_sizes=[16] * 3, neck_hidden_sizes=[8] * 6 + [16], image_size=32,
        id2label={0: "Smiling", 1: "Bald"}, problem_type="multi_label_classification",
    )  # fmt: skip
    network = AutoModelForImageClassification.from_config(config)
    # As they are drawn, its scales are so small that every image gets 0.
    for weights in network.parameters():
        if weights.dim() > 1:
            torch.nn.init.kaiming_normal_(weights)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.ones_(module.weight)
            module.momentum = 1.0
    network.train()(torch.randn(16, 3, 32, 32))
    network.save_pretrained(tmp_path / "model")
    sizes = {"size": {"shortest_edge": 36}, "crop_size": {"height": 32, "width": 32}}
    MobileViTImageProcessor(**sizes).save_pretrained(tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def table(tmp_path):
    """Images of several shapes with their table."""
    rng = np.random.default_rng(0)
    names = []
    for width, height in SHAPES * 2:
        names.append(f"{len(names)}.png")
        pixels = rng.integers(0, 256, (height, width, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / names[-1])
    labels = {"Bald": [0, 1] * 4, "Smiling": [1, 1, 0, 0] * 2, "split": ["train", "test"] * 4}
    pl.DataFrame({"image": names, **labels}).write_csv(tmp_path / "t.csv")
    return tmp_path / "t.csv"


def by_transformers(model, files):
    """Ask a model as the documentation of transformers says."""
    processor = AutoImageProcessor.from_pretrained(model, backend="pil")
    network = AutoModelForImageClassification.from_pretrained(model).eval()
    inputs = processor([load_image(str(file)) for file in files], return_tensors="pt")
    with torch.no_grad():
        logits = network(**inputs).logits.numpy()
    return {name: logits[:, column] for column, name in network.config.id2label.items()}


def check(answers, model, table):
    found = pl.read_parquet(answers)
    expected = by_transformers(model, [table.parent / name for name in found["id"]])
    assert set(expected) == {"Smiling", "Bald"}
    for name, logits in expected.items():
        assert np.ptp(logits) > 0.1
        np.testing.assert_allclose(found[f"logit__{name}"], logits, rtol=1e-4, atol=1e-4)


def test_the_answers_are_those_of_transformers(model, table, prunescope, tmp_path):
    data = ("--data", table)
    ran = prunescope("predict", f"hf:{model}", *data, "-o", tmp_path / "a.parquet")
    assert (ran.code, "warning" in ran.err) == (0, False), ran.err
    check(tmp_path / "a.parquet", model, table)

    pruned = tmp_path / "pruned"
    ran = prunescope("prune", f"hf:{model}", *ONE_SHOT, *data, "-o", pruned)
    assert ran.code == 0, ran.err
    for number, more in enumerate(((), data, (*data, "--attributes", "Smiling,Bald"))):
        ran = prunescope("predict", pruned, *more, "-o", tmp_path / f"{number}.parquet")
        assert ran.code == 0, ran.err
        check(tmp_path / f"{number}.parquet", pruned, table)
    kept, given = (
        json.loads((folder / "preprocessor_config.json").read_text()) for folder in (pruned, model)
    )
    assert {key: kept[key] for key in given} == given
    assert load_checkpoint(pruned).model.spec.frame.resize == 36

    file = tmp_path / "pruned.onnx"
    for command in (("export", pruned, "-o", file), ("predict", file, *data)):
        ran = prunescope(*command)
        assert ran.code == 0, ran.err
    check(tmp_path / "pruned.onnx.parquet", pruned, table)


def test_without_a_training_split(model, table, prunescope, tmp_path):
    pl.read_csv(table).drop("split").write_csv(table)
    ran = prunescope("predict", f"hf:{model}", "--data", table, "-o", tmp_path / "a.parquet")
    assert ran.code == 0, ran.err
    check(tmp_path / "a.parquet", model, table)


@pytest.mark.filterwarnings("default:images are first made")
def test_a_size_of_ones_own_is_told(model, table, prunescope, tmp_path):
    ran = prunescope(
        "predict", f"hf:{model}", "--data", table, "--size", 40, "-o", tmp_path / "a.parquet"
    )
    assert ran.code == 0, ran.err
    assert "images are first made squares of 40 px" in " ".join(ran.err.split())
    ran = prunescope(
        "predict", f"hf:{model}", "--data", table, "--size", 32, "-o", tmp_path / "b.parquet"
    )
    assert ran.code == 0, ran.err
    check(tmp_path / "b.parquet", model, table)


@pytest.mark.parametrize("command", [("predict",), ("prune", *ONE_SHOT)])
def test_other_attributes_are_refused(model, table, prunescope, tmp_path, command):
    data = ("--data", table)
    frame = pl.read_csv(table)
    frame.rename({"Bald": "Young"}).write_csv(table)
    ran = prunescope(command[0], f"hf:{model}", *command[1:], *data, "-o", tmp_path / "no.parquet")
    message = " ".join(ran.err.split())
    assert ran.code == 2
    assert "answers Smiling, Bald; the data ask Young, Smiling" in message
    assert not (tmp_path / "no.parquet").exists()


def test_other_attributes_are_refused_by_a_model_of_ours(model, table, prunescope, tmp_path):
    ran = prunescope("prune", f"hf:{model}", *ONE_SHOT, "--data", table, "-o", tmp_path / "pruned")
    assert ran.code == 0, ran.err
    ran = prunescope(
        "predict", tmp_path / "pruned", "--data", table, "--attributes", "Bald",
        "-o", tmp_path / "no.parquet",
    )  # fmt: skip
    message = " ".join(ran.err.split())
    assert (ran.code, "the model answers Bald, Smiling" in message) == (2, True)
    assert "the data set asks Bald (multilabel)" in message


def test_training_starts_from_it(model, table, prunescope, tmp_path):
    (tmp_path / "r.yaml").write_text("steps: 1\nbatch_size: 4\nwarmup: 0\n")
    ran = prunescope(
        "train", "--arch", f"hf:{model}", "--data", table, "--attributes", "Bald",
        "--recipe", tmp_path / "r.yaml", "-o", tmp_path / "mine",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    spec = load_checkpoint(tmp_path / "mine").model.spec
    assert (spec.image_size, spec.frame.crop, spec.preprocessing.channels) == (32, 32, "bgr")
