"""Layers that standardise their weights as they are called are found, and stay dense."""

import pytest
import torch
from torch import nn
from torch.nn import functional
from transformers import BitConfig

from prunescope.errors import PrunescopeWarning
from prunescope.models.hub import network_from_config
from prunescope.pruning import prune
from prunescope.pruning.refilled import refilled_weights


class Standardised(nn.Conv2d):
    def forward(self, images):
        weight = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
        return self._conv_forward(images, weight / weight.std((1, 2, 3), keepdim=True), self.bias)


class Padded(nn.Conv2d):
    """Has a forward of its own and uses its weights as they are."""

    def forward(self, images):
        return functional.conv2d(functional.pad(images, (1, 0, 1, 0)), self.weight, self.bias)


class Cosine(nn.Linear):
    """Scales its weights, in which zeros stay."""

    def forward(self, x):
        return functional.linear(x, weight=functional.normalize(self.weight))


def net():
    torch.manual_seed(0)
    return nn.Sequential(
        Padded(3, 4, 3), nn.ReLU(), Standardised(4, 4, 3), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), Cosine(4, 2),
    )  # fmt: skip


def test_only_layers_in_which_zeros_do_not_stay_are_found():
    model = net()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    assert refilled_weights(model, torch.rand(1, 3, 6, 6)) == {"2.weight": "Standardised"}
    assert all(torch.equal(model.state_dict()[name], value) for name, value in before.items())
    assert not any(module._forward_hooks for module in model.modules())


def test_all_convolutions_of_bit_are_found():
    config = BitConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], num_groups=4)
    network = network_from_config(config)
    found = refilled_weights(network, torch.rand(1, 3, 32, 32))
    convolutions = {
        f"{name}.weight" for name, part in network.named_modules() if isinstance(part, nn.Conv2d)
    }
    assert found.keys() == convolutions
    assert set(found.values()) == {"WeightStandardizedConv2d"}


def test_networks_of_torchs_own_layers_are_not_called():
    class Never(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Linear(2, 2)

        def forward(self, x):
            raise AssertionError

    assert refilled_weights(Never(), torch.rand(1, 2)) == {}


def test_they_stay_dense_and_count_as_kept(dataset):
    with pytest.warns(PrunescopeWarning, match="2: Standardised computes with other weights"):
        pruned = prune(net(), dataset, "one-shot", 0.5, device="cpu")
    assert list(pruned.masks) == ["0.weight", "6.weight"]
    n_masked, n = 108 + 8, 108 + 144 + 8
    assert pruned.compression["weights_kept"] == (n - n_masked / 2) / n
    with pytest.warns(PrunescopeWarning, match="Standardised"):
        again = prune(net(), dataset, "one-shot", 0.5, ignore="2", device="cpu")
    assert again.masks == pruned.masks
