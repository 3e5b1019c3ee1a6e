import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch

from prunescope.errors import DataError
from prunescope.predictions import Embeddings


@pytest.fixture
def write(tmp_path):
    """Return a function that writes a table and gives its path."""

    def make(table, suffix="parquet"):
        path = tmp_path / f"seen.{suffix}"
        frame = pl.DataFrame(table)
        frame.write_csv(path) if suffix == "csv" else frame.write_parquet(path)
        return path

    return make


def test_what_is_saved_is_loaded(tmp_path):
    values = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    Embeddings.of(values, [f"i{n}" for n in range(5)]).save(tmp_path / "seen.parquet")
    loaded = Embeddings.load(tmp_path / "seen.parquet")
    assert loaded.ids.to_list() == ["i0", "i1", "i2", "i3", "i4"]
    assert loaded.values.tobytes() == values.tobytes()
    frame = pl.read_parquet(tmp_path / "seen.parquet")
    assert frame.schema == {"id": pl.String, "embedding": pl.Array(pl.Float32, 3)}


@pytest.mark.parametrize(
    "given",
    [
        [[1, 2], [3, 4]],
        np.array([[1, 2], [3, 4]], np.uint8),
        np.array([[1, 2], [3, 4]], np.float16),
        torch.tensor([[1.0, 2], [3, 4]], dtype=torch.bfloat16, requires_grad=True),
        pd.DataFrame({"a": [1, 3], "b": [2.0, 4.0]}),
        pl.DataFrame({"a": [1, 3], "b": [2.0, 4.0]}),
    ],
)
def test_it_is_made_of_whatever_is_in_memory(given):
    seen = Embeddings.of(given, pd.Series([7, 8]))
    assert seen.values.dtype == np.float32
    assert seen.values.tolist() == [[1, 2], [3, 4]]
    assert seen.ids.to_list() == ["7", "8"]


def test_one_feature_may_be_a_vector():
    assert Embeddings.of([1.5, 2], ["a", "b"]).values.tolist() == [[1.5], [2]]


@pytest.mark.parametrize("inner", [pl.Float32, pl.Float64, pl.Int16])
def test_lists_arrays_and_columns_are_one(write, inner):
    rows = [[1, 2, 3], [4, 5, 6]]
    as_list = pl.Series("embedding", rows, dtype=pl.List(inner))
    as_array = pl.Series("embedding", rows, dtype=pl.Array(inner, 3))
    wide = pl.DataFrame(rows, schema=["x", "y", "z"], orient="row").cast(inner)
    for table in ({"id": [5, 6], "embedding": as_list, "image": ["a", "b"]},
                  {"embedding": as_array, "id": ["5", "6"]},
                  {"id": [5, 6], **{c.name: c for c in wide}}):  # fmt: skip
        loaded = Embeddings.load(write(table))
        assert loaded.values.tolist() == rows
        assert loaded.ids.to_list() == ["5", "6"]


def test_csv_keeps_the_zeros_of_ids(write):
    loaded = Embeddings.load(write({"id": ["007", "008"], "a": [0.5, 1], "b": [1, 2]}, "csv"))
    assert loaded.ids.to_list() == ["007", "008"]
    assert loaded.values.tolist() == [[0.5, 1], [1, 2]]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"name": ["a"], "x": [1.0]}, "no column 'id'; expected id and 'embedding'.* has name, x"),
        ({"id": ["a", "a"], "x": [1.0, 2]}, "id 'a' stands in rows 1 and 2"),
        ({"id": ["a", None], "x": [1.0, 2]}, "row 2 has no id"),
        ({"id": ["a"], "x": ["far"]}, "column 'x' holds String: expected numbers in every column"),
        ({"id": ["a", "b"], "x": [1.0, None]}, "row 2 of column 'x' is empty"),
        ({"id": ["a", "b"], "x": [1.0, np.nan]}, r"feature 1 of row 2 .* is nan"),
        ({"id": ["a"], "x": [1e300]}, "feature 1 of row 1 .* is inf: .* 32 bits"),
        ({"id": ["a"]}, r"shape \(1, 0\)"),
        ({"id": [], "x": []}, r"expected|shape"),
        ({"id": ["a"], "x": [[1.0]]}, "column 'x' holds List"),
        ({"id": ["a", "b"], "embedding": [[1.0, 2], [1.0]]}, "row 2 has 1 numbers and row 1 has 2"),
        ({"id": ["a", "b"], "embedding": [[1.0], None]}, "row 2 is empty"),
        ({"id": ["a", "b"], "embedding": [[1.0, 2], [3, None]]}, "a number of row 2 is empty"),
        ({"id": ["a"], "embedding": [["x"]]}, "expected in each row one list of numbers"),
        ({"id": ["a"], "embedding": [[[1.0]]]}, "expected in each row one list of numbers"),
        ({"id": ["a"], "embedding": [1.0]}, "expected in each row one list of numbers"),
        ({"id": ["a"], "embedding": pl.Series([[]], dtype=pl.List(pl.Float32))}, r"shape \(1, 0\)"),
        ({"id": ["a"], "embedding": [[float("-inf")]]}, "feature 1 of row 1 .* is -inf"),
    ],
)
def test_a_file_that_makes_no_sense_is_told_in_one_error(write, table, message):
    path = write(table)
    with pytest.raises(DataError, match=message) as refused:
        Embeddings.load(path)
    assert str(path) in str(refused.value)


