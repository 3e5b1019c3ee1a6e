import builtins
import copy
import math
import re

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils import prune as torch_prune
from torch.nn.utils.parametrizations import spectral_norm, weight_norm
from transformers import (
    ConvNextConfig,
    EfficientNetConfig,
    MobileNetV2Config,
    RegNetConfig,
    ViTConfig,
)

from prunescope.errors import ConfigError, MissingExtraError, TrainingError
from prunescope.models import build_model, fold, shapes_of
from prunescope.models.hub import network_from_config
from prunescope.models.quantized import Quantized
from prunescope.pruning import channels
from prunescope.pruning.channels import channel_groups
from prunescope.pruning.structured import keep_global, keep_uniform, remove_channels

EXAMPLE = torch.zeros(1, 3, 8, 8)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Residual(nn.Module):
    """A stem, a block that is added to it, and a head."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.first = nn.Conv2d(8, 6, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(6)
        self.second = nn.Conv2d(6, 8, 3, padding=1)
        self.head = nn.Linear(8, 2)

    def forward(self, images):
        x = self.stem(images).relu()
        x = x + self.second(self.norm(self.first(x)).relu())
        return self.head(x.mean((2, 3)))


class Forked(nn.Module):
    """Two convolutions whose outputs are concatenated, then flattened."""

    def __init__(self):
        super().__init__()
        self.left = nn.Conv2d(3, 4, 3, padding=1)
        self.right = nn.Conv2d(3, 6, 3, padding=1)
        self.join = nn.Conv2d(10, 5, 1)
        self.head = nn.Linear(5 * 64, 2)

    def forward(self, images):
        x = torch.cat([self.left(images), self.right(images)], 1).relu()
        return self.head(self.join(x).sigmoid().flatten(1))


def chain():
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Conv2d(3, 5, 3),
        nn.BatchNorm2d(5),
        nn.ReLU(),
        nn.Conv2d(5, 4, 3),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(64, 2),
    ).eval()


def settle(model, seed=0):
    """Give a model weights and statistics as if it had been trained."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if name.endswith("running_var"):
                tensor.uniform_(0.5, 1.5, generator=generator)
            elif tensor.is_floating_point():
                tensor.add_(0.1 * torch.randn(tensor.shape, generator=generator))
    return model.eval()


def n_parameters(model):
    return sum(parameter.numel() for parameter in model.parameters())


def n_macs(model, example):
    """Count multiplications of convolutions and linear layers by their outputs' places."""
    total = 0

    def count(layer, _, output):
        nonlocal total
        places = output[0].numel() // output.shape[1]
        total += layer.weight.numel() * places

    hooks = [
        layer.register_forward_hook(count)
        for layer in model.modules()
        if isinstance(layer, (nn.Conv2d, nn.Linear))
    ]
    model(example)
    for hook in hooks:
        hook.remove()
    return total


def silence_(model, groups, share):
    """Zero all that makes the last channels of each group: weights, biases, scale and shift.

    Returns which channels of each group are left, as many as `remove_channels` keeps.
    """
    layers, left = dict(model.named_modules()), {}
    for group in groups:
        n_kept = max(1, math.floor((1 - share) * group.n_channels + 0.5))
        left[group.name] = n_kept
        for member in group.members:
            if member.side == "given":
                gone = [
                    c for c, r in zip(member.channels, member.roots, strict=True) if r >= n_kept
                ]
                layer = layers[member.layer]
                layer.weight.data[gone] = 0
                if layer.bias is not None:
                    layer.bias.data[gone] = 0
    return left


def test_exact_widths_of_a_chain():
    smaller = remove_channels(chain(), 0.4, example=EXAMPLE)
    # 5 · 0.6 = 3; 4 · 0.6 = 2.4, so 2; each of the latter is 16 inputs of the linear layer.
    assert shapes_of(smaller) == {
        "0": (3, 3, 1), "1": (3, 3, 1), "3": (2, 3, 1), "6": (2, 32, 1),
    }  # fmt: skip
    assert n_parameters(smaller) == (81 + 3) + 6 + (54 + 2) + (64 + 2)
    assert n_macs(smaller, EXAMPLE) == 81 * 36 + 54 * 16 + 64
    assert n_macs(chain(), EXAMPLE) == 135 * 36 + 180 * 16 + 128


def test_halves_are_kept_and_one_always_is():
    widths = shapes_of(remove_channels(chain(), 0.5, example=EXAMPLE))
    assert widths["0"] == (3, 3, 1)  # of 2.5
    widths = shapes_of(remove_channels(chain(), 0.99, example=EXAMPLE))
    assert widths == {"0": (1, 3, 1), "1": (1, 1, 1), "3": (1, 1, 1), "6": (2, 16, 1)}


