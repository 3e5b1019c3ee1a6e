import pytest
import torch
from torch import nn

from prunescope.errors import ConfigError
from prunescope.explain import feature_map, method_for
from prunescope.explain.layers import last_layer
from prunescope.models import build_model


class Net(nn.Module):
    """A convolution, and then whatever makes answers of its map."""

    def __init__(self, rest, channels=4):
        super().__init__()
        self.conv = nn.Conv2d(3, channels, 3, padding=1)
        self.rest = rest
        self.head = nn.Linear(channels, 2)

    def forward(self, x):
        return self.head(self.rest(self.conv(x)))


class Mean(nn.Module):
    def forward(self, x):
        return x.mean(dim=(2, 3))


class LastToFirst(nn.Module):
    """Works in (N, H, W, K), as ConvNeXt does inside."""

    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(4)

    def forward(self, x):
        return self.norm(x.permute(0, 2, 3, 1)).mean(dim=(1, 2))


class Attending(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(4)

    def forward(self, x):
        return self.norm(x.flatten(2).transpose(1, 2)).mean(dim=1)


class Beside(nn.Module):
    """Has a convolution whose map no answer depends on."""

    def __init__(self):
        super().__init__()
        self.other = nn.Conv2d(4, 4, 1)

    def forward(self, x):
        self.other(x)
        return x.mean(dim=(2, 3))


@pytest.mark.parametrize(
    ("arch", "name", "places"),
    [
        ("resnet_small", "resnet.encoder.stages.3", (2, 2)),
        ("resnet18", "resnet.encoder.stages.3", (4, 4)),
        ("mobilenet_v1", "mobilenet_v1.layer.25", (4, 4)),
    ],
)
def test_of_the_architectures(arch, name, places):
    found = feature_map(build_model(arch, ["Bald"], image_size=64))
    assert (found.name, found.places) == (name, places)


@pytest.mark.parametrize(
    ("rest", "name", "places"),
    [
        (Mean(), "conv", (8, 8)),
        (nn.Sequential(nn.ReLU(), nn.MaxPool2d(2), Mean()), "rest.1", (4, 4)),
        (nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()), "conv", (8, 8)),
        (nn.Sequential(nn.Flatten(2), nn.AdaptiveAvgPool1d(1), nn.Flatten()), "conv", (8, 8)),
        (LastToFirst(), "conv", (8, 8)),
        (Beside(), "conv", (8, 8)),
    ],
)
def test_of_networks_of_ones_own(classifier, rest, name, places):
    found = feature_map(classifier(Net(rest)))
    assert (found.name, found.places) == (name, places)


@pytest.mark.parametrize(
    "network", [Net(Attending()), nn.Sequential(nn.Flatten(), nn.Linear(192, 2))]
)
def test_without_a_map_there_is_one_error_and_another_method(classifier, network):
    model = classifier(network)
    with pytest.raises(ConfigError, match="choose the method 'gradients'"):
        feature_map(model)
    assert method_for(model) == "gradients"
    assert method_for(classifier(Net(Mean())), model) == "gradients"
    assert method_for(classifier(Net(Mean()))) == "gradcam"


def test_the_last_layer_is_the_one_that_computes_last(classifier):
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.answers = nn.Linear(4, 2)
            self.conv = nn.Conv2d(3, 4, 3)

        def forward(self, x):
            return self.answers(self.conv(x).mean(dim=(2, 3)))

    network = Odd()
    assert last_layer(classifier(network)) is network.answers
    with pytest.raises(ConfigError, match="no weights"):
        last_layer(classifier(Mean()))


def test_hooks_are_gone_afterwards(classifier):
    model = classifier(Net(Mean()))
    feature_map(model)
    assert not any(module._forward_hooks for module in model.modules())
    assert torch.is_grad_enabled()
