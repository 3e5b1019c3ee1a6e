import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prunescope.data import Columns, Group, Samples
from prunescope.data.labels import (
    columns_of,
    find_attributes,
    read_classes,
    read_group,
    read_samples,
    read_splits,
    to_frame,
    typed,
)
from prunescope.data.tables import read_cells
from prunescope.errors import DataError


def read(frame, **roles):
    return read_samples(pl.DataFrame(frame), Columns(**roles), "faces.csv")


def test_roles_by_name():
    samples, splits = read(
        {
            "file": ["a.png", "b.png", "c.png"],
            "name": ["x", "y", "z"],
            "part": ["train", "Validation", "test"],
            "Smiling": [True, None, False],
            "Male": ["1", "0", ""],
            "age": ["old", None, "young"],
            "person": [7, 7, 3],
        },
        attributes=("Smiling", "Male"),
        groups=("Male", "age"),
        cluster="person",
        split_column="part",
        id_column="name",
        image_column="file",
    )
    assert samples.ids.to_list() == ["x", "y", "z"]
    assert samples.images.to_list() == ["a.png", "b.png", "c.png"]
    assert samples.attributes == ("Smiling", "Male")
    assert samples.labels.tolist() == [[1, 1], [-1, 0], [0, -1]]
    assert samples.groups["Male"].to_series("").to_list() == [True, False, None]
    assert samples.groups["age"].to_series("").to_list() == ["old", None, "young"]
    assert samples.groups["person"].values == (3, 7)
    assert samples.cluster == "person"
    assert samples.task == "multilabel"
    assert splits.tolist() == ["train", "val", "test"]


def test_ids_without_a_column():
    by_path, _ = read({"image": ["a.png", None, "c.png"], "y": [1, 0, 1]})
    assert by_path.ids.to_list() == ["a.png", "2", "c.png"]
    by_row, _ = read({"y": [1, 0]})
    assert by_row.ids.to_list() == ["1", "2"]
    assert by_row.images is None
    by_id, _ = read({"id": [10, 20], "image": ["a", "b"], "y": [1, 0]})
    assert by_id.ids.to_list() == ["10", "20"]
    chosen, _ = read({"id": [10, 10], "image": ["a", "b"], "y": [1, 0]}, id_column="image")
    assert chosen.ids.to_list() == ["a", "b"]


def test_ids_are_kept_as_written():
    samples, _ = read({"id": ["007", "7", "7.0", " 7", ""], "y": [1, 0, 1, 1, 1]})
    assert samples.ids.to_list() == ["007", "7", "7.0", " 7", ""]


def test_two_rows_with_one_id():
    with pytest.raises(DataError, match=r"faces.csv: id 'a' stands in rows 1 and 3: ids must be"):
        read({"image": ["a", "b", "a"], "y": [1, 0, 1]})


def test_a_missing_id():
    with pytest.raises(DataError, match=r"faces.csv: row 2 has no id"):
        read({"id": ["a", None], "y": [1, 0]})


def test_no_row():
    with pytest.raises(DataError, match=r"faces.csv has no row"):
        read({"image": [], "y": []})


@pytest.mark.parametrize("role", ["attributes", "groups", "cluster", "label", "id_column"])
def test_unknown_columns_suggest_the_nearest(role):
    value = ("Smilling",) if role in ("attributes", "groups") else "Smilling"
    with pytest.raises(
        DataError, match=r"faces.csv: unknown column 'Smilling': did you mean Smiling\? choose one"
    ):
        read({"image": ["a"], "Smiling": [1]}, **{role: value})


def test_unknown_split_column():
    with pytest.raises(DataError, match=r"unknown column 'parts': did you mean part"):
        read({"part": ["train"], "y": [1]}, split_column="parts")


@pytest.mark.parametrize("wrong", ["yes", "2", "-1", "0.5"])
def test_wrong_labels_name_file_row_and_value(wrong):
    with pytest.raises(DataError, match=rf"faces.csv: row 3 of column 'y' is .*{wrong}.*expected"):
        read({"y": ["1", "", wrong, "0", "0"]}, attributes=("y",))


@pytest.mark.parametrize("wrong", ["yes", "2", "-1"])
def test_a_wrong_label_is_not_a_reason_to_overlook_a_column(wrong):
    frame = {"y": ["1", "0", wrong, "0"], "z": ["1"] * 4}
    with pytest.raises(DataError, match=r"row 3 of column 'y'.*if it is no attribute, name those"):
        read(frame)
    samples, _ = read(frame, attributes=("z",))
    assert samples.attributes == ("z",)


