import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch import nn

from prunescope.explain import explain, randomised
from prunescope.explain.checks import alike
from prunescope.explain.words import captions, warnings_of
from prunescope.models import build_model


@pytest.fixture(scope="module")
def small():
    return build_model("resnet_small", ["Bald", "Hat"], image_size=32).eval()


def tensors(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def test_all_layers_are_drawn_by_the_seed_alone(small):
    before = tensors(small)
    one, again, other = (tensors(randomised(small, "all", seed)) for seed in (0, 0, 1))
    assert all(torch.equal(small.state_dict()[name], value) for name, value in before.items())
    kernels = [name for name, value in before.items() if value.dim() >= 2]
    assert len(kernels) > 5
    assert all(torch.equal(one[name], again[name]) for name in kernels)
    assert not any(torch.equal(one[name], before[name]) for name in kernels)
    assert not any(torch.equal(one[name], other[name]) for name in kernels)
    kernel = next(one[name] for name in kernels if one[name][0].numel() > 500)
    assert float(kernel.std()) == pytest.approx((2 / kernel[0].numel()) ** 0.5, rel=0.05)


def test_of_the_last_layer_all_others_stay(small):
    before, after = tensors(small), tensors(randomised(small, "last", 0))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert "network.classifier.1.weight" in changed
    assert all(name.startswith("network.classifier.1.") for name in changed)


def test_statistics_of_normalisation_are_set_back():
    model = build_model("resnet_small", ["Bald"], image_size=32)
    with torch.no_grad():
        model(torch.rand(4, 3, 32, 32))
    drawn = randomised(model, "all", 0)
    means = [value for name, value in drawn.state_dict().items() if name.endswith("running_mean")]
    assert means
    assert all(not value.any() for value in means)


def test_likeness_is_spearmans_of_sizes():
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=(2, 5, 5)).astype(np.float32)
    expected = spearmanr(np.abs(one).ravel(), np.abs(other).ravel()).statistic
    assert alike(one, other) == pytest.approx(expected)
    assert alike(one, -one) == pytest.approx(1.0)
    assert alike(one, np.zeros_like(one)) is None


class Brightness(nn.Module):
    """Its attributions are the image whatever its weight is, which has nothing to learn where."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2, 1))

    def forward(self, x):
        return x.mean(dim=(1, 2, 3))[:, None] @ self.weight.T


def test_a_map_that_any_weights_give_is_told(classifier, noise):
    model = classifier(Brightness())
    [found] = explain(model, model, noise(1), "Bald", method="gradients")
    assert [check.layers for check in found.dense.checks] == ["last", "all"]
    for check in (*found.dense.checks, *found.compressed.checks):
        assert check.correlation > 0.99
        assert not check.passed
    warnings = warnings_of(found, "before", "after")
    assert len(warnings) == 4
    assert warnings[0].startswith(
        "before: this map does not depend on what the network learned. With its last layer drawn"
    )
    notes = [one.note for one in captions(found, "x", "before", "after")]
    assert notes[-1] == "rank correlation +1.00: hardly changed"


class Where(nn.Module):
    """Looks at one pixel in each place's own way: kernels decide where."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 1, 8)

    def forward(self, x):
        return self.conv(x)[:, :, 0, 0].expand(-1, 2)


def test_a_map_that_weights_decide_passes(classifier, noise):
    network = Where()
    with torch.no_grad():
        network.conv.weight.zero_()
        network.conv.weight[:, :, :3, :3] = 1.0
    model = classifier(network)
    [found] = explain(model, model, noise(1), "Bald", method="gradients")
    assert all(check.passed for check in found.dense.checks)
    assert not warnings_of(found, "before", "after")
