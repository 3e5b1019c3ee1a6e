import io

import numpy as np
import pytest
from PIL import Image

from prunescope.explain import explain
from prunescope.explain.pictures import (
    AGAINST,
    FOR,
    SMALLEST_SIDE,
    drawn,
    enlarged,
    overlaid,
)
from prunescope.explain.words import captions
from prunescope.models import build_model

WHITE = np.full((3, 8, 8), 255, np.uint8)


def at(values, row, column, **options):
    """Return the colour in the middle of a pixel of an overlay."""
    made = overlaid(WHITE, values, 1.0, **options)
    factor = made.shape[-1] // 8
    return made[:, int((row + 0.5) * factor), int((column + 0.5) * factor)].astype(int)


def test_the_larger_a_value_the_less_of_the_image_is_seen():
    values = np.zeros((8, 8), np.float32)
    values[2:5, 2:5], values[5:, 5:] = 1.0, -1.0
    plain, full, against = at(values, 0, 7), at(values, 3, 3), at(values, 7, 7)
    assert len(set(plain)) == 1
    assert np.abs(full - FOR).sum() < np.abs(plain - FOR).sum() / 2
    assert np.abs(against - AGAINST).sum() < np.abs(plain - AGAINST).sum() / 2
    half = at(values / 2, 3, 3)
    assert (np.sign(plain - half) == np.sign(half - full)).all()


def test_nothing_is_drawn_of_an_empty_map():
    assert np.ptp(overlaid(WHITE, np.zeros((8, 8), np.float32), 0.0)) == 0


@pytest.mark.parametrize(("side", "large"), [(8, 256), (100, 300), (300, 300)])
def test_small_images_are_enlarged_by_a_whole_factor(side, large):
    image = np.random.default_rng(0).integers(0, 256, (3, side, side), np.uint8)
    made = enlarged(image)
    assert made.shape == (3, large, large)
    assert large >= SMALLEST_SIDE
    assert (made[:, :: large // side, :: large // side] == image).all()


def test_each_picture_has_its_words():
    models = [build_model("resnet_small", ["Bald"], image_size=32, seed=seed) for seed in (0, 1)]
    pixels = np.random.default_rng(0).integers(0, 256, (1, 3, 32, 32), np.uint8)
    [found] = explain(*models, pixels, "Bald", checks=1)
    pictures, words = drawn(pixels[0], found), captions(found, "<face>", "dense", "pruned")
    assert {one.kind for one in words} == pictures.keys()
    assert len(words) == 8
    assert all(one.alt and one.title for one in words)
    for picture in pictures.values():
        with Image.open(io.BytesIO(picture)) as image:
            assert image.size == (256, 256)
