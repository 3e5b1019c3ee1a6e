"""`Predictions.of`: samples and logits out of what a caller holds in memory."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch

from prunescope.errors import ConfigError, DataError, PrunescopeWarning
from prunescope.predictions import Predictions

Z = np.array([[1.5, -2.0], [0.25, 3.0], [-1.0, 0.5]])
Y = np.array([[1, 0], [0, 1], [1, 1]])
AB = ["a", "b"]
CLASSES = np.array([[2.0, 0.0, 1.0], [0.0, 1.0, 3.0], [5.0, 1.0, 0.0]])


def of(logits=Z, labels=Y, **more):
    return Predictions.of(logits, labels, **{"attributes": AB, **more})


@pytest.mark.parametrize(
    "labels",
    [
        Y,
        Y.astype(bool),
        Y.astype(np.uint8),
        Y.astype(np.float32),
        Y.astype(object),
        Y.tolist(),
        torch.tensor(Y),
        pd.DataFrame(Y, columns=AB),
        pd.DataFrame(Y, columns=AB).astype("boolean"),
        pd.DataFrame(Y[:, ::-1], columns=["b", "a"]),  # a frame goes by its names
        pl.DataFrame(Y, schema=AB),
    ],
)
def test_labels_of_any_kind_are_the_same(labels):
    found = of(labels=labels)
    assert found.attributes == ("a", "b")
    assert found.samples.labels.tolist() == Y.tolist()
    assert found.samples.task == found.metadata.task == "multilabel"
    assert found.samples.ids.to_list() == ["0", "1", "2"]


@pytest.mark.parametrize(
    "labels",
    [
        np.array([[np.nan, 0], [0, 1], [1, 1]]),
        np.array([[None, False], [False, True], [True, True]], object),
        np.ma.masked_array(Y, [[1, 0], [0, 0], [0, 0]]),
        pd.DataFrame({"a": [None, 0, 1], "b": [0, 1, 1]}, dtype="Int64"),
    ],
)
def test_what_is_not_known_is_unlabelled(labels):
    assert of(labels=labels).samples.labels.tolist() == [[-1, 0], [0, 1], [1, 1]]


def test_a_frame_of_logits_goes_by_its_names():
    turned = pd.DataFrame(Z[:, ::-1], columns=["b", "a"])
    np.testing.assert_array_equal(of(turned).logits, Z)
    named = Predictions.of(turned, pd.DataFrame(Y, columns=AB))
    assert named.attributes == ("b", "a")
    assert named.samples.labels.tolist() == Y[:, ::-1].tolist()


def test_one_attribute_needs_no_name():
    for labels in ([1, 0], [[1], [0]], pd.Series([1, 0])):
        assert Predictions.of([2.0, -1.0], labels).attributes == ("positive",)
    assert Predictions.of([2.0, -1.0], pd.Series([1, 0], name="Bald")).attributes == ("Bald",)
    assert Predictions.of([2.0], [1], attributes=["Bald"]).attributes == ("Bald",)


def test_a_frame_of_one_column_is_about_the_attribute_that_it_names():
    smiling = pd.DataFrame({"Smiling": [2.0, -1.0]})
    assert Predictions.of(smiling, [1, 0]).attributes == ("Smiling",)
    assert Predictions.of(smiling, pd.Series([1, 0], name="Smiling")).attributes == ("Smiling",)
    for labels, attributes in (
        ([1, 0], ["Bald"]),
        (pd.Series([1, 0], name="Bald"), None),
        (pd.DataFrame({"Bald": [1, 0]}), None),
    ):
        with pytest.raises(DataError, match=r"the columns of logits are Smiling: .* Bald"):
            Predictions.of(smiling, labels, attributes=attributes)
    with pytest.raises(DataError, match=r"the columns of labels are Bald: .* Smiling"):
        Predictions.of([2.0, -1.0], pd.DataFrame({"Bald": [1, 0]}), attributes=["Smiling"])
    renamed = Predictions.of([2.0, -1.0], pd.Series([1, 0], name="y"), attributes=["Smiling"])
    assert renamed.attributes == ("Smiling",)


def test_what_is_told_of_the_model_is_kept():
    told = {"name": "small", "method": "gmp", "sparsity": 0.9, "seed": 2}
    found = of(**told).metadata
    assert (found.name, found.compression.method) == ("small", "gmp")
    assert (found.compression.sparsity, found.seed) == (0.9, 2)
    with pytest.raises(
        ConfigError, match=r"sparsity: Input should be less than 1 \(got 95; 95 percent is 0.95\)"
    ):
        of(sparsity=95)


def test_groups_from_a_dict_or_a_frame():
    columns = {"sex": ["f", None, "m"], "old": [True, False, True], "town": [3, 1, np.nan]}
    for groups in (columns, pd.DataFrame(columns), pl.DataFrame(columns, strict=False)):
        found = of(groups=groups).samples.groups
        assert found["sex"].values == ("f", "m")
        assert found["sex"].codes.tolist() == [0, -1, 1]
        assert found["old"].values == (False, True)
        assert found["town"].values == (1, 3)
    assert of(groups=columns, cluster="town").samples.cluster == "town"


def test_ids_are_those_given_or_the_index_or_places():
    assert of(ids=["x", "y", "z"]).samples.ids.to_list() == ["x", "y", "z"]
    assert of(ids=np.array([3.0, 1.0, 2.0])).samples.ids.to_list() == ["3", "1", "2"]
    frame = pd.DataFrame(Z, columns=AB, index=[7, 3, 9])
    assert of(frame).samples.ids.to_list() == ["7", "3", "9"]
    assert of(frame, ids=["x", "y", "z"]).samples.ids.to_list() == ["x", "y", "z"]
    repeated = pd.DataFrame(Z, columns=AB, index=[7, 3, 7])
    assert of(repeated).samples.ids.to_list() == ["0", "1", "2"]


def test_rows_of_two_orders_are_refused():
    logits = pd.DataFrame(Z, columns=AB, index=["x", "y", "z"])
    labels = pd.DataFrame(Y, columns=AB, index=["x", "z", "y"])
    with pytest.raises(DataError, match="logits and labels have different indexes"):
        of(logits, labels)
    assert len(of(logits, labels.loc[logits.index]).samples) == 3
    with pytest.raises(DataError, match=r'logits and groups\["sex"\] have different indexes'):
        of(logits, groups={"sex": pd.Series(["f", "m", "f"], index=["z", "y", "x"])})


def test_an_index_in_another_order_than_the_rows_is_refused_beside_one_that_counts_them():
    logits, labels = pd.DataFrame(Z, columns=AB), pd.DataFrame(Y, columns=AB)
    with pytest.raises(DataError, match="logits and labels have different indexes"):
        of(logits, labels.loc[[2, 0, 1]])
    with pytest.raises(DataError, match="labels and ids have different indexes"):
        of(logits, labels, ids=pd.Series(["x", "y", "z"], index=[1, 0, 2]))
    turned = of(logits.loc[[2, 0, 1]], labels.loc[[2, 0, 1]])
    assert turned.samples.ids.to_list() == ["2", "0", "1"]
    assert turned.samples.labels.tolist() == Y[[2, 0, 1]].tolist()
    assert of(logits, labels).samples.ids.to_list() == ["0", "1", "2"]
    assert of(logits.loc[[2, 0, 1]], Y[[2, 0, 1]]).samples.ids.to_list() == ["2", "0", "1"]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"labels": Y[:2]}, "labels has 2 rows; logits has 3: expected one row per sample"),
        ({"labels": Y[:, :1].ravel()}, "labels has 1 columns; logits has 2"),
        ({"labels": np.zeros((3, 3))}, "labels has 3 columns; logits has 2"),
        (
            {"labels": np.ones((2, 3))},
            r"labels has 2 rows; logits has 3.*one of the two transposed",
        ),
        ({"labels": np.zeros((3, 2, 1))}, r"labels has shape \(3, 2, 1\)"),
        ({"labels": Y - 1}, "labels: row 2 of column 'a' is -1: expected a label"),
        ({"labels": Y * 2}, "labels: row 1 of column 'a' is 2: expected a label"),
        ({"labels": Z}, "labels: row 1 of column 'a' is 1.5: expected a label"),
        ({"labels": pd.DataFrame(Y, columns=["a", "c"])}, "the columns of labels are a, c"),
        ({"logits": pd.DataFrame(Z, columns=["a", "c"])}, "the columns of logits are a, c"),
        ({"groups": {"sex": ["f"]}}, r'groups\["sex"\] has 1 rows; logits has 3'),
        ({"groups": {"age": [0.5, 1.5, 2]}}, r'groups\["age"\]: group column .age. holds Float64'),
        ({"groups": {"sex": [["f"], ["m"]]}}, r'groups\["sex"\] has 2 rows'),
        ({"ids": ["x", "y"]}, "ids has 2 rows; logits has 3"),
        ({"ids": ["x", "y", "x"]}, "ids: id 'x' stands in rows 1 and 3: ids must be unique"),
        ({"ids": ["x", None, "z"]}, "ids: row 2 has no id"),
        ({"attributes": ["a"]}, "logits has 2 columns: expected 1, one per attribute"),
        ({"scores": "probability"}, "logits: row 1 of column 'logit__a' is 1.5: expected prob"),
    ],
)
def test_what_does_not_fit_is_refused_by_argument(more, message):
    with pytest.raises(DataError, match=message):
        of(**more)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"attributes": None}, "logits has 2 columns without names: say what they are"),
        ({"attributes": "ab"}, "attributes is 'ab': expected a list of names"),
        ({"attributes": ["a", "a"]}, "attributes: two have one name"),
        ({"classes": AB}, "attributes and classes are both given"),
        ({"groups": ["f", "m", "f"]}, r"groups \(list\): expected \{name: values\}"),
        ({"scores": "logit"}, "unknown kind of scores 'logit': did you mean logits"),
        ({"cluster": "house"}, "cluster 'house' is not a group"),
    ],
)
def test_choices_that_make_no_sense(more, message):
    with pytest.raises((ConfigError, DataError), match=message):
        of(**more)


def test_probabilities_become_logits_and_are_never_guessed():
    p = np.array([[0.25, 0.75], [0.5, 0.5]])
    found = of(p, Y[:2], scores="probability")
    np.testing.assert_allclose(found.logits, np.log(p / (1 - p)))
    with pytest.warns(PrunescopeWarning, match=r"logits: every score lies in \[0, 1\]"):
        of(np.tile(p, (10, 1)), np.tile(Y[:2], (10, 1)))


@pytest.mark.parametrize(
    ("labels", "more"),
    [
        ([0, 2, 1], {}),
        (np.array([0, 2, 1], np.uint8), {"classes": ["x", "y", "z"]}),
        ([0.0, 2.0, 1.0], {"classes": ["x", "y", "z"]}),
        (torch.tensor([0, 2, 1]), {"classes": ["x", "y", "z"]}),
        (pd.DataFrame({"diagnosis": [0, 2, 1]}), {"classes": ["x", "y", "z"]}),
        (["x", "z", "y"], {"classes": ["x", "y", "z"]}),
        (pd.Series(["x", "z", "y"], dtype="category"), {"classes": ["x", "y", "z"]}),
        ([7, 5, 9], {"classes": [7, 9, 5]}),
        (["7", "5", "9"], {"classes": [7, 9, 5]}),
    ],
)
def test_classes_by_place_or_by_name(labels, more):
    found = Predictions.of(CLASSES, labels, **more)
    assert found.samples.task == found.metadata.task == "multiclass"
    assert found.attributes == tuple(map(str, more.get("classes", range(3))))
    assert found.samples.labels.tolist() == [[1, 0, 0], [0, 0, 1], [0, 1, 0]]


def test_classes_of_a_frame_go_by_name():
    frame = pd.DataFrame(CLASSES, columns=["x", "y", "z"])
    found = Predictions.of(frame, ["x", "z", None])
    assert found.attributes == ("x", "y", "z")
    assert found.samples.labels.tolist() == [[1, 0, 0], [0, 0, 1], [-1, -1, -1]]
    turned = Predictions.of(frame[["z", "x", "y"]], [0, 2, 1], classes=["x", "y", "z"])
    np.testing.assert_array_equal(turned.logits, CLASSES)


@pytest.mark.parametrize(
    ("labels", "more", "message"),
    [
        ([0, 3, 1], {}, r"labels: row 2 \(counted from 1\) is 3: expected the place of a class"),
        ([0, -1, 1], {}, "is -1: expected the place of a class, 0 to 2"),
        ([0.5, 1, 2], {}, "labels hold Float64, and nothing tells which column"),
        (["x", "y", "z"], {}, "nothing tells which column of logits is which class"),
        (["x", "q", "z"], {"classes": ["x", "y", "z"]}, "labels: row 2.*unknown class 'q'"),
        ([1, 2, 1], {"classes": ["1", "2", "3"]}, "are labels their places or their names"),
        ([1, 2, 4], {"classes": [1, 2, 3]}, "unknown class '4'"),
        ([0, 1, 2], {"classes": ["x", "y"]}, "logits has 3 columns: expected 2, one per class"),
        (np.eye(3), {"classes": ["x", "y", "z"]}, r"labels has 3 columns.*argmax\(axis=1\)"),
        ([0, 1], {}, "labels has 2 rows; logits has 3"),
    ],
)
def test_classes_that_do_not_fit(labels, more, message):
    with pytest.raises((ConfigError, DataError), match=message):
        Predictions.of(CLASSES, labels, **more)


def test_what_is_made_is_saved_and_read_back(tmp_path):
    made = of(groups={"sex": ["f", "m", "f"]}, ids=["x", "y", "z"], name="dense", seed=1)
    made.save(tmp_path / "any.parquet")
    read = Predictions.load(tmp_path / "any.parquet")
    assert read.to_frame().equals(made.to_frame())
    assert (read.name, read.metadata.seed) == ("dense", 1)
