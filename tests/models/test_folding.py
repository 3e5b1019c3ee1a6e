"""Folding keeps every answer and leaves plain parameters, whatever computed the weights."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize, prune
from torch.nn.utils import spectral_norm as hooked_spectral_norm
from torch.nn.utils import weight_norm as hooked_weight_norm

from prunescope.models import build_model, load_checkpoint, save_checkpoint
from prunescope.models.folding import computed_weights, fold, plain, torch_masks
from prunescope.models.provenance import Provenance


class Doubled(nn.Module):
    def forward(self, weight):
        return 2 * weight


def normed_and_doubled(layer):
    parametrizations.weight_norm(layer)
    return parametrize.register_parametrization(layer, "weight", Doubled())


def pruned_twice(layer):
    prune.l1_unstructured(layer, "weight", amount=0.5)
    prune.random_structured(layer, "weight", amount=1, dim=0)
    prune.l1_unstructured(layer, "bias", amount=1)
    return layer


def pruned_within_norm(layer):
    prune.l1_unstructured(hooked_weight_norm(layer), "weight_v", amount=3)
    return layer


WAYS = {
    "WeightNorm": parametrizations.weight_norm,
    "SpectralNorm": parametrizations.spectral_norm,
    "Orthogonal": parametrizations.orthogonal,
    "WeightNorm + Doubled": normed_and_doubled,
    "torch.nn.utils.prune": pruned_twice,
}
HOOKED = {"WeightNorm": hooked_weight_norm, "SpectralNorm": hooked_spectral_norm}
EVERY = [*WAYS.items(), *HOOKED.items(), ("WeightNorm", pruned_within_norm)]


def net(wrap=lambda layer: layer):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 4), wrap(nn.Linear(4, 5)), nn.Tanh(), nn.Linear(5, 2))


@pytest.mark.filterwarnings("ignore:.*weight_norm.*deprecated:FutureWarning")
@pytest.mark.parametrize(("how", "wrap"), EVERY)
def test_a_folded_network_is_a_plain_one_with_the_same_answers(how, wrap):
    model, images = net(wrap), torch.randn(8, 4)
    model(images).sum().backward()  # so that hooks leave tensors that torch refuses to copy
    assert computed_weights(model)["1.weight"] == how
    folded = fold(model)
    expected = model.eval()(images)
    again = net()
    again.load_state_dict(folded.state_dict())  # the very names of a plain network, and no others
    assert {name for name, _ in folded.named_parameters()} == set(again.state_dict())
    for answers in (folded(images), folded.train()(images), again(images)):
        torch.testing.assert_close(answers, expected, rtol=0, atol=1e-6)
    assert computed_weights(folded) == {}
    assert type(folded[1]) is nn.Linear
    assert all(parameter.requires_grad for parameter in folded.parameters())
    assert computed_weights(model)["1.weight"] == how  # the model given is as it was
    torch.testing.assert_close(model(images), expected)


@pytest.mark.filterwarnings("ignore:.*weight_norm.*deprecated:FutureWarning")
@pytest.mark.parametrize("wrap", [parametrizations.weight_norm, hooked_weight_norm, pruned_twice])
def test_frozen_weights_stay_frozen(wrap):
    model = net(wrap).requires_grad_(False)
    assert not any(parameter.requires_grad for parameter in fold(model).parameters())


def test_copies_of_a_folded_model_and_its_original_do_not_disturb_each_other():
    model = net(parametrizations.weight_norm)
    other = copy.deepcopy(model)
    fold(model)
    assert torch.equal(model[1].weight, other[1].weight)  # still computed in both


def test_a_layer_that_shares_what_is_masked_keeps_its_own_weights():
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    model[1].weight = model[0].weight
    dense = model[0].weight.detach().clone()
    prune.l1_unstructured(model[0], "weight", amount=8)
    folded = fold(model)
    assert (folded[0].weight == 0).sum() == 8
    assert torch.equal(folded[1].weight, dense)


def test_a_plain_model_is_only_copied_by_fold():
    model = net()
    assert plain(model) is model
    folded = fold(model)
    assert folded is not model
    assert torch.equal(folded[1].weight, model[1].weight)
    assert computed_weights(model) == torch_masks(model) == {}


def test_masks_of_torch_go_by_the_names_of_the_weights():
    model = net(pruned_twice)
    masks = torch_masks(model)
    assert {name: mask.dtype for name, mask in masks.items()} == {
        "1.weight": torch.bool, "1.bias": torch.bool
    }  # fmt: skip
    assert torch.equal(masks["1.weight"], model[1].weight != 0)


FACTORY = """
from torch import nn
from torch.nn.utils.parametrizations import weight_norm
def net(n_outputs):
    return nn.Sequential(weight_norm(nn.Conv2d(3, 4, 3)), nn.Flatten(), nn.Linear(64, n_outputs))
"""


def test_a_checkpoint_is_loaded_folded_or_not_as_it_was_saved(tmp_path, monkeypatch):
    (tmp_path / "folding_nets.py").write_text(FACTORY)
    monkeypatch.syspath_prepend(tmp_path)
    arch = "folding_nets:net"
    model = build_model(arch, ["Bald"], image_size=6).eval()
    images = torch.rand(3, 3, 6, 6)
    for name, saved in (("folded", fold(model)), ("computed", model)):
        save_checkpoint(tmp_path / name, saved, Provenance.of(model))
        found = load_checkpoint(tmp_path / name, factory=arch).model
        assert found.state_dict().keys() == saved.state_dict().keys()
        assert torch.equal(found(images), saved(images))
