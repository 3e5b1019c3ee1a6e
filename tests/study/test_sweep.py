"""A sweep makes models once, goes on where it stopped, and ends in an audit."""

import pytest

from prunescope.audit import Audit
from prunescope.data import DataConfig
from prunescope.models import load_checkpoint
from prunescope.predictions import Predictions
from prunescope.study import Sweep, run_sweep
from prunescope.study.sweep import silent
from prunescope.training import Recipe

TINY = Recipe(steps=20, batch_size=16, learning_rate=0.1, warmup=0.0)


@pytest.fixture
def sweep(network, tmp_path, seed):
    return Sweep(
        data=DataConfig(
            n_train=48,
            n_val=4,
            n_test=120,
            size=32,
            seed=seed,
            cache=tmp_path / "cache",
            attributes=("Smiling", "Bald", "Male"),
            groups=("Male",),
        ),
        arch="tiny_network:build",
        dense=TINY,
        pruned=TINY,
        methods=["gmp-pt"],
        sparsities=[0.5, 0.9],
        n_dense=2,
    )


def run(sweep, folder):
    told = []
    return run_sweep(sweep, folder, tell=told.append, show=silent), told


def test_a_sweep_leaves_models_answers_audit_and_page(sweep, tmp_path):
    done, told = run(sweep, tmp_path / "out")
    names = ["dense", "dense-2", "gmp-pt-50", "gmp-pt-90"]
    assert [model.name for model in done.audit.info.models] == names
    assert {path.name for path in (tmp_path / "out" / "models").iterdir()} == set(names)
    assert Audit.load(tmp_path / "out").table.equals(done.audit.table)
    assert done.page.read_text().startswith("<!")
    assert len(told) == 1 + len(names)

    churn = done.audit.table.filter(metric="churn", model="gmp-pt-90")
    two = [Predictions.load(tmp_path / "out" / f"{name}.parquet") for name in names[:2]]
    assert [answers.metadata.seed for answers in two] == [0, 1]
    differ = (two[0].decisions != two[1].decisions).mean()
    [overall] = [r for r in churn.to_dicts() if r["attribute"] is None and r["group"] is None]
    assert overall["value"] == pytest.approx(differ)

    sparse = load_checkpoint(
        tmp_path / "out" / "models" / "gmp-pt-90", factory="tiny_network:build"
    )
    total = sum(mask.numel() for mask in sparse.masks.values())
    assert sum(int(mask.sum()) for mask in sparse.masks.values()) == round(0.1 * total)


def test_finished_models_are_not_made_again(sweep, tmp_path):
    run(sweep, tmp_path / "out")
    weights = sorted((tmp_path / "out" / "models").glob("*/model.safetensors"))
    before = [path.stat().st_mtime_ns for path in weights]
    run(sweep, tmp_path / "out")
    assert [path.stat().st_mtime_ns for path in weights] == before


def test_models_of_another_recipe_are_made_again(sweep, tmp_path):
    from dataclasses import replace

    run(sweep, tmp_path / "out")
    other = replace(sweep, pruned=TINY.replace(learning_rate=0.05))
    models = tmp_path / "out" / "models"
    before = {p.parent.name: p.stat().st_mtime_ns for p in models.glob("*/model.safetensors")}
    run(other, tmp_path / "out")
    after = {p.parent.name: p.stat().st_mtime_ns for p in models.glob("*/model.safetensors")}
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"gmp-pt-50", "gmp-pt-90"}


def test_models_pruned_from_another_dense_model_are_made_again(sweep, tmp_path):
    from dataclasses import replace

    run(sweep, tmp_path / "out")
    models = tmp_path / "out" / "models"
    before = {p.parent.name: p.stat().st_mtime_ns for p in models.glob("*/model.safetensors")}
    run(replace(sweep, dense=TINY.replace(learning_rate=0.05)), tmp_path / "out")
    after = {p.parent.name: p.stat().st_mtime_ns for p in models.glob("*/model.safetensors")}
    assert all(before[name] != after[name] for name in before)
