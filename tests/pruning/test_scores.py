import numpy as np
import pytest
import torch
from torch.nn import functional

from prunescope.errors import ConfigError, DataError
from prunescope.pruning.calibration import Calibration
from prunescope.pruning.scores import ScoreInputs, fisher, magnitude, random, taylor


def test_magnitude_is_a_new_tensor_without_gradient():
    weight = torch.nn.Parameter(torch.tensor([[-2.0, 0.0], [1.5, -0.5]]))
    scores = magnitude(ScoreInputs({"a": weight}, seed=0))
    assert scores["a"].tolist() == [[2.0, 0.0], [1.5, 0.5]]
    assert not scores["a"].requires_grad
    scores["a"].zero_()
    assert weight[0, 0] == -2


def test_random_depends_on_the_seed_and_the_shapes_alone():
    shapes = {"a": (2, 3), "b": (4,)}
    zeros = {name: torch.zeros(shape) for name, shape in shapes.items()}
    halves = {name: torch.full(shape, 7).half() for name, shape in shapes.items()}
    first = random(ScoreInputs(zeros, seed=1))
    same = random(ScoreInputs(halves, seed=1))
    other = random(ScoreInputs(zeros, seed=2))
    assert {name: tuple(score.shape) for name, score in first.items()} == shapes
    assert all(torch.equal(first[name], same[name]) for name in shapes)
    assert not torch.equal(first["a"], other["a"])


def test_random_scores_are_uniform_and_independent_of_other_random_numbers():
    weights = {"a": torch.zeros(100_000)}
    torch.manual_seed(3)
    before = torch.get_rng_state()
    score = random(ScoreInputs(weights, seed=0))["a"]
    assert torch.equal(torch.get_rng_state(), before)
    assert abs(float(score.mean()) - 0.5) < 0.005
    assert float(score.min()) >= 0
    assert float(score.max()) < 1


# Gradients


def by_hand(model, dataset, positions):
    """Mean gradient, and mean squared gradient of each image, by autograd image by image."""
    model.eval()
    images = torch.from_numpy(dataset.images(positions)) / 255
    labels = torch.from_numpy(dataset.samples.labels[positions]).float()
    gradients = []
    for image, label in zip(images, labels, strict=True):
        loss = functional.binary_cross_entropy_with_logits(model(image[None]), label[None])
        gradients.append(torch.autograd.grad(loss, model.body.weight)[0])
    stacked = torch.stack(gradients)
    return stacked.mean(0), (stacked**2).mean(0)


def inputs(model, dataset, **options):
    weights = {"body.weight": model.body.weight}
    return ScoreInputs(weights, 0, model, Calibration(dataset, **options))


def test_taylor_and_fisher_equal_a_loop_over_images(trained, dataset):
    given = inputs(trained, dataset, n_images=64, batch_size=1)
    mean, square = by_hand(trained, dataset, np.arange(64))
    w = trained.body.weight.detach()
    assert torch.allclose(taylor(given)["body.weight"], (mean * w).abs(), atol=1e-6)
    assert torch.allclose(fisher(given)["body.weight"], square * w**2 / 2, atol=1e-7)


def test_batches_do_not_change_the_mean(trained, dataset):
    one, many = (
        taylor(inputs(trained, dataset, n_images=50, batch_size=size))["body.weight"]
        for size in (50, 7)
    )
    assert torch.allclose(one, many, atol=1e-6)


def test_gradients_leave_the_model_alone(trained, dataset):
    trained.train()
    before = {name: value.clone() for name, value in trained.state_dict().items()}
    taylor(inputs(trained, dataset, n_images=16))
    assert trained.training
    assert all(p.grad is None for p in trained.parameters())
    assert all(torch.equal(before[k], v) for k, v in trained.state_dict().items())


def test_calibration_needs_images(trained, dataset):
    with pytest.raises(DataError, match="dots has 64 images to calibrate on, and 65 were asked"):
        Calibration(dataset, n_images=65)
    with pytest.raises(ConfigError, match="expected at least 1 of 1"):
        Calibration(dataset, n_images=0)
    with pytest.raises(ConfigError, match="this score looks at gradients"):
        taylor(ScoreInputs({"body.weight": trained.body.weight}))