def test_nothing_to_remove_gives_a_copy():
    model = chain()
    same = remove_channels(model, 0.0, example=EXAMPLE)
    assert same is not model
    assert shapes_of(same) == shapes_of(model)
    assert torch.equal(same(EXAMPLE), model(EXAMPLE))


def test_what_stays_are_the_channels_of_the_largest_norm():
    model = settle(chain())
    weight, scale, reader = (model[i].weight.detach() for i in (0, 1, 3))
    norms = []
    for c in range(5):
        numbers = [*weight[c].flatten(), scale[c], *reader[:, c].flatten()]
        norms.append(math.sqrt(sum(float(number) ** 2 for number in numbers)))
    best = sorted(sorted(range(5), key=norms.__getitem__)[-3:])
    assert best != [0, 1, 2]  # or else the first would do
    smaller = remove_channels(model, 0.4, example=EXAMPLE, ignore="3")
    assert torch.equal(smaller[0].weight, weight[best])
    assert torch.equal(smaller[0].bias, model[0].bias[best])
    assert torch.equal(smaller[1].weight, scale[best])
    assert torch.equal(smaller[1].running_var, model[1].running_var[best])
    assert torch.equal(smaller[3].weight, reader[:, best])


def test_flattened_channels_count_with_all_the_weights_that_read_them():
    model = settle(chain())
    maker, reader = model[3].weight.detach(), model[6].weight.detach().view(2, 4, 16)
    norms = [float((maker[c] ** 2).sum() + (reader[:, c] ** 2).sum()) for c in range(4)]
    best = sorted(sorted(range(4), key=norms.__getitem__)[-2:])
    smaller = remove_channels(model, 0.5, example=EXAMPLE, ignore="0")
    assert torch.equal(smaller[3].weight, maker[best])
    assert torch.equal(smaller[6].weight, reader[:, best].reshape(2, 32))


def test_among_equal_channels_the_first_stay():
    model = chain()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(1.0)
    model[3].weight.data[0] = torch.arange(5.0).view(5, 1, 1)
    smaller = remove_channels(model, 0.75, example=EXAMPLE, ignore="0")
    assert torch.equal(smaller[3].weight[0, :, 0, 0], torch.arange(5.0))
    model[3].weight.data.fill_(1.0)
    model[0].bias.data = torch.arange(5.0)  # biases do not count
    smaller = remove_channels(model, 0.6, example=EXAMPLE)
    assert smaller[0].bias.tolist() == [0.0, 1.0]


def test_layers_whose_outputs_are_added_lose_the_same_channels():
    model = settle(Residual())
    groups = {group.name: group for group in channel_groups(model, EXAMPLE)}
    assert {name: group.n_channels for name, group in groups.items()} == {"stem": 8, "first": 6}
    assert {(member.layer, member.side) for member in groups["stem"].members} == {
        ("stem", "given"), ("second", "given"), ("first", "taken"), ("head", "taken"),
    }  # fmt: skip
    smaller = remove_channels(model, 0.5, example=EXAMPLE)
    assert shapes_of(smaller) == {
        "stem": (4, 3, 1),
        "first": (3, 4, 1),
        "norm": (3, 3, 1),
        "second": (4, 3, 1),
        "head": (2, 4, 1),
    }


def test_channels_that_are_concatenated_each_count_in_their_own_layer():
    smaller = remove_channels(settle(Forked()), 0.5, example=EXAMPLE)
    assert shapes_of(smaller) == {
        "left": (2, 3, 1),
        "right": (3, 3, 1),
        "join": (3, 5, 1),
        "head": (2, 192, 1),
    }


@pytest.mark.parametrize("distribution", ["uniform", "global"])
@pytest.mark.parametrize("network", [Residual, Forked, chain])
def test_the_same_network_gives_the_same_result(network, distribution):
    model = settle(network())
    one, other = (
        remove_channels(model, 0.5, example=example, distribution=distribution)
        for example in (EXAMPLE, torch.rand(4, 3, 8, 8))
    )
    assert one.state_dict().keys() == other.state_dict().keys()
    for name, tensor in one.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[name])


@pytest.mark.parametrize("network", [Residual, chain])
def test_removing_silent_channels_changes_no_answer(network):
    model = settle(network())
    silence_(model, channel_groups(model, EXAMPLE), 0.5)
    smaller = remove_channels(model, 0.5, example=EXAMPLE)
    images = torch.rand(4, 3, 8, 8)
    assert n_parameters(smaller) < 0.5 * n_parameters(model)
    torch.testing.assert_close(smaller(images), model(images))


