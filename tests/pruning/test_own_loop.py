"""`Pruner` in loops of one's own does what `train` does, whatever the loop is made of."""

import copy
import warnings
from fractions import Fraction

import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, GradientState, PartialState
from torch import distributed, nn
from torch.nn import functional
from torch.nn.parallel import DistributedDataParallel
from torch.nn.utils.parametrizations import weight_norm
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from prunescope.errors import CheckpointError, ConfigError, PrunescopeWarning
from prunescope.models import fold
from prunescope.pruning import (
    Alternating,
    Criterion,
    Gradual,
    Masks,
    OneShot,
    PruneOnSchedule,
    Pruner,
)
from prunescope.training import LOSSES, Recipe, learning_rate_at, train
from prunescope.training.batches import training_batches
from prunescope.training.optimizers import build_optimizer

STEPS = 12
GRADUAL = Gradual(0.25, 0.75, n_updates=3)
KEPT = [336] * 3 + [319] * 3 + [69] * 3 + [34] * 3
"""Of 336 weights after each step: 5%, 90% − 85%/8 and 90% are pruned before steps 3, 6 and 9."""
QUARTER = Fraction(1, 4)
SCHEDULES = {
    "gradual": GRADUAL,
    "one-shot": OneShot(),
    "ac/dc": Alternating(QUARTER, QUARTER / 2, 2 * QUARTER, 3 * QUARTER),
}


@pytest.fixture
def images(seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(STEPS, 8, 3, 6, 6, generator=generator)


def sgd(model):
    return torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-2)


def prune(model, optimizer, **changes):
    return Pruner(
        model, optimizer, **{"sparsity": 0.9, "steps": STEPS, "schedule": GRADUAL, **changes}
    )


def loss_of(model, batch):
    return model(batch).square().mean()


def make_step(pruner, model, optimizer, batch):
    pruner.step()
    optimizer.zero_grad()
    loss_of(model, batch).backward()
    optimizer.step()


