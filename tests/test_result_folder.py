import itertools
import json
import threading

import polars as pl
import pytest
from pydantic import BaseModel

from prunescope.audit.result import FILES as AUDIT
from prunescope.cli.output import RESULTS
from prunescope.errors import DataError
from prunescope.files import LOCK
from prunescope.forecast.result import FILES as FORECAST
from prunescope.forecast.score_result import FILES as SCORE
from prunescope.mitigate.comparison_result import FILES as COMPARISON
from prunescope.mitigate.route_result import FILES as ROUTE
from prunescope.mitigate.search_result import FILES as SEARCH
from prunescope.result_folder import ResultFolder
from prunescope.sensitivity.result import FILES as SENSITIVITY
from prunescope.slices.result import FILES as SLICES


class Info(BaseModel):
    format_version: int = 1
    n: int


SCHEMA = {"x": pl.Int64()}
FILES = ResultFolder(
    "thing", "prunescope thing", "thing.json", Info, {"a.parquet": SCHEMA, "b.parquet": SCHEMA}
)


def table(n):
    return pl.DataFrame({"x": [n]}, schema=SCHEMA)


def save(folder, n):
    FILES.save(folder, Info(n=n), table(n), table(10 * n))


def load(folder):
    """Return the three numbers that a folder holds."""
    info, (a, b) = FILES.load(folder)
    return info.n, a.item(), b.item()


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_result_is_read_back_and_nothing_else_is_left(tmp_path):
    folder = tmp_path / "new" / "thing"
    save(folder, 1)
    assert load(folder) == (1, 1, 10)
    save(folder, 2)
    assert load(folder) == (2, 2, 20)
    assert names(folder) == ["a.parquet", "b.parquet", "thing.json"]


def test_killed_at_any_step_the_old_or_the_new_result_is_there_whole(tmp_path, killed_at):
    seen = []
    for step in itertools.count():
        folder = tmp_path / str(step)
        save(folder, 1)
        (folder / "notes.txt").write_text("mine")
        with killed_at(step, folder) as came:
            save(folder, 2)
        if not came:
            break
        seen.append(load(folder))
        assert seen[-1] in [(1, 1, 10), (2, 2, 20)]
        save(folder, 3)
        assert load(folder) == (3, 3, 30)
        assert names(folder) == ["a.parquet", "b.parquet", "notes.txt", "thing.json"]
    assert step > 8
    assert seen == sorted(seen)
    assert {n for n, _, _ in seen} == {1, 2}


def test_killed_twice_the_first_whole_result_stays(tmp_path, killed_at):
    """What still waits of a result that is whole is not lost when the next one is killed."""
    for first, second in itertools.product(range(9, 23, 2), range(0, 12, 3)):
        folder = tmp_path / f"{first}-{second}"
        save(folder, 1)
        with killed_at(first, folder):
            save(folder, 2)
        whole = load(folder)
        with killed_at(second, folder):
            save(folder, 3)
        assert load(folder) in [whole, (3, 3, 30)]


def test_killed_before_there_is_any_result_there_is_none(tmp_path, killed_at):
    for step in range(6):
        folder = tmp_path / str(step)
        with killed_at(step, folder):
            save(folder, 1)
        with pytest.raises(DataError, match="holds no thing"):
            load(folder)


def test_a_table_of_another_result_is_refused(tmp_path):
    save(tmp_path / "one", 1)
    save(tmp_path / "two", 2)
    (tmp_path / "two" / "b.parquet").replace(tmp_path / "one" / "b.parquet")
    with pytest.raises(DataError, match=r"b\.parquet is not the table that thing\.json was"):
        load(tmp_path / "one")


def test_a_result_that_is_not_sealed_is_refused(tmp_path):
    save(tmp_path, 1)
    (tmp_path / "thing.json").write_text('{"n": 1}')
    with pytest.raises(DataError, match=r"since version 0\.2: make it again with prunescope thing"):
        load(tmp_path)


def test_what_the_result_says_cannot_be_changed(tmp_path):
    save(tmp_path, 1)
    told = json.loads((tmp_path / "thing.json").read_text())
    (tmp_path / "thing.json").write_text(json.dumps(told))
    assert load(tmp_path) == (1, 1, 10)
    (tmp_path / "thing.json").write_text(json.dumps(told | {"n": 2}))
    with pytest.raises(DataError, match=r"thing\.json was changed since it was written"):
        load(tmp_path)


@pytest.mark.parametrize("seal", ["[]", "{}", '{"a.parquet": 1, "b.parquet": null}', '"x"', "null"])
def test_a_seal_that_is_none_is_refused(tmp_path, seal):
    save(tmp_path, 1)
    (tmp_path / "thing.json").write_text(f'{{"n": 1, "sha256": {seal}}}')
    with pytest.raises(DataError, match="the thing cannot be read"):
        load(tmp_path)


