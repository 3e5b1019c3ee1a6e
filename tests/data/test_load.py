import io
import shutil
import warnings

import numpy as np
import polars as pl
import pytest
from PIL import Image

from prunescope.data import SkippedImagesWarning, load_dataset
from prunescope.errors import ConfigError, DataError, ImageError


class Count:
    """Progress that remembers its calls."""

    def __init__(self):
        self.calls = []

    def __call__(self, done, total):
        self.calls.append((done, total))


def to_parquet(folder, path, **columns):
    """Write the images of a folder in the Hugging Face layout."""
    files = sorted(folder.glob("*.png"))
    images = [{"bytes": file.read_bytes(), "path": file.name} for file in files]
    pl.DataFrame({"image": images, **columns}).write_parquet(path)


def test_csv(faces, make_config):
    path, pixels = faces
    count = Count()
    config = make_config(path, groups=("age",), cluster="person")
    dataset = load_dataset(config, count)
    assert dataset.name == "faces"
    assert dataset.samples.ids.to_list() == ["a.png", "b.png", "c.png"]
    assert dataset.samples.attributes == ("Smiling", "Bald", "Male")
    assert dataset.samples.labels.tolist() == [[1, 1, 1], [0, 0, -1], [-1, 1, 0]]
    assert dataset.samples.groups["age"].values == ("old", "young")
    assert dataset.samples.groups["person"].values == (7, 12)
    assert dataset.splits.tolist() == ["test"] * 3
    assert (dataset.images(np.arange(3)) == pixels).all()
    assert count.calls == [(1, 3), (2, 3), (3, 3)]
    with pytest.raises(DataError, match=r"faces has no sample in split 'train': its splits are te"):
        dataset.split("train")


def test_the_second_start_decodes_nothing(faces, make_config):
    path, pixels = faces
    first = load_dataset(make_config(path))
    count = Count()
    second = load_dataset(make_config(path), count)
    assert count.calls == []
    assert second.fingerprint == first.fingerprint
    assert isinstance(second.pixels, np.memmap)
    assert (second.pixels == pixels).all()


def test_labels_are_read_anew_and_pixels_are_not(faces, make_config):
    path, _ = faces
    path.write_text("image,Smiling\na.png,0\nb.png,0\nc.png,1\n")
    first = load_dataset(make_config(path))
    count = Count()
    path.write_text("image,Smiling\na.png,0\nb.png,1\nc.png,1\n")
    second = load_dataset(make_config(path), count)
    assert count.calls == []
    assert second.samples.labels.tolist() == [[0], [1], [1]]
    assert second.fingerprint != first.fingerprint


def test_a_changed_image_is_decoded_again(faces, make_config, save_images):
    path, _ = faces
    first = load_dataset(make_config(path))
    changed = save_images(path.parent, ["b.png"], seed=9)
    second = load_dataset(make_config(path))
    assert (second.pixels[1] == changed[0]).all()
    assert second.fingerprint != first.fingerprint


def test_each_size_has_its_own_pixels(faces, make_config):
    sizes = [load_dataset(make_config(faces[0], size=size)).size for size in (8, 16, 8)]
    assert sizes == [8, 16, 8]


def test_the_fingerprint_is_that_of_the_content(faces, make_config, tmp_path):
    path, _ = faces
    config = make_config(path, attributes=("Bald",), groups=("age",))
    expected = load_dataset(config).fingerprint
    shutil.copytree(path.parent, tmp_path / "copy")
    to_parquet(
        path.parent,
        tmp_path / "again.parquet",
        Bald=[True, False, True],
        age=["young", "old", "young"],
    )
    for source in (tmp_path / "copy" / "faces.csv", tmp_path / "again.parquet"):
        same = load_dataset(make_config(source, attributes=("Bald",), groups=("age",)))
        assert same.fingerprint == expected
    changes = (
        {},
        {"groups": ("Male",)},
        {"attributes": ("Male",)},
        {"groups": ("age", "person")},
        {"groups": ("age", "person"), "cluster": "person"},
        {"id_column": "Smiling"},
        {"split_column": "age"},
    )
    path.write_text(path.read_text().replace(",,TRUE", ",2,TRUE"))
    named = {"attributes": ("Bald",), "groups": ("age",)}
    prints = {load_dataset(make_config(path, **named | changed)).fingerprint for changed in changes}
    assert len(prints) == len(changes)
    assert expected in prints