def same(a, b):
    return all(torch.equal(a.state_dict()[name], value) for name, value in b.state_dict().items())


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_masks_and_weights_are_those_of_train(fresh, dataset, schedule, optimizer):
    recipe = Recipe(
        steps=STEPS, batch_size=16, optimizer=optimizer, learning_rate=0.01, weight_decay=1e-2
    )
    ours, schedule = copy.deepcopy(fresh), SCHEDULES[schedule]
    expected = PruneOnSchedule(Masks.dense(ours), 0.9, schedule, Criterion())
    train(ours, dataset, recipe, callbacks=[expected], device="cpu")

    model = fresh.to(memory_format=torch.channels_last).train()
    optimizer = build_optimizer(model, recipe)
    pruner = prune(model, optimizer, schedule=schedule)
    for epoch in range(3):
        for batch in training_batches(dataset, recipe, epoch, 4, torch.device("cpu")):
            pruner.step()
            for group in optimizer.param_groups:
                group["lr"] = learning_rate_at(recipe, pruner.n_steps, STEPS)
            loss = LOSSES["multilabel"](model(batch.images).float(), batch.labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    assert pruner.finish() == expected.masks
    assert same(model, ours)


@pytest.mark.parametrize(
    ("optimizer", "options"),
    [
        ("SGD", {"lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
        ("Adam", {"lr": 0.01, "weight_decay": 0.1, "amsgrad": True}),
        ("AdamW", {"lr": 0.01, "weight_decay": 0.1, "fused": True}),
        ("RMSprop", {"lr": 0.01, "momentum": 0.9, "centered": True}),
        ("Adagrad", {"lr": 0.01, "initial_accumulator_value": 0.1}),
        ("Adafactor", {"lr": 0.01, "weight_decay": 0.1}),
    ],
)
def test_no_optimizer_revives_a_pruned_weight(fresh, images, optimizer, options):
    optimizer = getattr(torch.optim, optimizer)(fresh.parameters(), **options)
    pruner = prune(fresh, optimizer)
    for batch, kept in zip(images, KEPT, strict=True):
        make_step(pruner, fresh, optimizer, batch)
        assert pruner.masks.n_kept == kept
        live = sum(int((weight != 0).sum()) for weight in pruner.masks.check(fresh).values())
        assert live == kept
    assert optimizer.state


def test_what_is_pruned_does_not_count_when_gradients_are_clipped(fresh, images):
    optimizer = sgd(fresh)
    pruner = prune(fresh, optimizer, schedule=OneShot())
    pruner.step()
    loss_of(fresh, images[0]).backward()
    found = torch.nn.utils.clip_grad_norm_(fresh.parameters(), 1e9)
    gradients = torch.autograd.grad(loss_of(fresh, images[0]), list(fresh.parameters()))
    names = [name for name, _ in fresh.named_parameters()]
    kept = dict(zip(names, gradients, strict=True))
    for name, mask in pruner.masks.items():
        kept[name] = kept[name] * mask
    expected = torch.cat([g.flatten() for g in kept.values()]).norm()
    everything = torch.cat([g.flatten() for g in gradients]).norm()
    assert torch.allclose(found, expected)
    assert not torch.allclose(everything, expected)


def test_micro_batches_are_no_steps(fresh, images):
    whole = copy.deepcopy(fresh)
    for model, n_parts in ((whole, 1), (fresh, 2)):
        model.eval()  # batch normalisation would see other batches
        optimizer = sgd(model)
        pruner = prune(model, optimizer)
        counted = []
        for batch in images:
            optimizer.zero_grad()
            for part in batch.chunk(n_parts):
                pruner.step()
                (loss_of(model, part) / n_parts).backward()
            optimizer.step()
            counted.append(pruner.masks.n_kept)
        assert counted == KEPT
    masks = pruner.finish()
    assert sum(int((weight != 0).sum()) for weight in masks.check(whole).values()) == 34


@pytest.mark.parametrize("fused", [False, True])
def test_a_step_that_the_scaler_skips_is_none(fresh, images, fused):
    optimizer = torch.optim.SGD(fresh.parameters(), lr=0.01, fused=fused)
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
    pruner = prune(fresh, optimizer, steps=STEPS - 2)
    for number, batch in enumerate(images):
        pruner.step()
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            loss = loss_of(fresh, batch) * (torch.inf if number in (2, 5) else 1)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        assert pruner.n_steps == number + 1 - (number >= 2) - (number >= 5)
    assert pruner.finish().n_kept == 34
    assert all(parameter.isfinite().all() for parameter in fresh.parameters())


def test_weights_in_bfloat16(fresh, images):
    model = fresh.bfloat16()
    optimizer = sgd(model)
    pruner = prune(model, optimizer)
    for batch in images.bfloat16():
        make_step(pruner, model, optimizer, batch)
    masks = pruner.finish()
    assert masks.n_kept == 34
    assert not any(weight[~masks[name]].any() for name, weight in masks.check(model).items())


def test_called_after_the_optimizer_it_does_the_same(fresh, images):
    before, after = fresh, copy.deepcopy(fresh)
    optimizer = sgd(before)
    pruner = prune(before, optimizer)
    for batch in images:
        make_step(pruner, before, optimizer, batch)
    expected = pruner.finish()

    optimizer = sgd(after)
    pruner = prune(after, optimizer)
    for batch in images:
        optimizer.zero_grad()
        loss_of(after, batch).backward()
        optimizer.step()
        pruner.step()
    assert pruner.finish() == expected
    assert same(before, after)


def test_calls_that_were_left_out_are_made_up_for(fresh, images):
    optimizer = sgd(fresh)
    pruner = prune(fresh, optimizer)
    for number, batch in enumerate(images):
        if number in (5, 11):  # after the updates of steps 3, and of 6 and 9
            pruner.step()
        optimizer.zero_grad()
        loss_of(fresh, batch).backward()
        optimizer.step()
    assert pruner.finish().n_kept == 34


def test_masks_that_are_loaded_hold_whatever_the_optimizer_remembers(fresh, images):
    first = copy.deepcopy(fresh)
    optimizer = sgd(first)
    pruner = prune(first, optimizer, schedule=OneShot())
    make_step(pruner, first, optimizer, images[0])

    optimizer = sgd(fresh)
    loss_of(fresh, images[0]).backward()
    optimizer.step()  # now it has momentum
    resumed = prune(fresh, optimizer, schedule=OneShot())
    resumed.load_state_dict(pruner.state_dict())
    for batch in images[1:]:
        assert all(not w[~resumed.masks[n]].any() for n, w in resumed.masks.check(fresh).items())
        make_step(resumed, fresh, optimizer, batch)
    assert resumed.finish() == pruner.masks


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("pruner_first", [False, True])
@pytest.mark.parametrize("make", [sgd, lambda m: torch.optim.Adam(m.parameters(), 0.01)])
def test_resuming_gives_the_bits_of_an_unbroken_run(
    fresh, images, tmp_path, schedule, pruner_first, make
):
    def start(model):
        optimizer = make(model)
        criterion = Criterion("random", seed=3)
        pruner = prune(model, optimizer, schedule=SCHEDULES[schedule], criterion=criterion)
        return model, optimizer, pruner

    parts = start(copy.deepcopy(fresh))
    for number, batch in enumerate(images):
        torch.save([part.state_dict() for part in parts], tmp_path / f"{number}.pt")
        make_step(parts[2], parts[0], parts[1], batch)
    expected = parts[2].finish()

    for stopped in (0, 1, 4, 6, 7, 11):
        resumed = start(copy.deepcopy(fresh))
        saved = torch.load(tmp_path / f"{stopped}.pt", weights_only=True)
        pairs = list(zip(resumed, saved, strict=True))
        for part, state in reversed(pairs) if pruner_first else pairs:
            part.load_state_dict(state)
        for batch in images[stopped:]:
            make_step(resumed[2], resumed[0], resumed[1], batch)
        assert resumed[2].finish() == expected
        assert same(resumed[0], parts[0])


@pytest.fixture
def one_process(tmp_path):
    distributed.init_process_group("gloo", f"file://{tmp_path}/store", rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


WRAPPERS = {
    "compile": lambda model: torch.compile(model, backend="eager"),
    "DataParallel": nn.DataParallel,
    "DDP": DistributedDataParallel,
    "compiled DDP": lambda model: torch.compile(DistributedDataParallel(model), backend="eager"),
}


@pytest.mark.parametrize("wrap", WRAPPERS)
@pytest.mark.usefixtures("one_process")
def test_wrapped_models_are_pruned_under_the_names_of_the_bare_one(fresh, images, wrap):
    bare = copy.deepcopy(fresh)
    found = []
    for model in (bare, WRAPPERS[wrap](fresh)):
        optimizer = sgd(model)
        pruner = prune(model, optimizer, ignore="head")
        for batch in images:
            make_step(pruner, model, optimizer, batch)
        found.append(pruner.finish())
    assert list(found[1]) == ["stem.weight", "body.weight"]
    assert found[0] == found[1]
    assert same(bare, fresh)


def test_accelerate_with_accumulation(fresh, images):
    try:
        accelerator = Accelerator(cpu=True, gradient_accumulation_steps=2)
        model, optimizer = accelerator.prepare(fresh, sgd(fresh))
        pruner = prune(model, optimizer, steps=STEPS)
        kept = []
        for batch in images.repeat_interleave(2, dim=0):
            with accelerator.accumulate(model):
                pruner.step()
                accelerator.backward(loss_of(model, batch))
                accelerator.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
                optimizer.zero_grad()
            kept.append(pruner.masks.n_kept)
    finally:
        for state in (AcceleratorState, PartialState, GradientState):
            state._shared_state.clear()
    assert kept[::2] == kept[1::2] == KEPT
    assert pruner.n_steps == STEPS


def test_an_average_of_weights_holds_a_rest_until_it_is_pruned(fresh, images):
    optimizer = sgd(fresh)
    average = AveragedModel(fresh, multi_avg_fn=get_ema_multi_avg_fn(0.9))
    pruner = prune(fresh, optimizer)
    for batch in images:
        make_step(pruner, fresh, optimizer, batch)
        average.update_parameters(fresh)
    masks = pruner.finish()
    assert any(weight[~masks[name]].any() for name, weight in masks.check(average.module).items())
    kept = average.module.body.weight[masks["body.weight"]].clone()
    pruner.apply_(average)
    for name, weight in masks.check(average.module).items():
        assert not weight[~masks[name]].any()
    assert torch.equal(average.module.body.weight[masks["body.weight"]], kept)


def test_model_and_optimizer_are_free_in_the_end(fresh, images):
    optimizer = sgd(fresh)
    pruner = prune(fresh, optimizer)
    for batch in images:
        make_step(pruner, fresh, optimizer, batch)
    pruner.finish()
    assert not fresh.body.weight.all()
    optimizer.zero_grad()
    fresh.body.weight.sum().backward()
    assert (fresh.body.weight.grad == 1).all()
    optimizer.step()
    assert fresh.body.weight.all()
    assert pruner.n_steps == STEPS


def test_frozen_layers_are_pruned_without_an_optimizer(fresh, images):
    fresh.stem.weight.requires_grad_(False)
    optimizer = torch.optim.SGD([p for p in fresh.parameters() if p.requires_grad], 0.05)
    pruner = prune(fresh, optimizer)
    for batch in images:
        make_step(pruner, fresh, optimizer, batch)
    masks = pruner.finish()
    assert not masks["stem.weight"].all()
    assert not fresh.stem.weight[~masks["stem.weight"]].any()


def test_ending_early_is_told(fresh, images):
    optimizer = sgd(fresh)
    pruner = prune(fresh, optimizer)
    for batch in images[:5]:
        make_step(pruner, fresh, optimizer, batch)
    with pytest.warns(PrunescopeWarning, match=r"0.05.* instead of 0.9: .* 5 of 12 steps, and 2"):
        pruner.finish()


def test_a_pruner_that_is_never_called_is_told(fresh, images):
    optimizer = sgd(fresh)
    pruner = prune(fresh, optimizer)
    loss_of(fresh, images[0]).backward()
    for _ in range(STEPS):
        optimizer.step()
    with pytest.warns(PrunescopeWarning, match=r"call step\(\) before each forward pass"):
        pruner.finish()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 0}, "steps is 0: expected how many"),
        ({"steps": 3}, "3 steps of training are too few for 3 mask updates"),
        ({"sparsity": 1.0}, "sparsity"),
        ({"ignore": "tail"}, "unknown layer to ignore 'tail'"),
        ({"criterion": Criterion(pattern="channel", distribution="uniform")}, "name that layer"),
    ],
)
def test_choices_that_make_no_sense(fresh, changes, message):
    with pytest.raises(ConfigError, match=message):
        prune(fresh, sgd(fresh), **changes)


