import gzip
from contextlib import suppress

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunescope.errors import ConfigError, DataError
from prunescope.predictions import Metadata, Predictions
from prunescope.predictions.reading import (
    MAX_COLUMNS,
    check_width,
    read_cells,
    read_header,
    read_metadata,
    read_table,
)

NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=6)
FOREIGN = {"id": "file", "y__*": "*_true", "logit__*": "*_prob", "group__*": "meta_*"}


@pytest.fixture
def csv(tmp_path):
    """Return a function that writes text to a CSV file."""

    def write(text, name="x.csv", encoding="utf-8"):
        path = tmp_path / name
        path.write_bytes(text.encode(encoding))
        return path

    return write


@pytest.mark.parametrize("suffix", ["csv", "parquet", "CSV", "Parquet"])
def test_columns_of_another_tool_are_read_by_a_mapping(tmp_path, suffix):
    frame = pl.DataFrame(
        {
            "file": ["001", "002"],
            "Bald_true": [1, 0],
            "Bald_prob": [0.25, 0.5],
            "meta_age": [30, 40],
            "note": ["x", "y"],
        }
    )
    path = tmp_path / f"x.{suffix}"
    (frame.write_csv if suffix.lower() == "csv" else frame.write_parquet)(path)
    loaded = Predictions.load(path, columns=FOREIGN, scores="probability")
    assert loaded.samples.ids.to_list() == ["001", "002"]
    assert loaded.attributes == ("Bald",)
    assert loaded.samples.labels.tolist() == [[1], [0]]
    assert np.allclose(loaded.probabilities, [[0.25], [0.5]])
    assert loaded.samples.groups["age"].values == (30, 40)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_what_a_mapping_does_not_fit_is_named_with_the_file(csv, tmp_path, suffix):
    path = tmp_path / f"x.{suffix}"
    frame = pl.DataFrame({"id": ["a"], "y__a": [1], "logit__a": [1.0]})
    (frame.write_csv if suffix == "csv" else frame.write_parquet)(path)
    with pytest.raises(DataError, match=rf"x\.{suffix}: group__Male=sex: unknown column 'sex'"):
        Predictions.load(path, columns={"group__Male": "sex"})
    with pytest.raises(ConfigError, match="'Male' is no column of a prediction file"):
        Predictions.load(path, columns={"Male": "sex"})


def test_mapped_names_stay_text_in_csv(csv):
    path = csv(",class,path,logit__01,logit__1\n007,01,1.0,2,1\n7,1,8,2,1\n")
    samples = Predictions.load(path, columns={"id": "", "y": "class", "image": "path"}).samples
    assert samples.ids.to_list() == ["007", "7"]
    assert samples.labels.tolist() == [[1, 0], [0, 1]]
    assert samples.images.to_list() == ["1.0", "8"]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_cells_may_be_separated_by_semicolons_or_tabs(csv, separator):
    rows = [["id", "y__a", "logit__a"], ["x", "1", "2.5"], ["y", "", "-1"]]
    path = csv("\n".join(separator.join(row) for row in rows))
    loaded = Predictions.load(path)
    assert loaded.samples.ids.to_list() == ["x", "y"]
    assert loaded.logits.tolist() == [[2.5], [-1.0]]


def test_a_comma_comes_before_other_separators(csv):
    assert read_header(csv("a;b,c\td\n")) == (["a;b", "c\td"], ",")
    assert read_header(csv("a;b\tc\n")) == (["a", "b\tc"], ";")
    assert read_header(csv("a\n")) == (["a"], ",")
    assert read_header(csv("\n\na,b\n")) == (["a", "b"], ",")
    assert read_header(csv('"a,b";c\n')) == (["a,b", "c"], ";")


@given(names=st.lists(NAMES, min_size=2, max_size=4, unique_by=lambda name: name.lstrip(" ")))
def test_any_name_is_read_back(tmp_path_factory, names):
    path = tmp_path_factory.mktemp("csv") / "x.csv"
    pl.DataFrame({name: ["v"] for name in names}).write_csv(path)
    plain = [name.lstrip(" ") for name in names]
    assert read_table(path)[0].columns == plain
    assert read_cells(path).to_dicts() == [dict.fromkeys(plain, "v")]


