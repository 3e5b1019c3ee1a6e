"""Comparisons: measures judged against doing nothing, on other samples than they were fitted to."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from prunescope.audit import audit
from prunescope.errors import ConfigError, DataError
from prunescope.mitigate import (
    MEASURES,
    Candidate,
    Comparison,
    Scene,
    compare,
    fit_adjustment,
    measures_for,
)

SETTINGS = {"replicates": 200}


@pytest.fixture(scope="module")
def scene(planted):
    (dense, sparse), (dense_test, sparse_test) = planted("val", 3000), planted("test", 3000)
    return Scene(dense, sparse, dense_test, sparse_test, group="Male", macs=(100.0, 10.0))


@pytest.fixture(scope="module")
def found(scene):
    return compare(scene, **SETTINGS)


def row(found, measure, metric, group=None):
    wanted = pl.col("group").is_null() if group is None else pl.col("group") == group
    return found.table.filter(wanted, measure=measure, metric=metric).row(0, named=True)


def test_every_measure_is_there_and_nothing_comes_first(found):
    measures = found.table["measure"].unique(maintain_order=True).to_list()
    assert measures[0] == "nothing"
    for_attributes = [name for name, one in MEASURES.items() if "multilabel" in one.tasks]
    assert sorted(measures[1:]) == sorted(for_attributes)
    assert measures[1:] == [one.name for one in found.info.measures]
    net = [one.better - one.worse for one in found.info.measures]
    assert net == sorted(net, reverse=True)


def test_figures_are_the_audits(scene, found):
    fitted = fit_adjustment(scene.pruned_validation, criterion="prevalence")
    table = audit(scene.dense_test, fitted.apply(scene.pruned_test), **SETTINGS).table
    mine = table.filter(
        pl.col("attribute").is_null(), pl.col("group").is_null(), metric="accuracy", model="sparse"
    ).row(0, named=True)
    told = row(found, "prevalence", "accuracy")
    assert (told["value"], told["low"], told["high"]) == (mine["value"], mine["low"], mine["high"])
    assert told["dense"] == mine["baseline"]
    before = row(found, "nothing", "accuracy")
    assert told["nothing"] == before["value"] == before["nothing"]
    assert told["change"] == pytest.approx(told["value"] - told["nothing"], abs=1e-12)
    assert told["change_low"] <= told["change"] <= told["change_high"]


def test_the_planted_bias_is_seen_to_be_taken_back(found):
    ratio = row(found, "prevalence", "rare_value_ratio")
    assert ratio["verdict"] == "better"
    assert ratio["undone"] > 0.8
    apart = row(found, "group-prevalence", "bias_amplification", "Male")
    assert apart["verdict"] == "better"
    assert abs(apart["value"]) < 0.05 < apart["nothing"]
    heat = row(found, "temperature", "ece")
    assert heat["verdict"] == "better"
    for measure in ("temperature", "isotonic", "prevalence"):
        still = row(found, measure, "auc")
        assert still["value"] == still["nothing"]
        assert still["change"] == 0.0
    assert (
        row(found, "route-dense", "flip_rate")["value"]
        < row(found, "nothing", "flip_rate")["value"]
    )


def test_needs_and_costs_are_told(found):
    told = {one.name: one for one in found.info.measures}
    assert told["prevalence"].needs == "nothing but the logits"
    assert told["group-prevalence"].needs == "Male of each sample"
    assert told["route-person"].needs == "a person, for what is sent"
    assert "× the dense model's multiplications" in told["route-dense"].cost


def test_without_a_group_measures_by_group_are_left_out(scene):
    alone = compare(replace(scene, group=None), **SETTINGS)
    assert not {one.name for one in alone.info.measures} & {"group-prevalence", "group-equal-tpr"}


def test_without_labels_to_fit_to_those_that_need_none_are_left(scene):
    samples = scene.pruned_validation.samples
    none = replace(samples, labels=np.full_like(samples.labels, -1))
    bare = replace(scene.pruned_validation, samples=none)
    unlabelled = replace(
        scene,
        pruned_validation=bare,
        dense_validation=replace(scene.dense_validation, samples=none),
    )
    assert measures_for(unlabelled) == ["dense-rate", "route-dense", "route-images"]
    # those that only the dense model's file has are labels, too
    assert measures_for(replace(scene, pruned_validation=bare)) == measures_for(scene)


def test_other_models_stand_beside_them(scene):
    copy = Candidate("as dense", scene.dense_test, "twice the memory", "nothing")
    found = compare(scene, ["f1"], [copy], **SETTINGS)
    assert found.info.measures[0].name == "as dense"
    assert row(found, "as dense", "flip_rate")["value"] == 0.0
    assert row(found, "as dense", "rare_value_ratio")["undone"] == pytest.approx(1.0)


def test_it_survives_its_folder(found, tmp_path):
    found.save(tmp_path)
    read = Comparison.load(tmp_path)
    assert read.info == found.info
    assert read.table.equals(found.table)
    (tmp_path / "comparison.parquet").write_bytes(b"no")
    with pytest.raises(DataError, match="the comparison cannot be read"):
        Comparison.load(tmp_path)


def test_classes_have_the_measures_that_are_for_them(build):
    rng = np.random.default_rng(0)
    parts = []
    for split in ("val", "test"):
        z = rng.normal(0, 2, (500, 3))
        labels = np.eye(3, dtype=np.int8)[z.argmax(axis=1)]
        told = {"task": "multiclass", "ids": [f"{split}{i}" for i in range(500)],
                "train_prevalence": {"a0": 0.3, "a1": 0.3, "a2": 0.4}}  # fmt: skip
        dense = build(labels, z, name="dense", **told)
        parts += [dense, build(labels, z + rng.normal(0, 1, z.shape), name="sparse", **told)]
    scene = Scene(parts[0], parts[1], parts[2], parts[3])
    found = compare(scene, **SETTINGS)
    names = {one.name for one in found.info.measures}
    assert names == {
        "prevalence", "dense-rate", "macro-recall", "macro-f1", "temperature", "route-dense",
        "route-person",
    }  # fmt: skip
    # a class is one answer: as the curves of a route count it, and its cost does
    flips = (parts[3].decisions != parts[2].decisions).any(axis=1).mean()
    assert row(found, "nothing", "top1_flip_rate")["value"] == pytest.approx(flips)
    assert "flip_rate" not in found.table["metric"]
    with pytest.raises(ConfigError, match="measure f1 is not for a multiclass task"):
        compare(scene, ["f1"])


def test_what_cannot_be_compared_says_why(scene):
    with pytest.raises(ConfigError, match="unknown measure 'prevalenc': did you mean prevalence"):
        compare(scene, ["prevalenc"])
    with pytest.raises(ConfigError, match="treats the values of a group apart: name one"):
        compare(replace(scene, group=None), ["group-prevalence"])
    with pytest.raises(ConfigError, match="two measures are called 'f1'"):
        compare(scene, ["f1", "f1"], **SETTINGS)
    with pytest.raises(ConfigError, match="nothing to compare"):
        compare(scene, [])
    with pytest.raises(DataError, match="3,000 of the 3,000 validation samples of sparse are test"):
        replace(scene, pruned_test=scene.pruned_validation, dense_test=scene.dense_validation)
    renamed = replace(
        scene.pruned_test, metadata=scene.pruned_test.metadata.model_copy(update={"name": "other"})
    )
    with pytest.raises(DataError, match="'sparse' answers the validation split and 'other' the"):
        replace(scene, pruned_test=renamed)
    fewer = scene.dense_test.take(np.arange(100))
    with pytest.raises(DataError, match=r"dense lacks 2,900 of the 3,000 samples of sparse"):
        compare(scene, ["f1"], [Candidate("small", fewer, "", "")], **SETTINGS)
    seen = fit_adjustment(scene.pruned_test, criterion="f1").apply(scene.pruned_test)
    with pytest.raises(ConfigError, match="so that nothing can be judged by them"):
        compare(scene, ["f1"], [Candidate("seen", seen, "", "")], **SETTINGS)


def test_the_order_of_attributes_may_differ(scene, found):
    turned = replace(
        scene,
        **{
            name: turn(getattr(scene, name))
            for name in ("pruned_test", "dense_test", "dense_validation")
        },
    )
    again = compare(turned, ["prevalence", "group-equal-tpr"], **SETTINGS)
    for measure in ("prevalence", "group-equal-tpr"):
        figures = (one.table.filter(measure=measure)["value"].to_list() for one in (again, found))
        assert next(figures) == next(figures)


def turn(model):
    samples = model.samples
    turned = replace(samples, attributes=samples.attributes[::-1], labels=samples.labels[:, ::-1])
    return replace(model, samples=turned, logits=model.logits[:, ::-1])


def test_it_looks_well_in_a_notebook(found):
    assert repr(found).startswith("Comparison(")
    html = found._repr_html_()
    assert "<table" in html
    assert found.info.measures[0].summary[:20] in html
