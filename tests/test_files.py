import os
import stat

import pytest

from prunescope.errors import DataError
from prunescope.files import replacing


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
