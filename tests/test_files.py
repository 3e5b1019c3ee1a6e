import os
import stat
from contextlib import contextmanager

import numpy as np
import polars as pl
import pytest
from PIL import Image
from safetensors.numpy import save_file

from prunescope.errors import DataError
from prunescope.files import locked, new_folder, replacing, reserved, write_all


def test_the_file_appears_only_when_the_block_has_ended(tmp_path):
    path = tmp_path / "deep" / "er" / "answer.txt"
    with replacing(path) as beside:
        beside.write_text("42")
        assert beside.parent == path.parent
        assert not path.exists()
    assert path.read_text() == "42"
    assert [file.name for file in path.parent.iterdir()] == ["answer.txt"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failing_block_leaves_the_old_file_and_nothing_else(tmp_path, error):
    path = tmp_path / "answer.txt"
    path.write_text("old")

    def fail():
        with replacing(path) as beside:
            beside.write_text("half")
            raise error

    with pytest.raises(error):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_permissions_are_those_of_an_ordinary_new_file(tmp_path):
    ordinary = tmp_path / "ordinary"
    ordinary.touch()
    with replacing(tmp_path / "ours"):
        pass
    assert stat.S_IMODE((tmp_path / "ours").stat().st_mode) == stat.S_IMODE(ordinary.stat().st_mode)


def test_the_umask_is_as_before(tmp_path):
    before = os.umask(0o027)
    try:
        with replacing(tmp_path / "file"):
            pass
        assert os.umask(0o027) == 0o027
        assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640
    finally:
        os.umask(before)


def test_a_folder_that_cannot_be_made_is_a_data_error(tmp_path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(DataError, match=r"^cannot write .*/file/new: File exists$"),
        replacing(tmp_path / "file" / "new"),
    ):
        pass


def test_writing_over_a_folder_is_a_data_error(tmp_path):
    (tmp_path / "folder").mkdir()
    with (
        pytest.raises(DataError, match=r"^cannot write .*/folder: Is a directory$"),
        replacing(tmp_path / "folder") as beside,
    ):
        beside.write_text("x")
    assert [file.name for file in tmp_path.iterdir()] == ["folder"]


def test_a_full_disk_is_a_data_error(tmp_path):
    with (
        pytest.raises(DataError, match=r"^cannot write .*/file: No space left on device$"),
        replacing(tmp_path / "file"),
    ):
        raise OSError(28, "No space left on device")
    assert not list(tmp_path.iterdir())


@contextmanager
def no_room(n=1000):
    """Let no file grow beyond n bytes: what the system then says, a full disk says elsewhere."""
    import resource  # not on Windows

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


NOISE = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
WRITERS = {
    "text": lambda path: path.write_text("x" * 9999),
    "parquet": lambda path: pl.DataFrame({"x": NOISE.ravel()}).write_parquet(path),
    "csv": lambda path: pl.DataFrame({"x": NOISE.ravel()}).write_csv(path),
    "safetensors": lambda path: save_file({"x": NOISE}, path),
    "image": lambda path: Image.fromarray(NOISE).save(path, "png"),
}


@pytest.mark.parametrize("writer", WRITERS)
def test_every_writer_that_finds_no_room_is_one_error_of_ours(tmp_path, writer):
    old = tmp_path / "file"
    old.write_text("old")
    with (
        no_room(),
        pytest.raises(DataError, match=r"^cannot write .*file: .*(too large|os error 27)"),
        replacing(old) as beside,
    ):
        WRITERS[writer](beside)
    with (
        no_room(),
        pytest.raises(DataError, match=r"^cannot write .*folder: .*(too large|os error 27)"),
        new_folder(tmp_path / "folder") as part,
    ):
        WRITERS[writer](part / "file")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert old.read_text() == "old"


def test_no_room_is_told_before_the_work(tmp_path):
    worked = []
    with (
        no_room(),
        pytest.raises(DataError, match=r"^cannot write .*/new/file: File too large"),
        reserved(tmp_path / "new" / "file"),
    ):
        worked.append(True)
    assert not worked
    assert not list(tmp_path.iterdir())


def test_files_that_belong_together_are_written_together(tmp_path):
    made = {tmp_path / "a" / "page": b"new", tmp_path / "b": b"new", tmp_path / "c": b"x" * 9999}
    (tmp_path / "b").write_bytes(b"old")
    with no_room(), pytest.raises(DataError, match=r"^cannot write .*/c: File too large"):
        write_all(made)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["b"]
    assert (tmp_path / "b").read_bytes() == b"old"
    write_all(made)
    assert {path: path.read_bytes() for path in made} == made


def test_files_of_which_one_is_a_folder_are_left_as_they_were(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").write_bytes(b"old")
    with pytest.raises(DataError, match=r"^cannot write .*/a: Is a directory$"):
        write_all({tmp_path / "a": b"new", tmp_path / "b": b"new"})
    assert (tmp_path / "b").read_bytes() == b"old"
    assert {path.name for path in tmp_path.iterdir()} == {"a", "b"}


def test_a_lock_whose_file_was_removed_meanwhile_is_not_held(tmp_path, monkeypatch):
    """Its last holder removes it between our opening and our locking: others would not see it."""
    import fcntl  # not on Windows

    lock, flock = tmp_path / "lock", fcntl.flock

    def late(file, how):
        lock.unlink(missing_ok=True)
        flock(file, how)

    monkeypatch.setattr(fcntl, "flock", late)
    with pytest.raises(DataError, match="another prunescope is writing"), locked(lock, tmp_path):
        pass


def test_killed_while_files_are_put_in_place_the_first_is_the_old_or_all_are_new(
    tmp_path, killed_at
):
    for step in range(40):
        folder = tmp_path / str(step)
        paths = [folder / name for name in ("page", "b", "c")]
        write_all(dict.fromkeys(paths, b"old"))
        with killed_at(step, folder) as came:
            write_all(dict.fromkeys(paths, b"new"))
        assert {path.read_bytes() for path in paths} <= {b"old", b"new"}
        if paths[0].read_bytes() == b"new":
            assert {path.read_bytes() for path in paths} == {b"new"}
        if not came:
            break
    assert 5 < step < 39


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_what_is_no_file_is_not_replaced(tmp_path, kind):
    path = tmp_path / "pipe"
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/null")
    with pytest.raises(DataError, match="it is a pipe or a device"), replacing(path):
        pass
    assert [one.name for one in tmp_path.iterdir()] == ["pipe"]
