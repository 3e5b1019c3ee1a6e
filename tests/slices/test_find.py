"""`find_slices`, from models to what is kept on disk."""

from dataclasses import replace

import numpy as np
import pandas as pd
import polars as pl
import pytest

import prunescope as ps
from prunescope.data.samples import Group
from prunescope.errors import ConfigError, DataError
from prunescope.predictions import Predictions
from prunescope.slices import Slices, find_slices
from prunescope.slices.result import SCHEMA


@pytest.fixture(scope="module")
def found(planted):
    return find_slices(planted.dense, planted.sparse)


def test_the_planted_slice_is_found(planted, found):
    first = found.table.row(0, named=True)
    assert (first["rule"], first["attribute"], first["status"]) == ("hat", "a0", "ok")
    assert first["q_value"] < 0.001
    assert first["low"] < 0.2 < first["high"]
    assert found.found.height == 1
    members = set(found.members.filter(slice=1)["id"])
    assert members == set(planted.dense.samples.ids.filter(pl.Series(planted.hurt)))


def test_halves_add_up(found):
    row = found.table.row(0, named=True)
    assert row["n_search"] + row["n_test"] == row["n"]
    assert row["damage"] == pytest.approx(row["inside"] - row["elsewhere"])


def test_figures_are_those_of_the_files(planted, found):
    """The rate inside, from the arrays alone."""
    row = found.table.row(0, named=True)
    labels = planted.dense.samples.labels[:, 0] == 1
    right = (planted.dense.logits[:, 0] > 0) == labels
    lost = right & ((planted.sparse.logits[:, 0] > 0) != labels)
    rates = [lost[planted.hurt].mean(), lost[~planted.hurt].mean()]
    assert row["n"] == planted.hurt.sum()
    assert row["inside"] == pytest.approx(rates[0], abs=0.08)
    assert row["elsewhere"] == pytest.approx(rates[1], abs=0.02)


def test_undamaged_worlds_have_no_slices(world):
    """Of ten worlds, in which some slices are tested, at most one has any."""
    told = [world(seed, n=1000, damage=0.0, attributes=6) for seed in range(10)]
    found = [find_slices(one.dense, one.sparse, seed=at) for at, one in enumerate(told)]
    assert sum(one.table.height for one in found) >= 5
    assert sum(one.found.height > 0 for one in found) <= 1


def test_persons_stay_together(world):
    told = world(3, persons=300)
    found = find_slices(told.dense, told.sparse)
    assert found.info.cluster == "who"
    assert found.table["rule"][0] == "hat"
    assert not found.table["rule"].str.contains("who").any()
    row = found.table.row(0, named=True)
    assert row["units_test"] < row["n_test"]
    who = pl.DataFrame(
        {"id": told.dense.samples.ids, "who": told.dense.samples.groups["who"].codes}
    )
    assert found.info.n_search < 3000
    # Of a person either all images judge or none.
    from prunescope.audit.intervals.bootstrap import deal, units_of

    half = deal(units_of(told.dense.samples, "who"), 2, 0)
    assert who.with_columns(half=half).group_by("who").agg(
        pl.col("half").n_unique()
    )["half"].max() == 1  # fmt: skip


def test_the_order_of_rows_does_not_matter(planted, found):
    order = np.random.default_rng(0).permutation(3000)
    again = find_slices(planted.dense.take(order), planted.sparse)
    numbers = [name for name in SCHEMA if SCHEMA[name] == pl.Float64]
    assert again.table["rule"].to_list() == found.table["rule"].to_list()
    for name in numbers:
        np.testing.assert_allclose(again.table[name], found.table[name], atol=1e-6)


def test_metadata_is_searched(world):
    told = world(5)
    samples = replace(told.dense.samples, groups={})
    dense = replace(told.dense, samples=samples)
    light = np.where(told.hurt, 1.0, 5.0) + np.random.default_rng(0).random(3000)
    metadata = pl.DataFrame({"id": samples.ids, "light": light, "camera": ["x"] * 3000})
    found = find_slices(dense, replace(told.sparse, samples=samples), metadata=metadata)
    assert found.found["rule"].to_list() == ["light below 5"] or found.found["rule"][0].startswith(
        "light below"
    )
    assert set(found.members["id"]) >= set(samples.ids.filter(pl.Series(told.hurt)))


def test_classes():
    rng = np.random.default_rng(0)
    n = 3000
    classes = rng.integers(0, 4, n)
    logits = rng.normal(size=(n, 4)) + 3 * np.eye(4)[classes]
    hat = rng.random(n) < 0.1
    sparse = logits + 0.2 * rng.normal(size=(n, 4))
    turned = hat & (rng.random(n) < 0.3)
    sparse[turned] = sparse[turned][:, ::-1]
    found = find_slices(
        logits, {"sparse": sparse}, labels=classes, classes=list("abcd"), groups={"hat": hat},
    )  # fmt: skip
    assert found.info.task == "multiclass"
    assert found.found["rule"][0] == "hat"


