import json

import pytest

from prunescope.errors import DataError
from prunescope.report.gains import read_gain

ROW = {"model": "dense", "bytes_zlib": 4e6, "ms_batch_1": 2.5, "bytes_weights": 5_000_000, "x": 1}


@pytest.fixture
def file(tmp_path):
    def write(told):
        path = tmp_path / "gain.json"
        path.write_text(told if isinstance(told, str) else json.dumps(told), encoding="utf-8")
        return path

    return write


def test_sizes_and_times_are_read_in_their_units(file):
    gain = read_gain(file({"zlib_level": 6, "models": [ROW, ROW | {"model": "b"}]}))
    assert gain.costs == ("compressed file, MB", "time per image, ms", "file of weights, MB")
    assert gain.of(["dense"]) == [4.0, 2.5, 5.0]
    assert gain.knows(["b", "c"])
    assert not gain.knows(["c"])


def test_without_times_sizes_alone_are_told(file):
    rows = [{"model": "int8", "bytes_zlib": 1e6}]
    gain = read_gain(file({"models": [*rows, {"model": "b", "bytes_zlib": None}]}))
    assert gain.costs == ("compressed file, MB",)
    assert gain.of(["int8", "b"]) == [1.0]
    assert gain.of(["b"]) == [None]


@pytest.mark.parametrize(
    ("told", "match"),
    [
        ("no", "it is no JSON"),
        ({}, r"models: Field required"),
        ([], "expected what 'prunescope gain --json' prints"),
        ({"models": [{"bytes_zlib": 1}]}, r"models.0.model: Field required"),
        ({"models": [{"model": "a"}]}, "tells no size and no time"),
        ({"models": []}, "tells no size and no time"),
    ],
)
def test_another_file_is_refused(file, told, match):
    with pytest.raises(DataError, match=match):
        read_gain(file(told))


def test_a_file_that_is_absent_or_no_text(tmp_path):
    with pytest.raises(DataError, match=r"cannot read .*No such file"):
        read_gain(tmp_path / "gain.json")
    (tmp_path / "x").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="no JSON"):
        read_gain(tmp_path / "x")
