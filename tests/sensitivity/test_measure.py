"""Figures of a layer are those of an audit of the real thing; a result lasts; plans are kept."""

import warnings

import numpy as np
import polars as pl
import pytest

import prunescope as ps
from prunescope.predictions import Metadata, Predictions
from prunescope.pruning import count_kept, prunable_weights
from prunescope.report import write_sensitivity
from prunescope.sensitivity import Plan, harm_of
from prunescope.training import infer

LAYERS = ["stem", "one.first", "one.second", "two.first", "two.second", "head"]
QUICK = {"replicates": 32, "n_batches": 3, "batch_size": 30}


@pytest.fixture(scope="module")
def found(network, dataset):
    return ps.layer_sensitivity(network, dataset, levels=(0.5, 0.75), **QUICK)


def pruned(model, dataset, **choices):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ps.prune(model, dataset.split("train"), **{"method": "one-shot"} | choices)


def test_figures_are_those_of_a_real_prune(found, network, dataset, monkeypatch):
    monkeypatch.setattr("prunescope.training.batch_norm.N_BATCHES", 3)
    monkeypatch.setattr("prunescope.training.batch_norm.BATCH_SIZE", 30)
    part = dataset.split("val")
    rates = dataset.split("train").samples.rates()
    told = {"train_prevalence": dict(rates.prevalence), "train_group_rates": rates.group_rates}
    dense = Predictions(part.samples, infer(network, part), Metadata(name="dense", **told))
    for layer, level in (("one.second", 0.5), ("head", 0.75)):
        real = pruned(
            network, dataset, sparsity=level, ignore=[one for one in LAYERS if one != layer]
        )
        answers = Predictions(part.samples, infer(real.model, part), Metadata(name="p", **told))
        audit = ps.audit(dense, answers, replicates=32).table.filter(model="p")
        mine = found.table.filter(layer=layer, level=level)
        key = ["metric", "attribute", "group", "group_value"]
        both = mine.join(audit, on=key, nulls_equal=True, suffix="_real")
        assert both.height == mine.height > 50
        for column in ("value", "low", "high", "baseline", "delta", "delta_low", "delta_high"):
            own, other = both[column], both[f"{column}_real"]
            assert own.is_null().equals(other.is_null())
            assert np.abs((own - other).drop_nulls()).max() < 1e-6
        row = found.layers.filter(layer=layer, level=level).row(0, named=True)
        assert row["kept"] == count_kept(row["weights"], level)
        flips = audit.filter(
            pl.col("attribute").is_null(), metric="harmful_flip_rate", group="Side"
        )["value"]  # fmt: skip
        assert row["worst_flips"] == pytest.approx(flips.max(), abs=1e-6)
        assert row["harm"] == pytest.approx(harm_of(audit).total, abs=1e-6)


def test_a_result_is_read_back_and_shown(found, tmp_path):
    found.save(tmp_path)
    again = ps.Sensitivity.load(tmp_path)
    assert again.table.equals(found.table)
    assert again.layers.equals(found.layers)
    assert again.info == found.info
    plan = ps.plan_layers(found, "bytes <= 0.6")
    text = write_sensitivity(again, tmp_path, plan=plan, title="<Layers>").read_text()
    assert "&lt;Layers&gt;" in text
    assert "Side = " in text
    assert text.count('class="heat named"') >= 6
    (tmp_path / "layers.parquet").write_bytes(b"no table")
    with pytest.raises(ps.PrunescopeError, match=r"layers\.parquet"):
        ps.Sensitivity.load(tmp_path)


@pytest.mark.parametrize("least", ["harm", "error"])
def test_a_plan_is_what_the_pruner_makes(found, network, dataset, tmp_path, least):
    plan = ps.plan_layers(found, "bytes <= 0.5", least=least)
    plan.save(tmp_path / "plan.yaml")
    assert Plan.load(tmp_path / "plan.yaml") == plan
    made = pruned(network, dataset, **plan.choices)
    assert made.masks is not None
    rows = {row["layer"]: row for row in made.masks.report()}
    spent = sum(
        4 * row["kept"] + (row["weights"] / 8 if row["kept"] < row["weights"] else 0)
        for row in rows.values()
    )
    all_weights = {name.removesuffix(".weight"): w for name, w in prunable_weights(network).items()}
    spent += sum(4 * w.numel() for name, w in all_weights.items() if name not in rows)
    whole = 4 * sum(w.numel() for w in all_weights.values())
    assert spent / whole == pytest.approx(plan.spent, abs=1e-3)
    assert plan.spent <= 0.5
    assert plan.layers.keys() == all_weights.keys()
    for layer, sparsity in plan.layers.items():
        assert (layer in rows) == (sparsity > 0)
        if sparsity:
            near = pytest.approx(sparsity, abs=2 / rows[layer]["weights"])
            assert rows[layer]["sparsity"] == near