def test_several_models_and_churn(planted):
    again = planted.dense.logits + np.random.default_rng(1).normal(size=(3000, 4)) * 0.1
    other = Predictions(planted.dense.samples, again, planted.dense.metadata)
    other = replace(other, metadata=other.metadata.model_copy(update={"name": "dense-2"}))
    worse = planted.sparse.logits.copy()
    worse[planted.hurt, 1] *= -1
    second = replace(
        planted.sparse, logits=worse,
        metadata=planted.sparse.metadata.model_copy(update={"name": "worse"}),
    )  # fmt: skip
    found = find_slices([planted.dense, other], [planted.sparse, second])
    assert found.info.beyond == "churn"
    told = found.found.select("model", "rule", "attribute").rows()
    assert ("sparse", "hat", "a0") in told
    assert ("worse", "hat", None) in told  # both attributes, told once
    assert found.table["slice"].to_list() == list(range(1, found.table.height + 1))
    # Of all models, those found first, and first where an image loses most answers.
    assert found.table["model"][0] == "worse"
    told = found.table["q_value"].fill_nan(1.0) <= 0.05
    assert told.to_list() == sorted(told, reverse=True)
    assert found.info.compared_with == ("dense", "dense")


def test_each_model_is_compared_with_the_dense_one_of_its_seed(planted):
    def of(model, name, seed):
        metadata = planted.dense.metadata.model_copy(update={"name": name, "seed": seed})
        return replace(model, metadata=metadata)

    dense = of(planted.dense, "dense-0", 0), of(planted.dense, "dense-1", 1)
    compressed = of(planted.sparse, "sparse-1", 1), of(planted.sparse, "sparse-7", 7)
    found = find_slices(dense, compressed, most=1)
    assert found.info.compared_with == ("dense-1", "dense-0")


def test_it_is_kept_on_disk(found, tmp_path):
    found.save(tmp_path / "slices")
    again = Slices.load(tmp_path / "slices")
    assert again.info == found.info
    assert again.table.equals(found.table)
    assert again.members.equals(found.members)
    assert repr(again) == "Slices(1 found of 1 tested, 3,000 samples, sparse)"
    assert "<table" in again._repr_html_()


def test_paths_and_arrays_say_the_same(planted, found, tmp_path):
    planted.dense.save(tmp_path / "dense.parquet")
    planted.sparse.save(tmp_path / "sparse.parquet")
    of_files = ps.find_slices(tmp_path / "dense.parquet", tmp_path / "sparse.parquet")
    assert of_files.table.equals(found.table)
    samples = planted.dense.samples
    of_arrays = ps.find_slices(
        planted.dense.logits, {"sparse": planted.sparse.logits}, labels=samples.labels,
        attributes=samples.attributes, ids=samples.ids,
        groups={name: group.to_series(name) for name, group in samples.groups.items()},
    )  # fmt: skip
    assert of_arrays.table.equals(found.table)


def metadata_of(planted, **columns):
    return pl.DataFrame({"id": planted.dense.samples.ids, **columns})


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (lambda p: pl.DataFrame({"x": [1.0]}), "no column 'id'"),
        (lambda p: pl.DataFrame({"id": ["x"], "y": [1.0]}), "knows none of the samples"),
        (lambda p: pl.DataFrame({"id": ["i1", "i1"], "y": [1, 2]}), "'i1': expected every id once"),
        (lambda p: pl.DataFrame({"id": ["x"], "y": [1.0]}), "look like i0, its own like x"),
        (lambda p: pl.DataFrame({"id": [], "y": []}), "knows none of the samples"),
        (lambda p: metadata_of(p), "0 columns beside 'id'"),
        (
            lambda p: pl.DataFrame({"id": ["i1"], **{f"c{i}": [i] for i in range(10_000)}}),
            "10,000 columns beside 'id': expected 1 to 200",
        ),
        (lambda p: metadata_of(p, box=[[1, 2]] * 3000), "'box' holds List"),
        (lambda p: metadata_of(p, day=["2024-05-01", None] * 1500), "'day' holds dates"),
        (lambda p: metadata_of(p, at=["2024-05-01T10:00:00Z"] * 3000), "'at' holds dates"),
        (lambda p: {"id": ["i1"]}, r"metadata \(dict\): expected a frame"),
        (lambda p: "nowhere.csv", "nowhere.csv: no such file"),
    ],
)
def test_metadata_that_does_not_fit(planted, table, message):
    with pytest.raises((DataError, ConfigError), match=message):
        find_slices(planted.dense, planted.sparse, metadata=table(planted))


def test_metadata_of_pandas_and_of_a_file(planted, tmp_path):
    of_polars = metadata_of(planted, warm=planted.hurt, n=np.arange(3000) % 40)
    of_polars.write_csv(tmp_path / "metadata.csv")
    told = [
        find_slices(planted.dense, planted.sparse, metadata=one).table
        for one in (
            of_polars,
            pd.DataFrame(of_polars.to_dict(as_series=False)),
            tmp_path / "metadata.csv",
        )
    ]
    assert told[0].equals(told[1])
    assert told[0].equals(told[2])


def test_other_things_than_embeddings(planted):
    with pytest.raises(DataError, match=r"embeddings \(ndarray\): expected a path or Embeddings"):
        find_slices(planted.dense, planted.sparse, embeddings=np.ones((3000, 2)))


