"""Integers and scales as defined, zeros that stay, answers as an int8 kernel would give them."""

import itertools
import sys

import numpy as np
import polars as pl
import pytest
import torch
from torch import nn

from prunescope.data.dataset import Dataset
from prunescope.data.samples import Samples
from prunescope.errors import ConfigError, DataError, MissingExtraError, TrainingError
from prunescope.models import Classifier, ModelSpec, Preprocessing, Quantized
from prunescope.pruning.masks import Masks
from prunescope.pruning.quantization import calibration_batches, convert, quantize
from prunescope.training import infer

SIDE = 6


class Small(nn.Module):
    """Every case: folded and not, grouped, 'same' padding, a residual, two users of one input."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1, bias=False)
        self.stem_norm = nn.BatchNorm2d(4)
        self.body = nn.Conv2d(4, 4, 3, padding="same", groups=2)
        self.body_norm = nn.BatchNorm2d(4)
        self.side = nn.Conv2d(4, 4, 1)
        self.late_norm = nn.BatchNorm2d(4)
        self.head = nn.Linear(4, 2)

    def forward(self, images):
        x = self.stem_norm(self.stem(images)).relu()
        x = self.body_norm(self.body(x)) + self.side(x)
        return self.head(self.late_norm(x).relu().mean((2, 3)))


def classifier(network):
    spec = ModelSpec(
        arch="tests:net",
        attributes=("Dark", "Coin"),
        image_size=SIDE,
        preprocessing=Preprocessing(input_size=SIDE),
    )
    return Classifier(network, spec).eval()


@pytest.fixture
def small():
    torch.manual_seed(0)
    network = Small().train()
    with torch.no_grad():
        for _ in range(20):
            network(torch.randn(8, 3, SIDE, SIDE))
        for norm in (network.stem_norm, network.body_norm, network.late_norm):
            norm.weight.uniform_(-2, 2)
            norm.bias.uniform_(-1, 1)
    return classifier(network)


@pytest.fixture(scope="module")
def dataset():
    rng = np.random.default_rng(0)
    n = 64
    return Dataset(
        name="dots",
        fingerprint="0",
        samples=Samples(
            pl.Series([str(i) for i in range(n)]),
            ("Dark", "Coin"),
            rng.integers(0, 2, (n, 2)).astype(np.int8),
        ),
        pixels=rng.integers(0, 256, (n, 3, SIDE, SIDE), np.uint8),
        rows=np.arange(n),
        splits=np.full(n, "train"),
    )


def small_quantized(model, dataset, **choices):
    return quantize(model, dataset, **({"n_batches": 2, "batch_size": 16} | choices))


def folded_weights(network):
    """The weights and biases with normalisation folded in, worked out by hand."""
    found = {}
    for name, norm in (("stem", network.stem_norm), ("body", network.body_norm)):
        layer = getattr(network, name)
        factor = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        bias = 0 if layer.bias is None else layer.bias
        found[name] = (
            layer.weight * factor[:, None, None, None],
            (bias - norm.running_mean) * factor + norm.bias,
        )
    for name in ("side", "head"):
        found[name] = (getattr(network, name).weight, getattr(network, name).bias)
    return found


def test_weights_are_within_half_a_step_of_the_folded_ones(small, dataset):
    quantized = small_quantized(small, dataset)
    assert set(quantized.layers) == {"stem", "body", "side", "head"}
    assert set(quantized.folded) == {"stem_norm", "body_norm"}
    for name, (weight, bias) in folded_weights(small.network).items():
        layer = getattr(quantized.network, name)
        largest = weight.abs().flatten(1).amax(1)
        torch.testing.assert_close(layer.weight_scale, largest / 127)
        step = layer.weight_scale.reshape(-1, *[1] * (weight.dim() - 1))
        assert ((layer.weight - weight).abs() <= step * 0.5001).all()
        assert (layer.weight_int8.abs().flatten(1).amax(1) == 127).all()
        torch.testing.assert_close(layer.bias, bias.detach())


def test_pruned_weights_stay_exactly_zero(small, dataset):
    masks = Masks(
        {
            f"network.{name}.weight": torch.rand_like(getattr(small.network, name).weight) > 0.7
            for name in ("stem", "body", "side", "head")
        }
    )
    whole = torch.ones_like(masks["network.side.weight"])
    whole[1] = False  # a channel without weights, whose largest is 0
    masks = Masks({**masks, "network.side.weight": whole})
    masks.apply_(small)
    quantized = small_quantized(small, dataset)
    for name, mask in masks.items():
        layer = quantized.get_submodule(name.removesuffix(".weight"))
        assert (layer.weight_int8[~mask] == 0).all()
        assert (layer.weight[~mask] == 0).all()
    assert infer(quantized, dataset).std() > 0
    assert np.isfinite(infer(quantized, dataset)).all()


def test_answers_are_torchaos_to_the_last_bit(small, dataset):
    batches = calibration_batches(dataset, 2, 16, seed=0)
    graph, _, _ = convert(small, batches)
    quantized = small_quantized(small, dataset)
    with torch.no_grad():
        for images in batches:
            assert torch.equal(quantized(images), graph(images))


def test_answers_are_near_those_in_floats(small, dataset):
    exact = infer(small, dataset)
    found = infer(small_quantized(small, dataset, n_batches=4), dataset)
    assert 0 < np.abs(found - exact).max() < 0.05 * exact.std()


class OneConv(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 3, padding=1)

    def forward(self, images):
        return self.conv(images)[:, :, 2, 0]


def test_one_convolution_by_integer_arithmetic(dataset):
    """Loops over integers, as an int8 kernel runs; floats come in at the end alone."""
    torch.manual_seed(0)
    model = classifier(OneConv())
    quantized = small_quantized(model, dataset)
    weight = model.network.conv.weight.detach().double().numpy()
    scales = np.abs(weight).max((1, 2, 3)) / 127
    integers = np.rint(weight / scales[:, None, None, None]).astype(int)
    layer = quantized.network.conv
    scale, zero = layer.input_scale.item(), layer.input_zero_point.item()
    assert scale == pytest.approx(2 / 255, rel=0.02), "pixels reach from −1 to 1"
    assert zero == pytest.approx(127.5, abs=2)

    images = dataset.images(np.arange(8)).astype(float) / 127.5 - 1
    seen = np.clip(np.rint(images / scale) + zero, 0, 255).astype(int)
    expected = np.zeros((8, 2))
    for n, out in itertools.product(range(8), range(2)):
        total = 0
        for channel, dy, dx in itertools.product(range(3), range(3), range(3)):
            y, x = 2 + dy - 1, 0 + dx - 1
            padding = x < 0
            pixel = zero if padding else seen[n, channel, y, x]
            total += (pixel - zero) * integers[out, channel, dy, dx]
        expected[n, out] = total * scale * scales[out] + model.network.conv.bias[out].item()
    found = infer(quantized, dataset)[:8]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    assert np.abs(infer(model, dataset)[:8] - expected).max() > 1e-4, "floats answer otherwise"


def test_the_model_given_stays_and_the_seed_decides(small, dataset):
    before = {name: tensor.clone() for name, tensor in small.state_dict().items()}
    small.train()
    one, again = (small_quantized(small, dataset, n_batches=1) for _ in range(2))
    other = small_quantized(small, dataset, n_batches=1, seed=1)
    assert small.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in small.state_dict().items())
    same = one.state_dict()
    assert all(torch.equal(same[name], tensor) for name, tensor in again.state_dict().items())
    assert any(not torch.equal(same[name], tensor) for name, tensor in other.state_dict().items())


def test_calibration_images_are_drawn_without_repetition(dataset):
    batches = calibration_batches(dataset, 4, 16, seed=3)
    drawn = torch.cat(batches)
    assert drawn.shape == (64, 3, SIDE, SIDE)
    assert len(drawn.flatten(1).unique(dim=0)) == 64


@pytest.mark.parametrize(
    ("choices", "complaint"),
    [
        ({"n_batches": 8}, "takes 128 images, and the training split has 64"),
        ({"n_batches": 0}, "expected at least 1 of 1"),
        ({"batch_size": 0}, "expected at least 1 of 1"),
    ],
)
def test_too_few_images(small, dataset, choices, complaint):
    with pytest.raises(ConfigError, match=complaint):
        small_quantized(small, dataset, **choices)


def test_a_model_in_int8_is_refused(small, dataset):
    with pytest.raises(ConfigError, match="in int8, and a float model is needed to quantise"):
        small_quantized(small_quantized(small, dataset), dataset)


def test_another_models_data_are_refused(small, dataset):
    small.spec = small.spec.model_copy(update={"attributes": ("Coin", "Dark")})
    with pytest.raises(DataError, match="Coin, Dark"):
        small_quantized(small, dataset)


def test_a_weight_that_is_not_finite(small, dataset):
    with torch.no_grad():
        small.network.side.weight[0] = torch.nan
    with pytest.raises(TrainingError, match=r"network\.side has numbers that are NaN"):
        small_quantized(small, dataset)


def test_without_torchao(small, dataset, monkeypatch):
    monkeypatch.setitem(sys.modules, "torchao.quantization.pt2e.quantize_pt2e", None)
    with pytest.raises(MissingExtraError, match=r"pip install .*\[quantize\]"):
        small_quantized(small, dataset)


class Twice(Small):
    """One layer is called twice and another by its weights alone: both stay as they are."""

    def forward(self, images):
        x = self.stem_norm(self.stem(images)).relu()
        x = self.side(self.side(x))
        x = nn.functional.conv2d(x, self.body.weight, groups=2)
        return self.head(x.mean((2, 3)))


def test_a_layer_used_twice_stays_float(dataset):
    torch.manual_seed(0)
    model = classifier(Twice())
    quantized = small_quantized(model, dataset)
    assert quantized.layers == ("stem", "head")
    assert torch.equal(quantized.network.side.weight, model.network.side.weight)
    assert np.abs(infer(quantized, dataset) - infer(model, dataset)).max() < 0.01


class Unfoldable(Small):
    """What its normalisation follows has another user."""

    def forward(self, images):
        x = self.stem(images)
        return self.head((self.stem_norm(x) + x).mean((2, 3)))


def test_normalisation_of_what_has_another_user_is_not_folded(dataset):
    torch.manual_seed(0)
    model = classifier(Unfoldable())
    with torch.no_grad():
        model.network.stem_norm.weight.fill_(3)
    quantized = small_quantized(model, dataset)
    assert quantized.layers == ("stem", "head")
    assert quantized.folded == ()
    assert np.abs(infer(quantized, dataset) - infer(model, dataset)).max() < 0.02


class NoLayers(nn.Module):
    def forward(self, images):
        return images.mean((2, 3))[:, :2]


class Branching(Small):
    def forward(self, images):
        return super().forward(images) if images.sum() > 0 else super().forward(-images)


@pytest.mark.parametrize(
    ("network", "complaint"),
    [
        (NoLayers, "no layer to quantise"),
        (Branching, "cannot export tests:net as a graph"),
    ],
)
def test_networks_that_cannot_be_quantised(network, complaint, dataset):
    with pytest.raises(ConfigError, match=complaint):
        small_quantized(classifier(network()), dataset)


def test_a_subclass_that_computes_as_its_class_is_quantised(dataset):
    class Flat(nn.Linear):
        def __init__(self):
            super().__init__(3 * SIDE * SIDE, 2)

    model = classifier(nn.Sequential(nn.Flatten(), Flat()))
    quantized = small_quantized(model, dataset)
    assert isinstance(quantized, Quantized)
    assert quantized.layers == ("1",)
    found, exact = infer(quantized, dataset), infer(model, dataset)
    assert np.abs(found - exact).max() < 0.02
