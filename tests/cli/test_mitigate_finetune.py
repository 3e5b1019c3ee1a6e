"""A pruned model fine-tuned by the command, on drawn faces in memory."""

import pytest
import torch

from prunescope.models import load_checkpoint

RECIPE = "steps: 3\nbatch_size: 16\nlearning_rate: 0.05\nwarmup: 0.0\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory, seed):
    from prunescope.data import export_dataset, synthetic_faces

    folder = tmp_path_factory.mktemp("finetune")
    export_dataset(synthetic_faces(48, 8, 24, size=32, seed=seed), folder / "faces")
    (folder / "tiny.yaml").write_text(RECIPE)
    return folder


@pytest.fixture
def models(folder, prunescope, monkeypatch):
    """A dense and a pruned model, made by the first test that needs them."""
    monkeypatch.setenv("PRUNESCOPE_CACHE", str(folder / "cache"))
    dense, pruned = folder / "dense", folder / "pruned"
    if not dense.exists():
        data = ("--data", folder / "faces", "--size", 32, "--attributes", "Male,Smiling,Young")
        tiny = ("--recipe", folder / "tiny.yaml")
        assert prunescope("train", "-o", dense, *data, "--groups", "Male", *tiny).code == 0
        ran = prunescope(
            "prune", dense, "--method", "one-shot", "--score", "fairgrape", "--group", "Male",
            "--calibration-images", 32, "--sparsity", 0.6, "-o", pruned, "--json",
        )  # fmt: skip
        assert ran.code == 0, ran.err
        assert ran.json["group"] == "Male"
    return dense, pruned


def test_a_model_is_finetuned_and_says_how(models, folder, prunescope):
    dense, pruned = models
    ran = prunescope(
        "mitigate", "finetune", pruned, "--dense", dense, "--measure", "constrain",
        "--group", "Male", "--tolerance", 0.02, "--min-support", 5,
        "--recipe", folder / "tiny.yaml", "-o", folder / "fair", "--json",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    assert ran.json["method"] == "one-shot+constrain"
    assert ran.json["sparsity"] == 0.6
    assert ran.json["finetune"]["constraint"]["tolerance"] == 0.02
    assert "excess gaps are above 0.02" in ran.json["notes"][-1]
    assert "note: " in ran.err
    before, after = load_checkpoint(pruned), load_checkpoint(folder / "fair")
    assert all(torch.equal(after.masks[name], mask) for name, mask in before.masks.items())
    told = after.provenance.compression
    assert told["before"] == before.provenance.compression
    assert after.provenance.recipe["steps"] == 3
    assert not (folder / ".fair.unfinished").exists()

    ran = prunescope("predict", folder / "fair", "--json")
    assert ran.code == 0, ran.err


def test_the_control_needs_no_dense_model(models, folder, prunescope):
    _, pruned = models
    ran = prunescope(
        "mitigate", "finetune", pruned, "--measure", "none", "--recipe", folder / "tiny.yaml",
        "-o", folder / "control",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    assert "one-shot+none model in" in ran.out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--measure", "fair"), "unknown measure 'fair'"),
        (("--measure", "distill"), "distilling learns from the dense model"),
        (("--measure", "none", "--tolerance", "0.1"), "none does not ask for constraint"),
        (("--measure", "constrain", "--tolerance", "-1"), "constraint: tolerance"),
        (("--measure", "balance-groups", "--group", "Mal"), "unknown group 'Mal'"),
    ],
)
def test_bad_input_ends_with_a_message(models, folder, prunescope, options, message):
    _, pruned = models
    ran = prunescope("mitigate", "finetune", pruned, "-o", folder / "bad", *options)
    assert ran.code == 2
    assert message in ran.err
    assert not (folder / "bad").exists()