@pytest.mark.parametrize(
    "column",
    [
        [True, False, None],
        [1, 0, None],
        [1.0, 0.0, float("nan")],
        ["1", "0", ""],
        ["1.0", "0.0", None],
        ["True", "false", None],
        ["TRUE", "FALSE", ""],
    ],
)
def test_spellings_of_labels(column):
    samples, _ = read({"y": pl.Series(column, strict=False)})
    assert samples.labels[:, 0].tolist() == [1, 0, -1]
    group = read_group(pl.Series(column, strict=False), "t")
    assert group.values == (False, True)
    assert group.codes.tolist() == [1, 0, -1]


def test_find_attributes():
    frame = pl.DataFrame(
        {
            "id": [0, 1, 1],
            "image": ["0", "1", "1"],
            "split": [0, 1, 1],
            "who": [1, 0, 1],
            "flag": [True, False, None],
            "unlabelled": pl.Series([None] * 3, dtype=pl.Boolean),
            "number": [1, 0, 1],
            "word": ["true", "", "false"],
            "one": ["1", "1", "1"],
            "empty": ["", None, ""],
            "age": [31, 42, 0],
            "height": [1.5, 1.0, 1.8],
            "name": ["x", "y", "1"],
            "stage": [0, 1, 2],
        }
    )
    columns = Columns(cluster="who", groups=("stage", "flag"))
    found = ("flag", "unlabelled", "number", "word", "one")
    assert find_attributes(frame, columns, "faces.csv") == found


def test_no_attribute():
    with pytest.raises(DataError, match=r"faces.csv has no column of 0/1/true/false to predict"):
        read({"image": ["a", "b"], "kind": ["cat", "dog"]})


def test_typed():
    assert typed(pl.Series(["1", "22", None])).dtype == pl.Int64
    assert typed(pl.Series(["1.5", "2"])).dtype == pl.Float64
    assert typed(pl.Series(["1.5", "nan"])).to_list() == [1.5, None]
    assert typed(pl.Series(["01", "02"])).to_list() == ["01", "02"]
    assert typed(pl.Series(["True", "false", ""])).to_list() == [True, False, None]
    assert typed(pl.Series(["1", "x"])).to_list() == ["1", "x"]
    assert typed(pl.Series(["true", "maybe"])).to_list() == ["true", "maybe"]
    assert typed(pl.Series(["9" * 30])).to_list() in (["9" * 30], [1e30])
    assert typed(pl.Series([3, 4])).to_list() == [3, 4]


def test_groups_of_fractions_are_refused():
    for column in ([1.5, 2.5], ["1.5", "2"]):
        with pytest.raises(DataError, match=r"t: group column 'age' .* cut a number into bands"):
            read_group(pl.Series("age", column), "t")


@pytest.mark.parametrize("column", [[3.0, 12.0, None, float("nan")], ["3.0", "12.0", "", "nan"]])
def test_whole_floats_are_groups_clusters_and_classes(column):
    race = pl.Series("race", column)
    told = {"y": [1, 0, 1, 0], "race": column}
    clustered, _ = read(told, cluster="race", attributes=("y",))
    for group in (read_group(race, "t"), clustered.groups["race"]):
        assert group.values == (3, 12)
        assert group.codes.tolist() == [0, 1, -1, -1]
    classes, labels = read_classes(race, None, "t")
    assert classes == ("3", "12")
    assert labels.tolist() == [[1, 0], [0, 1], [-1, -1], [-1, -1]]


def test_groups():
    assert read_group(pl.Series(["3", "12", ""]), "t").values == (3, 12)
    assert read_group(pl.Series(["b", "a"]), "t").values == ("a", "b")
    assert read_group(pl.Series(["", None], dtype=pl.String), "t").codes.tolist() == [-1, -1]
    assert read_group(pl.Series([1, 1]), "t").values == (False, True)
    # A cluster of people 0 and 1 is no yes-or-no matter.
    samples, _ = read({"y": [1, 0], "who": [0, 1]}, cluster="who", attributes=("y",))
    assert repr(samples.groups["who"].values) == "(0, 1)"


def test_multiclass():
    samples, _ = read({"image": ["a", "b", "c"], "kind": ["dog", None, "cat"]}, label="kind")
    assert samples.task == "multiclass"
    assert samples.attributes == ("cat", "dog")
    assert samples.labels.tolist() == [[0, 1], [-1, -1], [1, 0]]


def test_classes_sort_as_numbers_and_keep_a_given_order():
    assert read_classes(pl.Series(["10", "9"]), None, "t")[0] == ("9", "10")
    assert read_classes(pl.Series([True, False]), None, "t")[0] == ("False", "True")
    classes, labels = read_classes(pl.Series(["a", "c"]), ("c", "b", "a"), "t")
    assert classes == ("c", "b", "a")
    assert labels.tolist() == [[0, 0, 1], [1, 0, 0]]


