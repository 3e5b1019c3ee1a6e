import numpy as np
import pytest
import torch
from torch import nn

from prunescope.errors import ConfigError, DataError
from prunescope.models import build_model
from prunescope.training import infer
from prunescope.training.inference import evaluation_mode


@pytest.mark.parametrize("batch_size", [1, 7, 20, 64])
def test_logits_are_in_the_order_of_the_data_set(dots, network, batch_size):
    dataset, model = dots(n=20), network().eval()
    found = infer(model, dataset, batch_size=batch_size, device="cpu")
    with torch.no_grad():
        images = torch.from_numpy(dataset.images(np.arange(20))).float() / 255
        expected = model(images).numpy()
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_the_model_is_asked_in_evaluation_mode_and_left_as_it_was(dots, network):
    model = network(dropout=0.9)
    model[1].eval()  # someone froze the statistics
    before = {name: value.clone() for name, value in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    first, again = (infer(model, dots(), device="cpu") for _ in range(2))
    assert np.array_equal(first, again)
    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_modes_come_back_after_an_error():
    model = nn.Sequential(nn.Linear(1, 1), nn.Dropout())
    model[1].eval()

    def fail():
        with evaluation_mode(model):
            assert not any(module.training for module in model.modules())
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert [module.training for module in model.modules()] == [True, True, False]


def test_progress_counts_images(dots, network):
    seen = []
    infer(network(), dots(n=20), batch_size=8, device="cpu", progress=lambda *p: seen.append(p))
    assert seen == [(8, 20), (16, 20), (20, 20)]


def test_no_sample_gives_no_row(dots, network):
    nothing = dots().take(np.array([], np.int64))
    assert infer(network(), nothing, device="cpu").shape == (0, 3)


def test_logits_that_are_not_finite_are_passed_on(dots):
    class Broken(nn.Module):
        def forward(self, images):
            return torch.full((len(images), 3), torch.nan)

    assert np.isnan(infer(Broken(), dots(n=3), device="cpu")).all()


def test_a_batch_size_below_one(dots, network):
    with pytest.raises(ConfigError, match="batch size 0: expected at least 1"):
        infer(network(), dots(), batch_size=0, device="cpu")


def test_a_data_set_with_other_attributes(dots):
    model = build_model("resnet_small", ["R"], image_size=8)
    with pytest.raises(DataError, match="the model answers R, but dots is labelled with R, G, B"):
        infer(model, dots(), device="cpu")


def test_a_data_set_of_another_size(dots):
    model = build_model("resnet_small", ["R", "G", "B"], image_size=16)
    with pytest.raises(ConfigError, match=r"built for floats of shape \(N, 3, 16, 16\)"):
        infer(model, dots(size=8), device="cpu")
