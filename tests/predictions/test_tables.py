from datetime import date

import numpy as np
import polars as pl
import pytest

from prunescope.errors import DataError
from prunescope.predictions import Predictions, train_rates_from

COLUMNS = {"id": ["a", "b"], "y__Bald": [1, 0], "logit__Bald": [1.0, -1.0]}


@pytest.fixture
def write(tmp_path):
    """Return a function that writes columns, some replaced or (None) dropped, and the path."""

    def save(name="x.parquet", metadata=None, **columns):
        kept = {**COLUMNS, **columns}
        frame = pl.DataFrame({key: value for key, value in kept.items() if value is not None})
        if name.endswith(".csv"):
            frame.write_csv(tmp_path / name)
        else:
            frame.write_parquet(tmp_path / name, metadata=metadata)
        return tmp_path / name

    return save


def test_a_minimal_file_is_enough(write):
    loaded = Predictions.load(write())
    assert loaded.attributes == ("Bald",)
    assert loaded.samples.labels[:, 0].tolist() == [1, 0]
    assert loaded.samples.images is None
    assert not loaded.samples.groups


def test_other_columns_are_left_alone(write):
    assert Predictions.load(write(notes=["x", "y"], p__Bald=[0.1, 0.2])).attributes == ("Bald",)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"id": None}, r"no column 'id'. Expected the columns id, y__<attribute> \(or y, the "),
        ({"id": ["a", "a"]}, "id 'a' stands in rows 1 and 2: ids must be unique"),
        ({"id": ["a", None]}, "row 2 has no id: every sample needs one"),
        ({"id": [["a"], ["b"]]}, r"column 'id' holds List\(String\): expected text"),
        ({"logit__Bald": None}, "no column logit__<attribute>. Expected .*; found id, y__Bald.$"),
        (
            {"y__Bald": None},
            r"no column y__<attribute> or y\. Expected .*; found id, logit__Bald.$",
        ),
        ({"y__Bald": [[1], [0]]}, r"column 'y__Bald' holds List\(Int64\): expected labels"),
        ({"y__Bald": [0.0, 0.5]}, "row 2 of column 'y__Bald' is 0.5: expected a label"),
        ({"y__Bald": [0, -1]}, "row 2 of column 'y__Bald' is -1: .* Write 0 if -1 means false"),
        ({"y__Bald": [date(2020, 1, 1), None]}, "row 1 of column 'y__Bald' is datetime.date"),
        ({"y__Old": [1, 0]}, "Old stand only as y__ or only as logit__ columns: expected both"),
        ({"logit__Old": [1.0, 0.0]}, "Old stand only as y__ or only as logit__ columns"),
        ({"y__Bald": [1, 2]}, "row 2 of column 'y__Bald' is 2: expected a label"),
        ({"y__Bald": ["yes", "no"]}, "row 1 of column 'y__Bald' is 'yes': expected a label"),
        ({"logit__Bald": ["x", "y"]}, "row 1 of column 'logit__Bald' is 'x': expected a number"),
        ({"logit__Bald": [True, False]}, "column 'logit__Bald' holds Boolean: expected numbers"),
        ({"logit__Bald": [1.0, None]}, "row 2 of column 'logit__Bald' is empty"),
        ({"group__age": [date(2020, 1, 1), None]}, "group column 'group__age' holds Date: expect"),
        ({"group__age": [["x"], ["y"]]}, r"group column 'group__age' holds List\(String\): expec"),
        ({"group__age": [1.5, 2.5]}, "group column 'group__age' holds Float64: expected booleans"),
        ({"image": [{"path": "x"}, {"path": "y"}]}, "column 'image' holds Struct.*: expected text"),
        (
            {"y__Bald": None, "y": ["Bald", "cat"]},
            "row 2 of column 'y': unknown class 'cat': choose one of Bald",
        ),
        ({"id": [], "y__Bald": [], "logit__Bald": []}, "no samples; expected at least one row"),
    ],
)
def test_columns_that_make_no_sense_are_named_with_their_file(write, columns, message):
    with pytest.raises(DataError, match=rf"(?m)x\.parquet: {message}"):
        Predictions.load(write(**columns))


def test_an_absent_file_and_an_unknown_suffix(tmp_path):
    with pytest.raises(DataError, match=r"none\.parquet: no such file; expected predictions as"):
        Predictions.load(tmp_path / "none.parquet")
    with pytest.raises(DataError, match="a folder; expected one file of predictions"):
        Predictions.load(tmp_path)
    (tmp_path / "x.npz").touch()
    with pytest.raises(DataError, match=r"x\.npz: expected a file that ends in \.parquet or \.csv"):
        Predictions.load(tmp_path / "x.npz")


@pytest.mark.parametrize("keep", [0, 3, 11, 200, -1, -9])
def test_a_truncated_parquet_file_is_a_data_error(write, keep):
    path = write()
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DataError, match=r"x\.parquet: cannot be read as parquet: ."):
        Predictions.load(path)


