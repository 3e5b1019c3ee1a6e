"""`prunescope sensitivity`, and a plan that `prune` carries out."""

import json

import pytest
import yaml

from prunescope.data import DataConfig, load_dataset
from prunescope.pruning import Masks
from prunescope.sensitivity import Sensitivity
from prunescope.study import train_model
from prunescope.training import Recipe


@pytest.fixture(scope="module")
def dense(tmp_path_factory, seed):
    """A folder with a model that has seen some drawn faces."""
    folder = tmp_path_factory.mktemp("sensitivity")
    data = DataConfig(n_train=32, n_val=60, n_test=60, size=32, seed=seed, cache=folder / "cache")
    tiny = Recipe(steps=2, batch_size=16, learning_rate=0.1, warmup=0.0)
    train_model(
        load_dataset(data).split("train"), "resnet_small", tiny, folder / "dense", data=data
    )
    return folder / "dense"


@pytest.mark.filterwarnings("ignore:one-shot pruning to sparsity")
def test_layers_are_looked_at_and_a_plan_is_carried_out(prunescope, dense, tmp_path):
    out = tmp_path / "out"
    ran = prunescope(
        "sensitivity", dense, "--levels", "0.5,0.9", "--replicates", 0, "--budget", "bytes <= 0.5",
        "--ignore", "*shortcut*", "-o", out,
    )  # fmt: skip
    assert ran.code == 0, ran.err
    assert "hurts most" in ran.out
    assert "shortcut.convolution was not looked at: left out as asked" in ran.err
    names = {path.name for path in out.iterdir() if path.name[0] != "."}
    tables = {"sensitivity.parquet", "layers.parquet", "together.parquet", "sensitivity.json"}
    assert names == tables | {"sensitivity.html", "plan.yaml"}
    assert not (tmp_path / ".out.unfinished").exists()
    assert Sensitivity.load(out).info.model == "dense"
    ran = prunescope("view", out, "--data", "synthetic", "--no-browser")
    assert ran.code == 2
    assert "holds no audit: leave out --data" in ran.err
    plan = yaml.safe_load((out / "plan.yaml").read_text())
    ran = prunescope("prune", dense, "--plan", out / "plan.yaml", "-o", tmp_path / "small")
    assert ran.code == 0, ran.err
    told = json.loads((tmp_path / "small" / "prunescope.json").read_text())["compression"]
    assert told["layer_sparsity"] == {name: s for name, s in plan["layers"].items() if s}
    assert set(told["ignore"]) == {name for name, s in plan["layers"].items() if not s}
    assert told["method"] == "one-shot"
    recipe = tmp_path / "tiny.yaml"
    recipe.write_text("steps: 40\nbatch_size: 4\nlearning_rate: 0.01\nwarmup: 0.0\n")
    ran = prunescope(
        "prune", dense, "--plan", out / "plan.yaml", "--method", "gmp-pt", "--recipe", recipe,
        "-o", tmp_path / "trained", "--json",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    assert ran.json["method"] == "gmp-pt"
    small, trained = (Masks.load(tmp_path / name / "masks.safetensors").report()
                      for name in ("small", "trained"))  # fmt: skip
    assert [one["kept"] for one in trained] == [one["kept"] for one in small]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--score", "taylor", "--bits", "3"), "leave out --score, --bits"),
        (("--sparsity", "0.9"), "leave out --sparsity"),
        (("--ignore", "a", "--layer-sparsity", "a=0.5"), "leave out --ignore, --layer-sparsity"),
        (("--calibration-images", "8"), "one-shot by score magnitude looks at no calibration"),
        (("--method", "structured"), "structured has a layers of its own and cannot be told a:"),
        (("--group", "Male"), "score magnitude and group 'Male'"),
        (("--distill", "0.5"), "one-shot without a recipe does not train"),
        (("--temperature", "2"), "--temperature without --distill does nothing"),
    ],
)
def test_what_a_plan_says_is_not_said_again(prunescope, tmp_path, options, words):
    """Before anything is loaded: the model is not there."""
    plan = tmp_path / "plan.yaml"
    told = {"kind": "sparsity", "budget": "bytes <= 0.5", "spent": 0.5, "expected": 0.0}
    plan.write_text(yaml.safe_dump(told | {"sparsity": 0.5, "layers": {"a": 0.5, "b": 0.0}}))
    ran = prunescope("prune", tmp_path / "nowhere", "--plan", plan, *options)
    assert ran.code == 2
    assert words in " ".join(ran.err.split())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--budget", "bytes 0.5"), "expected 'bytes <= SHARE' or 'macs <= SHARE'"),
        (("--budget", "time <= 0.5"), "expected 'bytes <= SHARE' or 'macs <= SHARE'"),
        (("--budget", "bytes <= 50"), "in (0, 1]"),
        (("--budget", "bytes <= 0"), "in (0, 1]"),
        (("--budget", "macs <= 0.5", "--kind", "bits"), "give a budget of bytes"),
        (("--budget", "bytes <= 0.5", "--kind", "channels"), "no budget for channels"),
        (("--least", "error"), "--least without --budget does nothing"),
    ],
)
def test_a_budget_is_read_before_anything_is_loaded(prunescope, tmp_path, options, words):
    ran = prunescope("sensitivity", tmp_path / "nowhere", *options)
    assert ran.code == 2
    assert words in " ".join(ran.err.split())


def test_bits_in_json(prunescope, dense, tmp_path):
    ran = prunescope(
        "sensitivity", dense, "--kind", "bits", "--levels", "3", "--replicates", 0, "--json",
        "--budget", "bytes <= 0.5", "-o", tmp_path / "out",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    assert {row["level"] for row in ran.json["layers"]} == {3.0}
    assert ran.json["cost"] > 0
    plan = tmp_path / "out" / "plan.yaml"
    ran = prunescope("prune", dense, "--plan", plan, "-o", tmp_path / "rounded", "--json")
    assert ran.code == 0, ran.err
    assert set(ran.json["layer_bits"].values()) == {3}


@pytest.mark.parametrize(
    ("option", "words"),
    [
        (("--levels", "half"), "expected numbers by commas"),
        (("--levels", "2"), "2 percent is 0.02"),
        (("--split", "nowhere"), "no sample in split 'nowhere'"),
        (("--pattern", "3:4"), "unknown pattern"),
    ],
)
def test_what_makes_no_sense_is_told_and_nothing_written(
    prunescope, dense, tmp_path, option, words
):
    ran = prunescope("sensitivity", dense, *option, "-o", tmp_path / "out")
    assert ran.code == 2
    assert words in ran.err.replace("\n", " ")
    assert not list(tmp_path.glob("out/*"))
