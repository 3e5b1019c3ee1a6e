import warnings

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import nn

from prunescope.errors import CheckpointError, ConfigError, PrunescopeWarning, TrainingError
from prunescope.pruning import (
    DISTRIBUTIONS,
    Criterion,
    Gradual,
    Masks,
    OneShot,
    PruneOnSchedule,
    count_kept,
)
from prunescope.training import Callback, Recipe, train


def linear(rows):
    model = nn.Linear(len(rows[0]), len(rows), bias=False)
    model.weight.data = torch.tensor(rows)
    return model


class TestCriterion:
    def test_global_magnitude_by_hand(self):
        model = nn.Sequential(linear([[1.0, -5.0], [2.0, 0.5]]), linear([[-3.0, 0.1]]))
        masks = Criterion().update(model, Masks.dense(model), 0.5)
        assert masks["0.weight"].tolist() == [[False, True], [True, False]]
        assert masks["1.weight"].tolist() == [[True, False]]

    def test_uniform_magnitude_by_hand(self):
        model = nn.Sequential(linear([[9.0, -8.0], [7.0, 6.0]]), linear([[-3.0, 0.1]]))
        masks = Criterion(distribution="uniform").update(model, Masks.dense(model), 0.5)
        assert masks["0.weight"].tolist() == [[True, True], [False, False]]
        assert masks["1.weight"].tolist() == [[True, False]]

    def test_all_weights_tied(self):
        model = nn.Sequential(linear([[1.0, -1.0], [1.0, 1.0]]), linear([[-1.0, 1.0]]))
        masks = Criterion().update(model, Masks.dense(model), 1 / 6)
        assert masks["0.weight"].all()
        assert masks["1.weight"].tolist() == [[True, False]]
        masks = Criterion(distribution="uniform").update(model, masks, 0.5)
        assert masks["0.weight"].tolist() == [[True, True], [False, False]]
        assert masks["1.weight"].tolist() == [[True, False]]

    @given(
        st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=4),
        st.floats(0, 0.99),
        st.sampled_from(["normal", "zeros", "few values"]),
        st.sampled_from(["magnitude", "random"]),
        st.sampled_from(sorted(DISTRIBUTIONS)),
    )
    def test_count_is_exact(self, shapes, sparsity, values, score, distribution):
        layers = [nn.Linear(a, b) for a, b in shapes]
        for layer in layers:
            if values == "zeros":
                layer.weight.data.zero_()
            elif values == "few values":
                layer.weight.data.mul_(3).round_()
        model = nn.Sequential(*layers)
        dense = Masks.dense(model)
        expected = max(1, round(dense.n_weights * (1 - sparsity)))
        criterion = Criterion(score, distribution)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PrunescopeWarning)
            try:
                masks = criterion.update(model, dense, sparsity)
            except ConfigError:
                assert dense.n_weights * (1 - sparsity) < 0.5
                return
        assert masks.n_kept == count_kept(dense.n_weights, sparsity)
        assert abs(masks.n_kept - expected) <= 1  # round() rounds halves to even

    @pytest.mark.parametrize("score", ["magnitude", "random"])
    def test_masks_are_nested_as_sparsity_rises(self, fresh, score):
        masks = Masks.dense(fresh)
        for sparsity in (0.0, 0.3, 0.6, 0.9):
            sparser = Criterion(score).update(fresh, masks, sparsity)
            assert all((sparser[name] <= masks[name]).all() for name in masks)
            fresh.head.weight.data.mul_(-2)
            masks = sparser

    def test_live_weight_of_zero_outranks_a_pruned_one(self):
        model = linear([[0.0, 0.0, 1.0, 0.0]])
        before = Masks({"weight": torch.tensor([[False, True, True, True]])})
        after = Criterion().update(model, before, 0.5)
        assert after["weight"].tolist() == [[False, True, True, False]]

    def test_lower_sparsity_brings_weights_back(self, fresh):
        masks = Criterion().update(fresh, Masks.dense(fresh), 0.9)
        assert Criterion().update(fresh, masks, 0.0) == Masks.dense(fresh)

    def test_random_scores_ignore_the_weights(self, fresh):
        criterion = Criterion("random", seed=3)
        masks = criterion.update(fresh, Masks.dense(fresh), 0.5)
        fresh.stem.weight.data.mul_(100)
        assert criterion.update(fresh, Masks.dense(fresh), 0.5) == masks
        assert Criterion("random", seed=4).update(fresh, Masks.dense(fresh), 0.5) != masks

    def test_model_is_only_read(self, fresh):
        before = {name: tensor.clone() for name, tensor in fresh.state_dict().items()}
        Criterion().update(fresh, Masks.dense(fresh), 0.5)
        assert all(torch.equal(before[name], t) for name, t in fresh.state_dict().items())

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    def test_weight_that_cannot_be_ranked(self, fresh, value):
        fresh.body.weight.data[0, 0, 0, 0] = value
        with pytest.raises(TrainingError, match="body has weights that are NaN or infinite"):
            Criterion().update(fresh, Masks.dense(fresh), 0.5)

    def test_layer_that_vanishes_is_named_once(self, fresh):
        fresh.head.weight.data.mul_(1e-6)
        with pytest.warns(PrunescopeWarning, match="leaves no weight of head"):
            masks = Criterion().update(fresh, Masks.dense(fresh), 0.5)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            Criterion().update(fresh, masks, 0.6)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"score": "magnitud"}, "unknown score 'magnitud': did you mean magnitude\\?"),
            ({"distribution": "ERK"}, "unknown distribution 'ERK'.* global, uniform, erk"),
            ({"pattern": "4:2"}, "unknown pattern '4:2'.* unstructured, 2:4"),
            ({"pattern": "2:4", "distribution": "erk"}, "prunes every layer alike"),
        ],
    )
    def test_unknown_names(self, arguments, message):
        with pytest.raises(ConfigError, match=message):
            Criterion(**arguments)