@pytest.mark.parametrize("arch", ["resnet_small", "resnet18", "resnet50", "mobilenet_v1"])
def test_every_architecture_without_its_silent_channels_gives_the_same_logits(arch):
    model = settle(build_model(arch, ("Bald", "Male"), image_size=32, input_size=32))
    example = torch.zeros(1, 3, 32, 32)
    groups = channel_groups(model, example)
    left = silence_(model, groups, 0.5)
    smaller = remove_channels(model, 0.5, example=example)
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected, found = model.double()(images.double()), smaller.double()(images.double())
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)
    assert expected.abs().max() > 1e-3  # silence would prove nothing
    widths, before = shapes_of(smaller), shapes_of(model)
    for group in groups:
        assert left[group.name] == group.n_channels // 2
        assert widths[group.name][0] == group.n_channels // 2
    for name, (n_given, n_taken, n_groups) in widths.items():
        dense = before[name]
        assert n_given == (dense[0] if "classifier" in name else dense[0] // 2)
        assert n_taken == (3 if dense[1] == 3 else dense[1] // 2)
        assert n_groups == (n_given if dense[2] > 1 else 1)


@pytest.mark.parametrize(
    "config",
    [
        MobileNetV2Config(image_size=32, depth_multiplier=0.35, num_labels=2),
        EfficientNetConfig(
            image_size=32,
            width_coefficient=0.25,
            depth_coefficient=0.3,
            hidden_dim=320,
            num_labels=2,
        ),
    ],
    ids=["mobilenet_v2", "efficientnet"],
)
def test_squeezed_and_inverted_blocks(config):
    network = settle(network_from_config(config))
    smaller = remove_channels(network, 0.5, example=torch.zeros(1, 3, 32, 32))
    assert n_parameters(smaller) < 0.4 * n_parameters(network)
    assert smaller(torch.rand(2, 3, 32, 32)).logits.shape == (2, 2)


@pytest.mark.parametrize(
    ("config", "first", "then"),
    [
        (
            ViTConfig(
                hidden_size=16, num_attention_heads=4, intermediate_size=32, num_hidden_layers=1,
                image_size=32, num_labels=2,
            ),
            "patch_embeddings.projection .reaches the",
            ["*patch_embeddings*", "*_proj"],
        ),
        (
            ConvNextConfig(
                hidden_sizes=[8, 16], depths=[1, 1], num_stages=2, image_size=32, num_labels=2
            ),
            "patch_embeddings .reaches the",
            ["*patch_embeddings*", "*downsampling_layer*"],
        ),
        (
            RegNetConfig(
                embedding_size=8, hidden_sizes=[16, 32], depths=[1, 1], groups_width=8,
                num_labels=2,
            ),
            "Conv2d .* with 2 groups",
            ["*layers.0.layer.0.convolution", "*layers.0.layer.1.convolution"],
        ),
    ],
    ids=["vit", "convnext", "regnet"],
)  # fmt: skip
def test_layers_that_cannot_be_narrower_are_named_and_can_be_left_whole(config, first, then):
    network = settle(network_from_config(config))
    example = torch.zeros(1, 3, 32, 32)
    with pytest.raises(ConfigError, match=f"cannot remove channels of .*{first}"):
        remove_channels(network, 0.5, example=example)
    smaller = remove_channels(network, 0.5, example=example, ignore=then)
    assert n_parameters(smaller) < n_parameters(network)
    assert smaller(torch.rand(2, 3, 32, 32)).logits.shape == (2, 2)


def test_the_heads_of_attention_are_not_cut_through():
    config = ViTConfig(
        hidden_size=16, num_attention_heads=4, intermediate_size=32, num_hidden_layers=2,
        image_size=32, num_labels=2,
    )  # fmt: skip
    with pytest.raises(ConfigError, match=r"cannot remove channels of vit.*q_proj.*q_proj"):
        remove_channels(
            network_from_config(config),
            0.5,
            example=torch.zeros(1, 3, 32, 32),
            ignore="*patch_embeddings*",
        )


class Softened(nn.Module):
    """Channels that compete."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 1)
        self.head = nn.Linear(8, 2)

    def forward(self, images):
        return self.head(self.conv(images).softmax(1).mean((2, 3)))


class Counted(Softened):
    """A network that counts on the number of channels."""

    def forward(self, images):
        return self.head(self.conv(images).reshape(-1, 8, 64).mean(2))


class AddedToImages(Softened):
    """Channels that are added to those of the images."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1)
        self.head = nn.Linear(3, 2)

    def forward(self, images):
        return self.head((images + self.conv(images)).mean((2, 3)))


class Shared(Softened):
    """Two layers with one weight."""

    def __init__(self):
        super().__init__()
        self.again = nn.Conv2d(3, 8, 1)
        self.again.weight = self.conv.weight

    def forward(self, images):
        return self.head((self.conv(images) * self.again(images)).mean((2, 3)))


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (Softened, "channels of conv: the network does more with them"),
        (Counted, "channels of conv: without them the network fails .RuntimeError"),
        (AddedToImages, "channels of conv: without them the network fails"),
        (Shared, "channels of conv .reaches conv, whose weight another layer shares"),
    ],
)
def test_a_removal_that_would_be_wrong_is_refused(network, message):
    with pytest.raises(ConfigError, match=message) as caught:
        remove_channels(network(), 0.5, example=EXAMPLE)
    assert "leave these whole with ignore=['conv']" in str(caught.value)


