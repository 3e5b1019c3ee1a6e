import numpy as np
import pytest
from PIL import Image

from prunescope.data import DataConfig, load_dataset
from prunescope.data.framing import Frame
from prunescope.errors import ConfigError, ImageError


def numbered(width, height):
    """An image whose red is the column and whose green is the row, from 1."""
    rows, columns = np.indices((height, width), dtype=np.uint8) + 1
    return Image.fromarray(np.stack([columns, rows, rows], axis=2))


def corners(image):
    """The (column, row) of the first and of the last pixel."""
    pixels = np.array(image)
    return tuple(pixels[0, 0, :2].tolist()), tuple(pixels[-1, -1, :2].tolist())


@pytest.mark.parametrize(
    ("half", "width", "wanted", "expected"),
    [
        ("down", 9, 4, ((3, 1), (6, 4))),
        ("down", 11, 4, ((4, 1), (7, 4))),
        ("even", 9, 4, ((3, 1), (6, 4))),
        ("even", 11, 4, ((5, 1), (8, 4))),
    ],
)
def test_where_a_crop_begins(half, width, wanted, expected):
    frame = Frame(crop=wanted, half=half)
    assert corners(frame(numbered(width, 4))) == expected


@pytest.mark.parametrize(("half", "first"), [("down", 2), ("even", 2)])
def test_a_small_image_is_surrounded_by_black(half, first):
    pixels = np.array(Frame(crop=7, half=half)(numbered(4, 7)))
    assert pixels[0, :, 0].tolist() == [0] * first + [1, 2, 3, 4] + [0] * (3 - first)


def test_the_shorter_side_decides_and_the_longer_is_rounded_down():
    frame = Frame(resize=10, crop=10)
    assert frame.resized(31, 20) == (15, 10)
    assert frame.resized(20, 39) == (10, 19)
    assert Frame(resize=(8, 8)).resized(31, 20) == (8, 8)


def test_cut_first_and_crop_last():
    frame = Frame(cut=0.5, resize=(4, 4), crop=2, resample="nearest")
    assert corners(frame(numbered(12, 8))) == ((6, 4), (7, 5))


@pytest.mark.parametrize(
    "told",
    [{}, {"resize": 24}, {"resize": (24, 20)}, {"cut": 0.5}, {"cut": 1.0, "resize": (8, 9)}],
    ids=str,
)
def test_frames_that_do_not_end_in_squares(told):
    with pytest.raises(ConfigError, match="not all squares of one size"):
        Frame(**told)


def test_a_size_that_is_not_the_frames():
    with pytest.raises(ConfigError, match="size 64 and a frame that makes images of 24 px"):
        DataConfig(frame=Frame(resize=(24, 24)))


@pytest.fixture
def table(tmp_path):
    (tmp_path / "t.csv").write_text("image,Bald\na.png,1\n")
    numbered(40, 20).save(tmp_path / "a.png")
    return tmp_path


def test_a_data_set_is_framed_and_says_so(table):
    config = DataConfig(source=str(table / "t.csv"), size=8, cache=table / "cache")
    squeezed = config.model_copy(update={"frame": Frame(resize=(8, 8), resample="nearest")})
    plain, framed = load_dataset(config), load_dataset(squeezed)
    assert (plain.frame, framed.frame) == (None, squeezed.frame)
    assert framed.pixels[0, 0, 0].tolist() == [3, 8, 13, 18, 23, 28, 33, 38]
    assert plain.pixels[0, 0, 0].tolist() != framed.pixels[0, 0, 0].tolist()
    assert load_dataset(config).pixels[0, 0, 0].tolist() == plain.pixels[0, 0, 0].tolist()


def test_an_image_that_would_become_too_large(table):
    Image.new("RGB", (60_000, 1)).save(table / "a.png")
    config = DataConfig(
        source=str(table / "t.csv"), size=224, cache=table / "cache",
        frame=Frame(resize=224, crop=224),
    )  # fmt: skip
    with pytest.raises(ImageError, match="would have, once resized, 13440000×224 pixels"):
        load_dataset(config)