def test_a_file_that_is_absent_is_one_of_embeddings(tmp_path):
    with pytest.raises(DataError, match="no such file; expected embeddings"):
        Embeddings.load(tmp_path / "none.parquet")


@pytest.mark.parametrize(
    ("values", "ids", "message"),
    [
        ([[1.0], [2.0]], ["a"], "1 ids and 2 rows"),
        ([[1.0], [2.0]], ["a", "a"], "id 'a' stands in rows 1 and 2"),
        ([[1.0], [np.nan]], ["a", "b"], "feature 1 of row 2"),
        (np.zeros((2, 3, 4)), ["a", "b"], r"shape \(2, 3, 4\): expected \(N, D\)"),
        (np.zeros((0, 3)), [], r"shape \(0, 3\)"),
        ([["x"], ["y"]], ["a", "b"], "expected numbers"),
        ([[1.0], [2.0, 3.0]], ["a", "b"], "values .* cannot be read"),
        (pl.DataFrame({"x": ["far"]}), ["a"], "column 'x' holds String"),
    ],
)
def test_memory_that_makes_no_sense_is_told(values, ids, message):
    with pytest.raises(DataError, match=message):
        Embeddings.of(values, ids)


def test_the_record_itself_asks_for_32_bits():
    with pytest.raises(DataError, match="float64: expected float32"):
        Embeddings(pl.Series(["a"]), np.zeros((1, 1)))


def test_it_is_written_as_parquet_alone(tmp_path):
    with pytest.raises(DataError, match=r"let it end in \.parquet"):
        Embeddings.of([[1.0]], ["a"]).save(tmp_path / "seen.csv")
    assert not list(tmp_path.iterdir())


def test_rows_are_taken_by_place_or_mask():
    seen = Embeddings.of([[1.0], [2.0], [3.0]], ["a", "b", "c"])
    assert seen.take(np.array([2, 0])).ids.to_list() == ["c", "a"]
    masked = seen.take(np.array([True, False, True]))
    assert (masked.ids.to_list(), masked.values.tolist()) == (["a", "c"], [[1], [3]])


def test_rows_come_in_the_order_of_ids():
    seen = Embeddings.of([[1.0], [2.0], [3.0]], ["a", "b", "c"])
    assert seen.aligned_to(pl.Series(["c", "a"])).values.tolist() == [[3], [1]]
    assert seen.aligned_to(pl.Series(["a", "b", "c"])) is seen


def test_missing_samples_are_counted_and_a_spelling_is_suggested():
    seen = Embeddings.of([[1.0], [2.0]], ["img/a.png", "img/b.png"])
    with pytest.raises(DataError, match="lack 2 of 2 samples, 'a', 'b' for example") as refused:
        seen.aligned_to(pl.Series(["a", "b"]))
    assert "They match without the folder before the name" in str(refused.value)


def test_of_many_missing_samples_three_are_named():
    seen = Embeddings.of(np.zeros((5, 1)), [f"i{n}" for n in range(5)])
    with pytest.raises(
        DataError, match="lack 4 of 9 samples, 'i5', 'i6', 'i7' for example"
    ) as not_:
        seen.aligned_to(pl.Series([f"i{n}" for n in range(9)]))
    assert str(not_.value).endswith("expected one row for every sample")


def test_it_shows_its_size():
    assert repr(Embeddings.of([[1.0, 2]] * 1200, range(1200))) == (
        "Embeddings(1,200 samples × 2 features)"
    )
