"""Arrays, tensors, frames and lists as columns and matrices."""

import ml_dtypes
import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch

from prunescope.errors import DataError
from prunescope.predictions.given import Matrix, column_of, columns_of, index_of, only_counts

Z = np.array([[1.5, -2.0], [0.25, 3.0], [-1.0, 0.5]])


class OnDevice:
    """A tensor as a GPU holds it: numbers come by detach, cpu and, as NumPy's, last of all."""

    def __init__(self, values, where="cuda", grad=True):
        self.values, self.where, self.grad = values, where, grad
        self.dtype = "torch.float32"

    def detach(self):
        return OnDevice(self.values, self.where, grad=False)

    def cpu(self):
        return OnDevice(self.values, "cpu", self.grad)

    def float(self):
        return self

    def __array__(self, dtype=None, copy=None):
        if self.where != "cpu" or self.grad:
            raise TypeError("can't convert")
        return np.asarray(self.values, np.float32)


@pytest.mark.parametrize(
    "given",
    [
        Z,
        Z.astype(np.float32),
        Z.astype(np.float16),
        Z.astype(">f8"),
        Z.astype(ml_dtypes.bfloat16),
        Z.astype(object),
        np.asfortranarray(Z),
        np.ma.masked_array(Z),
        Z.tolist(),
        torch.tensor(Z, requires_grad=True),
        torch.tensor(Z).bfloat16(),
        torch.tensor(Z.T).T,
        OnDevice(Z),
        pd.DataFrame(Z),
        pd.DataFrame(Z, columns=["a", "b"]),
        pd.DataFrame(Z, columns=["a", "b"]).convert_dtypes(),
        pd.DataFrame(Z, dtype="float32"),
        pl.DataFrame(Z, schema=["a", "b"]),
    ],
    ids=lambda given: f"{type(given).__module__}.{getattr(given, 'dtype', '')}",
)
def test_scores_of_any_kind_are_the_same_numbers(given):
    matrix = Matrix.of(given, "dense")
    assert type(matrix.values) is np.ndarray
    assert matrix.values.dtype in (np.float32, np.float64)
    assert matrix.values.dtype.isnative
    np.testing.assert_array_equal(matrix.values, Z)


def test_names_come_from_frames_that_have_some():
    assert Matrix.of(pd.DataFrame(Z), "dense").names is None
    assert Matrix.of(pd.DataFrame(Z, columns=["a", "b"]), "dense").names == ("a", "b")
    assert Matrix.of(pd.DataFrame(Z, columns=[10, 20]), "dense").names == ("10", "20")
    assert Matrix.of(pl.DataFrame({"a": [1.0]}), "dense").names == ("a",)


@pytest.mark.parametrize(
    "given", [[1.0, -2.0], np.array([1.0, -2.0]), pd.Series([1.0, -2.0]), pl.Series([1.0, -2.0])]
)
def test_one_column_is_one_attribute(given):
    assert Matrix.of(given, "dense").values.tolist() == [[1.0], [-2.0]]


def test_whole_numbers_are_scores_unless_they_are_answers():
    assert Matrix.of(np.array([[3, -2]]), "dense").values.tolist() == [[3.0, -2.0]]


