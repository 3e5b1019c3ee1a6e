import pytest
import torch
from torch import nn

from prunescope.training import Recipe
from prunescope.training.optimizers import OPTIMIZERS, build_optimizer


def test_weight_decay_is_for_the_weights_of_convolutions_and_linear_layers(network):
    model = network()
    optimizer = build_optimizer(model, Recipe(steps=1, weight_decay=0.1))
    decayed = {
        id(p) for group in optimizer.param_groups if group["weight_decay"] for p in group["params"]
    }
    names = {name for name, parameter in model.named_parameters() if id(parameter) in decayed}
    assert names == {"0.weight", "3.weight", "7.weight"}
    assert sum(len(group["params"]) for group in optimizer.param_groups) == 7


def test_frozen_parameters_are_left_out():
    model = nn.Linear(2, 1)
    model.bias.requires_grad_(False)
    (group,) = build_optimizer(model, Recipe(steps=1)).param_groups
    assert [tuple(parameter.shape) for parameter in group["params"]] == [(1, 2)]


@pytest.mark.parametrize("nesterov", [False, True])
def test_two_steps_of_sgd_by_hand(nesterov):
    """v ← 0.5·v + g + 0.1·w, then w ← w − 0.2·v (nesterov: − 0.2·(g + 0.1·w + 0.5·v))."""
    model = nn.Linear(1, 1, bias=False)
    nn.init.ones_(model.weight)
    recipe = Recipe(steps=2, learning_rate=0.2, momentum=0.5, weight_decay=0.1, nesterov=nesterov)
    optimizer = build_optimizer(model, recipe)
    weight, velocity = 1.0, 0.0
    for gradient in (2.0, -1.0):
        model.weight.grad = torch.full((1, 1), gradient)
        optimizer.step()
        total = gradient + 0.1 * weight
        velocity = 0.5 * velocity + total
        weight -= 0.2 * (total + 0.5 * velocity if nesterov else velocity)
        assert model.weight.item() == pytest.approx(weight)


def test_momentum_is_adams_first_beta():
    optimizer = build_optimizer(nn.Linear(1, 1), Recipe(steps=1, optimizer="adam", momentum=0.8))
    assert isinstance(optimizer, torch.optim.Adam)
    assert {group["betas"] for group in optimizer.param_groups} == {(0.8, 0.999)}


def test_every_optimizer_of_a_recipe_can_be_built():
    choices = Recipe.model_fields["optimizer"].annotation.__args__
    assert set(choices) == OPTIMIZERS.keys()
