"""Whatever kind of layer holds a weight, it is pruned and counted, or named as dense."""

import warnings
from decimal import ROUND_HALF_UP, Decimal

import pytest
import torch
from torch import nn
from torch.nn.functional import linear
from torch.nn.utils import parametrizations
from torch.nn.utils import prune as torch_prune
from torch.nn.utils import spectral_norm as hooked_spectral_norm
from torch.nn.utils import weight_norm as hooked_weight_norm

from prunescope.errors import ConfigError, PrunescopeWarning
from prunescope.models import fold
from prunescope.pruning import Criterion, Masks, count_left, prune, what_stays_dense
from prunescope.pruning.gain import count_macs
from prunescope.pruning.layers import prunable_weights
from prunescope.training import Recipe

ONE_WEIGHT = (
    nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d,
    nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d,
)  # fmt: skip
ATTENTION = ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight")


def effective(model):
    """Collect by hand what the layers of a model multiply with, each tensor once."""
    found = []
    for module in model.modules():
        if isinstance(module, ONE_WEIGHT):
            found.append(module.weight)
        elif isinstance(module, nn.MultiheadAttention):
            found += [getattr(module, name) for name in ATTENTION]
    return list({id(weight): weight for weight in found if weight is not None}.values())


def plain(layer):
    return layer


class Chain(nn.Module):
    """Layers for images (N, 3, 6, 6), each wrapped, and a head."""

    def __init__(self, wrap, *layers, width):
        super().__init__()
        self.body = nn.Sequential(*[wrap(layer) for layer in layers])
        self.head = wrap(nn.Linear(width, 2))

    def forward(self, images):
        return self.head(self.body(images).flatten(2).mean(2))


def convolutions(wrap=plain):
    return Chain(wrap, nn.Conv2d(3, 8, 3), nn.Conv2d(8, 12, 3), width=12)


def grouped(wrap=plain):
    return Chain(
        wrap,
        nn.Conv2d(3, 8, 3),
        nn.Conv2d(8, 8, 3, groups=8),
        nn.Conv2d(8, 6, 1, groups=2),
        width=6,
    )


def transposed(wrap=plain):
    return Chain(
        wrap, nn.ConvTranspose2d(3, 8, 3), nn.ConvTranspose2d(8, 12, 2, groups=4), width=12
    )


class Turned(nn.Module):
    """Convolutions in one and three dimensions, and transposed ones."""

    def __init__(self, wrap=plain):
        super().__init__()
        self.rows = wrap(nn.Conv1d(3, 4, 3))
        self.back = wrap(nn.ConvTranspose1d(4, 4, 2))
        self.cubes = wrap(nn.Conv3d(1, 4, 2))
        self.out = wrap(nn.ConvTranspose3d(4, 4, 1))
        self.head = wrap(nn.Linear(4, 2))

    def forward(self, images):
        x = self.back(self.rows(images.flatten(2)).relu())
        return self.head(self.out(self.cubes(x.reshape(len(x), 1, 4, 5, 7))).flatten(2).mean(2))


class Attention(nn.Module):
    def __init__(self, wrap=plain, **other):
        super().__init__()
        self.patches = wrap(nn.Conv2d(3, 8, 2, 2))
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True, **other)
        self.head = wrap(nn.Linear(8, 2))

    def forward(self, images):
        x = self.patches(images).flatten(2).transpose(1, 2)
        width = self.attention.kdim
        return self.head(self.attention(x, x[..., :width], x[..., :width])[0].mean(1))


def narrow_attention(wrap=plain):
    return Attention(wrap, kdim=4, vdim=4)


class Encoder(nn.Module):
    def __init__(self, wrap=plain):
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 2, 2)
        self.place = nn.Parameter(torch.randn(1, 9, 8))
        self.encoder = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
        self.head = nn.Linear(8, 2)

    def forward(self, images):
        x = self.patches(images).flatten(2).transpose(1, 2) + self.place
        return self.head(self.encoder(x).mean(1))


class Tied(nn.Module):
    """Two layers with one weight, one layer that is used twice, and one by two names."""

    def __init__(self, wrap=plain):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 1)
        self.first, self.second = nn.Linear(8, 8), nn.Linear(8, 8)
        self.second.weight = self.first.weight
        self.again = self.stem
        self.head = nn.Linear(8, 2)

    def forward(self, images):
        x = (self.stem(images) + self.again(images)).flatten(2).mean(2)
        return self.head(self.second(self.first(self.first(x)).relu()))