def test_an_optimizer_of_other_weights_is_refused(fresh):
    with pytest.raises(ConfigError, match="does not train stem, body, head: make the optimizer of"):
        prune(fresh, sgd(copy.deepcopy(fresh)))
    head = torch.optim.SGD(fresh.head.parameters(), 0.1)
    with pytest.raises(ConfigError, match="does not train stem, body:"):
        prune(fresh, head)
    prune(fresh, head, ignore=["stem", "body"])


def test_what_is_no_optimizer_is_refused(fresh):
    with pytest.raises(ConfigError, match=r"a dict: expected a torch.optim.Optimizer"):
        prune(fresh, {})


def test_a_part_that_is_wrapped_on_its_own_is_refused(fresh):
    fresh.body = torch.compile(fresh.body, backend="eager")
    with pytest.raises(
        ConfigError, match=r"body is wrapped in OptimizedModule .* body.compile\(\)"
    ):
        prune(fresh, sgd(fresh))


@pytest.mark.usefixtures("one_process")
def test_sharded_weights_are_refused(fresh):
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fully_shard(fresh, mesh=init_device_mesh("cpu", (1,)))
    with pytest.raises(ConfigError, match="weights that are sharded"):
        prune(fresh, sgd(fresh))


def test_states_of_other_runs_are_refused(fresh):
    state = prune(fresh, sgd(fresh)).state_dict()
    with pytest.raises(CheckpointError, match="the run to resume has 12 steps, this one 24"):
        prune(fresh, sgd(fresh), steps=24).load_state_dict(state)
    with pytest.raises(
        CheckpointError, match=r"prunes to sparsity 0.9 .* this one to sparsity 0.8"
    ):
        prune(fresh, sgd(fresh), sparsity=0.8).load_state_dict(state)
    with pytest.raises(CheckpointError, match=r"lacks body.weight, .* Pruner.state_dict returned"):
        prune(fresh, sgd(fresh)).load_state_dict(fresh.head.state_dict())


