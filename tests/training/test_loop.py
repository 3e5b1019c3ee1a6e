import copy
import math

import numpy as np
import pytest
import torch
from torch import nn

from prunescope.errors import ConfigError, DataError, PrunescopeWarning, TrainingError
from prunescope.models import build_model
from prunescope.training import Callback, Recipe, infer, learning_rate_at, train

RECIPE = Recipe(epochs=3, batch_size=16, learning_rate=0.1)


class Recorder(Callback):
    """Writes down every call with where training stood."""

    def __init__(self):
        self.calls = []

    def note(self, name, state):
        self.calls.append((name, state.step, state.epoch))

    def on_train_start(self, state):
        self.note("train start", state)

    def on_step_start(self, state):
        self.note("step start", state)

    def on_step_end(self, state):
        self.note("step end", state)

    def on_epoch_end(self, state):
        self.note("epoch end", state)

    def on_train_end(self, state):
        self.note("train end", state)


def run(model, dataset, recipe=RECIPE, **options):
    return train(model, dataset, recipe, device="cpu", **options)


def same(a, b):
    return all(torch.equal(a.state_dict()[name], value) for name, value in b.state_dict().items())


class Brightness(nn.Module):
    """Logits that are linear in the brightness of the channels, about -1 and 1, from 0 on.

    Their loss is convex and its minimum tells all images of `dots` apart, so that training ends
    there on any machine, and from any seed.
    """

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(3, 3)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, images):
        return self.head((images.mean((2, 3)) - 0.43) * 4)


@pytest.mark.parametrize(
    "settings",
    [
        {"optimizer": "sgd", "learning_rate": 0.5, "nesterov": True},
        {"optimizer": "adam", "learning_rate": 0.1},
        {"optimizer": "adam", "learning_rate": 0.1, "schedule": "one-cycle", "warmup": 0.3},
        {"optimizer": "sgd", "learning_rate": 0.5, "schedule": "multi-step"},
    ],
)
def test_planted_attributes_are_learned(dots, seed, settings):
    model = Brightness()
    run(model, dots(n=128), Recipe(steps=60, batch_size=32, seed=seed, **settings))
    unseen = dots(n=200, seed=9)
    assert ((infer(model, unseen, device="cpu") > 0) == unseen.samples.labels).mean() > 0.97


def test_unlabelled_cells_do_not_hinder_learning(dots, seed):
    model = Brightness()
    recipe = Recipe(steps=80, batch_size=32, optimizer="adam", learning_rate=0.1, seed=seed)
    run(model, dots(n=128, unlabelled=0.6), recipe)
    unseen = dots(n=200, seed=9)
    assert ((infer(model, unseen, device="cpu") > 0) == unseen.samples.labels).mean() > 0.95


def test_planted_classes_are_learned(dots, seed):
    model = Brightness()
    recipe = Recipe(steps=60, batch_size=32, optimizer="adam", learning_rate=0.1, seed=seed)
    run(model, dots(n=128, task="multiclass", unlabelled=0.6), recipe)
    unseen = dots(n=200, task="multiclass", seed=9)
    answers = infer(model, unseen, device="cpu").argmax(1)
    assert (answers == unseen.samples.labels.argmax(1)).mean() > 0.97


def test_a_small_residual_network_learns(dots, seed):
    """Brightness differs by 33 deviations: at a mild rate, all seeds tried learn all of it."""
    dataset = dots(n=96, size=8)
    model = build_model("resnet_small", ["R", "G", "B"], image_size=8, input_size=32, seed=seed)
    run(model, dataset, Recipe(steps=25, batch_size=32, learning_rate=0.1, seed=seed))
    answers = infer(model, dataset, device="cpu") > 0
    assert (answers == dataset.samples.labels).mean() > 0.9


