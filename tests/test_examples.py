"""The examples run, on a small table of drawn faces in the layout that they ask for."""

import importlib.util
import io
import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image

from prunescope.audit import Audit
from prunescope.data import Group, Samples, synthetic_faces
from prunescope.predictions import Compression, Embeddings, Metadata, Predictions
from prunescope.pruning import Masks

EXAMPLES = Path(__file__).parents[1] / "examples"


def load(name):
    """Import an example by its path."""
    spec = importlib.util.spec_from_file_location(f"example_{Path(name).stem}", EXAMPLES / name)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def table(tmp_path, seed, request):
    """Write faces as encoded images with labels, split and identity; few are trained on."""
    faces = synthetic_faces(getattr(request, "param", 24), 4, 150, size=32, seed=seed)
    encoded = []
    for row, pixels in enumerate(faces.pixels):
        file = io.BytesIO()
        Image.fromarray(pixels.transpose(1, 2, 0)).save(file, "PNG")
        encoded.append({"bytes": file.getvalue(), "path": f"{row}.png"})
    labels = faces.samples.labels == 1
    columns = {name: labels[:, a] for a, name in enumerate(faces.samples.attributes)}
    frame = pl.DataFrame({"image": encoded, "split": faces.splits.tolist(), **columns})
    path = tmp_path / "faces64.parquet"
    frame.with_columns(identity=pl.int_range(pl.len()) // 2).write_parquet(path)
    return path


def test_celeba64_runs_and_its_tables_are_written(table, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PRUNESCOPE_CACHE", str(tmp_path / "cache"))
    out, results = tmp_path / "out", tmp_path / "results"
    load("celeba64/run.py").main(table, out, epochs=2, epochs_pruned=20)
    load("celeba64/tables.py").main(out, results)
    names = {path.name for path in results.iterdir()}
    assert names == {"README.md", "overall.csv", "attributes.csv", "curves.svg", "bias.svg"}
    page = (results / "README.md").read_text()
    assert "| dense-2 |" in page
    assert "gmp-pt-99" in page
    assert "resampled by identity" in page
    assert "Two dense seeds disagree on" in page
    shown = pl.read_csv(results / "overall.csv")
    accuracy = shown.filter(metric="accuracy", model="dense")["value"].item()
    assert f"| dense | {accuracy:.3f} " in page
    assert capsys.readouterr().out


def test_forecasts_are_made_and_judged(table, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(EXAMPLES / "forecast"))
    import models  # the example's, which the others import by that name

    chosen = models.setting(str(table))
    tiny = chosen.scratch.replace(steps=20, batch_size=8, learning_rate=0.1)
    data = chosen.data.model_copy(
        update={"groups": ("Male", "Young"), "size": 32, "cache": tmp_path / "cache"}
    )
    monkeypatch.setattr(models, "setting", lambda _: models.Setting(data, tiny, tiny))
    runs = [models.Run(m, 0.95, seed) for m in ("gmp-pt", "gmp-ri") for seed in (0, 1, 2)]
    monkeypatch.setattr(models, "RUNS", runs)
    out, results = tmp_path / "out", tmp_path / "results"
    models.main(str(table), out)
    assert len(list((out / "test").iterdir())) == 3 + len(runs)

    judge = load("forecast/score.py")
    monkeypatch.setattr(judge, "POPULATIONS", {0.95: ("gmp-pt-95", "gmp-ri-95")})
    monkeypatch.setattr(judge, "TRIALS", ())
    monkeypatch.setattr("prunescope.forecast.scorers.reconstruction.N_DRAWS", 1)
    judge.main(out, results, replicates=100)
    figures = pl.read_csv(results / "figures.csv")
    assert {"spectral-shrink", "ensemble", "probe", "ceiling", "another training"} <= set(
        figures["scorer"]
    )
    assert "gmp-ri 95%" in (results / "README.md").read_text()


@pytest.mark.parametrize("table", [64], indirect=True)  # so that groups have their support
def test_finetuning_is_compared_with_its_control(table, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(EXAMPLES / "forecast"))
    monkeypatch.syspath_prepend(str(EXAMPLES / "mitigate"))
    import finetune  # the example's
    import models

    chosen = models.setting(str(table))
    tiny = chosen.scratch.replace(steps=20, batch_size=8, learning_rate=0.1)
    data = chosen.data.model_copy(
        update={"groups": ("Male",), "size": 32, "cache": tmp_path / "cache"}
    )
    for module in (models, finetune):
        monkeypatch.setattr(module, "setting", lambda _: models.Setting(data, tiny, tiny))
    monkeypatch.setattr(models, "SEEDS", (0,))
    monkeypatch.setattr(models, "RUNS", [models.Run("gmp-pt", 0.95, 0)])
    monkeypatch.setattr(finetune, "SPARSITIES", (0.95,))
    monkeypatch.setattr(finetune, "RECIPE", tiny)
    measures = {name: finetune.MEASURES[name] for name in ("none", "constrain")}
    monkeypatch.setattr(finetune, "MEASURES", measures)
    monkeypatch.setattr(finetune, "CALIBRATION_IMAGES", 16)
    made, out, results = tmp_path / "made", tmp_path / "out", tmp_path / "results"
    models.main(str(table), made)
    finetune.main(str(table), made, out)
    names = {path.stem for path in (out / "test").iterdir()}
    assert names == {"dense-seed0", "gmp-pt-95-seed0", "fairgrape-95-seed0"} | {
        f"gmp-pt-95-seed0+{measure}" for measure in measures
    }
    tables = load("mitigate/finetune_tables.py")
    tables.main(out, results, replicates=100)
    page = (results / "README.md").read_text()
    assert "## 95% of the weights pruned" in page
    assert "| gmp-pt-95-seed0+constrain | train |" in page
    against = pl.read_csv(results / "figures.csv")["against"]
    assert set(against) == {"dense-seed0", "gmp-pt-95-seed0+none"}


def test_measures_are_set_side_by_side(tmp_path):
    """The answers are drawn: the sparser, the lower the logits."""
    rng = np.random.default_rng(0)
    models, trained, results = (tmp_path / name for name in ("models", "trained", "results"))
    for split in ("val", "test"):
        z = rng.normal(-0.5, 2, (400, 3))
        labels = (rng.random(z.shape) < 1 / (1 + np.exp(-z))).astype(np.int8)
        male = z[:, 1] + rng.normal(0, 2, 400) > 0
        samples = Samples(
            pl.Series([f"{split}-{i}" for i in range(400)]),
            ("a", "b", "c"),
            labels,
            {"Male": Group.from_series(pl.Series(male))},
        )
        rates = samples.rates()

        def write(folder, name, low, sparsity=0.0):
            path = folder / split / f"{name}.parquet"  # noqa: B023 - called at once
            path.parent.mkdir(parents=True, exist_ok=True)
            method = "gmp-pt" if sparsity else "dense"
            metadata = Metadata(
                name=name,
                compression=Compression(method=method, sparsity=sparsity),
                train_prevalence=dict(rates.prevalence),  # noqa: B023
                train_group_rates={g: dict(v) for g, v in rates.group_rates.items()},  # noqa: B023
            )
            noise = rng.normal(0, low / 4 + 1e-6, z.shape)  # noqa: B023
            Predictions(samples, z - low + noise, metadata).save(path)  # noqa: B023

        write(models, "dense-seed0", 0.0)
        for sparsity, low in ((80, 0.0), (90, 0.5), (95, 0.8), (98, 1.2), (99, 1.5)):
            for seed in (0, 1, 2):
                write(models, f"gmp-pt-{sparsity}-seed{seed}", low, sparsity / 100)
            for measure in ("none", "distill", "constrain", "balance-groups", "balance-labels"):
                write(trained, f"gmp-pt-{sparsity}-seed0+{measure}", low / 2, sparsity / 100)
            write(trained, f"fairgrape-{sparsity}-seed0", low, sparsity / 100)
    load("mitigate/compare.py").main(models, trained, results, replicates=100)
    page = (results / "README.md").read_text()
    assert "gmp-pt at 80% holds on val: ship" in page
    for measure in ("route-person", "finetune-distill", "fairgrape", "search", "dense-rate"):
        assert page.count(f"| {measure} |") >= 2, measure
    effects = pl.read_csv(results / "effects.csv")
    assert set(effects["sparsity"]) == {95, 99}
    assert pl.read_csv(results / "certificates.csv").height == 12


@pytest.mark.filterwarnings("ignore::lightning.fabric.utilities.warnings.PossibleUserWarning")
@pytest.mark.filterwarnings("ignore:.*LeafSpec.*is deprecated:FutureWarning")
@pytest.mark.filterwarnings("ignore:Checkpoint directory")
def test_a_lightning_loop_is_pruned_and_audited(tmp_path, capsys):
    load("your_loop/lightning_loop.py").main(tmp_path, n_train=320, n_val=60, epochs=4)
    masks = Masks.load(tmp_path / "masks.safetensors")
    assert masks.n_kept == 5112
    weights = torch.load(tmp_path / "pruned.pt", weights_only=True)
    assert all(not weights[name][~mask].any() for name, mask in masks.items())
    audit = Audit.load(tmp_path / "audit")
    assert audit.info.models[1].metadata.compression.sparsity == masks.sparsity
    logged = pl.read_csv(tmp_path / "log" / "metrics.csv")
    assert logged["audit_sparsity"][-1] == pytest.approx(0.95)
    assert "5,112 of 102,240 weights kept" in capsys.readouterr().out


def test_models_are_audited_from_memory(tmp_path, capsys):
    out = tmp_path / "out"
    load("memory/audit.py").main(out)
    assert capsys.readouterr().out.endswith("Ship with care: int8 and int4. Do not ship: int2.\n")
    assert "int2" in (out / "report.html").read_text()
    assert [one.name for one in Audit.load(out).info.models] == ["dense", "int8", "int4", "int2"]


def test_each_runtimes_files_are_asked_and_audited(tmp_path, monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(EXAMPLES / "runtimes"))
    load("runtimes/run.py").main(tmp_path, n_train=300, n_test=60)
    said = capsys.readouterr().out
    runtimes = {"onnx": "ONNX Runtime", "litert": "LiteRT", "openvino": "OpenVINO"}
    for folder, runtime in runtimes.items():
        assert f"{runtime} " in said
        assert (tmp_path / folder / "audit" / "audit.parquet").is_file()
        found = [Predictions.load(tmp_path / folder / f"{n}.parquet") for n in ("float", "int8")]
        assert found[1].metadata.model["runtime"].startswith(runtime)
        off = np.abs(found[0].logits - found[1].logits)
        assert 0 < np.median(off) < found[0].logits.std()
    # one network, three runtimes
    floats = [Predictions.load(tmp_path / f / "float.parquet").logits for f in runtimes]
    assert np.allclose(floats[0], floats[1], atol=1e-3)
    assert np.allclose(floats[0], floats[2], atol=1e-3)


def test_hidden_groups_are_looked_for(tmp_path):
    rng = np.random.default_rng(0)
    n, names = 2000, ("Male", "Hat", "Smiling")
    labels = rng.random((n, 3)) < (0.5, 0.1, 0.5)
    labels[:, 0] = np.where(labels[:, 1], rng.random(n) < 0.9, labels[:, 0])
    dense = np.where(labels, 2.0, -2.0) + rng.normal(0, 0.3, (n, 3))
    sparse = dense + rng.normal(0, 0.1, (n, 3))
    turned = labels[:, 1] & (rng.random(n) < 0.5)
    sparse[turned, 2] *= -1
    samples = Samples(
        pl.Series(f"{i}.png" for i in range(n)), names, labels.astype(np.int8),
        {"Male": Group.from_series(pl.Series(labels[:, 0]))},
    )  # fmt: skip
    folder, results = tmp_path / "out", tmp_path / "results"
    folder.mkdir()
    for name, logits in (("dense-seed0", dense), ("gmp-pt-98-seed0", sparse)):
        compression = Compression(sparsity=0.0 if name == "dense-seed0" else 0.98)
        metadata = Metadata(name=name, compression=compression)
        Predictions(samples, logits, metadata).save(folder / f"{name}.parquet")
    seen = Embeddings.of(rng.normal(size=(n, 4)), samples.ids)
    seen.save(folder / "dense-seed0.embeddings.parquet")
    load("slices/hidden.py").main(folder, results, "Male")
    assert {path.name for path in results.iterdir()} == {"README.md", "slices.csv", "groups.csv"}
    told = pl.read_csv(results / "slices.csv")
    assert not told["rule"].str.contains("Male").any()
    hat = told.filter(pl.col("group_value") == "true", beyond="margin").row(0, named=True)
    assert hat["rule"] == "Hat"
    assert hat["share_inside"] == pytest.approx(0.9, abs=0.1)
    assert hat["share_low"] < 0.4 < hat["share_high"]


def test_models_for_slices_are_made(table, tmp_path, monkeypatch):
    monkeypatch.setenv("PRUNESCOPE_CACHE", str(tmp_path / "cache"))
    module = load("slices/models.py")
    data, dense_recipe, recipe = module.FACES
    shorter = dense_recipe.replace(epochs=1), recipe.replace(epochs=None, steps=20, batch_size=4)
    monkeypatch.setattr(module, "FACES", (data, *shorter))
    monkeypatch.setattr(module, "SPARSITIES", (0.98,))
    module.main(str(table), tmp_path / "out", seeds=1)
    dense = Predictions.load(tmp_path / "out" / "dense-seed0.parquet")
    assert len(dense.samples) == 150
    seen = Embeddings.load(tmp_path / "out" / "dense-seed0.embeddings.parquet")
    assert seen.ids.equals(dense.samples.ids)
    assert (tmp_path / "out" / "gmp-pt-98-seed0.parquet").exists()


def test_plans_are_set_beside_the_simple_ways(tmp_path, monkeypatch, capsys):
    budget = load("sensitivity/budget.py")
    faces = synthetic_faces(24, 40, 40, size=16, seed=0)

    def tiny(_, attributes, *, seed, **__):
        torch.manual_seed(seed)
        return torch.nn.Sequential(
            torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.ReLU(),
            torch.nn.AdaptiveAvgPool2d(4), torch.nn.Flatten(), torch.nn.Linear(64, len(attributes)),
        )  # fmt: skip

    told = {
        "load": lambda _: ("tiny", faces, 1), "OUT": tmp_path, "SEEDS": (0, 1),
        "SPARSITIES": (0.5,), "BYTES": (0.6,), "BITS": (4, 2), "BIT_BYTES": (4,),
    }  # fmt: skip
    for name, value in told.items():
        monkeypatch.setattr(budget, name, value)
    monkeypatch.setattr(budget.ps, "build_model", tiny)
    budget.main()
    page = (tmp_path / "tiny.md").read_text()
    for how in ("global magnitude", "least harm", "least error"):
        assert f"| sparsity | 0.6 | {how} |" in page
    assert "| bits | 4 | same bits everywhere |" in page
    figures = pl.read_csv(tmp_path / "tiny.csv")
    assert figures.height == 2 * 6
    spent = [float(one) for one in re.findall(r"(\S+) of the bytes", capsys.readouterr().out)]
    assert len(spent) == 2 * 3
    assert max(spent) <= 0.6005
