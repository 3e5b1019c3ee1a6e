import numpy as np
import pytest
import torch
from torch import nn

from prunescope.errors import ConfigError
from prunescope.training import reestimate_batch_norm


def reestimate(model, dataset, n_batches=4, batch_size=16, seed=0):
    reestimate_batch_norm(model, dataset, n_batches=n_batches, batch_size=batch_size, seed=seed)


def test_statistics_are_the_means_over_the_batches(dots):
    dataset = dots(n=64)
    model = nn.Sequential(nn.BatchNorm2d(3))
    model[0].running_mean.fill_(9)
    reestimate(model, dataset)
    order = np.random.default_rng(0).permutation(64)
    images = torch.from_numpy(dataset.images(order)).float() / 255
    parts = images.split(16)
    mean = torch.stack([part.mean((0, 2, 3)) for part in parts]).mean(0)
    variance = torch.stack([part.transpose(0, 1).flatten(1).var(1) for part in parts]).mean(0)
    torch.testing.assert_close(model[0].running_mean, mean)
    torch.testing.assert_close(model[0].running_var, variance)
    assert model[0].num_batches_tracked == 4


def test_it_undoes_a_change_of_the_weights_before(dots, network):
    """Halving a convolution halves what reaches batch normalisation, which then divides it out."""
    dataset = dots(n=256)
    model = network(dropout=0.0)
    reestimate(model, dataset)
    images = torch.from_numpy(dataset.images(np.arange(32))).float() / 255
    expected = model.eval()(images)
    with torch.no_grad():
        model[0].weight.mul_(0.5)
    assert not torch.allclose(model(images), expected, atol=1e-2)
    reestimate(model, dataset)
    torch.testing.assert_close(model(images), expected, atol=1e-2, rtol=0)


def test_all_else_stays(dots, network):
    model = network()
    model[0].eval()
    modes = [module.training for module in model.modules()]
    weights = {name: value.detach().clone() for name, value in model.named_parameters()}
    reestimate(model, dots())
    assert [module.training for module in model.modules()] == modes
    assert model[1].momentum == 0.1
    assert all(torch.equal(weights[name], value) for name, value in model.named_parameters())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_momentum_comes_back_after_an_error(dots):
    model = nn.Sequential(nn.BatchNorm2d(3), nn.Linear(1, 1))
    with pytest.raises(RuntimeError):
        reestimate(model, dots())
    assert model[0].momentum == 0.1


@pytest.mark.parametrize(("n", "used"), [(5, 1), (16, 1), (40, 2), (64, 4), (200, 4)])
def test_at_most_one_pass_is_made(dots, n, used):
    model = nn.Sequential(nn.BatchNorm2d(3))
    reestimate(model, dots(n=n))
    assert model[0].num_batches_tracked == used


def test_the_images_are_a_function_of_the_seed(dots):
    def mean(seed):
        model = nn.Sequential(nn.BatchNorm2d(3))
        reestimate(model, dots(), n_batches=1, seed=seed)
        return model[0].running_mean

    assert torch.equal(mean(0), mean(0))
    assert not torch.equal(mean(0), mean(1))


def test_a_model_without_batch_norm_is_not_even_asked(dots):
    reestimate(nn.Linear(1, 1), dots())


def test_numbers_below_one(dots):
    with pytest.raises(ConfigError, match="0 batches of 16: expected at least 1 of 1"):
        reestimate(nn.BatchNorm2d(3), dots(), n_batches=0)
