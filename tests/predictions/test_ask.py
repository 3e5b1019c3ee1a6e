import numpy as np
import polars as pl
import pytest
import torch

from prunescope.data.dataset import Dataset
from prunescope.data.samples import Samples
from prunescope.errors import ConfigError, DataError
from prunescope.models import penultimate
from prunescope.predictions import Metadata, embed, predict
from prunescope.runtimes import Function


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


@pytest.fixture
def deep():
    """Three features of a pixel, and two answers made of them."""
    torch.manual_seed(0)
    layers = torch.nn.Flatten(), torch.nn.Linear(3, 3), torch.nn.Tanh(), torch.nn.Linear(3, 2)
    return torch.nn.Sequential(*layers)


def test_each_sample_gets_the_features_of_its_own_image(dots, deep):
    seen = embed(deep, dots, batch_size=2, device="cpu")
    assert seen.ids.to_list() == ["c", "b", "a"]
    grey = torch.tensor([200.0, 100, 0])[:, None].repeat(1, 3) / 255
    np.testing.assert_allclose(seen.values, deep[:3](grey).detach().numpy(), rtol=0, atol=1e-6)


def test_answers_and_features_come_of_one_pass(dots, deep):
    alone = predict(deep, dots, batch_size=2, device="cpu")
    n_calls = []
    deep.register_forward_hook(lambda *_: n_calls.append(1))
    with penultimate(deep) as seen:
        found = predict(deep, dots, batch_size=2, device="cpu")
    assert len(n_calls) == 2
    assert found.logits.tobytes() == alone.logits.tobytes()
    np.testing.assert_array_equal(seen.values(), embed(deep, dots, device="cpu").values)


def test_batches_have_ids_of_their_own_or_places(deep):
    batches = [{"images": torch.rand(2, 3, 1, 1), "name": [f"{n}0", f"{n}1"]} for n in "ab"]
    assert embed(deep, batches, ids="name").ids.to_list() == ["a0", "a1", "b0", "b1"]
    assert embed(deep, batches, ids=[4, 5, 6, 7]).ids.to_list() == ["4", "5", "6", "7"]
    assert embed(deep, batches, device="cpu").ids.to_list() == ["0", "1", "2", "3"]
    with pytest.raises(DataError, match="3 ids and 4 rows"):
        embed(deep, batches, ids=[1, 2, 3])
    with pytest.raises(DataError, match="shape"):
        embed(deep, [])


def test_what_has_no_layers_has_no_features(dots, deep):
    with pytest.raises(ConfigError, match="means gives answers and no embeddings"):
        embed(Function("means", lambda images: images.mean((2, 3))), dots)
    with pytest.raises(ConfigError, match="leave out ids"):
        embed(deep, dots, ids=["a", "b", "c"])
    with pytest.raises(ConfigError, match="no layer of Brightness"):
        embed(Brightness(), dots, device="cpu")