def test_a_corrupted_parquet_file_is_a_data_error_or_other_numbers(write, capfd):
    path = write()
    whole = path.read_bytes()
    failed = 0
    for place in range(4, len(whole) - 8, 17):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        try:
            Predictions.load(path)
        except DataError:
            failed += 1
    assert failed > 5
    capfd.readouterr()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "cannot be read as csv: empty CSV"),
        ("id,y__Bald,logit__Bald\n", "no samples; expected at least one row"),
        ("id,y__Bald,logit__Bald\na,1,2,3\n", "cannot be read as csv: found more fields"),
        ("id,y__Bald,logit__Bald\na,1,NaN\n", "expected a finite number"),
        ("id,y__Bald,logit__Bald\na,1,\nb,1,2\n", "row 1 of column 'logit__Bald' is empty"),
        ("id;y__Bald\n", "no column 'id'|no samples"),
    ],
)
def test_csv_that_makes_no_sense_is_a_data_error(tmp_path, text, message):
    path = tmp_path / "x.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        Predictions.load(path)


def test_csv_of_another_encoding_is_a_data_error(tmp_path):
    path = tmp_path / "x.csv"
    path.write_bytes("id,y__Bald,logit__Bald\nñ,1,2\n".encode("latin-1"))
    with pytest.raises(DataError, match="cannot be read as csv: invalid utf-8"):
        Predictions.load(path)