def test_wrong_classes():
    with pytest.raises(DataError, match=r"t: row 2 of column 'k': unknown class 'doge': did you"):
        read_classes(pl.Series("k", ["cat", "doge"]), ("cat", "dog"), "t")
    with pytest.raises(DataError, match=r"column 'k' has no class: every cell is empty"):
        read_classes(pl.Series("k", ["", None]), None, "t")


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (["train", "valid", "validation", "dev", "VAL", "Test"], "train val val val val test"),
        (["0", "1", "2"], "train val test"),
        ([0, 0, 2], "train train test"),
        ([0, 1, 2, 3], "0 1 2 3"),
        (["Fold A", "0"], "Fold A/0"),
    ],
)
def test_splits(column, expected):
    found = read_splits(pl.DataFrame({"split": column}), "split", "t").tolist()
    assert found == (expected.split("/") if "/" in expected else expected.split())


def test_without_a_split_column_all_is_test():
    assert read_splits(pl.DataFrame({"y": [1, 0]}), "split", "t").tolist() == ["test", "test"]


def test_a_missing_split():
    with pytest.raises(DataError, match=r"t: row 2 has no split: every sample needs one"):
        read_splits(pl.DataFrame({"split": ["train", ""]}), "split", "t")


names = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1, max_size=6)


@st.composite
def sample_sets(draw):
    n = draw(st.integers(1, 6))

    def each(values):
        return draw(st.lists(values, min_size=n, max_size=n))

    ids = draw(st.lists(names, min_size=n, max_size=n, unique=True))
    kinds = {
        "Male": st.booleans(),
        "size": st.integers(-3, 3000),
        "place": st.sampled_from(["north", "ßouth", "a,b", 'say "so"', "two\nlines", "007"]),
    }
    groups = {}
    for name in draw(st.lists(st.sampled_from(sorted(kinds)), unique=True)):
        groups[name] = read_group(pl.Series(name, each(st.none() | kinds[name])), "t")
    cluster = draw(st.sampled_from([None, *groups]))
    if cluster is not None:
        values = groups[cluster].to_series(cluster)
        groups[cluster] = Group.from_series(typed(values))
    if draw(st.booleans()):
        labels = np.array(each(st.lists(st.integers(-1, 1), min_size=3, max_size=3)), np.int8)
        attributes, task = ("a", "b c", 'd"'), "multilabel"
    else:
        codes = np.array(each(st.integers(-1, 2)))
        codes[draw(st.integers(0, n - 1))] = 1
        labels = np.eye(4, 3, dtype=np.int8)[codes]
        labels[codes == -1] = -1
        attributes, task = ("cat", "dog, small", "4"), "multiclass"
    samples = Samples(pl.Series(ids), attributes, labels, groups, cluster, pl.Series(ids), task)
    splits = np.array(each(st.sampled_from(["train", "val", "test"])))
    return samples, splits


@settings(deadline=None, max_examples=60)
@given(sample_sets())
def test_frames_and_csv_are_read_back(tmp_path_factory, both):
    samples, splits = both
    frame = to_frame(samples, splits, samples.images)
    path = tmp_path_factory.getbasetemp() / "frame.csv"
    frame.write_csv(path)
    for table in (frame, read_cells(path)):
        again, again_splits = read_samples(table, columns_of(samples), "t")
        assert again_splits.tolist() == splits.tolist()
        assert again.ids.to_list() == samples.ids.to_list()
        assert again.images.to_list() == samples.images.to_list()
        assert again.attributes == samples.attributes
        assert again.labels.tolist() == samples.labels.tolist()
        assert (again.task, again.cluster) == (samples.task, samples.cluster)
        assert set(again.groups) == set(samples.groups)
        for name, group in samples.groups.items():
            assert again.groups[name].to_series("").to_list() == group.to_series("").to_list()


def test_a_group_that_is_an_attribute_is_written_once():
    samples, splits = read({"y": [1, 0]}, groups=("y",))
    assert to_frame(samples, splits, ["a", "b"]).columns == ["id", "image", "split", "y"]


@pytest.mark.parametrize("name", ["y", "split", "id"])
def test_two_columns_of_one_name_are_not_written(name):
    group = Group.from_series(pl.Series([True, True]))
    samples = Samples(pl.Series(["a", "b"]), ("y",), np.array([[1], [0]], np.int8), {name: group})
    with pytest.raises(DataError, match=f"two columns {name}: an attribute or group has the name"):
        to_frame(samples, np.array(["test", "test"]), ["a", "b"])