def test_hugging_face_layout(faces, make_config, tmp_path):
    path, pixels = faces
    to_parquet(path.parent, tmp_path / "hf.parquet", y=[1, 0, None], split=["train", "val", "test"])
    dataset = load_dataset(make_config(tmp_path / "hf.parquet"))
    assert dataset.samples.ids.to_list() == ["a.png", "b.png", "c.png"]
    assert dataset.samples.images.to_list() == ["a.png", "b.png", "c.png"]
    assert dataset.splits.tolist() == ["train", "val", "test"]
    assert (dataset.split("val").images(np.array([0]))[0] == pixels[1]).all()


def test_encoded_images_with_useless_names(faces, make_config, tmp_path):
    encoded = [file.read_bytes() for file in sorted(faces[0].parent.glob("*.png"))]
    images = [{"bytes": content, "path": "image.png"} for content in encoded]
    path = tmp_path / "hf.parquet"
    pl.DataFrame({"image": images, "y": [1, 0, 1]}).write_parquet(path)
    assert load_dataset(make_config(path)).samples.ids.to_list() == ["1", "2", "3"]
    with pytest.raises(DataError, match=r"hf.parquet: id 'image.png' stands in rows 1 and 2"):
        load_dataset(make_config(path, id_column="image"))
    pl.DataFrame({"image": encoded, "y": [1, 0, 1], "id": list("xyz")}).write_parquet(path)
    samples = load_dataset(make_config(path)).samples
    assert samples.ids.to_list() == ["x", "y", "z"]
    assert samples.images.to_list() == ["1", "2", "3"]


def test_multiclass(faces, make_config):
    dataset = load_dataset(make_config(faces[0], label="age"))
    assert dataset.samples.task == "multiclass"
    assert dataset.samples.attributes == ("old", "young")
    assert dataset.samples.labels.tolist() == [[0, 1], [1, 0], [0, 1]]


def test_missing_images(faces, make_config):
    path, _ = faces
    (path.parent / "b.png").unlink()
    with pytest.raises(
        ImageError, match=r"faces.csv: row 2: image 'b.png' is missing; mend it, or"
    ):
        load_dataset(make_config(path))
    (path.parent / "c.png").unlink()
    with pytest.raises(ImageError, match=r"row 2: .* is missing \(2 images are not there\)"):
        load_dataset(make_config(path))


def test_damaged_images(faces, make_config):
    path, _ = faces
    (path.parent / "b.png").write_bytes(b"no image")
    count = Count()
    with pytest.raises(ImageError, match=r"faces.csv: row 2: image 'b.png' is not an image that"):
        load_dataset(make_config(path), count)
    assert list(make_config(path).cache.iterdir()) == []


def test_skipping_bad_images(faces, make_config):
    path, pixels = faces
    (path.parent / "a.png").unlink()
    (path.parent / "b.png").write_bytes(b"no image")
    config = make_config(path, on_bad_image="skip", groups=("age",))
    for _ in range(2):  # the second time from the cache
        with pytest.warns(SkippedImagesWarning) as caught:
            dataset = load_dataset(config)
        assert dataset.samples.ids.to_list() == ["c.png"]
        assert dataset.samples.labels.tolist() == [[-1, 1, 0]]
        assert dataset.splits.tolist() == ["test"]
        assert (dataset.images(np.array([0])) == pixels[2]).all()
        assert caught[0].message.skipped == {
            1: "image 'a.png' is missing",
            2: "image 'b.png' is not an image that Pillow can read",
        }
        assert "faces.csv: 2 samples left out; row 1: image 'a.png' is missing, row 2: " in str(
            caught[0].message
        )
        assert caught[0].filename == __file__
    with pytest.raises(ImageError, match=r"row 1: image 'a.png' is missing"):
        load_dataset(make_config(path))
    save = Image.new("RGB", (8, 8))
    save.save(path.parent / "a.png")
    save.save(path.parent / "b.png")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(load_dataset(config)) == 3


def test_the_cache_of_a_skipping_start_does_not_hide_damage(faces, make_config):
    path, _ = faces
    (path.parent / "b.png").write_bytes(b"no image")
    with pytest.warns(SkippedImagesWarning, match=r"1 sample left out"):
        load_dataset(make_config(path, on_bad_image="skip"))
    with pytest.raises(ImageError, match=r"row 2: image 'b.png' is not an image"):
        load_dataset(make_config(path))


