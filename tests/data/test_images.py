import os

import polars as pl
import pytest

from prunescope.data.images import EmbeddedImages, FileImages
from prunescope.errors import DataError, ImageError


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "images"
    (folder / "sub").mkdir(parents=True)
    for name in ("a.png", "b.png", "sub/c.png"):
        (folder / name).write_bytes(name.encode())
    return folder


def find(root, *names):
    return FileImages.find(root, pl.Series(names, dtype=pl.String), "faces.csv")


def test_files_come_in_table_order(root):
    images = find(root, "sub/c.png", "a.png", "a.png")
    assert len(images) == 3
    assert [(name, path.read_bytes()) for name, path in images] == [
        ("sub/c.png", b"sub/c.png"),
        ("a.png", b"a.png"),
        ("a.png", b"a.png"),
    ]
    assert not images.bad


def test_bad_files_are_noted(root):
    images = find(root, "a.png", None, "none.png", "sub", "a.png/b", "nul\0", "x" * 300)
    assert images.bad[1] == "is not given"
    assert images.bad[2] == "is missing"
    assert find(root, "sub\\a.png").bad[0].startswith("is missing: its path has Windows' backslash")
    assert images.bad[3] == "is not a file"
    assert images.bad[4] == "is missing"
    assert "cannot be opened" in images.bad[5]
    assert "cannot be opened" in images.bad[6]
    assert [path for _, path in images][1:] == [None] * 6


def test_the_key_changes_with_the_files(root):
    key = find(root, "a.png", "b.png").key
    assert find(root, "a.png", "b.png").key == key
    assert find(root, "b.png", "a.png").key != key
    assert find(root, "a.png").key != key
    (root / "b.png").write_bytes(b"longer than before")
    changed = find(root, "a.png", "b.png").key
    assert changed != key
    (root / "b.png").unlink()
    gone = find(root, "a.png", "b.png").key
    assert gone not in (key, changed)


def test_the_key_changes_with_equal_size_and_restored_time(root):
    before = (root / "a.png").stat()
    key = find(root, "a.png").key
    replacement = root / "new"
    replacement.write_bytes(b"z" * before.st_size)
    os.utime(replacement, ns=(before.st_atime_ns, before.st_mtime_ns))
    replacement.replace(root / "a.png")
    assert (root / "a.png").stat().st_mtime_ns == before.st_mtime_ns
    assert find(root, "a.png").key != key


def test_finding_reads_no_file(root):
    (root / "a.png").chmod(0)
    assert not find(root, "a.png").bad


@pytest.mark.parametrize("name", ["/etc/hosts", "../secret.png", "sub/../../secret.png", "sub/.."])
def test_paths_do_not_leave_the_folder(root, name):
    (root.parent / "secret.png").write_bytes(b"secret")
    with pytest.raises(ImageError, match=r"faces.csv: row 2: image '.*' leaves its folder: give a"):
        find(root, "a.png", name)


def test_links_do_not_leave_the_folder(root):
    outside = root.parent / "outside"
    outside.mkdir()
    (outside / "d.png").write_bytes(b"d")
    (root / "link.png").symlink_to(outside / "d.png")
    (root / "folder").symlink_to(outside)
    for name in ("link.png", "folder/d.png", "folder/absent.png"):
        with pytest.raises(ImageError, match=r"row 1: image '.*' is a link that leaves"):
            find(root, name)


def test_a_folder_that_only_begins_alike_is_outside(root):
    twin = root.parent / "images-twin"
    twin.mkdir()
    (twin / "d.png").write_bytes(b"d")
    (root / "link.png").symlink_to(twin / "d.png")
    with pytest.raises(ImageError, match="is a link that leaves"):
        find(root, "link.png")


def test_links_may_stay_inside(root):
    (root / "again.png").symlink_to("sub/c.png")
    (root / "also").symlink_to("sub")
    (root / "loop").symlink_to("loop")
    images = find(root, "again.png", "also/c.png", "loop")
    assert list(images.bad) == [2]
    assert [path.read_bytes() for _, path in images if path] == [b"sub/c.png"] * 2


def test_a_link_to_the_folder_itself_is_no_escape(root):
    entrance = root.parent / "entrance"
    entrance.symlink_to(root)
    assert not find(entrance, "a.png", "sub/c.png").bad


def test_the_key_follows_a_link(root):
    (root / "again.png").symlink_to("sub/c.png")
    key = find(root, "again.png").key
    (root / "sub/c.png").write_bytes(b"other")
    assert find(root, "again.png").key != key


def test_no_folder(tmp_path):
    with pytest.raises(DataError, match=r"faces.csv: its images should be in .*none, which is not"):
        find(tmp_path / "none", "a.png")


def embedded(path, values, dtype):
    pl.DataFrame({"picture": pl.Series(values, dtype=dtype)}).write_parquet(path)
    return EmbeddedImages(path, "picture", len(values))


def test_embedded_structs(tmp_path):
    values = [{"bytes": bytes([i % 256]), "path": f"{i}.png"} for i in range(600)]
    values[3] = {"bytes": None, "path": None}
    values[4] = None
    dtype = pl.Struct({"bytes": pl.Binary, "path": pl.String})
    images = embedded(tmp_path / "t.parquet", values, dtype)
    expected = [((v or {}).get("path"), (v or {}).get("bytes")) for v in values]
    assert list(images) == expected
    assert len(images) == 600
    assert images.bad == {}


def test_embedded_bytes_and_structs_without_path(tmp_path):
    images = embedded(tmp_path / "a.parquet", [b"1", None], pl.Binary)
    assert list(images) == [(None, b"1"), (None, None)]
    images = embedded(tmp_path / "b.parquet", [{"bytes": b"1"}], pl.Struct({"bytes": pl.Binary}))
    assert list(images) == [(None, b"1")]


def test_embedded_key_and_damage(tmp_path):
    images = embedded(tmp_path / "a.parquet", [b"1"], pl.Binary)
    key = images.key
    assert EmbeddedImages(images.path, "other", 1).key != key
    images.path.write_bytes(b"PAR1 damaged PAR1")
    assert images.key != key
    with pytest.raises(DataError, match=r"a.parquet: its images cannot be read"):
        list(images)