class Centred(nn.Conv2d):
    """Subtracts the mean of its weights, so zeros do not stay."""

    def forward(self, images):
        return self._conv_forward(images, self.weight - self.weight.mean(), self.bias)


class Gated(nn.Linear):
    """Takes two inputs, and uses its weights as they are."""

    def forward(self, x, gate):
        return functional.linear(x, self.weight) * gate


def test_weights_that_are_computed_are_refused_until_they_are_folded():
    model = nn.Sequential(weight_norm(nn.Linear(10, 10)), nn.ReLU(), nn.Linear(10, 2))
    with pytest.raises(
        ConfigError, match=r"^0: the weights are computed by WeightNorm.* prunescope.models.fold"
    ):
        prune(model, sgd(model))
    assert list(prune(model, sgd(model), ignore="0").masks) == ["2.weight"]
    folded = fold(model)
    optimizer = sgd(folded)
    pruner = prune(folded, optimizer, schedule=OneShot())
    for _ in range(STEPS):
        make_step(pruner, folded, optimizer, torch.ones(2, 10))
    assert pruner.finish().n_kept == 12  # of 120
    assert int((folded[0].weight != 0).sum() + (folded[2].weight != 0).sum()) == 12


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_layers_that_fill_their_zeros_stay_dense(layout):
    model = nn.Sequential(Centred(3, 4, 3), nn.Conv2d(4, 2, 3)).to(memory_format=layout)
    with pytest.warns(PrunescopeWarning, match=r"^0: Centred computes .* stay dense"):
        pruner = prune(model, sgd(model))
    assert list(pruner.masks) == ["1.weight"]
    prune(model, sgd(model), ignore="0")  # without a warning


def test_layers_that_cannot_be_tried_are_told():
    model = nn.Sequential(nn.Linear(4, 4), Gated(4, 2))
    with pytest.warns(PrunescopeWarning, match=r"^1: Gated cannot be called by itself"):
        pruner = prune(model, sgd(model))
    assert list(pruner.masks) == ["0.weight", "1.weight"]
    prune(model, sgd(model), ignore="1")


def test_patterns_follow_the_input_channels_of_transposed_convolutions():
    model = nn.ConvTranspose2d(3, 4, 1)
    criterion = Criterion(pattern="2:4")
    with pytest.raises(ConfigError, match="multiple of 4, unlike weight with 3"):
        prune(model, sgd(model), sparsity=0.5, criterion=criterion)
    model = nn.ConvTranspose2d(4, 3, 1)
    pruner = prune(model, sgd(model), sparsity=0.5, criterion=criterion, schedule=OneShot())
    pruner.step()
    assert pruner.masks["weight"].sum(0).flatten().tolist() == [2, 2, 2]  # of 4 inputs each