def test_no_good_image_at_all(faces, make_config):
    path, _ = faces
    for file in path.parent.glob("*.png"):
        file.unlink()
    with pytest.raises(ImageError, match=r"row 1: image 'a.png' is missing"):
        load_dataset(make_config(path, on_bad_image="skip"))


def test_empty_bytes_are_a_bad_image(make_config, tmp_path):
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "PNG")
    path = tmp_path / "hf.parquet"
    images = [{"bytes": file.getvalue(), "path": "a"}, {"bytes": None, "path": None}]
    pl.DataFrame({"image": images, "y": [1, 0]}).write_parquet(path)
    with pytest.raises(ImageError, match=r"hf.parquet: row 2: image None holds no bytes"):
        load_dataset(make_config(path))


def test_paths_that_leave_the_folder_stop_even_a_skipping_start(faces, make_config):
    path, _ = faces
    path.write_text("image,y\n../a.png,1\n")
    with pytest.raises(ImageError, match=r"faces.csv: row 1: image '../a.png' leaves its folder"):
        load_dataset(make_config(path, on_bad_image="skip"))


def test_wrong_labels_are_found_before_images_are_decoded(faces, make_config):
    path, _ = faces
    path.write_text("image,y\na.png,1\nb.png,yes\nc.png,0\n")
    count = Count()
    with pytest.raises(DataError, match=r"faces.csv: row 2 of column 'y' is 'yes'"):
        load_dataset(make_config(path), count)
    assert count.calls == []


@pytest.mark.parametrize("name", ["none.csv", "none", "faces.txt"])
def test_no_source(tmp_path, make_config, name):
    (tmp_path / "faces.txt").touch()
    with pytest.raises(DataError, match=r"expected 'synthetic', a .csv or .parquet file, or a fol"):
        load_dataset(make_config(tmp_path / name))


def test_a_home_folder(faces, make_config, monkeypatch):
    monkeypatch.setenv("HOME", str(faces[0].parent))
    assert len(load_dataset(make_config("~/faces.csv"))) == 3


def test_synthetic(make_config):
    config = make_config("synthetic", size=16, n_train=3, n_val=2, n_test=1, seed=4)
    count = Count()
    first = load_dataset(config, count)
    assert count.calls[-1] == (6, 6)
    assert list(first.samples.groups) == ["Male", "Young", "Chubby", "Pale_Skin"]
    assert first.splits.tolist() == ["train"] * 3 + ["val"] * 2 + ["test"]
    again = Count()
    second = load_dataset(config, again)
    assert again.calls == []
    assert second.fingerprint == first.fingerprint
    assert (second.pixels == first.pixels).all()
    other = load_dataset(config.model_copy(update={"seed": 5}))
    assert (other.pixels != first.pixels).any()


def test_synthetic_is_what_is_drawn(make_config):
    from prunescope.data import synthetic_faces

    drawn = synthetic_faces(3, 2, 1, size=16, seed=4)
    config = make_config("synthetic", size=16, n_train=3, n_val=2, n_test=1, seed=4)
    loaded = load_dataset(config)
    assert loaded.name == "synthetic"
    assert loaded.samples.ids.to_list() == drawn.samples.ids.to_list()
    assert loaded.samples.attributes == drawn.samples.attributes
    assert loaded.samples.labels.tolist() == drawn.samples.labels.tolist()
    assert loaded.splits.tolist() == drawn.splits.tolist()
    assert (loaded.images(np.arange(6)) == drawn.images(np.arange(6))).all()


def test_synthetic_columns_are_chosen_by_name(make_config):
    options = {"size": 16, "n_train": 2, "n_val": 1, "n_test": 1}
    config = make_config("synthetic", attributes=("Bald",), groups=("Smiling",), **options)
    samples = load_dataset(config).samples
    assert samples.attributes == ("Bald",)
    assert list(samples.groups) == ["Smiling"]


def test_wrong_synthetic_columns_do_not_wait_for_the_drawing(make_config):
    count = Count()
    with pytest.raises(DataError, match=r"synthetic: unknown column 'Smilling': did you mean Smi"):
        load_dataset(make_config("synthetic", size=16, groups=("Smilling",)), count)
    assert count.calls == []
    with pytest.raises(ConfigError, match=r"size is 8: synthetic faces need at least 16"):
        load_dataset(make_config("synthetic"), count)