def test_blanks_after_commas_are_no_part_of_names_and_numbers(csv):
    path = csv("id, y__a, logit__a, group__g\nx, 1, 2.5, 3\ny, , -1, 4\n")
    loaded = Predictions.load(path)
    assert loaded.samples.labels.tolist() == [[1], [-1]]
    assert loaded.logits.tolist() == [[2.5], [-1.0]]


def test_a_byte_order_mark_and_quoted_numbers(csv):
    path = csv('\ufeffid,y__a,logit__a\r\n"x","1","2.5"\r\n"y","","nan"\r\n')
    with pytest.raises(DataError, match="the logit of 'a' for id 'y' is nan; expected a finite"):
        Predictions.load(path)
    path = csv('\ufeffid,y__a,logit__a\r\n"x","1.0","2.5"\r\n"y","","-1"\r\n')
    loaded = Predictions.load(path)
    assert loaded.samples.labels.tolist() == [[1], [-1]]
    assert loaded.logits.tolist() == [[2.5], [-1.0]]


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ("1;0,93", "row 2 of column 'logit__a' is '0,93', with a decimal comma: expected .* 0.93"),
        ("1;", "row 2 of column 'logit__a' is empty: expected a number in every row"),
        ('1;""', "row 2 of column 'logit__a' is empty: expected a number in every row"),
        ("1;None", "row 2 of column 'logit__a' is 'None': expected a number"),
        ("-1;0.5", r"row 2 of column 'y__a' is -1: expected a label .* Write 0 if -1 means false"),
        ("2;0.5", "row 2 of column 'y__a' is 2: expected a label"),
    ],
)
def test_cells_that_make_no_sense_are_named(csv, cells, message):
    with pytest.raises(DataError, match=message):
        Predictions.load(csv(f"id;y__a;logit__a\nx;1;0.5\ny;{cells}\n"))


def test_what_pandas_makes_of_missing_cells_is_undone(csv):
    path = csv(
        "id,y__a,logit__a,group__n,group__b,group__c,group__t,group__k,group__none\n"
        "x,1.0,2,30.0,1.0,TRUE,A,0,\n"
        "y,,3,,,,,1,\n"
        "z,0.0,4,40.0,0.0,FALSE,1,2,\n"
    )
    samples = Predictions.load(path).samples
    assert samples.labels.tolist() == [[1], [-1], [0]]
    assert {name: group.to_series("").to_list() for name, group in samples.groups.items()} == {
        "n": [30, None, 40],
        "b": [True, None, False],
        "c": [True, None, False],
        "t": ["A", None, "1"],
        "k": [0, 1, 2],
        "none": [None, None, None],
    }
    kinds = {name: {type(value) for value in g.values} for name, g in samples.groups.items()}
    assert kinds == {"n": {int}, "b": {bool}, "c": {bool}, "t": {str}, "k": {int}, "none": set()}


@pytest.mark.parametrize("text", ["id,y__a,logit__a\nx,1,2\n", "id\n1\n", "id,y__a\nx,1\n"])
def test_one_column_or_row_is_still_csv(csv, text):
    frame, metadata = read_table(csv(text))
    assert frame.height == 1
    assert metadata == Metadata()


def test_a_name_that_stands_twice_is_refused(csv):
    with pytest.raises(DataError, match=r"x\.csv: the column a stands twice: rename one$"):
        Predictions.load(csv("id,a,a\nx,1,2\n"))
    with pytest.raises(DataError, match="columns 'a' and 'a' would both be 'a'"):
        Predictions.load(csv("id, a,a\nx,1,2\n"))


