"""Networks of any kind of weight, and pruned by other tools, from the command line to an audit."""

import json

import numpy as np
import pytest
import torch

from prunescope.models import build_model, load_checkpoint
from prunescope.predictions import Predictions

NETS = """
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune

def dense(n_outputs):
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, 2), nn.ReLU(), nn.Conv2d(8, 16, 3, 2), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, n_outputs),
    )

def masked(n_outputs):
    net = dense(n_outputs)
    prune.l1_unstructured(net[0], "weight", amount=100)
    prune.l1_unstructured(net[2], "weight", amount=1000)
    return net

def zeros(n_outputs):
    net = masked(n_outputs)
    prune.remove(net[0], "weight")
    prune.remove(net[2], "weight")
    return net

def thinned(n_outputs):
    import torch_pruning
    net, image = dense(n_outputs), torch.zeros(1, 3, 32, 32)
    torch_pruning.MagnitudePruner(
        net, image, torch_pruning.importance.MagnitudeImportance(), pruning_ratio=0.5,
        ignored_layers=[net[6]],
    ).step()
    return net

class Normed(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.patches = parametrizations.weight_norm(nn.Conv2d(3, 16, 8, 8))
        self.place = nn.Parameter(torch.randn(1, 16, 16))
        self.attention = nn.MultiheadAttention(16, 2, batch_first=True)
        self.head = parametrizations.spectral_norm(nn.Linear(16, n))

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2) + self.place
        return self.head(self.attention(x, x, x, need_weights=False)[0].mean(1))

def normed(n_outputs):
    return Normed(n_outputs)
"""
N_DENSE = 8 * 27 + 16 * 72 + 32
RECIPE = "steps: 4\nbatch_size: 16\nlearning_rate: 0.1\nwarmup: 0.0\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory, seed):
    from prunescope.data import export_dataset, synthetic_faces

    folder = tmp_path_factory.mktemp("weights")
    export_dataset(synthetic_faces(48, 8, 24, size=32, seed=seed), folder / "faces")
    (folder / "tiny.yaml").write_text(RECIPE)
    (folder / "any_nets.py").write_text(NETS)
    return folder


@pytest.fixture(autouse=True)
def factories(folder, monkeypatch):
    monkeypatch.setenv("PRUNESCOPE_CACHE", str(folder / "cache"))
    monkeypatch.syspath_prepend(folder)


@pytest.fixture
def data(folder):
    return ("--data", folder / "faces", "--size", 32, "--attributes", "Male,Young")