class Watch(Callback):
    """Records, after each step, how many weights the masks keep and which pruned ones live."""

    def __init__(self, pruner):
        self.pruner = pruner
        self.kept, self.revived, self.steps = [], 0, []

    def on_step_end(self, state):
        masks = self.pruner.masks
        weights = masks.check(state.model)
        self.kept.append(masks.n_kept)
        self.steps.append(state.step)
        self.revived += sum(int(weights[name][~mask].any()) for name, mask in masks.items())


SCHEDULE = Gradual(0.25, 0.75, n_updates=3)
CRITERION = Criterion()


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_trains_to_the_schedule_and_no_pruned_weight_ever_lives(fresh, dataset, optimizer):
    recipe = Recipe(steps=12, batch_size=16, optimizer=optimizer, learning_rate=0.01)
    pruner = PruneOnSchedule(Masks.dense(fresh), 0.9, SCHEDULE, Criterion())
    watch = Watch(pruner)
    train(fresh, dataset, recipe, callbacks=[pruner, watch], device="cpu")
    # Updates before steps 3, 6 and 9, to 5%, 90% − 85%/8 and 90% of 336 weights.
    expected = [336] * 3 + [319] * 3 + [69] * 3 + [34] * 3
    assert watch.kept == expected
    assert watch.steps == list(range(1, 13))
    assert watch.revived == 0
    for name, mask in pruner.masks.items():
        weight = fresh.get_parameter(name)
        assert not weight[~mask].any()
        assert not torch.signbit(weight[~mask]).any()
        assert weight[mask].all()


def test_begins_from_the_masks_given(fresh, dataset):
    start = Criterion("random").update(fresh, Masks.dense(fresh), 0.5)
    pruner = PruneOnSchedule(start, 0.5, Gradual(0.25, 0.75, n_updates=2, initial=0.5), Criterion())
    watch = Watch(pruner)
    recipe = Recipe(steps=20, batch_size=16)
    train(fresh, dataset, recipe, callbacks=[pruner, watch], device="cpu")
    assert watch.revived == 0
    assert pruner.masks == start


def test_optimizer_is_free_again_after_training(fresh, dataset):
    pruner = PruneOnSchedule(Masks.dense(fresh), 0.5, SCHEDULE, Criterion())
    kept = []

    class Keep(Callback):
        def on_train_end(self, state):
            kept.append(state.optimizer)

    recipe = Recipe(steps=12, batch_size=16)
    train(fresh, dataset, recipe, callbacks=[pruner, Keep()], device="cpu")
    assert not fresh.body.weight.all()
    kept[0].step()
    assert fresh.body.weight.all()


def test_schedule_that_training_is_too_short_for(fresh, dataset):
    pruner = PruneOnSchedule(Masks.dense(fresh), 0.5, SCHEDULE, Criterion())
    with pytest.raises(ConfigError, match="3 steps of training are too few for 3 mask updates"):
        train(fresh, dataset, Recipe(steps=3), callbacks=[pruner], device="cpu")


def test_state_survives_a_file(fresh, tmp_path):
    pruner = PruneOnSchedule(Masks.dense(fresh), 0.8, SCHEDULE, Criterion(seed=7))
    pruner.masks = Criterion().update(fresh, pruner.masks, 0.3)
    save_file(pruner.state_dict(), tmp_path / "state")
    again = PruneOnSchedule(Masks.dense(fresh), 0.8, SCHEDULE, Criterion(seed=7))
    again.load_state_dict(load_file(tmp_path / "state"))
    assert again.masks == pruner.masks


@pytest.mark.parametrize(
    "other",
    [
        {"sparsity": 0.9},
        {"schedule": OneShot()},
        {"criterion": Criterion(distribution="erk")},
        {"ignore": "head"},
    ],
)
def test_state_of_a_run_that_pruned_another_way(fresh, other):
    def make(sparsity=0.8, schedule=SCHEDULE, criterion=CRITERION, ignore=()):
        return PruneOnSchedule(Masks.dense(fresh, ignore), sparsity, schedule, criterion)

    with pytest.raises(CheckpointError, match=r"the run to resume prunes to sparsity 0.8"):
        make(**other).load_state_dict(make().state_dict())
