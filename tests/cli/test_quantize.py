"""From a model to int8 to predictions, by the commands alone."""

import pytest
import torch

from prunescope.models import load_checkpoint
from prunescope.predictions import Predictions


@pytest.fixture(scope="module")
def folder(tmp_path_factory, seed):
    """A folder with faces as files, and a dense and a pruned model."""
    from prunescope.data import DataConfig, export_dataset, load_dataset, synthetic_faces
    from prunescope.models import Provenance, build_model, save_checkpoint
    from prunescope.pruning import Masks

    folder = tmp_path_factory.mktemp("quantize")
    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.setenv("PRUNESCOPE_CACHE", str(folder / "cache"))
    export_dataset(synthetic_faces(48, 8, 24, size=32, seed=seed), folder / "faces")
    config = DataConfig(
        source=str(folder / "faces"), size=32, attributes=("Male", "Smiling"), groups=("Male",)
    )
    train = load_dataset(config).split("train")
    names = train.samples.attributes
    model = build_model("resnet_small", names, image_size=32, seed=seed).eval()
    save_checkpoint(folder / "dense", model, Provenance.of(model, train, seed=3, data=config))
    masks = Masks({name: mask & (torch.rand(mask.shape) > 0.5) for name, mask in
                   Masks.dense(model).items()})  # fmt: skip
    masks.apply_(model)
    compression = {"method": "gmp-pt", "sparsity": 0.5, "score": "magnitude"}
    provenance = Provenance.of(model, train, seed=3, data=config, compression=compression)
    save_checkpoint(folder / "pruned", model, provenance, masks)
    yield folder
    monkeypatch.undo()


@pytest.mark.parametrize(
    ("parent", "method", "sparsity"), [("dense", "int8", 0.0), ("pruned", "gmp-pt+int8", 0.5)]
)
def test_quantise_and_predict(folder, prunescope, tmp_path, parent, method, sparsity):
    out = tmp_path / "int8"
    ran = prunescope("quantize", folder / parent, "-o", out, "--batches", 2, "--batch-size", 16,
                     "--json")  # fmt: skip
    assert ran.code == 0, ran.err
    assert ran.json["method"] == method
    assert (ran.json["sparsity"], ran.json["bits"]) == (sparsity, 8)
    assert ran.json["calibration"] == {"n_batches": 2, "batch_size": 16, "seed": 0}
    assert 0.25 < ran.json["bytes"] / ran.json["bytes_before"] < 0.26
    assert {"bias", "add", "relu", "sub"} < {part["operation"] for part in ran.json["stays_float"]}
    ran = prunescope("predict", out, "--json")
    assert ran.code == 0, ran.err
    found = Predictions.load(tmp_path / "int8.parquet")
    assert found.metadata.compression.method == method
    assert found.metadata.compression.removed == found.metadata.compression.sparsity == sparsity
    assert found.metadata.compression.bits == 8
    assert found.metadata.seed == 3
    made, before = (load_checkpoint(path).provenance for path in (out, folder / parent))
    assert made.train_prevalence == before.train_prevalence
    assert made.recipe == before.recipe
    assert made.parent is not None


def test_for_a_person(folder, prunescope, tmp_path):
    out = tmp_path / "int8"
    ran = prunescope("quantize", folder / "dense", "-o", out, "--batches", 1)
    assert ran.code == 0, ran.err
    assert "What stays float" in ran.out
    assert "bytes of weights" in ran.out
    assert "Failed to load" not in ran.err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("quantize", "nowhere"), "no checkpoint at"),
        (("quantize", "dense"), "takes 256 images, and the training split has 48"),
        (("quantize", "dense", "--batches", 0), "expected at least 1 of 1"),
        (("quantize", "dense", "--attributes", "Smiling"), "the model answers Male, Smiling"),
    ],
)
def test_bad_input(folder, prunescope, tmp_path, arguments, complaint):
    command, parent, *rest = arguments
    ran = prunescope(command, folder / parent, "-o", tmp_path / "int8", *rest)
    assert ran.code == 2
    assert complaint in " ".join(ran.err.split())
    assert not (tmp_path / "int8").exists()


@pytest.mark.parametrize("command", ["prune", "quantize"])
def test_int8_where_floats_are_needed(folder, prunescope, tmp_path, command):
    out = tmp_path / "int8"
    assert prunescope("quantize", folder / "dense", "-o", out, "--batches", 1).code == 0
    ran = prunescope(command, out, "-o", tmp_path / "again")
    assert ran.code == 2
    assert "a float model is needed" in ran.err
