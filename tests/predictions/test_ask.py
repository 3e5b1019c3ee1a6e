import numpy as np
import polars as pl
import pytest
import torch

from prunescope.data.dataset import Dataset
from prunescope.data.samples import Samples
from prunescope.errors import DataError
from prunescope.predictions import Metadata, predict


@pytest.fixture
def dots():
    """Three grey images of one pixel; the samples stand in the opposite order."""
    return Dataset(
        name="dots",
        fingerprint="0",
        samples=Samples(pl.Series(["c", "b", "a"]), ("dark", "light"), np.zeros((3, 2), np.int8)),
        pixels=np.repeat(np.array([0, 100, 200], np.uint8)[:, None], 3, axis=1)[..., None, None],
        rows=np.array([2, 1, 0]),
        splits=np.array(["test"] * 3),
    )


class Brightness(torch.nn.Module):
    """Answers "dark" and "light" by the mean of the pixels."""

    def forward(self, images):
        mean = images.float().mean(dim=(1, 2, 3))
        return torch.stack([-mean, mean], dim=1)


def test_each_sample_gets_the_answer_to_its_own_image(dots):
    predictions = predict(Brightness(), dots, Metadata(name="m"), batch_size=2, device="cpu")
    light = predictions.logits[:, 1]
    assert light[0] > light[1] > light[2]
    assert np.allclose(predictions.logits[:, 0], -light)
    assert predictions.samples is dots.samples
    assert predictions.name == "m"


def test_a_model_with_other_outputs_is_refused(dots):
    class Three(torch.nn.Module):
        def forward(self, images):
            return torch.zeros(len(images), 3)

    with pytest.raises(DataError, match=r"logits have shape \(3, 3\): expected \(3, 2\)"):
        predict(Three(), dots, device="cpu")
