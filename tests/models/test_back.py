"""From the network's input back to the images: where each value belongs, and that totals stay."""

import pytest
import torch

from prunescope.data.framing import Frame
from prunescope.models import Preprocessing
from prunescope.models.preprocessing import Preprocess

SETTINGS = {
    "same size": Preprocessing(input_size=8),
    "larger": Preprocessing(input_size=16),
    "smaller": Preprocessing(input_size=4, resize="bilinear"),
    "unequal colours": Preprocessing(
        input_size=16, mean=(0.1, 0.2, 0.3), std=(0.1, 0.5, 2.0), channels="bgr"
    ),
    "whole frame": Preprocessing(input_size=6, frame=Frame(resize=(6, 6), resample="bilinear")),
}


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_totals_stay(settings):
    seen = torch.rand(2, settings.input_size, settings.input_size)
    made = Preprocess(settings).back(seen, 8)
    assert made.shape == (2, 8, 8)
    assert torch.allclose(made.sum(dim=(1, 2)), seen.sum(dim=(1, 2)), rtol=1e-4)


def test_each_pixel_gets_what_was_made_of_it():
    seen = torch.arange(64.0).reshape(1, 8, 8)
    made = Preprocess(Preprocessing(input_size=8)).back(seen, 4)
    expected = seen.reshape(4, 2, 4, 2).sum(dim=(1, 3))
    assert torch.allclose(made[0], expected)


def test_what_was_cut_off_gets_nothing():
    settings = Preprocessing(input_size=4, frame=Frame(crop=4, resample="bilinear"))
    made = Preprocess(settings).back(torch.ones(1, 4, 4), 8)
    expected = torch.zeros(8, 8)
    expected[2:6, 2:6] = 1
    assert torch.equal(made[0], expected)