def test_a_slice_that_is_not_there(found):
    assert found.of(1).slice == 1
    with pytest.raises(ConfigError, match="no slice 99: expected 1 to 1"):
        found.of(99)


def test_who_is_unknown_is_not_elsewhere(world):
    """What is told of the attribute that loses is what the slice was judged by."""
    told = world()
    unknown = np.random.default_rng(0).random(3000) < 0.4
    warm = [None if nothing else hurt for nothing, hurt in zip(unknown, told.hurt, strict=True)]
    bare = replace(told.dense.samples, groups={})
    found = find_slices(
        *(replace(one, samples=bare) for one in (told.dense, told.sparse)),
        metadata=metadata_of(told, warm=pl.Series(warm, dtype=pl.Boolean)),
    )
    row = found.table.row(0, named=True)
    assert (row["rule"], row["attribute"]) == ("warm", "a0")
    [loss] = [one for one in found.of(1).losses if one.name == "a0"]
    assert (loss.inside, loss.elsewhere) == (row["inside"], row["elsewhere"])


def test_metadata_that_says_nothing(planted, found):
    empty = metadata_of(planted, nothing=[None] * 3000, nan=[float("nan")] * 3000, one=[1.0] * 3000)
    again = find_slices(planted.dense, planted.sparse, metadata=empty)
    assert again.table["rule"].to_list() == found.table["rule"].to_list()


def test_too_few_samples(planted):
    one = planted.dense.take(np.arange(1)), planted.sparse.take(np.arange(1))
    with pytest.raises(DataError, match="halving 1 samples at random leaves 0"):
        find_slices(*one)
    few = planted.dense.take(np.arange(60)), planted.sparse.take(np.arange(60))
    with pytest.raises(DataError, match="halving 60 samples"):
        find_slices(*few)
    person = np.arange(3000) % 70
    groups = {"person": Group.from_series(pl.Series(person))}
    samples = replace(planted.dense.samples, groups=groups, cluster="person")
    models = [replace(one, samples=samples) for one in (planted.dense, planted.sparse)]
    with pytest.raises(DataError, match="halving 70 clusters of samples at random leaves"):
        find_slices(*models)


def test_support_is_counted_in_persons(world):
    """500 images with hats are of 50 persons: 25 in each half, more or less."""
    told = world(3, n=5000, share=0.0)
    person = np.repeat(np.arange(500), 10)
    hat = person < 50
    rng = np.random.default_rng(0)
    logits = told.dense.logits.copy()
    logits[hat & (rng.random(5000) < 0.3), 0] *= -1
    groups = {"hat": Group.from_series(pl.Series(hat)), "who": Group.from_series(pl.Series(person))}
    samples = replace(told.dense.samples, groups=groups, cluster="who")
    dense = replace(told.dense, samples=samples)
    sparse = replace(told.sparse, samples=samples, logits=logits)
    for least, told in ((15, True), (40, False)):
        rules = find_slices(dense, sparse, min_support=least).table["rule"]
        assert rules.str.contains("hat").any() == told


def test_nothing_labelled(planted):
    blank = replace(
        planted.dense.samples, labels=np.full_like(planted.dense.samples.labels, -1)
    )  # fmt: skip
    models = [replace(one, samples=blank) for one in (planted.dense, planted.sparse)]
    with pytest.raises(DataError, match="no answer of sparse can be damaged: expected labels"):
        find_slices(*models)
    assert find_slices(*models, damage="uncertainty").table.height


def test_settings_are_checked(planted):
    for wrong in (
        {"min_support": 1}, {"min_support": 20.5}, {"most": 0}, {"confidence": 1.0}, {"seed": -1},
        {"seed": 1.5},
    ):  # fmt: skip
        with pytest.raises(ConfigError, match="expected whole numbers of at least 2"):
            find_slices(planted.dense, planted.sparse, **wrong)
    with pytest.raises(ConfigError, match="cluster column 'nobody'"):
        find_slices(planted.dense, planted.sparse, cluster="nobody")
    with pytest.raises(ConfigError, match="second dense model"):
        find_slices(planted.dense, planted.sparse, beyond="churn")
    with pytest.raises(ConfigError, match="no compressed model"):
        find_slices(planted.dense, [])


def test_few_persons_with_much_damage_are_not_taken_for_a_slice():
    """Images of a person flip together: 40 of four persons say less than 80 of a hundred."""
    rng = np.random.default_rng(0)
    person = np.repeat(np.arange(600), 10)
    few, many = person < 10, (person >= 10) & (person < 110)
    flips = (person < 4) | (rng.random(6000) < np.where(many, 0.08, 0.01))
    labels = rng.integers(0, 2, (6000, 1))
    dense = labels * 4.0 - 2.0
    found = find_slices(
        dense, {"sparse": np.where(flips[:, None], -dense, dense)}, labels=labels,
        groups={"few": few, "many": many, "person": person}, cluster="person",
        attributes=["Smiling"], most=1,
    )  # fmt: skip
    assert found.table["rule"].to_list() == ["many"]