class Embedded(nn.Module):
    """A linear layer that shares the weight of an embedding, and a weight used by hand."""

    def __init__(self, wrap=plain):
        super().__init__()
        self.colours = nn.Embedding(6, 3)
        self.by_colour = nn.Linear(3, 6)
        self.by_colour.weight = self.colours.weight
        self.places = nn.Embedding(4, 5)
        self.own = nn.Parameter(torch.randn(5, 6))
        self.head = nn.Linear(5, 2)

    def forward(self, images):
        x = self.by_colour(images.flatten(2).mean(2)) + self.colours.weight.sum()
        return self.head(linear(x, self.own) + self.places.weight.mean(0))


def by_torch(layer):
    torch_prune.l1_unstructured(layer, "weight", amount=0.3)
    return layer


NETS = {
    "plain": (convolutions, plain),
    "weight_norm": (convolutions, parametrizations.weight_norm),
    "hooked_weight_norm": (convolutions, hooked_weight_norm),
    "spectral_norm": (convolutions, parametrizations.spectral_norm),
    "hooked_spectral_norm": (convolutions, hooked_spectral_norm),
    "orthogonal": (convolutions, parametrizations.orthogonal),
    "torch_prune": (convolutions, by_torch),
    "grouped": (grouped, plain),
    "transposed": (transposed, plain),
    "transposed_weight_norm": (transposed, parametrizations.weight_norm),
    "dimensions": (Turned, parametrizations.spectral_norm),
    "attention": (Attention, plain),
    "narrow_attention": (narrow_attention, parametrizations.weight_norm),
    "encoder": (Encoder, plain),
    "tied": (Tied, plain),
    "embedded": (Embedded, plain),
}


def build(name, wrap=None):
    """Build a network as given, or with another wrap of its layers."""
    make, own = NETS[name]
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of the old weight_norm
        return make(wrap or own)


@pytest.mark.filterwarnings("ignore::prunescope.errors.PrunescopeWarning")
@pytest.mark.parametrize("distribution", ["global", "uniform", "erk"])
@pytest.mark.parametrize("name", NETS)
def test_exactly_so_many_of_all_weights_are_kept_and_the_rest_stays_zero(
    name, distribution, dataset
):
    model = build(name)
    before = effective(model)
    images = torch.rand(4, 3, 6, 6)
    recipe = Recipe(steps=2, batch_size=16, learning_rate=0.01)
    pruned = prune(
        model, dataset, "one-shot", 0.9, recipe=recipe, distribution=distribution, device="cpu"
    )
    n = sum(weight.numel() for weight in before)
    kept = int((n * Decimal("0.1")).to_integral_value(ROUND_HALF_UP))
    weights = effective(pruned.model)
    assert [weight.shape for weight in weights] == [weight.shape for weight in before]
    assert sum(int((weight != 0).sum()) for weight in weights) == kept
    assert (pruned.masks.n_kept, pruned.masks.n_weights) == (kept, n)
    assert pruned.compression["weights_kept"] == kept / n
    named = dict(pruned.model.named_parameters())
    assert all((named[weight][~mask] == 0).all() for weight, mask in pruned.masks.items())
    again = build(name, plain)
    again.load_state_dict(pruned.model.state_dict())
    torch.testing.assert_close(again.eval()(images), pruned.model(images))


@pytest.mark.parametrize("name", NETS)
def test_what_no_mask_covers_is_named_and_all_adds_up(name):
    model = fold(build(name))
    masks = Masks.dense(model)
    dense = what_stays_dense(model, masks)
    thin = sum(p.numel() for p in model.parameters() if p.ndim < 2)
    n = sum(p.numel() for p in model.parameters())
    assert masks.n_weights + sum(part.n_weights for part in dense) + thin == n
    assert sum(part.share for part in dense) == pytest.approx((n - thin - masks.n_weights) / n)
    named = {part.name: part.reason for part in dense}
    assert named == {
        "encoder": {"place": "Encoder"},
        "embedded": {"own": "Embedded", "places.weight": "Embedding"},
    }.get(name, {})


def test_computed_and_ignored_weights_are_named_too():
    model = nn.Sequential(parametrizations.weight_norm(nn.Linear(4, 4)), nn.Linear(4, 2))
    [part] = what_stays_dense(model)
    assert (part.name, part.reason, part.n_weights) == ("0.weight", "computed by WeightNorm", 16)
    assert part.share == 16 / (16 + 4 + 8 + 2)
    plain_model = fold(model)
    assert what_stays_dense(plain_model) == []
    [part] = what_stays_dense(plain_model, Masks.dense(plain_model, "0"))
    assert (part.name, part.reason) == ("0.weight", "ignored")