def test_bits_are_planned_and_rounded(network, dataset):
    found = ps.layer_sensitivity(network, dataset, kind="bits", levels=(4, 2), **QUICK)
    plan = ps.plan_layers(found, "bytes <= 0.2")
    assert set(plan.layers.values()) <= {0.0, 2.0, 4.0}
    made = pruned(network, dataset, **plan.choices)
    for name, weight in prunable_weights(made.model).items():
        bits = plan.layers[name.removesuffix(".weight")]
        values = len(weight.detach()[0].unique())
        assert not bits or values <= 2 ** int(bits) - 1
    assert made.compression["layer_bits"] == plan.choices["bits"]


def test_whole_layers_are_planned_of_a_fixed_pattern(network, dataset):
    found = ps.layer_sensitivity(network, dataset, pattern="2:4", ignore="head", **QUICK)
    assert dict(found.left_out.select("layer", "reason").rows())["head"] == "left out as asked"
    plan = ps.plan_layers(found, "bytes <= 0.75")
    made = pruned(network, dataset, **plan.choices)
    cut = {row["layer"] for row in made.masks.report()}
    assert cut == {layer for layer, level in plan.layers.items() if level}


@pytest.mark.parametrize(
    ("budget", "words"),
    [
        ("bytes <= 0.01", "strongest levels of all layers leave 0.2"),
        ("bytes 0.3", "expected 'bytes <= SHARE' or 'macs <= SHARE'"),
        ("bytes <= 20", "a share of the dense"),
        ("time <= 0.2", "expected 'bytes <= SHARE'"),
    ],
)
def test_a_budget_that_makes_no_sense_is_told(found, budget, words):
    with pytest.raises(ps.PrunescopeError, match=words):
        ps.plan_layers(found, budget)


def test_a_budget_out_of_reach_is_told_before_anything_is_measured(network, dataset, found):
    least = found.layers.group_by("layer").agg(
        pl.min_horizontal(pl.col("bytes").min(), pl.col("bytes_dense").first()),
        pl.col("bytes_dense").first(),
    )
    share = least["bytes"].sum() / least["bytes_dense"].sum()
    with pytest.raises(ps.PrunescopeError, match=f"leave {share:.4g} of the bytes"):
        ps.layer_sensitivity(
            network,
            dataset,
            levels=(0.5, 0.75),
            **QUICK,
            budget=f"bytes <= {0.9 * share}",
            progress=refused,
        )


def refused(_done, _total, note):
    assert note == "weights", "something was measured"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"kind": "ranks"}, "kind of level"),
        ({"levels": (0.0,)}, "changes nothing"),
        ({"levels": (90,)}, "90 percent is 0.9"),
        ({"levels": ()}, "at least one"),
        ({"kind": "bits", "levels": (2.5,)}, "whole number from 2 to 8"),
        ({"kind": "bits", "pattern": "2:4"}, "leave it out for bits"),
        ({"method": "magic"}, "method of layers"),
        ({"kind": "channels", "method": "reconstruct"}, "reconstruct removes no channels"),
        ({"pattern": "channel", "method": "reconstruct"}, "reconstruct removes no channels"),
        ({"together": ["nobody"]}, "layers that go together"),
        ({"ignore": ["nobody"]}, "layer to ignore"),
        ({"split": "test"}, "no sample in split 'test'"),
    ],
)
def test_settings_that_make_no_sense_are_told(network, dataset, settings, words):
    with pytest.raises(ps.PrunescopeError, match=words):
        ps.layer_sensitivity(network, dataset, **{**QUICK, **settings})


def test_a_damaged_plan_is_told(tmp_path):
    path = tmp_path / "plan.yaml"
    path.write_text("layers: {a: 0.5}\n")
    with pytest.raises(ps.PrunescopeError, match="prunescope sensitivity --budget"):
        Plan.load(path)
    with pytest.raises(ps.PrunescopeError, match="cannot be read"):
        Plan.load(tmp_path / "none.yaml")