def test_csv_ids_stay_as_they_are_written(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("id,y__Bald,logit__Bald,image\n001,1,2,007\n1,,3,8\n1.0,0,4,\n")
    samples = Predictions.load(path).samples
    assert samples.ids.to_list() == ["001", "1", "1.0"]
    assert samples.images.to_list() == ["007", "8", None]
    assert samples.labels[:, 0].tolist() == [1, -1, 0]


def test_csv_written_by_other_tools(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text(
        "id,y__Bald,logit__Bald,group__Male,group__old,group__size,group__note\n"
        "a,True,2,True,true,3,True\n"
        "b,False,3,False,false,4,maybe\n"
        "c,,4,,,,\n"
    )
    samples = Predictions.load(path).samples
    assert samples.labels[:, 0].tolist() == [1, 0, -1]
    assert {name: group.values for name, group in samples.groups.items()} == {
        "Male": (False, True),
        "old": (False, True),
        "size": (3, 4),
        "note": ("True", "maybe"),
    }
    assert samples.groups["Male"].codes.tolist() == [1, 0, -1]


def test_csv_of_classes_named_by_numbers(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("id,y,logit__01,logit__1\na,01,2,1\nb,1,0,1\nc,,0,1\n")
    assert Predictions.load(path).samples.labels.tolist() == [[1, 0], [0, 1], [-1, -1]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{nope", "Expecting property name"),
        ("[1]", "valid dictionary"),
        ('{"format_version": 2}', "format_version"),
        ('{"task": "regression"}', "task"),
        ('{"compression": {"sparsity": 95}}', "less than 1"),
        ('{"train_prevalence": {"Bald": "often"}}', "train_prevalence.Bald"),
    ],
)
def test_metadata_that_makes_no_sense_is_a_data_error(write, text, message):
    path = write(metadata={"prunescope": text})
    expected = r"(?s)x\.parquet: its metadata 'prunescope' is not what format version 1.*"
    with pytest.raises(DataError, match=expected + message):
        Predictions.load(path)


def test_single_precision_is_kept_and_anything_else_is_double(write):
    single = pl.Series([1, 2], dtype=pl.Float32)
    assert Predictions.load(write(logit__Bald=single)).logits.dtype == np.float32
    assert Predictions.load(write(logit__Bald=[1, 2])).logits.dtype == np.float64
    mixed = write(logit__Bald=single, y__Old=[1, 0], logit__Old=[1.0, 2.0])
    assert Predictions.load(mixed).logits.dtype == np.float64


def test_train_rates_need_no_logits(write):
    path = write(logit__Bald=None, group__Male=[True, None])
    rates = train_rates_from(path)
    assert rates.prevalence == {"Bald": 0.5}
    assert rates.group_rates == {"Male": {"False": {}, "True": {"Bald": 1.0}}}


def test_train_rates_of_classes(write, tmp_path):
    path = write(y__Bald=None, logit__Bald=None, y=["cat", None])
    assert train_rates_from(path).prevalence == {"cat": 1.0}
    path = write(y__Bald=None, y=["Bald", None], logit__Cat=[0.0, 0.0])
    assert train_rates_from(path).prevalence == {"Bald": 1.0, "Cat": 0.0}


def test_train_rates_leave_out_the_cluster(write):
    path = write(group__who=["x", "y"], metadata={"prunescope": '{"dataset":{"cluster":"who"}}'})
    assert train_rates_from(path).group_rates == {}


def test_train_rates_without_labels_are_an_error(write):
    with pytest.raises(DataError, match=r"x\.parquet: no column y__<attribute> or y\. Expected"):
        train_rates_from(write(y__Bald=None))
    with pytest.raises(DataError, match=r"(?s)Rename.* add:\n  --map 'y__\*=\*_gt'$"):
        train_rates_from(write(y__Bald=None, Bald_gt=[1, 0]))
    with pytest.raises(DataError, match="no samples; expected at least one row"):
        train_rates_from(write(id=[], y__Bald=[], logit__Bald=[]))


def test_train_rates_by_a_mapping_that_serves_for_predictions_too(write):
    path = write(id=None, y__Bald=None, logit__Bald=None, Bald_true=[1, None], sex=["f", "m"])
    columns = {"id": "file", "y__*": "*_true", "logit__*": "*_prob", "group__sex": "sex"}
    rates = train_rates_from(path, columns)
    assert rates.prevalence == {"Bald": 1.0}
    assert rates.group_rates == {"sex": {"f": {"Bald": 1.0}, "m": {}}}
    assert train_rates_from(path, columns | {"group__sex": "gender"}).group_rates == {}
    with pytest.raises(DataError, match=r"y__\*=\*_gt: unknown column"):
        train_rates_from(path, {"y__*": "*_gt"})


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_whole_numbers_may_be_floats(write, suffix):
    nan = float("nan")
    path = write(
        f"x.{suffix}",
        id=["a", "b", "c"],
        y__Bald=[1.0, nan, 0.0],
        logit__Bald=[1.0, 2.0, -1.0],
        group__age=[30.0, nan, 40.0],
    )
    samples = Predictions.load(path).samples
    assert samples.labels[:, 0].tolist() == [1, -1, 0]
    assert samples.groups["age"].to_series("age").to_list() == [30, None, 40]


@pytest.mark.parametrize("kind", [pl.UInt8, pl.UInt64, pl.Int8, pl.Float32, pl.Boolean])
def test_labels_of_any_type(write, kind):
    y = pl.Series([1, 0, None]).cast(kind)
    path = write("x.parquet", id=["a", "b", "c"], y__Bald=y, logit__Bald=[1.0, 2.0, -1.0])
    assert Predictions.load(path).samples.labels[:, 0].tolist() == [1, 0, -1]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_classes_may_be_floats(write, suffix):
    columns = {"id": list("abc"), "y__Bald": None, "logit__Bald": None, "y": [1.0, None, 0.0]}
    path = write(f"x.{suffix}", **columns, logit__0=[1.0, 0.0, 0.0], logit__1=[0.5, 1.0, 1.0])
    loaded = Predictions.load(path)
    assert loaded.attributes == ("0", "1")
    assert loaded.samples.labels.tolist() == [[0, 1], [-1, -1], [1, 0]]
    no_scores = write(f"x.{suffix}", **columns)
    assert train_rates_from(no_scores).prevalence == {"0": 0.5, "1": 0.5}


@pytest.mark.parametrize("classes", [("1.0", "1"), ("1.5", "2.5"), ("true", "false"), ("01", "1")])
def test_classes_are_named_as_they_are_written(tmp_path, classes):
    one, two = classes
    frame = pl.DataFrame({"id": ["a", "b", "c"], "y": [one, two, None]})
    for path in (tmp_path / "x.csv", tmp_path / "x.parquet"):
        scored = frame.with_columns(pl.lit(1.0).alias(f"logit__{name}") for name in classes)
        (scored.write_csv if path.suffix == ".csv" else scored.write_parquet)(path)
        assert Predictions.load(path).samples.labels.tolist() == [[1, 0], [0, 1], [-1, -1]]
        (frame.write_csv if path.suffix == ".csv" else frame.write_parquet)(path)
        if "1.0" not in classes:
            assert set(train_rates_from(path).prevalence) == set(classes)


def test_a_float_stands_for_the_class_that_there_is(write):
    columns = {"y__Bald": None, "logit__Bald": None, "logit__1": [0.0, 1.0]}
    path = write(y=["0.0", "1"], logit__0=[1.0, 0.0], **columns)
    assert Predictions.load(path).samples.labels.tolist() == [[1, 0], [0, 1]]
    path = write(**{"y": ["1.0", "1.0"], "logit__1.0": [1.0, 0.0], **columns})
    assert Predictions.load(path).attributes == ("1.0", "1")
    assert Predictions.load(path).samples.labels.tolist() == [[1, 0], [1, 0]]


def test_labels_of_attributes_come_before_classes(write):
    loaded = Predictions.load(write(y=["cat", "dog"]))
    assert loaded.samples.task == "multilabel"


def test_an_empty_class_is_unlabelled(write):
    path = write(y__Bald=None, y=["Bald", ""])
    assert Predictions.load(path).samples.labels.tolist() == [[1], [-1]]
