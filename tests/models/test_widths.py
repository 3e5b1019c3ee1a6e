import copy

import pytest
import torch
from torch import nn

from prunescope.errors import ConfigError
from prunescope.models import build_model, reshape_, shapes_of
from prunescope.models.quantized import Int8Conv2d, Int8Linear
from prunescope.models.widths import is_depthwise, select_


@pytest.fixture
def network():
    """A dense, a depthwise, a grouped and a 1-D convolution, normalisation, a linear layer."""
    torch.manual_seed(0)
    return nn.ModuleDict(
        {
            "conv": nn.Conv2d(3, 8, 3),
            "norm": nn.BatchNorm2d(8),
            "depthwise": nn.Conv2d(8, 8, 3, groups=8, bias=False),
            "grouped": nn.Conv2d(8, 4, 1, groups=2),
            "line": nn.Conv1d(4, 6, 1),
            "plain": nn.BatchNorm1d(6, affine=False),
            "head": nn.Linear(6, 2),
            "other": nn.LayerNorm(6),
        }
    )


def test_widths_of_all_layers_that_have_one(network):
    assert shapes_of(network) == {
        "conv": (8, 3, 1),
        "norm": (8, 8, 1),
        "depthwise": (8, 8, 8),
        "grouped": (4, 8, 2),
        "line": (6, 4, 1),
        "plain": (6, 6, 1),
        "head": (2, 6, 1),
    }


def test_widths_of_layers_in_int8():
    network = nn.Sequential(Int8Conv2d(nn.Conv2d(6, 4, 3, groups=2)), Int8Linear(nn.Linear(5, 7)))
    assert shapes_of(network) == {"0": (4, 6, 2), "1": (7, 5, 1)}


def test_a_convolution_is_depthwise_if_each_output_has_an_input_of_its_own():
    assert is_depthwise(nn.Conv2d(4, 4, 3, groups=4))
    assert not is_depthwise(nn.Conv2d(4, 8, 3, groups=4))
    assert not is_depthwise(nn.Conv2d(1, 1, 3))


def test_a_network_made_narrower(network):
    before = copy.deepcopy(network)
    shapes = {
        "conv": (5, 2, 1),
        "norm": [5, 5, 1],
        "depthwise": (5, 5, 5),
        "line": (3, 4, 1),
        "plain": (3, 3, 1),
        "head": (2, 3, 1),
    }
    reshape_(network, shapes)
    assert shapes_of(network) == {"grouped": (4, 8, 2)} | {k: tuple(v) for k, v in shapes.items()}
    assert torch.equal(network["conv"].weight, before["conv"].weight[:5, :2])
    assert torch.equal(network["conv"].bias, before["conv"].bias[:5])
    assert torch.equal(network["depthwise"].weight, before["depthwise"].weight[:5])
    assert network["norm"].running_var.shape == network["norm"].weight.shape == (5,)
    assert network["plain"].running_mean.shape == (3,)
    assert network["depthwise"](network["norm"](network["conv"](torch.rand(2, 2, 9, 9)))).shape == (
        2, 5, 5, 5,
    )  # fmt: skip


def test_its_parameters_still_train_or_not_as_before(network):
    network["conv"].weight.requires_grad_(False)
    reshape_(network, {"conv": (5, 3, 1)})
    assert not network["conv"].weight.requires_grad
    assert network["conv"].bias.requires_grad
    assert isinstance(network["conv"].bias, nn.Parameter)


def test_what_keeps_its_width_keeps_its_tensors(network):
    before = dict(network.named_parameters())
    reshape_(network, shapes_of(network))
    assert all(parameter is before[name] for name, parameter in network.named_parameters())


def test_channels_that_are_not_the_first():
    layer = nn.Linear(4, 3)
    before = copy.deepcopy(layer)
    select_(layer, [0, 2], [1, 3])
    assert torch.equal(layer.weight, before.weight[[0, 2]][:, [1, 3]])
    assert torch.equal(layer.bias, before.bias[[0, 2]])
    assert (layer.out_features, layer.in_features) == (2, 2)


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ({"cnov": (4, 3, 1)}, "unknown layer 'cnov': did you mean conv"),
        ({"other": (4, 4, 1)}, "unknown layer 'other'"),
        ({"conv": (4, 3)}, r"conv cannot have the width \[4, 3\]: expected"),
        ({"conv": (4, 3, 1, 1)}, "three whole numbers"),
        ({"conv": (-4, 3, 1)}, r"from 1 to \[8, 3, 1\]"),
        ({"conv": (0, 3, 1)}, "from 1 to"),
        ({"conv": (9, 3, 1)}, "from 1 to"),
        ({"conv": (10**12, 3, 1)}, "from 1 to"),
        ({"conv": (4.0, 3, 1)}, "whole numbers"),
        ({"conv": (True, 3, 1)}, "whole numbers"),
        ({"depthwise": (4, 8, 8)}, "one number three times"),
        ({"depthwise": (4, 4, 2)}, "one number three times"),
        ({"norm": (4, 5, 1)}, "the same number twice"),
        ({"grouped": (2, 8, 2)}, "made smaller, this Conv2d of width .* has one group"),
    ],
)
def test_a_width_that_cannot_be_leaves_all_as_it_is(network, shapes, message):
    before = shapes_of(network)
    with pytest.raises(ConfigError, match=message):
        reshape_(network, {"line": (3, 4, 1), **shapes})
    assert shapes_of(network) == before


def test_the_weights_of_a_smaller_network_fit_after_that():
    large = build_model("mobilenet_v1", ["Bald"], image_size=32).network
    small = copy.deepcopy(large)
    first, second = (small.mobilenet_v1.layer[i] for i in (0, 1))
    select_(small.mobilenet_v1.conv_stem.convolution, [3, 1], range(3))
    select_(small.mobilenet_v1.conv_stem.normalization, [3, 1], [3, 1])
    select_(first.convolution, [3, 1], [3, 1])
    select_(first.normalization, [3, 1], [3, 1])
    select_(second.convolution, range(64), [3, 1])
    reshape_(large, shapes_of(small))
    large.load_state_dict(small.state_dict())
    images = torch.rand(2, 3, 32, 32)
    assert torch.equal(large.eval()(images).logits, small.eval()(images).logits)
