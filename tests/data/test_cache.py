import os
import subprocess
import sys
from functools import partial

import numpy as np
import polars as pl
import pytest

from prunescope.data import cache
from prunescope.data.cache import (
    FolderExistsError,
    code_key,
    fetch,
    new_folder,
    write_frame,
    write_pixels,
)
from prunescope.errors import DataError

PIXELS = np.random.default_rng(0).integers(0, 256, (600, 3, 4, 4), np.uint8)


def build(part, calls=None):
    """Fill an entry with `PIXELS`."""
    jobs = (partial(PIXELS.__getitem__, row) for row in range(len(PIXELS)))
    digests = write_pixels(part, (len(PIXELS), 4), jobs)
    write_frame(part, pl.DataFrame({"digest": digests}))
    if calls is not None:
        calls.append(part)


def test_an_entry_is_built_once(tmp_path):
    calls = []
    for _ in range(2):
        entry = fetch(tmp_path / "cache", "key", partial(build, calls=calls))
        assert (entry.pixels == PIXELS).all()
        assert entry.frame["digest"].n_unique() == 600
    assert len(calls) == 1
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["key"]
    fetch(tmp_path / "cache", "other", partial(build, calls=calls))
    assert len(calls) == 2


def test_entries_are_memory_maps_that_cannot_be_written(tmp_path):
    entry = fetch(tmp_path, "key", build)
    assert isinstance(entry.pixels, np.memmap)
    with pytest.raises(ValueError, match=r"read-only"):
        entry.pixels[0] = 0


def test_progress_counts_every_image_in_order(tmp_path):
    seen = []
    jobs = (partial(PIXELS.__getitem__, row) for row in range(300))
    write_pixels(tmp_path, (300, 4), jobs, lambda *counts: seen.append(counts))
    assert seen == [(done, 300) for done in range(1, 301)]


def test_images_that_fail_are_zero(tmp_path):
    digests = write_pixels(tmp_path, (3, 4), [lambda: PIXELS[0], lambda: None, lambda: PIXELS[0]])
    assert digests[0] == digests[2] is not None
    assert digests[1] is None
    pixels = np.load(tmp_path / "pixels.npy")
    assert (pixels[[0, 2]] == PIXELS[0]).all()
    assert not pixels[1].any()


def test_trailing_failures_keep_the_shape(tmp_path):
    assert write_pixels(tmp_path, (2, 4), [lambda: None, lambda: None]) == [None, None]
    assert np.load(tmp_path / "pixels.npy", mmap_mode="r").shape == (2, 3, 4, 4)


def test_a_failed_build_leaves_nothing(tmp_path):
    def fail(part):
        build(part)
        raise DataError("no")

    with pytest.raises(DataError, match=r"no"):
        fetch(tmp_path, "key", fail)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "pixels.npy").unlink(),
        lambda folder: (folder / "frame.parquet").unlink(),
        lambda folder: (folder / "pixels.npy").write_bytes(b""),
        lambda folder: (folder / "frame.parquet").write_bytes(b"x"),
        lambda folder: os.truncate(folder / "pixels.npy", 5000),
        lambda folder: pl.DataFrame({"digest": [b"x"]}).write_parquet(folder / "frame.parquet"),
    ],
)
def test_a_damaged_entry_is_built_again(tmp_path, damage):
    fetch(tmp_path, "key", build)
    damage(tmp_path / "key")
    calls = []
    entry = fetch(tmp_path, "key", partial(build, calls=calls))
    assert len(calls) == 1
    assert (entry.pixels == PIXELS).all()


CHILD = """
import sys
from pathlib import Path
import numpy as np, polars as pl
from prunescope.data.cache import fetch, write_frame, write_pixels

def build(part):
    jobs = ((lambda row=row: np.full((3, 4, 4), row, np.uint8)) for row in range(200))
    digests = write_pixels(part, (200, 4), jobs)
    print("written", flush=True)
    sys.stdin.readline()
    write_frame(part, pl.DataFrame({"digest": digests}))

entry = fetch(Path(sys.argv[1]), "key", build)
assert (entry.pixels[:, 0, 0, 0] == np.arange(200)).all()
"""


def start(folder):
    """Start a process that builds the entry ``key`` and, before it ends, waits for a line."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, "-c", CHILD, str(folder)], **pipes)


def test_a_killed_build_is_not_trusted(tmp_path):
    with start(tmp_path) as child:
        assert child.stdout.readline() == "written\n"
        child.kill()
    (left,) = tmp_path.glob(".key.*.part")
    assert not (tmp_path / "key").exists()
    assert (fetch(tmp_path, "key", build).pixels == PIXELS).all()
    assert left.exists()  # it could be a running build of another process
    os.utime(left, (0, 0))
    fetch(tmp_path, "other", build)
    assert not left.exists()


def test_two_builds_at_once(tmp_path):
    with start(tmp_path) as one, start(tmp_path) as other:
        for child in (one, other):
            assert child.stdout.readline() == "written\n"
        for child in (one, other):
            child.stdin.write("go on\n")
            child.stdin.flush()
        for child in (one, other):
            assert child.wait(timeout=60) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["key"]
    assert len(fetch(tmp_path, "key", build).pixels) == 200


def test_the_faster_process_wins(tmp_path):
    def overtaken(part):
        fetch(tmp_path, "key", build)
        write_pixels(part, (1, 4), [lambda: None])

    entry = fetch(tmp_path, "key", overtaken)
    assert (entry.pixels == PIXELS).all()
    assert [path.name for path in tmp_path.iterdir()] == ["key"]


def test_a_cache_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(
        DataError, match=r"cannot write the cache of images in .*file: Not a directory"
    ):
        fetch(tmp_path / "file", "key", build)


def test_a_full_disk(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache.os, "pwrite", full)
    with pytest.raises(DataError, match=r"No space left on device.*PRUNESCOPE_CACHE"):
        fetch(tmp_path, "key", build)
    assert list(tmp_path.iterdir()) == []


def test_new_folder(tmp_path):
    with new_folder(tmp_path / "a" / "b") as part:
        (part / "x").touch()
        assert not (tmp_path / "a" / "b").exists()
    assert [path.name for path in (tmp_path / "a").rglob("*")] == ["b", "x"]
    with pytest.raises(FolderExistsError, match=r"exists already"), new_folder(tmp_path / "a"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_code_key(tmp_path, monkeypatch):
    (tmp_path / "a.py").write_text("1")
    key = code_key(tmp_path / "a.py")
    assert code_key(tmp_path / "a.py") == key
    (tmp_path / "a.py").write_text("2")
    assert code_key(tmp_path / "a.py") != key
    key = code_key(tmp_path / "a.py")
    monkeypatch.setattr(cache, "pillow_version", "0.0")
    assert code_key(tmp_path / "a.py") != key