def test_a_table_with_too_many_columns_is_refused_unread(tmp_path, monkeypatch):
    wide = tmp_path / "wide.csv"
    names = ",".join(f"image{i}" for i in range(1_000_000))
    wide.write_text(f"{names}\n" + "1," * 999_999 + "1\n")
    thin = tmp_path / "wide.parquet"
    pl.DataFrame({f"c{i}": [1] for i in range(MAX_COLUMNS + 1)}).write_parquet(thin)
    monkeypatch.setattr(pl, "read_csv", None)
    monkeypatch.setattr(pl, "read_parquet", None)
    message = (
        r"columns; expected at most 20,000\. Rows are samples and columns are attributes: is the "
        r"table transposed\?$"
    )
    with pytest.raises(DataError, match=r"wide\.csv: 1,000,000 " + message):
        Predictions.load(wide)
    with pytest.raises(DataError, match=r"wide\.parquet: 20,001 " + message):
        Predictions.load(thin)
    check_width(MAX_COLUMNS, wide)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.parquet", b"", r"x\.parquet: cannot be read as parquet: [^?]*$"),
        ("x.parquet", b"id,y__a,logit__a\nx,1,2\n", "does not start like Parquet: if it is CSV"),
        ("x.parquet", b"PAR1" + bytes(90), r"parquet: .* Is it complete\? Write or copy it again$"),
        ("x.csv", b"", r"x\.csv: cannot be read as csv: empty CSV$"),
        ("x.csv", b"\n\n", r"x\.csv: cannot be read as csv: empty CSV$"),
        ("x.csv", b"id,y__a,logit__a\n", r"x\.csv: no samples; expected at least one row$"),
        ("x.csv", b"PAR1\x00,", r"csv: it is Parquet: let its name end in \.parquet$"),
        ("x.csv", "id,y__a\nx,1\n".encode("utf-16"), "it is UTF-16: save it as UTF-8$"),
        ("x.csv", gzip.compress(b"id,y__a\nx,1\n", mtime=0), "compressed: unpack it first$"),
        ("x.csv", b"PK\x03\x04 a workbook", "a workbook or an archive: save the table as CSV$"),
        ("x.csv", "id,y__a\nñ,1\n".encode("latin-1"), r"csv: invalid utf-8.*\. Save it as UTF-8$"),
        ("x.csv", b'id,y__a\n"x,1\n', r"x\.csv: (cannot be read as csv|no column)"),
        ("x.csv", b"x" * 200_000 + b",y\n1,2\n", "csv: field larger than field limit"),
        ("x.csv.gz", b"", r"x\.csv\.gz: expected a file that ends in \.parquet or \.csv$"),
        ("x", b"", "x: expected a file that ends in"),
    ],
)  # fmt: skip
def test_files_that_are_something_else(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        Predictions.load(tmp_path / name)


def test_a_folder_is_no_file(tmp_path):
    (tmp_path / "x.parquet").mkdir()
    with pytest.raises(DataError, match=r"x\.parquet: a folder; expected one file of predictions"):
        Predictions.load(tmp_path / "x.parquet")


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_name_with_a_star_is_a_name(build, tmp_path, suffix):
    build([[1]], [[1.0]], ids=["mine"]).save(tmp_path / f"a[1]*.{suffix}")
    build([[1]], [[1.0]], ids=["other"]).save(tmp_path / f"a1b.{suffix}")
    assert Predictions.load(tmp_path / f"a[1]*.{suffix}").samples.ids.to_list() == ["mine"]


def test_provenance_alone(build, tmp_path):
    build([[1]], [[1.0]], name="mine").save(tmp_path / "x.parquet")
    assert read_metadata(tmp_path / "x.parquet").name == "mine"
    pl.DataFrame({"a": [1]}).write_parquet(tmp_path / "y.parquet")
    assert read_metadata(tmp_path / "y.parquet") == Metadata()
    (tmp_path / "z.parquet").write_text("no")
    with pytest.raises(DataError, match=r"z\.parquet: cannot be read as parquet"):
        read_metadata(tmp_path / "z.parquet")


@given(content=st.binary(max_size=60) | st.text('id,;\t"\n y_a1.', max_size=40).map(str.encode))
def test_whatever_a_csv_file_holds_it_is_read_or_refused(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("any") / "x.csv"
    path.write_bytes(content)
    with suppress(DataError):  # anything else is a mistake of ours
        Predictions.load(path)
