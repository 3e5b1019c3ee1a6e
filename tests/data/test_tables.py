import json

import polars as pl
import pytest

from prunescope.data import Columns
from prunescope.data.tables import (
    READERS,
    read_cells,
    read_csv,
    read_folder,
    read_parquet,
    read_roles,
    write_roles,
)
from prunescope.errors import DataError


def test_csv(faces, make_config):
    path, _ = faces
    table = read_csv(path, make_config(path))
    assert (table.name, table.source) == ("faces", str(path))
    assert table.frame.columns == ["image", "Smiling", "Bald", "Male", "person", "age"]
    assert set(table.frame.dtypes) == {pl.String}
    assert [name for name, _ in table.images] == ["a.png", "b.png", "c.png"]
    assert not table.images.bad


def test_images_in_another_folder(tmp_path, make_config, save_images):
    save_images(tmp_path / "pictures", ["a.png"])
    path = tmp_path / "faces.csv"
    path.write_text("picture,y\na.png,1\n")
    table = read_csv(path, make_config(path, images=tmp_path / "pictures", image_column="picture"))
    assert not table.images.bad


def test_unknown_image_column(faces, make_config):
    with pytest.raises(DataError, match=r"faces.csv: unknown column 'imag': did you mean image\?"):
        read_csv(faces[0], make_config(faces[0], image_column="imag"))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "expected CSV in UTF-8, with a line of column names; empty"),
        (b"image,y\na.png,1,2\n", "expected CSV in UTF-8.*found more fields"),
        (b"image,y\n\xff\xfe.png,1\n", "expected CSV in UTF-8.*utf-8"),
        (b"\xff\xfei\0m\0a\0g\0e\0\n\0", "expected CSV in UTF-8"),
        (b"image,y,y\na.png,1,0\n", "the column y stands twice"),
    ],
)
def test_csv_that_is_none(tmp_path, content, reason):
    path = tmp_path / "faces.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"faces.csv.*{reason}"):
        read_cells(path)


def test_cells(tmp_path):
    path = tmp_path / "faces.csv"
    path.write_bytes(b'\xef\xbb\xbfimage,"a ""b""",\r\n"x,y",007,1\r\nz,,\r\n')
    frame = read_cells(path)
    assert frame.columns == ["image", 'a "b"', ""]
    assert frame.rows() == [("x,y", "007", "1"), ("z", None, None)]


def test_parquet_with_paths(tmp_path, make_config, save_images):
    save_images(tmp_path, ["a.png"])
    path = tmp_path / "faces.parquet"
    pl.DataFrame({"image": ["a.png"], "y": [True]}).write_parquet(path)
    table = read_parquet(path, make_config(path))
    assert not table.images.bad
    assert table.frame.columns == ["image", "y"]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_file_names_are_no_patterns(tmp_path, make_config, save_images, suffix):
    save_images(tmp_path, ["a.png"])
    path = tmp_path / f"faces[1]*{suffix}"
    frame = pl.DataFrame({"image": ["a.png"], "y": [1]})
    frame.write_csv(path) if suffix == ".csv" else frame.write_parquet(path)
    assert READERS[suffix](path, make_config(path)).frame.height == 1


def test_parquet_with_bytes_leaves_them_alone(tmp_path, make_config):
    path = tmp_path / "faces.parquet"
    pl.DataFrame(
        {"image": [{"bytes": b"x", "path": "a.png"}], "y": [True], "embedding": [[1.0, 2.0]]}
    ).write_parquet(path)
    table = read_parquet(path, make_config(path))
    assert table.frame.columns == ["y"]
    assert list(table.images) == [("a.png", b"x")]


def test_parquet_with_other_images(tmp_path, make_config):
    path = tmp_path / "faces.parquet"
    pl.DataFrame({"image": [[1, 2]], "y": [True]}).write_parquet(path)
    with pytest.raises(DataError, match=r"column 'image' holds List.*expected image paths, bytes"):
        read_parquet(path, make_config(path))
    pl.DataFrame({"picture": ["a.png"], "y": [True]}).write_parquet(path)
    with pytest.raises(DataError, match=r"faces.parquet: unknown column 'image'"):
        read_parquet(path, make_config(path))
    pl.DataFrame({"image": [b"x"]}).write_parquet(path)
    with pytest.raises(DataError, match=r"faces.parquet: no column of labels"):
        read_parquet(path, make_config(path))


def test_parquet_that_is_none(tmp_path, make_config):
    path = tmp_path / "faces.parquet"
    path.write_bytes(b"image,y\n")
    with pytest.raises(DataError, match=r"faces.parquet cannot be read: expected Parquet"):
        read_parquet(path, make_config(path))


def test_folder_with_stated_roles(faces, make_config):
    path, _ = faces
    folder = path.parent
    path.rename(folder / "labels.csv")
    assert read_folder(folder, make_config(folder)).columns == Columns()
    (folder / "labels.csv").write_text("file,y,kind\na.png,1,x\n")
    write_roles(folder / "dataset.json", Columns(groups=("kind",), image_column="file"))
    table = read_folder(folder, make_config(folder, attributes=("y",)))
    assert table.name == "faces"
    assert table.columns == Columns(attributes=("y",), groups=("kind",), image_column="file")
    assert not table.images.bad


def test_folder_without_a_table(tmp_path, make_config):
    with pytest.raises(
        DataError,
        match=r"has no labels: expected labels.csv or labels.parquet in it.* Write a labels.csv",
    ):
        read_folder(tmp_path, make_config(tmp_path))
    (tmp_path / "train.parquet").touch()
    with pytest.raises(DataError, match=r"or name one of its tables instead: train.parquet"):
        read_folder(tmp_path, make_config(tmp_path))


def test_roles(tmp_path):
    path = tmp_path / "dataset.json"
    assert read_roles(path) == Columns()
    columns = Columns(attributes=("a",), groups=("b",), cluster="c", id_column="id")
    write_roles(path, columns)
    assert read_roles(path) == columns


@pytest.mark.parametrize(
    "content",
    [
        *("", "{", "[]", "\x00", '{"format_version": 2}', '{"source": "/etc"}', '{"groups": 3}'),
        '{"groups": ["a", "a"]}',
    ],
)
def test_damaged_roles(tmp_path, content):
    path = tmp_path / "dataset.json"
    path.write_text(content)
    with pytest.raises(DataError, match=r"dataset.json cannot be read: expected the roles of"):
        read_roles(path)


def test_roles_state_their_version(tmp_path):
    write_roles(tmp_path / "dataset.json", Columns())
    assert json.loads((tmp_path / "dataset.json").read_text())["format_version"] == 1
