"""An id that stands twice in files that are read a part at a time is found, and named."""

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prunescope.errors import DataError
from prunescope.predictions import Predictions, repeats
from prunescope.predictions.ids import hash_texts
from prunescope.predictions.repeats import check_unique
from prunescope.predictions.shards import Shards

MANY = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(params=[1 << 20, 3], ids=["at once", "three at a time"])
def read(request, monkeypatch):
    """Read so many rows at once."""
    monkeypatch.setattr(Shards.parts, "__defaults__", (0, request.param))


@pytest.fixture(params=[1 << 27, 4], ids=["one pass", "several passes"])
def held(request, monkeypatch, read):
    """Hold so many hashes at once, and compare two."""
    monkeypatch.setattr(repeats, "HELD", request.param)
    monkeypatch.setattr(repeats, "PIECE", min(request.param, 2))


def write(folder, ids, cuts=(), dtype=None):
    """Write a model with these ids as one file or several."""
    for number, part in enumerate(np.split(np.arange(len(ids)), cuts)):
        some = pl.Series("id", [ids[row] for row in part], dtype=dtype or pl.String)
        frame = pl.DataFrame([some]).with_columns(y__a=pl.lit(1), logit__a=pl.lit(0.5))
        frame.write_parquet(folder / f"part-{number}.parquet")
    return Shards.scan(folder, name="m")


@pytest.mark.usefixtures("held")
@pytest.mark.parametrize(
    ("rows", "cuts"),
    [
        ((1, 3), ()),  # within a part
        ((5, 6), ()),
        ((0, 9), ()),  # far apart
        ((4, 5), (5,)),  # on both sides of a border between files
        ((2, 3), ()),  # on both sides of a border between parts
        ((0, 8), (3, 6)),
    ],
)
def test_the_id_and_its_rows_are_named(tmp_path, rows, cuts):
    ids = [f"s{i}" for i in range(10)]
    ids[rows[1]] = ids[rows[0]]
    name = rf"m: id 's{rows[0]}' stands in rows {rows[0] + 1} and {rows[1] + 1}: ids must be unique"
    with pytest.raises(DataError, match=f"^{name}$"):
        check_unique(write(tmp_path, ids, cuts))


@pytest.mark.usefixtures("read")
@MANY
@given(ids=st.lists(st.integers(0, 30), min_size=1, max_size=20), text=st.booleans())
def test_it_is_refused_as_in_memory(tmp_path_factory, ids, text):
    """The same id and rows; integers are what their digits are."""
    folder = tmp_path_factory.mktemp("files")
    ids = [str(one) for one in ids] if text else ids
    files = write(folder, ids, dtype=pl.String if text else pl.Int64)

    def told(look):
        try:
            look()
        except DataError as error:
            return str(error).split(": ", 1)[1]
        return None

    in_memory = told(lambda: Predictions.load(folder / "part-0.parquet"))
    assert told(lambda: check_unique(files)) == in_memory
    assert (in_memory is None) == (len(set(ids)) == len(ids))


@pytest.mark.usefixtures("held")
def test_unique_ids_are_fine_whatever_they_hash_to(tmp_path, monkeypatch):
    files = write(tmp_path, [f"s{i}" for i in range(12)], cuts=(5,))
    check_unique(files)
    monkeypatch.setattr(repeats, "hash_texts", lambda ids: hash_texts(ids) % np.uint64(2))
    check_unique(files)


def test_an_id_that_repeats_is_found_among_others_of_its_hash(tmp_path, monkeypatch):
    monkeypatch.setattr(repeats, "hash_texts", lambda ids: hash_texts(ids) * np.uint64(0))
    files = write(tmp_path, ["a", "b", "c", "b"])
    with pytest.raises(DataError, match="m: id 'b' stands in rows 2 and 4"):
        check_unique(files)


@pytest.mark.usefixtures("read")
def test_a_row_without_an_id_is_named(tmp_path):
    with pytest.raises(DataError, match="m: row 5 has no id: every sample needs one"):
        check_unique(write(tmp_path, ["a", "b", "c", "d", None]))


def test_parts_cover_all_rows_once(tmp_path):
    files = write(tmp_path, [f"s{i}" for i in range(10)], cuts=(4,))
    found = list(files.parts(["id"], start=2, rows=3))
    assert [first for first, _ in found] == [2, 5, 8]
    assert pl.concat(frame for _, frame in found)["id"].to_list() == [f"s{i}" for i in range(2, 10)]
