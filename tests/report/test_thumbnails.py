import base64
import io

import numpy as np
import polars as pl
import pytest
from PIL import Image

from prunescope.data import Dataset, Samples
from prunescope.report.thumbnails import LARGEST_SIDE, thumbnails


def picture(uri):
    kind, _, text = uri.partition(",")
    assert kind == "data:image/jpeg;base64"
    return Image.open(io.BytesIO(base64.b64decode(text)))


@pytest.fixture
def swatches():
    """Two plain images, red and blue, stored in the other order."""
    pixels = np.zeros((2, 3, 200, 200), np.uint8)
    pixels[0, 2], pixels[1, 0] = 255, 255
    return Dataset(
        name="swatches",
        fingerprint="0",
        samples=Samples(pl.Series(["red", "blue"]), ("Warm",), np.array([[1], [0]], np.int8)),
        pixels=pixels,
        rows=np.array([1, 0]),
        splits=np.array(["test", "test"]),
    )


def test_each_id_gets_its_own_picture(swatches):
    found = thumbnails(swatches, ["blue", "red"])
    assert list(found) == ["blue", "red"]
    red, green, blue = picture(found["blue"]).getpixel((5, 5))
    assert blue > 240
    assert max(red, green) < 15
    assert picture(found["red"]).getpixel((5, 5))[0] > 240


def test_large_images_are_scaled_down(swatches):
    assert picture(thumbnails(swatches, ["red"])["red"]).size == (LARGEST_SIDE, LARGEST_SIDE)


def test_unknown_ids_are_left_out_and_repeated_ones_encoded_once(swatches):
    assert list(thumbnails(swatches, ["green", "red", "red"])) == ["red"]
    assert thumbnails(swatches, []) == {}


def test_as_many_pictures_as_fit(swatches):
    one = len(thumbnails(swatches, ["red"])["red"])
    assert list(thumbnails(swatches, ["red", "blue"], one)) == ["red"]
    assert thumbnails(swatches, ["red", "blue"], one - 1) == {}
