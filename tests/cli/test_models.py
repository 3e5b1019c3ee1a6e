"""From drawn faces to predictions by the commands alone."""

import json

import numpy as np
import polars as pl
import pytest

from prunescope.predictions import Predictions

RECIPE = "steps: 4\nbatch_size: 16\nlearning_rate: 0.1\nwarmup: 0.0\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory, seed):
    """A folder with faces written as files, and a recipe of four steps."""
    from prunescope.data import export_dataset, synthetic_faces

    folder = tmp_path_factory.mktemp("models")
    export_dataset(synthetic_faces(48, 8, 24, size=32, seed=seed), folder / "faces")
    (folder / "tiny.yaml").write_text(RECIPE)
    return folder


@pytest.fixture(autouse=True)
def own_cache(folder, monkeypatch):
    monkeypatch.setenv("PRUNESCOPE_CACHE", str(folder / "cache"))


@pytest.fixture
def dense(folder, prunescope):
    """The folder's trained model, made by the first test that needs it."""
    if not (folder / "dense").exists():
        test_from_images_to_predictions(folder, prunescope)
    return folder / "dense"


def test_from_images_to_predictions(folder, prunescope):
    tiny = ("--recipe", folder / "tiny.yaml")
    ran = prunescope(
        "train", "-o", folder / "dense", "--data", folder / "faces", "--size", 32,
        "--attributes", "Male,Smiling,Young", "--groups", "Male", *tiny, "--json",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    assert ran.json == {"folder": str(folder / "dense"), "method": "dense", "sparsity": 0.0}

    ran = prunescope(
        "prune", folder / "dense", "--method", "one-shot", "--sparsity", 0.5,
        "-o", folder / "pruned",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    assert "weights kept" in ran.out

    for name in ("dense", "pruned"):
        ran = prunescope("predict", folder / name, "--json")
        assert ran.code == 0, ran.err
        assert ran.json["n"] == 24
    found = Predictions.load(folder / "pruned.parquet")
    assert found.name == "pruned"
    assert found.attributes == ("Male", "Smiling", "Young")
    assert found.metadata.compression.method == "one-shot"
    assert found.metadata.compression.sparsity == 0.5
    assert found.metadata.seed == 0
    labels = pl.read_csv(folder / "faces" / "labels.csv")
    train = labels.filter(split="train")
    rate = found.metadata.train_prevalence["Smiling"]
    assert rate == pytest.approx(train["Smiling"].cast(pl.Float64).mean())


@pytest.mark.parametrize("method", ["gmp-ri", "gmp-pt"])
def test_gradual_methods_by_command(folder, dense, prunescope, method):
    long = folder / "long.yaml"
    long.write_text(RECIPE.replace("steps: 4", "steps: 40"))
    ran = prunescope(
        "prune", dense, "--method", method, "--sparsity", 0.9, "--recipe", long,
        "-o", folder / method, "--json",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    assert ran.json["method"] == method
    assert not list(folder.glob(f".{method}*")), "nothing unfinished is left"


def test_choices_of_a_method_by_command(folder, dense, prunescope):
    ran = prunescope(
        "prune", dense, "--method", "one-shot", "--sparsity", 0.6, "--score", "fisher",
        "--calibration-images", 32, "--layer-sparsity", "*classifier*=0.25", "--distill", 0.5,
        "--temperature", 3, "--recipe", folder / "tiny.yaml", "-o", folder / "chosen", "--json",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    told = {"score": "fisher", "calibration_images": 32}
    told |= {"layer_sparsity": {"*classifier*": 0.25}}
    told |= {"distill": {"temperature": 3.0, "weight": 0.5}, "sparsity": 0.6}
    assert {name: ran.json[name] for name in told} == told
    [last] = [layer for layer in ran.json["layers"] if "classifier" in layer["layer"]]
    assert last["sparsity"] == pytest.approx(0.25)
    ran = prunescope("predict", folder / "chosen", "--json")
    assert ran.code == 0, ran.err


def test_structured_by_command(folder, dense, prunescope):
    ran = prunescope(
        "prune", dense, "--method", "structured", "--sparsity", 0.5,
        "--recipe", folder / "tiny.yaml", "-o", folder / "narrow",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    assert "structured model in" in ran.out
    ran = prunescope("predict", folder / "narrow", "--json")
    assert ran.code == 0, ran.err
    assert ran.json["n"] == 24
    ran = prunescope(
        "prune", folder / "narrow", "--method", "one-shot", "--sparsity", 0.25,
        "-o", folder / "both", "--json",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    assert (ran.json["method"], ran.json["sparsity"]) == ("structured+one-shot", 0.25)
    assert ran.json["before"]["sparsity"] == 0.5
    ran = prunescope("gain", dense, folder / "both", "--no-latency")
    assert ran.code == 0, ran.err
    assert "layers themselves are smaller; unstructured zeros" in " ".join(ran.out.split())


@pytest.fixture
def elsewhere(tmp_path):
    """A model as transformers saves one."""
    from transformers import ResNetConfig, ResNetForImageClassification

    config = ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], num_labels=2)
    ResNetForImageClassification(config).save_pretrained(tmp_path / "hub")
    return tmp_path / "hub"


@pytest.mark.filterwarnings("ignore:one-shot starts from a trained model")
@pytest.mark.filterwarnings("ignore:.*(no preprocessor_config|problem_type|not name its outputs)")
def test_a_model_that_was_trained_elsewhere(folder, elsewhere, prunescope, tmp_path):
    data = ("--data", folder / "faces", "--size", 32, "--attributes", "Male,Young")
    ran = prunescope(
        "prune", f"hf:{elsewhere}", "--method", "one-shot", "--sparsity", 0.5, *data,
        "-o", tmp_path / "pruned", "--json",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    for model, more in ((f"hf:{elsewhere}", data), (tmp_path / "pruned", ())):
        ran = prunescope("predict", model, *more, "-o", tmp_path / "answers.parquet", "--json")
        assert ran.code == 0, ran.err
    ran = prunescope("prune", f"hf:{elsewhere}", "-o", tmp_path / "no")
    assert (ran.code, "says nothing of its data: name them with --data" in ran.err) == (2, True)
    ran = prunescope("predict", f"hf:{elsewhere}", *data)
    assert (ran.code, "name a file with -o" in " ".join(ran.err.split())) == (2, True)
    ran = prunescope("prune", elsewhere, *data, "-o", tmp_path / "no")
    assert (ran.code, "use hf:FOLDER" in " ".join(ran.err.split())) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--layer-sparsity", "fc"), "--layer-sparsity fc: expected LAYER=SPARSITY"),
        (("--layer-sparsity", "fc=half"), "expected LAYER=SPARSITY"),
        (("--layer-sparsity", "fc=0.5"), "unknown layer with a sparsity 'fc'"),
        (("--pattern", "2:4"), "2:4 needs layers whose input channels are a multiple of 4"),
        (("--pattern", "3:4"), "unknown pattern '3:4'"),
        (("--score", "fisher"), "48 images to calibrate on, and 512 were asked for"),
        (("--distill", 2), "less than or equal to 1"),
        (("--temperature", 3), "--temperature without --distill does nothing"),
        (("--method", "rigl", "--score", "fisher"), "rigl has a score of its own"),
    ],
)
def test_choices_that_cannot_be(folder, dense, tmp_path, prunescope, arguments, complaint):
    tiny = ("--recipe", folder / "tiny.yaml")
    ran = prunescope(
        "prune", dense, "--method", "one-shot", "--sparsity", 0.5, *tiny, *arguments,
        "-o", tmp_path / "no",
    )  # fmt: skip
    assert ran.code == 2
    assert complaint in " ".join(ran.err.split())
    assert "Traceback" not in ran.err
    assert not (tmp_path / "no").exists()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("train", "--arch", "resnet19"), "did you mean resnet18"),
        (("train", "--recipe", "fast"), "unknown recipe 'fast'"),
        (("train", "--recipe", "no.yaml"), "no.yaml: no such file"),
        (("train", "--epochs", -1), "greater than 0"),
        (("train", "--data", "nothing.csv"), "nothing.csv"),
        (("train", "--attributes", "Smilling"), "Smiling"),
        (("train", "--size", 2), "greater than or equal to 8"),
        (("train", "--device", "cuda:7"), "cuda"),
        (("prune", "nowhere"), "no checkpoint at"),
        (("prune", "nowhere", "--method", "gmp"), "unknown method 'gmp'"),
        (("predict", "nowhere"), "no checkpoint at"),
        (("data", "info", "nothing.parquet"), "nothing.parquet"),
        (("data", "make", "--n-train", -1), "n_train"),
    ],
)
def test_bad_input_gets_one_clear_error(tmp_path, folder, prunescope, arguments, complaint):
    data = ("--data", folder / "faces", "--size", 32)
    if arguments[0] == "train":
        given = [*data, *arguments[1:]] if "--data" not in arguments else arguments[1:]
        arguments = ("train", "-o", tmp_path / "out", *given)
    ran = prunescope(*arguments)
    assert ran.code == 2
    assert complaint in " ".join(ran.err.split())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("sparsity", [1.0, -0.1, 95])