def test_memory_that_is_used_again_changes_nothing():
    buffer = Z.copy()
    matrix = Matrix.of(buffer, "dense")
    buffer[:] = 0
    np.testing.assert_array_equal(matrix.values, Z)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (Z > 0, "dense holds booleans: answers without scores are not enough"),
        (pl.DataFrame(Z > 0), "dense: column 'column_0' holds Boolean"),
        ((Z > 0).astype(int), "dense holds 0 and 1 alone: answers without scores"),
        (Z.astype(np.int8), r"dense holds int8: expected floats. a quantised answer q is the"),
        (np.array([[1, 2]], np.uint8), "dense holds uint8: expected floats"),
        (Z + 1j, "dense holds complex128: expected floats"),
        (np.array([["1", "2"]]), "dense holds <U1: expected floats"),
        (np.array([[1.0, None]], object), "dense holds objects: expected an array of floats"),
        (np.array([[1.0, "2"]], object), "dense holds objects"),
        (np.array([[1.0, True]], object), "dense holds objects"),
        (np.ma.masked_array(Z, Z > 2), "dense: some scores are masked"),
        (np.where(Z > 2, np.nan, Z), r"dense: row 2, column 2 \(counted from 1\) is nan"),
        (np.where(Z > 2, np.inf, Z), "is inf; expected finite numbers"),
        (Z[None], r"dense has shape \(1, 3, 2\) \(ndarray\): expected \(N, A\)"),
        (np.zeros((0, 2)), r"dense has shape \(0, 2\)"),
        (np.float64(3), r"dense has shape \(\) \(float64\)"),
        ([[1.0], [1.0, 2.0]], r"dense \(list\) cannot be read"),
        (pl.LazyFrame({"a": [1.0]}), r"dense (has shape \(\) \()?\(?LazyFrame|holds object"),
        (pd.DataFrame({"id": ["x"], "a": [1.0]}), "dense: row 1 of column 'id' is 'x'"),
        (pd.DataFrame({"a": [1.0, None]}, dtype="Float64"), "dense: row 2, column 1"),
        (pd.DataFrame({"a": [1, None]}, dtype="Int64"), "dense: row 2"),
        (pd.DataFrame(Z, columns=["a", "a"]), r"dense \(DataFrame\) cannot be read"),
        (torch.zeros(2, 2, device="meta"), r"dense \(Tensor\) cannot be read"),
    ],
)
def test_what_is_no_score_is_refused_by_name(given, message):
    with pytest.raises(DataError, match=message):
        Matrix.of(given, "dense")


@pytest.mark.parametrize(
    ("given", "values"),
    [
        (["f", None, "m"], ["f", None, "m"]),
        (np.array(["f", "m"]), ["f", "m"]),
        (np.array(["f", np.nan, None, pd.NA, pd.NaT], object), ["f", None, None, None, None]),
        (np.ma.masked_array([1, 2], [True, False]), [None, 2]),
        (np.array([[1], [2]]), [1, 2]),
        (np.array([1, 2], ">i4"), [1, 2]),
        (np.array([1, 0], np.float16), [1.0, 0.0]),
        (range(2), [0, 1]),
        (torch.tensor([True, False]), [True, False]),
        (pd.Series(["f", None], dtype="string"), ["f", None]),
        (pd.Series(["f", np.nan], dtype=object), ["f", None]),
        (pd.Series(pd.Categorical(["f", None, "m"])), ["f", None, "m"]),
        (pd.Series(pd.Categorical([3, 1, None])), [3, 1, None]),
        (pd.Series([1, None], dtype="Int64"), [1, None]),
        (pd.Series([True, None], dtype="boolean"), [True, None]),
        (pd.Series([True, False]), [True, False]),
        (pd.DataFrame({"sex": ["f"]}), ["f"]),
        (pl.Series(["f", None]), ["f", None]),
        (pl.Series(["f", "m"], dtype=pl.Categorical), ["f", "m"]),
    ],
)
def test_columns_of_any_kind(given, values):
    assert column_of(given, "sex", "sex").to_list() == values


def test_columns_that_are_none_are_refused_by_name():
    with pytest.raises(DataError, match=r"sex has shape \(2, 2\): expected one value per sample"):
        column_of([[1, 2], [3, 4]], "sex")
    with pytest.raises(DataError, match="sex holds values of several types, int, str"):
        column_of(np.array([1, "f"], object), "sex")


def test_columns_know_whether_they_are_named():
    columns, named = columns_of(pd.DataFrame({"a": [1], "b": [0]}), "labels")
    assert ([column.name for column in columns], named) == (["a", "b"], True)
    assert columns_of(pd.DataFrame([[1, 0]]), "labels")[1] is False
    assert columns_of(np.zeros((1, 2)), "labels")[1] is False
    assert columns_of(pd.Series([1], name="a"), "labels")[1] is True
    assert columns_of(pd.Series([1]), "labels")[1] is False


def test_an_index_is_that_of_pandas():
    assert list(index_of(pd.DataFrame({"a": [1, 2]}))) == [0, 1]
    assert index_of(pl.DataFrame({"a": [1, 2]})) is None
    assert index_of(Z) is None
    assert list(index_of(pd.Series([1, 2], index=["x", "y"]))) == ["x", "y"]
    assert list(index_of(pd.Series([1, 2], index=[1, 0]))) == [1, 0]


@pytest.mark.parametrize(
    ("index", "counts"),
    [([0, 1], True), ([0.0, 1.0], True), ([1, 0], False), ([1, 2], False), (["0", "1"], False)],
)
def test_an_index_that_says_no_more_than_the_place(index, counts):
    assert only_counts(pd.Series([1, 2], index=index).index) is counts