@pytest.mark.parametrize("pattern", ["second", "first"])
def test_a_shared_weight_is_ignored_by_any_of_its_names(pattern):
    assert "first.weight" not in prunable_weights(Tied(), pattern)


@pytest.mark.parametrize(
    ("pattern", "left"),
    [
        ("attention", ["patches", "attention.out_proj", "head"]),
        ("attention.in_proj*", ["patches", "attention.out_proj", "head"]),
        ("attention*", ["patches", "head"]),
    ],
)
def test_attention_is_ignored_by_its_name(pattern, left):
    assert [name.removesuffix(".weight") for name in prunable_weights(Attention(), pattern)] == left


def test_sparsities_of_single_layers_reach_projections(dataset):
    with pytest.warns(PrunescopeWarning, match="without training|no weight"):
        pruned = prune(
            Attention(), dataset, "one-shot", 0.7, layers={"attention": 0.5}, device="cpu"
        )
    assert int(pruned.masks["attention.in_proj_weight"].sum()) == 96


def test_erk_takes_joint_projections_for_one_layer():
    """It has 24 + 8 channels in and out, the other 8 + 8: 72 weights are kept two to one."""
    model = nn.MultiheadAttention(8, 2)
    masks = Criterion("random", "erk").update(model, Masks.dense(model), 1 - 72 / 256)
    assert [int(mask.sum()) for mask in masks.values()] == [48, 24]


def test_patterns_follow_the_input_channels_of_transposed_convolutions():
    model = nn.ConvTranspose2d(8, 6, 2, groups=2)
    criterion = Criterion(pattern="2:4")
    dense = Masks.dense(model)
    criterion.check(dense, 0.5, model)
    mask = criterion.update(model, dense, 0.5)["weight"]
    weight = model.weight.detach().abs()
    for group in range(2):  # inputs 4 of 8 each
        for output in range(3):
            for y in range(2):
                for x in range(2):
                    inputs = slice(4 * group, 4 * group + 4)
                    best = weight[inputs, output, y, x].topk(2).indices.sort().values
                    kept = mask[inputs, output, y, x].nonzero().flatten()
                    assert torch.equal(kept, best)
    odd = nn.ConvTranspose2d(6, 8, 2, groups=2)
    with pytest.raises(ConfigError, match="multiple of 4, unlike weight with 3"):
        criterion.check(Masks.dense(odd), 0.5, odd)


def test_channels_of_transposed_convolutions_are_their_outputs():
    model = nn.Sequential(nn.ConvTranspose2d(4, 6, 2, groups=2, bias=False))
    masks = Criterion(pattern="channel").update(model, Masks.dense(model), 0.5)
    masks.apply_(model)
    given = model(torch.randn(1, 4, 3, 3))[0].flatten(1).abs().sum(1) > 0
    assert int(given.sum()) == 3
    assert count_left(model, model, masks, answers=[])["channels_kept"] == 0.5


def test_multiplications_of_every_kind_are_counted():
    x = torch.zeros(1, 4, 5, 5)
    model = nn.ConvTranspose2d(4, 6, 3, stride=2, groups=2)
    assert count_macs(model, x).dense == 25 * model.weight.numel()
    encoder = Encoder().eval()  # torch has a fast way around the modules here
    n = sum(weight.numel() for weight in effective(encoder)) - encoder.head.weight.numel()
    assert count_macs(encoder, torch.zeros(1, 3, 6, 6)).dense == 9 * n + 16
    attention = narrow_attention().eval()
    n = sum(weight.numel() for weight in effective(attention)) - attention.head.weight.numel()
    assert count_macs(attention, torch.zeros(1, 3, 6, 6)).dense == 9 * n + 16


def test_masks_of_another_tool_are_taken_as_they_are():
    model = nn.Sequential(
        nn.Linear(4, 4), nn.Linear(4, 4), parametrizations.weight_norm(nn.Linear(4, 2))
    )
    torch_prune.l1_unstructured(model[0], "weight", amount=12)
    model[0].weight_orig.data[model[0].weight_mask.bool()] = 0  # kept, though it happens to be 0
    model[1].weight.data[1] = 0
    masks = Masks.of(model)
    assert torch.equal(masks["0.weight"], model[0].weight_mask.bool())
    assert torch.equal(masks["1.weight"], model[1].weight != 0)
    assert masks["2.weight"].all()
    assert (masks.n_kept, masks.n_weights) == (4 + 12 + 8, 40)
    masks.check(fold(model))
