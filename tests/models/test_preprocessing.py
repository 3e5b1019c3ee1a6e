import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError

from prunescope.errors import ConfigError
from prunescope.models.preprocessing import Preprocess, Preprocessing, to_unit_range


def pixels(size=8, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)


def tensor(image):
    return to_unit_range(torch.from_numpy(np.array(image)).permute(2, 0, 1)[None])


def test_the_papers_normalisation_maps_black_to_minus_one_and_white_to_one():
    images = torch.tensor([0.0, 0.5, 1.0]).reshape(1, 3, 1, 1).expand(1, 3, 2, 2)
    seen = Preprocess(Preprocessing(input_size=2))(images)
    assert seen[0, :, 0, 0].tolist() == [-1.0, 0.0, 1.0]


def test_each_channel_has_its_own_mean_and_deviation():
    settings = Preprocessing(input_size=1, mean=(0.1, 0.2, 0.3), std=(1.0, 2.0, 4.0))
    seen = Preprocess(settings)(torch.ones(1, 3, 1, 1))
    torch.testing.assert_close(seen.flatten(), torch.tensor([0.9, 0.4, 0.175]))


@pytest.mark.parametrize(("resize", "size"), [("nearest", 24), ("bilinear", 20), ("bilinear", 5)])
def test_resizing_agrees_with_pillow(resize, size):
    image = Image.fromarray(pixels())
    settings = Preprocessing(input_size=size, resize=resize, mean=(0, 0, 0), std=(1, 1, 1))
    filters = {"nearest": Image.Resampling.NEAREST, "bilinear": Image.Resampling.BILINEAR}
    expected = tensor(image.resize((size, size), filters[resize]))
    rounding = 0 if resize == "nearest" else 1.5 / 255
    torch.testing.assert_close(Preprocess(settings)(tensor(image)), expected, atol=rounding, rtol=0)


def test_images_of_the_right_size_are_not_resized():
    images = torch.rand(2, 3, 4, 4)
    assert torch.equal(Preprocess(Preprocessing(input_size=4))(images), (images - 0.5) / 0.5)


def test_the_settings_survive_the_form_of_transformers():
    settings = Preprocessing(
        input_size=96, resize="bilinear", mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6)
    )
    assert Preprocessing.from_transformers(settings.to_transformers(), 64) == settings


@pytest.mark.parametrize(
    ("settings", "size"),
    [
        ({}, 64),
        ({"size": 48}, 48),
        ({"size": {"height": 80, "width": 80}}, 80),
        ({"size": {"shortest_edge": 256}, "crop_size": 224, "do_center_crop": True}, 224),
        ({"size": {"shortest_edge": 256}, "crop_size": 224, "do_center_crop": False}, 256),
        ({"size": 256, "crop_size": {"height": 9, "width": 9}, "do_center_crop": True}, 9),
    ],
)
def test_the_size_is_found_wherever_transformers_puts_it(settings, size):
    assert Preprocessing.from_transformers(settings, 64).input_size == size


def test_a_processor_that_does_not_normalise_is_believed():
    read = Preprocessing.from_transformers({"do_normalize": False, "image_mean": [9, 9, 9]}, 64)
    assert (read.mean, read.std) == ((0, 0, 0), (1, 1, 1))


def test_oblong_images_are_refused():
    with pytest.raises(ConfigError, match="expected square ones"):
        Preprocessing.from_transformers({"size": {"height": 8, "width": 9}}, 64)


def test_a_deviation_of_zero_is_refused():
    with pytest.raises(ValidationError):
        Preprocessing(input_size=8, std=(0.5, 0.0, 0.5))