def test_a_reader_beside_a_writer_never_sees_a_mix(tmp_path):
    save(tmp_path, 1)
    seen, stop = [], threading.Event()

    def read():
        while not stop.is_set():
            seen.append(load(tmp_path))

    reader = threading.Thread(target=read)
    reader.start()
    for n in range(2, 60):
        save(tmp_path, n)
    stop.set()
    reader.join()
    assert len({n for n, _, _ in seen}) > 2
    assert all((a, b) == (n, 10 * n) for n, a, b in seen)


def test_two_writers_do_not_meet(tmp_path):
    """Another thread stands for another process: the lock is held by an open file of its own."""
    said = []

    class Slow(Info):
        def model_dump_json(self, **kwargs):
            other = threading.Thread(target=attempt)
            other.start()
            other.join()
            return super().model_dump_json(**kwargs)

    def attempt():
        try:
            save(tmp_path, 2)
        except DataError as error:
            said.append(str(error))

    FILES.save(tmp_path, Slow(n=1), table(1), table(10))
    assert len(said) == 1
    assert said[0].startswith(f"another prunescope is writing to {tmp_path}: wait until it")
    assert load(tmp_path) == (1, 1, 10)
    assert not (tmp_path / LOCK).exists()


def test_tables_that_are_not_ours_are_left_alone(tmp_path):
    theirs = tmp_path / "a.parquet"
    theirs.write_bytes(b"mine")
    with pytest.raises(DataError, match=r"has a\.parquet and no thing\.json.*left alone"):
        save(tmp_path, 1)
    assert theirs.read_bytes() == b"mine"
    assert names(tmp_path) == ["a.parquet"]


STRANGERS = ['{"weather": 1}', "[1]", '{"format_version": 1', ""]


@pytest.mark.parametrize("text", STRANGERS)
def test_an_info_file_that_is_not_ours_is_left_alone(tmp_path, text):
    (tmp_path / "thing.json").write_text(text)
    with pytest.raises(DataError, match=r"has a thing\.json that is not of prunescope.*left alone"):
        save(tmp_path, 1)
    assert (tmp_path / "thing.json").read_text() == text
    assert names(tmp_path) == ["thing.json"]


def test_a_result_without_a_seal_is_replaced(tmp_path):
    """As version 0.1 wrote them."""
    (tmp_path / "thing.json").write_text('{"format_version": 1, "n": 1}')
    (tmp_path / "a.parquet").write_bytes(b"old")
    save(tmp_path, 2)
    assert load(tmp_path) == (2, 2, 20)


@pytest.mark.parametrize("seal", ['"x"', "[]", "[1]", "null", "7"])
def test_a_table_that_waits_beside_a_damaged_seal_is_dropped(tmp_path, seal):
    (tmp_path / "thing.json").write_text(f'{{"format_version": 1, "sha256": {seal}}}')
    (tmp_path / ".a.parquet.next").write_bytes(b"x")
    save(tmp_path, 1)
    assert load(tmp_path) == (1, 1, 10)
    assert names(tmp_path) == ["a.parquet", "b.parquet", "thing.json"]


def test_what_others_are_writing_stays(tmp_path):
    theirs = [".a.parquet.gz.abcd_123.part", ".movie.mkv.part", ".a.parquet.12.part"]
    for name in [*theirs, ".a.parquet.abcd_123.part", "..b.parquet.next.abcd_123.part"]:
        (tmp_path / name).touch()
    save(tmp_path, 1)
    assert set(names(tmp_path)) == {*theirs, "a.parquet", "b.parquet", "thing.json"}


def test_other_files_stay(tmp_path):
    save(tmp_path, 1)
    for name in ("report.html", "decisions.jsonl", "policy.yaml"):
        (tmp_path / name).write_text(name)
    save(tmp_path, 2)
    for name in ("report.html", "decisions.jsonl", "policy.yaml"):
        assert (tmp_path / name).read_text() == name


def test_nothing_is_lost_when_a_table_cannot_be_written(tmp_path):
    save(tmp_path, 1)

    class Full:
        def write_parquet(self, path):
            raise pl.exceptions.ComputeError(
                "parquet: underlying IO error: No space left on device"
            )

    with pytest.raises(DataError, match=r"^cannot write .*No space left on device$"):
        FILES.save(tmp_path, Info(n=2), table(2), Full())
    assert load(tmp_path) == (1, 1, 10)
    assert names(tmp_path) == ["a.parquet", "b.parquet", "thing.json"]


def test_the_seal_says_what_sha256sum_says(tmp_path):
    import hashlib

    save(tmp_path, 1)
    seal = json.loads((tmp_path / "thing.json").read_text())["sha256"]
    seal.pop("thing.json")
    assert seal == {
        name: hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()
        for name in ("a.parquet", "b.parquet")
    }


def test_the_command_line_knows_every_kind_of_result():
    kinds = (AUDIT, COMPARISON, FORECAST, ROUTE, SCORE, SEARCH, SENSITIVITY, SLICES)
    assert sorted([*(kind.info_file for kind in kinds), "explain.json"]) == list(RESULTS)
