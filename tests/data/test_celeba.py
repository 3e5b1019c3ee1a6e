import os

import numpy as np
import pytest
from PIL import Image

from prunescope.data import load_dataset
from prunescope.errors import DataError, ImageError

ATTRIBUTES = """4
Chubby Male Young\x20
000001.jpg -1  1  1
000002.jpg -1 -1  1
000003.jpg  1  1 -1
000004.jpg -1 -1 -1
"""
PARTITION = "000001.jpg 0\n000002.jpg 0\n000004.jpg 2\n000003.jpg 1\n"
IDENTITY = "000002.jpg 2937\n000001.jpg 2880\n000003.jpg 8692\n000004.jpg 2880\n"


@pytest.fixture(params=["flat", "official"])
def celeba(request, tmp_path):
    """CelebA's folder with four images, each of one colour in its centred square."""
    folder = tmp_path / "celeba"
    anno, evaluation, img = (
        [folder] * 3 if request.param == "flat" else [folder / n for n in ("Anno", "Eval", "Img")]
    )
    for place in (anno, evaluation, img / "img_align_celeba"):
        place.mkdir(parents=True, exist_ok=True)
    (anno / "list_attr_celeba.txt").write_text(ATTRIBUTES)
    (anno / "identity_CelebA.txt").write_text(IDENTITY)
    (evaluation / "list_eval_partition.txt").write_text(PARTITION)
    for number in range(1, 5):
        values = np.full((218, 178, 3), 255, np.uint8)
        values[20:198] = 50 * number
        path = img / "img_align_celeba" / f"{number:06d}.jpg"
        Image.fromarray(values).save(path, quality=95)
    return folder


def change(folder, name, old, new):
    path = next(folder.rglob(name))
    path.write_text(path.read_text().replace(old, new))


def test_official_folder(celeba, make_config):
    dataset = load_dataset(make_config(celeba, size=64))
    samples = dataset.samples
    assert dataset.name == "celeba"
    assert samples.ids.to_list() == [f"{n:06d}.jpg" for n in range(1, 5)]
    assert samples.attributes == ("Chubby", "Male", "Young")
    assert samples.labels.tolist() == [[0, 1, 1], [0, 0, 1], [1, 1, 0], [0, 0, 0]]
    assert dataset.splits.tolist() == ["train", "train", "val", "test"]
    assert list(samples.groups) == ["Male", "Young", "Chubby", "identity"]
    assert samples.cluster == "identity"
    assert samples.groups["identity"].to_series("").to_list() == [2880, 2937, 8692, 2880]
    assert np.abs(dataset.pixels.mean(axis=(1, 2, 3)) - [50, 100, 150, 200]).max() < 2
    assert np.ptp(dataset.pixels.astype(int), axis=(2, 3)).max() < 12  # no white is left


def test_roles_may_be_named(celeba, make_config):
    config = make_config(celeba, attributes=("Young",), groups=("Male",))
    samples = load_dataset(config).samples
    assert samples.attributes == ("Young",)
    assert list(samples.groups) == ["Male", "identity"]
    with pytest.raises(DataError, match=r"list_attr_celeba.txt: unknown column 'Mael': did you"):
        load_dataset(make_config(celeba, groups=("Mael",)))


def test_without_identities(celeba, make_config):
    next(celeba.rglob("identity_CelebA.txt")).unlink()
    assert load_dataset(make_config(celeba)).samples.cluster is None


def test_images_elsewhere(celeba, make_config, tmp_path):
    next(celeba.rglob("img_align_celeba")).rename(tmp_path / "moved")
    with pytest.raises(DataError, match=r"looks like CelebA but has no img_align_celeba: expected"):
        load_dataset(make_config(celeba))
    assert len(load_dataset(make_config(celeba, images=tmp_path / "moved"))) == 4


def test_a_missing_image(celeba, make_config):
    next(celeba.rglob("000003.jpg")).unlink()
    with pytest.raises(ImageError, match=r"row 3: image '000003.jpg' is missing"):
        load_dataset(make_config(celeba))


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("list_attr_celeba.txt", "4\n", "9\n", "is cut off: it announces 9 images and lists 4"),
        ("list_attr_celeba.txt", "4\n", "", "expected the number of images in line 1"),
        ("list_attr_celeba.txt", "3.jpg  1", "3.jpg  2", r"row 3 \(000003.jpg\) has 2 for Chubby"),
        ("list_attr_celeba.txt", "3.jpg  1", "3.jpg  x", "expected 4 values in each line"),
        ("list_attr_celeba.txt", " 1 -1\n", " 1 -1 1\n", "expected 4 values in each line"),
        ("list_attr_celeba.txt", " 1 -1\n", " 1\n", r"row 3 \(000003.jpg\) has None for Young"),
        ("list_eval_partition.txt", "000004.jpg 2\n", "", "has no line for 000004.jpg"),
        ("list_eval_partition.txt", "4.jpg", "3.jpg", "names 000003.jpg twice"),
        ("identity_CelebA.txt", "000001.jpg 2880\n", "", "has no line for 000001.jpg"),
        ("identity_CelebA.txt", "2880", "?", "expected 2 values in each line"),
    ],
)
def test_damaged_lists(celeba, make_config, name, old, new, message):
    change(celeba, name, old, new)
    with pytest.raises(DataError, match=message) as caught:
        load_dataset(make_config(celeba))
    assert name in str(caught.value)


@pytest.mark.parametrize(
    "name", ["list_attr_celeba.txt", "list_eval_partition.txt", "identity_CelebA.txt"]
)
def test_a_list_that_is_a_pipe(celeba, make_config, name):
    path = next(celeba.rglob(name))
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(DataError, match=f"{name} cannot be read: .*is a pipe or a device"):
        load_dataset(make_config(celeba))


def test_a_missing_partition(celeba, make_config):
    next(celeba.rglob("list_eval_partition.txt")).unlink()
    with pytest.raises(DataError, match=r"has no list_eval_partition.txt: expected it there or in"):
        load_dataset(make_config(celeba))