def test_networks_of_other_tools_are_predicted_and_audited_with_what_is_left(
    folder, data, prunescope
):
    for name in ("dense", "masked", "zeros"):
        ran = prunescope(
            "predict", f"any_nets:{name}", *data, "-o", folder / f"{name}.parquet"
        )  # fmt: skip
        assert ran.code == 0, ran.err
    ran = prunescope(
        "predict", "any_nets:thinned", "--dense", "any_nets:dense", *data,
        "-o", folder / "thinned.parquet",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    found = {
        name: Predictions.load(folder / f"{name}.parquet")
        for name in ("dense", "masked", "zeros", "thinned")
    }
    told = {name: predictions.metadata.compression for name, predictions in found.items()}
    assert (told["dense"].method, told["dense"].weights_kept) == ("dense", None)
    for name in ("masked", "zeros"):
        assert (told[name].method, told[name].weights_kept) == ("imported", 300 / N_DENSE)
        assert told[name].sparsity == told[name].removed == 0.786
    n_thin = 4 * 27 + 8 * 36 + 16
    assert told["thinned"].weights_kept == n_thin / N_DENSE
    assert told["thinned"].channels_kept == 0.5
    # The answers are the network's own.
    assert np.array_equal(found["masked"].logits, found["zeros"].logits)
    assert not np.array_equal(found["masked"].logits, found["dense"].logits)

    ran = prunescope(
        "audit", folder / "dense.parquet", "--compressed", folder / "masked.parquet",
        "--compressed", folder / "thinned.parquet", "--replicates", 20, "-o", folder / "audit",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    audited = json.loads((folder / "audit" / "audit.json").read_text())
    text = json.dumps(audited)
    assert str(300 / N_DENSE) in text
    assert str(n_thin / N_DENSE) in text


def test_the_dense_model_is_asked_for_by_models_from_elsewhere_alone(folder, data, prunescope):
    ran = prunescope("predict", folder / "faces", "--dense", "any_nets:dense")
    assert ran.code == 2
    assert "--dense is for a model from elsewhere" in ran.err


def test_a_model_that_is_larger_than_the_dense_one_is_refused(folder, data, prunescope):
    ran = prunescope(
        "predict", "any_nets:dense", "--dense", "any_nets:thinned", *data,
        "-o", folder / "swapped.parquet",
    )  # fmt: skip
    assert ran.code == 2
    assert "is larger than the dense one (--dense)" in ran.err
    assert f"{N_DENSE / (4 * 27 + 8 * 36 + 16):.3g} times as many" in ran.err
    assert not (folder / "swapped.parquet").exists()


@pytest.mark.filterwarnings("ignore::prunescope.errors.PrunescopeWarning")
def test_a_network_of_computed_weights_is_pruned_and_all_that_follows(folder, data, prunescope):
    factory, tiny = ("--factory", "any_nets:normed"), ("--recipe", folder / "tiny.yaml")
    ran = prunescope("train", "--arch", "any_nets:normed", *data, *tiny, "-o", folder / "normed")
    assert ran.code == 0, ran.err
    ran = prunescope(
        "prune", folder / "normed", *factory, "--method", "one-shot", "--sparsity", 0.9, *tiny,
        "--distribution", "uniform", "-o", folder / "pruned",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    n = 16 * 192 + 4 * 256 + 32
    assert f"{round(n / 10):,} of {n:,} weights kept" in ran.out
    text = " ".join(ran.out.split())
    assert "network.place (Normed, " in text
    assert "network.head.weight (SpectralNorm), network.patches.weight (WeightNorm)" in text

    def zeros(name):
        model = load_checkpoint(folder / name, factory="any_nets:normed").model
        attention = model.network.attention
        weights = (
            model.network.patches.weight, attention.in_proj_weight,
            attention.out_proj.weight, model.network.head.weight,
        )  # fmt: skip
        return [(weight == 0) for weight in weights]

    assert sum(int(zero.sum()) for zero in zeros("pruned")) == n - round(n / 10)
    for command in (
        (
            "mitigate",
            "finetune",
            folder / "pruned",
            "--measure",
            "none",
            *tiny,
            "-o",
            folder / "tuned",
        ),
        ("quantize", folder / "pruned", "--batches", 1, "--batch-size", 8, "-o", folder / "int8"),
    ):
        ran = prunescope(*command, *factory)
        assert ran.code == 0, ran.err
    for before, after in zip(zeros("pruned"), zeros("tuned"), strict=True):
        assert torch.equal(before, after)
    assert all(
        (after | ~before).all()
        for before, after in zip(zeros("pruned"), zeros("int8"), strict=True)
    )
    ran = prunescope("export", folder / "pruned", *factory, "-o", folder / "pruned.safetensors")
    assert ran.code == 0, ran.err
    ran = prunescope(
        "gain", folder / "normed", folder / "pruned", *factory, "--no-latency", "--json"
    )
    assert ran.code == 0, ran.err
    for name in ("normed", "pruned", "int8"):
        ran = prunescope("predict", folder / name, *factory)
        assert ran.code == 0, ran.err


def test_a_trained_dense_network_stays_as_its_factory_makes_it(folder):
    model = build_model("any_nets:normed", ["Male"], image_size=32)
    assert "network.head.parametrizations.weight.original" in model.state_dict()
