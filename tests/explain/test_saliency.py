import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from prunescope.data.framing import Frame
from prunescope.errors import ConfigError, DataError
from prunescope.explain import gradcam, integrated_gradients, score_of


def linear(size=8, outputs=2):
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * size * size, outputs))


class Squares(nn.Module):
    """Answers the sum of w · x² over all pixels of all colours."""

    def __init__(self, weights):
        super().__init__()
        self.weights = weights

    def forward(self, x):
        return torch.stack([(self.weights * x**2).sum(dim=(1, 2, 3)), x.sum(dim=(1, 2, 3))], dim=1)


class Colours(nn.Module):
    """A filter for red and one for green; Bald is said where there is green and no red."""

    def __init__(self, in_place=False, stride=1):
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 1, stride)
        self.act = nn.ReLU(inplace=in_place)
        self.head = nn.Linear(2, 2)
        with torch.no_grad():
            self.conv.weight.zero_()
            self.conv.weight[0, 0] = self.conv.weight[1, 1] = 1
            self.conv.bias.zero_()
            self.head.weight.copy_(torch.tensor([[-0.5, 2.0], [1.0, 1.0]]))

    def forward(self, x):
        return self.head(self.act(self.conv(x)).mean(dim=(2, 3)))


@pytest.mark.parametrize("steps", [1, 32])
def test_of_a_linear_model_integrated_gradients_are_its_weights_times_the_way(
    classifier, noise, steps
):
    network, images = linear(), noise()
    model = classifier(network, mean=(0.5, 0.4, 0.3), std=(0.5, 0.25, 1.0))
    found = integrated_gradients(model, images, 1, baseline=(0.1, 0.2, 0.3), steps=steps)
    weights = network[1].weight[1].detach().reshape(3, 8, 8)
    std = torch.tensor([0.5, 0.25, 1.0]).reshape(3, 1, 1)
    way = images - torch.tensor([0.1, 0.2, 0.3]).reshape(3, 1, 1)
    assert torch.allclose(found.values, (weights / std * way).sum(dim=1), atol=1e-5)
    assert found.steps == steps
    assert found.complete.all()
    assert float(found.gaps.max()) < 1e-4


def test_of_squares_they_are_differences_of_squares(classifier, noise):
    weights, images = torch.linspace(-1, 1, 3 * 64).reshape(3, 8, 8), noise()
    model = classifier(Squares(weights), mean=(0, 0, 0), std=(1, 1, 1))
    found = integrated_gradients(model, images, 0, baseline=(0.2, 0.2, 0.2))
    assert torch.allclose(found.values, (weights * (images**2 - 0.04)).sum(dim=1), atol=1e-5)
    total = found.values.sum(dim=(1, 2))
    assert torch.allclose(total, found.scores - found.from_scores, atol=1e-3)


def test_without_a_baseline_it_is_what_the_network_sees_as_0(classifier, noise):
    model = classifier(linear(), mean=(0.2, 0.4, 0.6))
    found = integrated_gradients(model, noise(1), 0)
    assert found.baseline == pytest.approx((0.2, 0.4, 0.6))
    plain = torch.tensor([0.2, 0.4, 0.6]).reshape(1, 3, 1, 1).expand(1, 3, 8, 8)
    with torch.no_grad():
        expected = float(model(plain)[0, 0])
    assert float(found.from_scores[0]) == pytest.approx(expected, abs=1e-6)


class Steep(nn.Module):
    def forward(self, x):
        level = x.mean(dim=(1, 2, 3))
        return torch.stack([4 * torch.sigmoid(300 * (level - 0.503)), level], dim=1)


def test_points_are_doubled_until_the_sum_is_right(classifier):
    model = classifier(Steep(), mean=(0, 0, 0), std=(1, 1, 1))
    images = torch.ones(1, 3, 8, 8)
    rough = integrated_gradients(model, images, 0, steps=4, most=4)
    fine = integrated_gradients(model, images, 0, steps=4)
    assert (rough.complete.tolist(), fine.complete.tolist()) == ([False], [True])
    assert fine.steps > rough.steps == 4
    miss = abs(float(rough.values.sum()) - 4.0)
    assert float(rough.gaps[0]) == pytest.approx(miss, abs=1e-3)