def test_sparsity_out_of_range(folder, dense, prunescope, sparsity, tmp_path):
    ran = prunescope("prune", dense, "--sparsity", sparsity, "-o", tmp_path / "p")
    assert ran.code == 2
    assert "sparsity" in ran.err


def test_data_info_and_make(tmp_path, prunescope):
    out = tmp_path / "faces"
    counts = ("--n-train", 20, "--n-val", 4, "--n-test", 6, "--size", 32)
    ran = prunescope("data", "make", "-o", out, *counts, "--json")
    assert ran.json["n"] == 30
    ran = prunescope("data", "info", out, "--size", 32, "--groups", "Male", "--json")
    assert {row["split"]: row["n"] for row in ran.json["splits"]} == {
        "train": 20,
        "val": 4,
        "test": 6,
    }
    ran = prunescope("data", "info", out, "--size", 32, "--groups", "Male")
    assert "Share of positives" in ran.out


def test_thresholds_are_folded_into_what_is_predicted(folder, dense, prunescope):
    ran = prunescope("predict", dense, "-o", folder / "plain.parquet", "--name", "m")
    assert ran.code == 0, ran.err
    (folder / "t.json").write_text('{"Smiling": 0.5, "Male": -0.25}')
    ran = prunescope(
        "predict", dense, "-o", folder / "moved.parquet", "--name", "m", "--thresholds",
        folder / "t.json",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    plain, moved = (Predictions.load(folder / f"{name}.parquet") for name in ("plain", "moved"))
    shift = [{"Smiling": 0.5, "Male": -0.25}.get(a, 0.0) for a in plain.attributes]
    assert moved.logits == pytest.approx(plain.logits - shift, rel=1e-6, abs=1e-6)
    (folder / "t.json").write_text('{"Smilin": 0.5}')
    ran = prunescope(
        "predict", dense, "-o", folder / "no.parquet", "--thresholds", folder / "t.json"
    )
    assert ran.code == 2
    assert "unknown attribute 'Smilin': did you mean Smiling" in ran.err
    assert not (folder / "no.parquet").exists()


def test_offsets_are_added_to_the_classes_that_are_predicted(folder, prunescope):
    table = pl.read_csv(folder / "faces" / "labels.csv")
    who = pl.when(Male=1).then(pl.lit("man")).otherwise(pl.lit("woman")).alias("who")
    table.select("image", "split", who).write_csv(folder / "faces" / "who.csv")
    (folder / "who.yaml").write_text("source: faces/who.csv\nlabel: who\nsize: 32\n")
    ran = prunescope(
        "train", "-o", folder / "who", "--data", folder / "who.yaml", "--recipe",
        folder / "tiny.yaml",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    told = {"offsets": {"man": 0.5, "woman": -0.5}}
    (folder / "o.json").write_text(json.dumps({"adjustments": {"m": told}}))
    for name, more in (("before", ()), ("after", ("--thresholds", folder / "o.json"))):
        ran = prunescope("predict", folder / "who", "-o", folder / f"{name}.parquet", "--name", "m",
                         *more)  # fmt: skip
        assert ran.code == 0, ran.err
    plain, moved = (Predictions.load(folder / f"{name}.parquet") for name in ("before", "after"))
    assert plain.attributes == ("man", "woman")
    np.testing.assert_allclose(moved.logits, plain.logits + np.array([0.5, -0.5]), atol=1e-12)


def test_measures_are_compared_from_the_models_alone(folder, dense, prunescope):
    out = folder / "comparison"
    ran = prunescope(
        "mitigate", "compare", "--models", folder / "pruned", dense, "--group", "Male",
        "--measures", "dense-rate,finetune-none,finetune-balance-groups", "--recipe",
        folder / "tiny.yaml", "--replicates", 0, "--min-support", 1, "-o", out, "--json",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    told = {one["name"]: one for one in ran.json["measures"]}
    assert set(told) == {"dense-rate", "finetune-none", "finetune-balance-groups"}
    assert told["finetune-none"]["cost"] == "4 steps of training"
    assert (ran.json["pruned"], ran.json["dense"]) == ("pruned", "dense")
    assert (out / "test" / "finetune-none.parquet").exists()
    assert (out / "comparison.html").exists()
    ran = prunescope("mitigate", "compare", "--models", dense, "-o", out)
    assert ran.code == 2
    assert "--models takes two paths" in ran.err
    ran = prunescope("mitigate", "compare", "--measures", "finetune-none", "-o", out)
    assert ran.code == 2
    assert "--fit takes two paths" in ran.err


def test_help_of_every_command(prunescope):
    commands = ["demo", "train", "prune", "quantize", "predict", "export", "gain", "audit",
                "report", "data info", "data make", "forecast", "forecast score",
                "mitigate thresholds", "mitigate route", "mitigate compare",
                "mitigate search", "mitigate finetune"]  # fmt: skip
    for command in commands:
        ran = prunescope(*command.split(), "--help")
        assert ran.code == 0
        assert "Usage" in ran.out


def test_unknown_command(prunescope):
    assert prunescope("prun").code == 2


def test_a_bad_target_is_found_before_the_work(folder, dense, tmp_path, prunescope):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("years of work")
    data = ("--data", folder / "faces", "--size", 32)
    ran = prunescope("train", *data, "--epochs", 1e6, "-o", tmp_path / "mine")
    assert ran.code == 2
    assert "exists and is no checkpoint" in ran.err
    ran = prunescope("predict", dense, "-o", tmp_path / "answers.pq")
    assert ran.code == 2
    assert "ends in .parquet or .csv" in ran.err
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.tex"]


def test_other_data_are_read_as_the_model_needs_them(
    folder, dense, tmp_path, prunescope, monkeypatch
):
    """Neither size nor attributes are said again; and the data are found from another folder."""
    monkeypatch.chdir(tmp_path)
    out = tmp_path / "answers.parquet"
    for data in ([], ["--data", folder / "faces"]):
        ran = prunescope("predict", dense, *data, "-o", out)
        assert ran.code == 0, ran.err
        assert Predictions.load(out).attributes == ("Male", "Smiling", "Young")


def test_prune_shows_how_sparse_each_layer_is(folder, dense, prunescope, tmp_path):
    ran = prunescope(
        "prune", dense, "--method", "one-shot", "--distribution", "uniform",
        "--sparsity", 0.5, "-o", tmp_path / "half", "--json",
    )  # fmt: skip
    layers = ran.json["layers"]
    assert len(layers) > 5
    assert all(abs(layer["sparsity"] - 0.5) < 0.01 for layer in layers)


def test_only_the_first_of_several_processes_talks(monkeypatch, capsys):
    from prunescope.cli import console

    def talk():
        console.say("a line")
        console.result(False, {}, "a result")
        with console.progress("work") as update:
            update(1, 2, "a note")
        return "".join(capsys.readouterr())

    assert all(text in talk() for text in ("a line", "a result", "work: done"))
    monkeypatch.setattr(console, "SILENT", True)
    assert talk() == ""