def test_a_step_is_that_of_plain_torch(dots, network):
    """Two steps of the loop beside the same written out with torch alone."""
    dataset, recipe = dots(n=32), Recipe(steps=2, batch_size=16, flip=False, warmup=0.0)
    model = network(dropout=0.0)
    plain = copy.deepcopy(model).train()
    optimizer = torch.optim.SGD(plain.parameters(), lr=0.1, momentum=0.9)
    order = np.random.default_rng([0, 0]).permutation(32)
    losses = []
    for step, positions in enumerate((order[:16], order[16:])):
        optimizer.param_groups[0]["lr"] = 0.1 * (1 + math.cos(math.pi * step / 2)) / 2
        labels = torch.from_numpy(dataset.samples.labels[positions]).float()
        images = torch.from_numpy(dataset.images(positions)).float() / 255
        loss = nn.functional.binary_cross_entropy_with_logits(plain(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    history = run(model, dataset, recipe)
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(model.state_dict()[name], value, atol=1e-6, rtol=1e-5)
    assert history.epochs[0].loss == pytest.approx(np.mean(losses), rel=1e-5)


def test_epochs_and_as_many_steps_are_the_same_training(dots, network):
    dataset = dots(n=70)
    by_epochs, by_steps = network(), network()
    first = run(by_epochs, dataset, RECIPE)
    again = run(by_steps, dataset, RECIPE.replace(steps=12))
    assert same(by_epochs, by_steps)
    assert [e.step for e in first.epochs] == [e.step for e in again.epochs] == [4, 8, 12]


def test_a_last_partial_pass(dots, network):
    history = run(network(), dots(n=64), RECIPE.replace(steps=6))
    assert [(e.epoch, e.step) for e in history.epochs] == [(1, 4), (2, 6)]
    assert history.epochs[-1].lr == learning_rate_at(RECIPE.replace(steps=6), 5, 6)


def test_callbacks_are_called_in_order_and_know_where_they_are(dots, network):
    recorder = Recorder()
    run(network(), dots(n=32), Recipe(steps=3, batch_size=16), callbacks=[recorder])
    assert recorder.calls == [
        ("train start", 0, 0),
        ("step start", 0, 0),
        ("step end", 1, 0),
        ("step start", 1, 0),
        ("step end", 2, 0),
        ("epoch end", 2, 1),
        ("step start", 2, 1),
        ("step end", 3, 1),
        ("epoch end", 3, 2),
        ("train end", 3, 2),
    ]


def test_what_callbacks_are_told(dots, network):
    told = []

    class Look(Callback):
        def on_step_start(self, state):
            told.append((state.lr, state.optimizer.param_groups[0]["lr"]))

        def on_train_end(self, state):
            self.state = state

    dataset, model, look = dots(n=64), network(), Look()
    recipe = RECIPE.replace(epochs=2.5)
    run(model, dataset, recipe, callbacks=[look])
    expected = [learning_rate_at(recipe, step, 10) for step in range(10)]
    assert told == [(lr, lr) for lr in expected]
    state = look.state
    assert state.model is model
    assert state.dataset is dataset
    assert state.recipe is recipe
    assert (state.total_steps, state.steps_per_epoch, state.total_epochs) == (10, 4, 2.5)
    assert (state.epoch, state.device) == (3, torch.device("cpu"))
    assert 0 < state.loss < 2


def test_a_callback_that_does_nothing_changes_nothing(dots, network):
    plain, watched = network(), network()
    run(plain, dots())
    run(watched, dots(), callbacks=[Callback(), Callback()])
    assert same(plain, watched)


def test_losses_are_transformed_in_order_and_the_result_is_minimised(dots, network):
    seen = []

    class Scale(Callback):
        def __init__(self, factor):
            self.factor = factor

        def transform_loss(self, state, loss, logits, batch):
            assert logits.dtype == torch.float32
            assert logits.shape == batch.labels.shape == (len(batch.positions), 3)
            seen.append((self.factor, loss.item()))
            return loss * self.factor

    model = network()
    before = copy.deepcopy(model)
    history = run(model, dots(), Recipe(steps=1, batch_size=16), callbacks=[Scale(2.0), Scale(0.0)])
    assert [factor for factor, _ in seen] == [2.0, 0.0]
    assert seen[1][1] == pytest.approx(2 * seen[0][1])
    assert history.epochs[0].loss == 0.0
    parameters = zip(before.parameters(), model.parameters(), strict=True)
    assert all(torch.equal(old, new) for old, new in parameters)


def test_training_is_a_function_of_weights_data_and_recipe(dots, network):
    models = [network() for _ in range(4)]
    torch.manual_seed(1)
    run(models[0], dots())
    torch.manual_seed(2)
    run(models[1], dots())
    run(models[2], dots(), RECIPE.replace(seed=1))
    run(models[3], dots(seed=1))
    assert same(models[0], models[1])
    assert not same(models[0], models[2])
    assert not same(models[0], models[3])


def test_every_epoch_trains_in_training_mode(dots, network):
    modes = []

    class Disturb(Callback):
        def on_step_start(self, state):
            modes.append(all(module.training for module in state.model.modules()))

        def on_epoch_end(self, state):
            state.model.eval()

    run(network().eval(), dots(), callbacks=[Disturb()])
    assert modes == [True] * 12


def test_dropout_is_a_function_of_seed_and_epoch(dots):
    def dropped(recipe):
        masks = []

        class Drop(nn.Module):
            def forward(self, images):
                masks.append(nn.functional.dropout(torch.ones(50)).tolist())
                return images

        run(nn.Sequential(Drop(), nn.Flatten(), nn.Linear(192, 3)), dots(), recipe)
        return masks

    masks = dropped(RECIPE)
    assert masks == dropped(RECIPE)
    assert len({tuple(mask) for mask in masks}) == 12
    assert masks[0] != dropped(RECIPE.replace(seed=1))[0]


def test_torchs_generator_is_left_alone(dots, network):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    run(network(), dots())
    assert torch.equal(torch.rand(3), expected)


def test_the_model_ends_in_evaluation_mode(dots, network):
    model = network()
    run(model, dots())
    assert not any(module.training for module in model.modules())


def test_a_batch_without_any_label_is_harmless(dots, network):
    dataset = dots(n=16, unlabelled=1.0)
    history = run(network(), dataset, Recipe(steps=2, batch_size=16))
    assert [record.loss for record in history.epochs] == [0.0, 0.0]


def test_progress(dots, network):
    seen = []
    run(network(), dots(n=64), RECIPE, progress=seen.append)
    assert [report.step for report in seen][-1] == seen[-1].total_steps == 12
    assert seen[-1].seconds_left == 0
    assert all(report.images_per_second > 0 and report.loss > 0 for report in seen)


@pytest.mark.parametrize("settings", [{"precision": "bf16"}, {"compile": True}])
def test_what_needs_other_hardware_has_no_effect_without(dots, network, settings, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict, raising=False)
    plain, other = network(), network()
    run(plain, dots())
    run(other, dots(), RECIPE.replace(**settings))
    assert same(plain, other)


def test_bfloat16_on_a_processor_with_units_for_it(dots, network, monkeypatch):
    told = {"amx_bf16": True}  # where there are none, torch computes the same more slowly
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: told, raising=False)
    logits = []
    for precision in ("float32", "bf16"):
        model = network(dropout=0.0)
        before = model[3].weight.detach().clone()
        run(model, dots(), RECIPE.replace(precision=precision))
        assert model[3].weight.dtype == torch.float32
        assert not torch.equal(model[3].weight, before)
        logits.append(infer(model, dots(), device="cpu"))
    assert not np.array_equal(*logits)
    np.testing.assert_allclose(*logits, atol=0.05)


def test_memory_layout_is_a_matter_of_speed(dots, network):
    logits = []
    for channels_last in (False, True):
        model = network(dropout=0.0)
        run(model, dots(), RECIPE.replace(channels_last=channels_last))
        weight = model[3].weight
        assert weight.is_contiguous(memory_format=torch.channels_last) == channels_last
        logits.append(infer(model, dots(), device="cpu"))
    np.testing.assert_allclose(*logits, atol=1e-4)


def test_a_loss_that_is_not_finite_stops_training(dots, network):
    class Poison(Callback):
        def on_step_end(self, state):
            if state.step == 2:
                state.model[0].weight.data.fill_(torch.nan)

    with pytest.raises(TrainingError, match="the loss is nan at step 2 of 12, with learning rate"):
        run(network(), dots(), callbacks=[Poison()])


def test_a_learning_rate_far_too_high_is_told(dots):
    model = nn.Sequential(nn.Flatten(), nn.Linear(192, 50), nn.Linear(50, 50), nn.Linear(50, 3))
    recipe = Recipe(steps=50, batch_size=16, learning_rate=1e20, warmup=0.0)
    with pytest.raises(TrainingError, match="training has diverged; lower the learning rate"):
        run(model, dots(), recipe)


@pytest.mark.parametrize("n", [0, 1])
def test_a_data_set_that_is_too_small(dots, network, n):
    with pytest.raises(DataError, match=f"dots has {n} samples: training needs at least 2"):
        run(network(), dots().take(np.arange(n)))


def test_a_model_with_another_number_of_outputs(dots, network):
    with pytest.raises(ConfigError, match=r"logits of shape \(16, 4\): expected \(16, 3\)"):
        run(network(n_outputs=4), dots())


def test_a_model_of_other_attributes(dots):
    model = build_model("resnet_small", ["A", "B", "C"], image_size=8)
    with pytest.raises(DataError, match="the model answers A, B, C"):
        run(model, dots())


class Viewed(nn.Module):
    """Flattens by view in training, where it has a second answer, in evaluation, or in both."""

    def __init__(self, modes):
        super().__init__()
        self.modes = modes
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.head = nn.Linear(256, 3)

    def forward(self, images):
        x = self.norm(self.conv(images)).relu()
        flat = x.view(len(x), -1) if self.training in self.modes else x.flatten(1)
        return self.head(flat)


@pytest.mark.parametrize("modes", [(True,), (True, False)])
def test_a_network_that_fails_in_channels_last_alone_is_trained_in_contiguous_memory(dots, modes):
    torch.manual_seed(0)
    model = Viewed(modes)
    plain = copy.deepcopy(model)
    with pytest.warns(PrunescopeWarning, match="channels-last memory .RuntimeError: view size is"):
        run(model, dots())
    run(plain, dots(), RECIPE.replace(channels_last=False))
    assert same(model, plain)  # what the trial did to the statistics of the images is undone
    assert infer(model, dots(), device="cpu").shape == (64, 3)


def test_a_network_that_torch_cannot_lay_out_in_channels_last_is_trained_too(dots):
    class Cubes(nn.Module):
        def __init__(self):
            super().__init__()
            self.flat, self.deep = nn.Conv2d(3, 3, 1), nn.Conv3d(1, 3, 3)

        def forward(self, images):
            return self.deep(self.flat(images).unsqueeze(1)).mean((2, 3, 4))

    with pytest.warns(PrunescopeWarning, match="required rank 4"):
        run(Cubes(), dots())


@pytest.mark.filterwarnings("error")
def test_a_network_that_does_not_fail_stays_in_channels_last(dots, network):
    model = network()
    run(model, dots())
    assert model[3].weight.is_contiguous(memory_format=torch.channels_last)
    assert not model[3].weight.is_contiguous()


def test_a_network_that_fails_in_any_memory_says_so_itself(dots):
    class Broken(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(5, 3)

        def forward(self, images):
            return self.head(images.view(len(images), -1))

    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        run(Broken(), dots())


def test_a_network_with_a_second_answer_in_training_learns_by_its_first(dots, network):
    class Auxiliary(nn.Module):
        def __init__(self, as_pair):
            super().__init__()
            self.inner, self.as_pair = network(), as_pair

        def forward(self, images):
            logits = self.inner(images)
            return (logits, -logits) if self.as_pair and self.training else logits

    models = [Auxiliary(True), Auxiliary(False)]
    for model in models:
        run(model, dots())
    assert same(*models)
