import json

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError
from transformers import AutoImageProcessor

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


def test_the_settings_are_those_that_transformers_follows(tmp_path):
    settings = Preprocessing(
        input_size=96, resize="bilinear", mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6)
    )
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(settings.to_transformers()))
    processor = AutoImageProcessor.from_pretrained(tmp_path, backend="pil")
    image = Image.fromarray(pixels())
    expected = processor(image, return_tensors="pt")["pixel_values"].float()
    rounding = 1.5 / 255 / 0.4
    torch.testing.assert_close(Preprocess(settings)(tensor(image)), expected, atol=rounding, rtol=0)


def test_a_processor_is_handed_on_as_it_came():
    told = {"image_processor_type": "MobileViTImageProcessor", "size": {"shortest_edge": 8}}
    assert Preprocessing(input_size=8, processor=told).to_transformers() == told


def test_blue_comes_first_where_the_network_wants_it():
    settings = Preprocessing(input_size=1, mean=(0.1, 0.2, 0.3), std=(1, 2, 4), channels="bgr")
    seen = Preprocess(settings)(torch.ones(1, 3, 1, 1))
    torch.testing.assert_close(seen.flatten(), torch.tensor([0.175, 0.4, 0.9]))


def test_a_deviation_of_zero_is_refused():
    with pytest.raises(ValidationError):
        Preprocessing(input_size=8, std=(0.5, 0.0, 0.5))