def test_grad_cam_lights_up_where_the_filter_that_counts_does(classifier):
    model = classifier(Colours(), mean=(0, 0, 0), std=(1, 1, 1))
    images = torch.zeros(1, 3, 8, 8)
    images[0, 1, :3, :3] = 0.8  # green in a corner, red in another
    images[0, 0, 5:, 5:] = 1.0
    found = gradcam(model, images, 0)
    by_hand = (2.0 * images[0, 1] - 0.5 * images[0, 0]).clamp(min=0) / 64
    assert torch.allclose(found.values[0], by_hand, atol=1e-6)
    assert found.places == (8, 8)
    assert float(found.scores[0]) == pytest.approx(float(model(images)[0, 0].detach()))


def test_what_follows_may_work_in_place(classifier, noise):
    class Late(Colours):
        def forward(self, x):
            return self.head(functional.relu_(self.conv(x)).mean(dim=(2, 3)))

    images = noise()
    expected = gradcam(classifier(Colours(), mean=(0, 0, 0), std=(1, 1, 1)), images, 0)
    for network in (Colours(in_place=True), Late()):
        found = gradcam(classifier(network, mean=(0, 0, 0), std=(1, 1, 1)), images, 0)
        assert torch.allclose(found.values, expected.values)


def test_a_coarse_map_is_enlarged_to_the_image(classifier):
    model = classifier(Colours(stride=4), mean=(0, 0, 0), std=(1, 1, 1))
    images = torch.zeros(1, 3, 8, 8)
    images[0, 1, 0, 0] = 1
    found = gradcam(model, images, 0)
    assert found.places == (2, 2)
    coarse = torch.tensor([[[[2.0, 0.0], [0.0, 0.0]]]]) / 4
    expected = functional.interpolate(coarse, size=(8, 8), mode="bilinear")[0, 0]
    assert torch.allclose(found.values[0], expected, atol=1e-6)


def test_what_the_network_does_not_see_gets_nothing(classifier):
    frame = Frame(crop=4, resample="bilinear")
    model = classifier(Colours(), input_size=4, frame=frame, mean=(0, 0, 0), std=(1, 1, 1))
    images = torch.full((1, 3, 8, 8), 0.5)
    for found in (gradcam(model, images, 0), integrated_gradients(model, images, 0)):
        inside = found.values[0, 2:6, 2:6]
        assert float(inside.abs().min()) > 0
        assert float(found.values.abs().sum()) == pytest.approx(float(inside.abs().sum()))


def test_the_score_of_a_class_is_its_log_odds():
    logits = torch.tensor([[0.3, -1.0, 2.0], [0.0, 0.0, 0.0]])
    p = logits.softmax(dim=1)
    for column in range(3):
        expected = torch.log(p[:, column] / (1 - p[:, column]))
        assert torch.allclose(score_of(logits, column, "multiclass"), expected, atol=1e-5)
        shifted = score_of(logits + 7, column, "multiclass")
        assert torch.allclose(shifted, expected, atol=1e-5)


def test_models_stay_as_they_are(classifier, noise):
    model = classifier(Colours())
    model.train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    gradcam(model, noise(), 0)
    integrated_gradients(model, noise(), 0)
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("method", [gradcam, integrated_gradients])
def test_numbers_that_are_none_are_refused(classifier, noise, method):
    network = Colours()
    with torch.no_grad():
        network.head.weight[0] = np.nan
    with pytest.raises(DataError, match="not finite"):
        method(classifier(network), noise(), 0)


@pytest.mark.parametrize("baseline", [(0.5, 0.5), (2, 0, 0), (np.nan, 0, 0)])
def test_a_baseline_is_a_colour(classifier, noise, baseline):
    with pytest.raises(ConfigError, match="expected a colour"):
        integrated_gradients(classifier(linear()), noise(), 0, baseline=baseline)


def test_a_network_that_lets_no_slopes_pass_is_refused(classifier, noise):
    class Counting(nn.Module):
        def forward(self, x):
            return (x > 0.5).float().mean(dim=(2, 3))[:, :2]

    with pytest.raises(ConfigError, match="lets no slopes pass"):
        integrated_gradients(classifier(Counting()), noise(), 0)


def test_an_answer_that_hangs_on_nothing_has_an_empty_map(classifier, noise):
    class Constant(nn.Module):
        def forward(self, x):
            return torch.stack([x.mean(dim=(1, 2, 3)) * 0, x.mean(dim=(1, 2, 3))], dim=1)

    found = integrated_gradients(classifier(Constant()), noise(), 0)
    assert not found.values.any()
    assert found.complete.all()