def test_ignored_layers_keep_what_they_give():
    smaller = remove_channels(chain(), 0.5, example=EXAMPLE, ignore="0")
    assert shapes_of(smaller) == {
        "0": (5, 3, 1), "1": (5, 5, 1), "3": (2, 5, 1), "6": (2, 32, 1),
    }  # fmt: skip
    # One of a group is enough for the group.
    smaller = remove_channels(Residual(), 0.5, example=EXAMPLE, ignore=["second"])
    assert shapes_of(smaller)["stem"] == (8, 3, 1)
    assert shapes_of(smaller)["first"] == (3, 8, 1)


def test_global_ranks_all_channels_relative_to_those_of_their_group():
    # Relative to root mean squares 5 and 50: (0.28, 1.39) and (0.85, 1.13); the best of each stay.
    scores = {
        "a": torch.tensor([1.4142135, 6.928203]),
        "b": torch.tensor([42.42641, 56.568542]),
    }
    assert keep_global(scores, 0.25) == {"a": [1], "b": [0, 1]}
    assert keep_global(scores, 0.5) == {"a": [1], "b": [1]}
    with pytest.raises(ConfigError, match="keeps 1, less than one in each of 2 groups"):
        keep_global(scores, 0.75)


def test_global_copes_with_channels_that_are_all_zero():
    scores = {"a": torch.zeros(3), "b": torch.ones(3)}
    assert keep_global(scores, 0.5) == {"a": [0], "b": [0, 1]}


@given(
    st.lists(st.lists(st.integers(0, 4), min_size=1, max_size=9), min_size=1, max_size=5),
    st.integers(0, 99),
)
def test_the_number_of_channels_is_exact(values, percent):
    scores = {str(i): torch.tensor(each, dtype=torch.float64) for i, each in enumerate(values)}
    share = percent / 100
    total = sum(map(len, values))

    def rounded(n):  # in whole numbers: (100 − percent) · n / 100, halves up
        return ((100 - percent) * n + 50) // 100

    for name, kept in keep_uniform(scores, share).items():
        assert len(kept) == max(1, rounded(len(scores[name])))
        assert kept == sorted(set(kept))
        lost = set(range(len(scores[name]))) - set(kept)
        assert all(scores[name][i] <= min(scores[name][kept]) for i in lost)
    if rounded(total) >= len(values):
        kept = keep_global(scores, share)
        assert sum(map(len, kept.values())) == rounded(total)
        assert all(kept.values())


def test_the_model_given_stays_as_it_is_and_modes_are_kept():
    model = settle(Residual()).train()
    model.norm.eval()
    model.stem.weight.requires_grad_(False)
    before = copy.deepcopy(model.state_dict())
    with torch.no_grad():
        smaller = remove_channels(model, 0.5, example=EXAMPLE)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    for each in (model, smaller):
        assert each.training
        assert not each.norm.training
        assert not each.stem.weight.requires_grad
        assert each.first.weight.requires_grad
    assert all(parameter.is_leaf for parameter in smaller.parameters())


def test_channels_can_be_removed_again():
    once = remove_channels(settle(Residual()), 0.5, example=EXAMPLE)
    assert shapes_of(remove_channels(once, 0.5, example=EXAMPLE))["stem"] == (2, 3, 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"share": 50}, "50 percent is 0.5"),
        ({"share": 1.0}, r"outside \[0, 1\)"),
        ({"share": -0.1}, r"outside \[0, 1\)"),
        ({"score": "magnitud"}, "unknown channel score 'magnitud': did you mean magnitude"),
        ({"distribution": "erk"}, "unknown distribution of channels 'erk'"),
        ({"ignore": "sten"}, "unknown layer to ignore 'sten': did you mean stem"),
        ({"ignore": ["stem", "first"]}, "no channels to remove"),
        ({"example": torch.zeros(1, 4, 8, 8)}, r"cannot follow .* of shape \(1, 4, 8, 8\)"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ConfigError, match=message):
        remove_channels(Residual(), **{"share": 0.5, "example": EXAMPLE, **options})


