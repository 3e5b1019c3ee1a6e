"""Several models in whatever form: predictions, paths, frames and arrays, mixed."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch

from prunescope.audit import audit
from prunescope.errors import ConfigError, DataError
from prunescope.predictions import Predictions, Truth, each, read_models
from prunescope.verdict import verdict

RNG = np.random.default_rng(0)
Z = RNG.normal(0, 2, (12, 2))
Y = (Z + RNG.normal(0, 1, Z.shape) > 0).astype(int)
TRUTH = Truth(labels=Y, attributes=["a", "b"])


@pytest.fixture
def dense():
    ids = [f"img{i}" for i in range(12)]
    return Predictions.of(Z, Y, attributes=["a", "b"], ids=ids, name="mine", seed=4)


def read(given, truth=TRUTH, **more):
    return read_models(given, truth, **more)


def told(models):
    return [(m.name, m.metadata.seed, m.metadata.compression.method) for m in models]


def test_any_form_gives_the_same_record(dense, tmp_path):
    dense.save(tmp_path / "dense.parquet")
    table = dense.to_frame()
    whole = [
        dense,
        tmp_path / "dense.parquet",
        str(tmp_path / "dense.parquet"),
        table,
        pd.DataFrame(table.to_dict(as_series=False)),
    ]
    for form in whole:
        [found], notes = read(each("dense", form), Truth())
        assert found.to_frame().equals(table)
        assert not notes
    scores = [Z, torch.tensor(Z), pd.DataFrame(Z, columns=["a", "b"]), pl.DataFrame(Z, ["a", "b"])]
    for form in scores:
        [found], _ = read(each("dense", form))
        np.testing.assert_allclose(found.logits, Z)
        assert found.samples.labels.tolist() == Y.tolist()


def test_names_and_seeds_are_those_told(dense):
    assert told(read(each("dense", Z))[0]) == [("dense", None, "dense")]
    both = [("dense-seed0", 0, "dense"), ("dense-seed1", 1, "dense")]
    assert told(read(each("dense", [Z, Z], of_seeds=True))[0]) == both
    given = each("compressed", {"int8": Z, "gmp": [Z, Z]})
    assert told(read(given)[0]) == [
        ("int8", None, "dense"),
        ("gmp-seed0", 0, "gmp"),
        ("gmp-seed1", 1, "gmp"),
    ]
    given = each("compressed", {"int8": dense, "gmp": [dense]})
    assert told(read(given, Truth())[0]) == [("int8", 4, "dense"), ("gmp-seed0", 4, "gmp")]
    assert told(read(each("dense", [dense]), Truth())[0]) == [("mine", 4, "dense")]


def test_records_without_a_name_are_called_by_their_argument(dense):
    nameless = Predictions.of(Z, Y, attributes=["a", "b"])
    given = [*each("dense", nameless), *each("compressed", nameless)]
    assert told(read(given, Truth())[0]) == [
        ("dense", None, "dense"),
        ("compressed", None, "dense"),
    ]
    both = each("dense", [nameless, dense], of_seeds=True)
    assert told(read(both, Truth())[0]) == [("dense-seed0", 0, "dense"), ("mine", 4, "dense")]
    with pytest.raises(ConfigError, match=r"compressed\[0\] has no name: expected \{name: scores"):
        each("compressed", [nameless, dense])
    _, notes = read([*each("dense", nameless), *each("compressed", {"int8": Z})], Truth())
    assert notes == ['compressed["int8"]: without ids, so row by row the samples of dense']


def test_a_record_without_a_name_is_judged_as_the_dense_model():
    nameless = Predictions.of(Z, Y, attributes=["a", "b"])
    found = audit(nameless, {"small": nameless}, replicates=20)
    assert [(one.name, one.baseline) for one in found.info.models] == [
        ("dense", None),
        ("small", "dense"),
    ]
    assert [one.model for one in verdict(found).models] == ["small"]


def test_arrays_beside_files_are_about_their_samples_row_by_row(dense):
    given = [*each("dense", dense), *each("compressed", {"int8": Z + 1})]
    models, notes = read(given, Truth())
    assert models[1].samples is dense.samples
    assert notes == ['compressed["int8"]: without ids, so row by row the samples of mine']
    with pytest.raises(DataError, match=r'"int8"\] has 11 rows, and there are 12 samples'):
        read([*each("dense", dense), *each("compressed", {"int8": Z[:11]})], Truth())


def test_arrays_with_ids_are_joined_by_them(dense):
    ids = dense.samples.ids.to_list()[::-1]
    given = [*each("dense", dense), *each("compressed", {"int8": Z[::-1]})]
    models, notes = read(given, Truth(ids=ids))
    assert not notes
    assert models[1].samples.ids.to_list() == ids
    assert models[1].attributes == dense.attributes
    assert (models[1].samples.labels == -1).all()  # told by the other


def test_an_index_that_names_samples_joins_them(dense):
    ids = dense.samples.ids.to_list()[::-1]
    frame = pd.DataFrame(Z[::-1], columns=["a", "b"], index=ids)
    models, notes = read([*each("dense", dense), *each("compressed", {"int8": frame})], Truth())
    assert not notes
    assert models[1].samples.ids.to_list() == ids
    np.testing.assert_array_equal(models[1].logits, Z[::-1])
    part = frame.iloc[:5]
    models, _ = read([*each("dense", dense), *each("compressed", {"int8": part})], Truth())
    assert models[1].samples.ids.to_list() == ids[:5]
    other = frame.set_axis(range(100, 112))
    models, notes = read([*each("dense", dense), *each("compressed", {"int8": other})], Truth())
    assert models[1].samples.ids.equals(dense.samples.ids)
    assert notes


def test_a_shuffled_frame_is_refused_beside_one_in_order(dense):
    frame = pd.DataFrame(Z, columns=["a", "b"])
    turned = {"int8": frame.iloc[::-1]}
    differ = r'dense and compressed\["int8"\] have different indexes'
    with pytest.raises(DataError, match=differ):
        read([*each("dense", frame), *each("compressed", turned)])
    with pytest.raises(DataError, match="different indexes"):
        read([*each("dense", dense), *each("compressed", {"a": frame} | turned)], Truth())


def test_a_column_of_another_name_is_refused_beside_a_file():
    one = Predictions.of(Z[:, 0], Y[:, 0], attributes=["pos"], name="mine")
    beside = {name: pd.DataFrame({name: Z[:, 0]}) for name in ("pos", "Smiling")}
    models, _ = read([*each("dense", one), *each("compressed", beside["pos"])], Truth())
    assert models[1].attributes == ("pos",)
    with pytest.raises(DataError, match=r"the columns of compressed are Smiling: .* pos"):
        read([*each("dense", one), *each("compressed", beside["Smiling"])], Truth())
    unnamed = [*each("dense", Z[:, 0]), *each("compressed", beside["Smiling"])]
    assert read(unnamed, Truth(labels=Y[:, 0]))[0][1].attributes == ("positive",)


def test_groups_are_told_beside_a_file(dense):
    given = [*each("dense", dense), *each("compressed", Z)]
    models, _ = read(given, Truth(groups={"sex": ["f", "m"] * 6}))
    assert models[1].samples.ids.equals(dense.samples.ids)
    assert models[1].samples.groups["sex"].values == ("f", "m")


@pytest.mark.parametrize(
    ("given", "truth", "message"),
    [
        ({"int8": Z[:10]}, TRUTH, r'compressed\["int8"\] has 10 rows; dense has 12'),
        ({"int8": Z.T}, TRUTH, r'compressed\["int8"\] has 2 rows; dense has 12.*transposed'),
        ({"int8": Z[:, :1]}, TRUTH, r'compressed\["int8"\] has 1 columns: expected 2'),
        ({"int8": Z > 0}, TRUTH, r'compressed\["int8"\] holds booleans'),
        ({"int8": [Z, Z * np.nan]}, TRUTH, r'compressed\["int8"\]\[1\]: row 1, column 1'),
        ({"int8": pd.DataFrame(Z, columns=["a", "c"])}, TRUTH, r'columns of compressed\["int8"\]'),
        (Z, Truth(), "labels are missing: dense holds scores alone"),
        (Z, Truth(labels=Y), "dense has 2 columns without names"),
        ([Z, Z], TRUTH, r"compressed\[0\] has no name: expected \{name: scores\}"),
        ({"int8": None}, TRUTH, r'compressed\["int8"\] is NoneType: expected predictions'),
        ([[1.0, 2.0]], TRUTH, r"compressed\[0\] has no name"),
        ({"": Z}, TRUTH, r'compressed\[""\]: name: String should have at least 1 char'),
    ],
)
def test_what_does_not_fit_is_refused_by_argument(given, truth, message):
    with pytest.raises((ConfigError, DataError), match=message):
        read([*each("dense", Z), *each("compressed", given)], truth)


def test_what_would_be_passed_over_is_refused(dense):
    with pytest.raises(ConfigError, match="labels, attributes: for scores without samples of"):
        read(each("dense", dense), TRUTH)
    with pytest.raises(ConfigError, match="scores='probability': for arrays, frames and files"):
        read(each("dense", dense), Truth(), scores="probability")


def test_a_seed_that_was_counted_is_no_other_models(dense):
    clash = [Z, Predictions.of(Z, Y, attributes=["a", "b"], name="x", seed=0)]
    with pytest.raises(ConfigError, match=r"dense\[0\] and dense\[1\] are both of seed 0"):
        read(each("dense", clash, of_seeds=True))
    assert len(read(each("dense", [dense, dense]), Truth())[0]) == 2  # as the files say


def test_probabilities(dense):
    p = dense.probabilities
    [found], _ = read(each("dense", p), scores="probability")
    np.testing.assert_allclose(found.logits, Z)
    table = dense.to_frame().with_columns(
        pl.Series(f"logit__{name}", p[:, a]) for a, name in enumerate("ab")
    )
    [found], _ = read(each("dense", table), Truth(), scores="probability")
    np.testing.assert_allclose(found.logits, Z)