def test_a_network_of_one_layer_has_nothing_to_lose():
    with pytest.raises(ConfigError, match="no channels to remove"):
        remove_channels(nn.Sequential(nn.Flatten(), nn.Linear(192, 2)), 0.5, example=EXAMPLE)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_weights_that_are_no_numbers(value):
    model = Residual()
    model.second.weight.data[0, 0, 0, 0] = value
    with pytest.raises(TrainingError, match="channels of stem have weights that are NaN"):
        remove_channels(model, 0.5, example=EXAMPLE)


def test_a_model_in_int8():
    model = build_model("resnet_small", ["Bald"], image_size=32)
    quantized = Quantized(model.network, model.spec, layers=["classifier.1"], folded=[])
    with pytest.raises(ConfigError, match="in int8, and a float model is needed"):
        remove_channels(quantized, 0.5, example=torch.zeros(1, 3, 32, 32))


def test_without_torch_pruning(monkeypatch):
    real = builtins.__import__

    def without(name, *rest):
        if name.startswith("torch_pruning"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match=r"pip install .*\[structured\]"):
        channels.channel_groups(Residual(), EXAMPLE)


def pruned_by_torch(layer):
    return torch_prune.l1_unstructured(layer, "weight", amount=0.3)


def head(width):
    return [nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 2)]


@pytest.mark.parametrize("wrap", [weight_norm, spectral_norm, pruned_by_torch])
def test_computed_weights_are_made_plain_and_narrower(wrap):
    torch.manual_seed(0)
    model = nn.Sequential(wrap(nn.Conv2d(3, 6, 3)), nn.ReLU(), wrap(nn.Conv2d(6, 8, 3)), *head(8))
    model.eval()
    smaller = remove_channels(model, 0.5, example=EXAMPLE)
    assert shapes_of(smaller) == {"0": (3, 3, 1), "2": (4, 3, 1), "6": (2, 4, 1)}
    same = remove_channels(fold(model), 0.5, example=EXAMPLE)
    assert torch.equal(smaller(EXAMPLE), same(EXAMPLE))
    assert torch.equal(remove_channels(model, 0, example=EXAMPLE)(EXAMPLE), model(EXAMPLE))


def tied():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3), nn.Conv2d(4, 4, 3), *head(4))
    model.append(nn.Linear(2, 2))
    model[2].weight = model[1].weight
    return model


class ByHand(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.weight = nn.Parameter(torch.ones(6, 4))
        self.head = nn.Linear(6, 2)

    def forward(self, images):
        return self.head(nn.functional.linear(self.conv(images).mean((2, 3)), self.weight))


class Attentive(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 4, 4)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.inner, self.outer = nn.Linear(8, 6), nn.Linear(6, 8)
        self.head = nn.Linear(8, 2)

    def forward(self, images):
        x = self.conv(images).flatten(2).transpose(1, 2)
        x = x + self.attention(x, x, x, need_weights=False)[0]
        return self.head((x + self.outer(self.inner(x).relu())).mean(1))


@pytest.mark.parametrize(
    ("network", "named", "left"),
    [
        (
            lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.ConvTranspose2d(4, 8, 3), *head(8)),
            "the ConvTranspose2d 1",
            None,
        ),
        (tied, "1, whose weight another layer shares", {"7": (2, 1, 1)}),
        (ByHand, "the parameter weight", None),
        (Attentive, "the MultiheadAttention attention", {"inner": (3, 8, 1)}),
    ],
    ids=["transposed", "tied", "by hand", "attention"],
)
def test_layers_of_other_kinds_are_refused_by_name_and_can_be_ignored(network, named, left):
    with pytest.raises(ConfigError, match=f"reaches {named}.*leave these whole with") as refused:
        remove_channels(network(), 0.5, example=EXAMPLE)
    names = re.findall(r"'([\w.]+)'", str(refused.value).partition("ignore=")[2])
    if left is None:
        with pytest.raises(ConfigError, match="no channels to remove"):
            remove_channels(network(), 0.5, example=EXAMPLE, ignore=names)
        return
    model = network()
    widths = shapes_of(remove_channels(model, 0.5, example=EXAMPLE, ignore=names))
    assert left.items() <= widths.items()
    assert all(widths[name] == shapes_of(model)[name] for name in names)
