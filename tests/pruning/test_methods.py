import copy
from itertools import pairwise

import numpy as np
import pytest
import torch

from prunescope.errors import (
    CheckpointError,
    ConfigError,
    DataError,
    PrunescopeWarning,
    TrainingError,
)
from prunescope.models import Provenance, build_model, load_checkpoint, save_checkpoint
from prunescope.pruning import (
    DISTRIBUTIONS,
    METHODS,
    SCORES,
    Masks,
    count_kept,
    prunable_weights,
    prune,
)
from prunescope.pruning.calibration import Calibration
from prunescope.pruning.methods.imp import rounds
from prunescope.pruning.methods.rigl import move
from prunescope.pruning.scores import ScoreInputs, taylor
from prunescope.training import Callback, Distill, Recipe, infer

WITH_MASKS = [name for name in METHODS if name != "structured"]
RECIPE = Recipe(steps=24, batch_size=16, learning_rate=0.05, deterministic=True)


@pytest.fixture
def models(fresh):
    """Return a model of each kind that methods start from."""
    trained = copy.deepcopy(fresh)
    with torch.no_grad():
        trained(torch.rand(16, 3, 6, 6))
    return {"random": fresh, "dense": trained}


def run(models, dataset, method, sparsity=0.8, **options):
    options = looking(method, options.get("score")) | {"recipe": RECIPE, "device": "cpu"} | options
    return prune(models[METHODS[method].starts_from], dataset, method, sparsity, **options)


def looking(method, score=None):
    """Let what looks at images look at 32 of them."""
    looks = METHODS[method].calibration_images or (score or METHODS[method].score) != "magnitude"
    return {"calibration_images": 32} if looks and score != "random" else {}


def check_pruned(pruned, n_kept):
    """Check that exactly so many weights are kept, and that the masks say which."""
    assert pruned.masks.n_kept == n_kept
    for name, mask in pruned.masks.items():
        weight = pruned.model.get_parameter(name)
        assert not weight[~mask].any()
    assert not pruned.model.training


@pytest.mark.parametrize("method", WITH_MASKS)
def test_every_method_reaches_its_exact_sparsity(models, dataset, method):
    before = {kind: copy.deepcopy(model.state_dict()) for kind, model in models.items()}
    pruned = run(models, dataset, method)
    check_pruned(pruned, 67)
    assert count_kept(336, 0.8) == 67
    for kind, model in models.items():  # the model given stays as it is
        assert all(torch.equal(before[kind][k], t) for k, t in model.state_dict().items())
    chosen = METHODS[method]
    told = {"method": method, "sparsity": 0.8, "score": chosen.score, "pattern": "unstructured"}
    told |= {"distribution": chosen.distribution, "ignore": [], "seed": 0}
    if method == "reconstruct":
        told |= {"score": "second-order", "distribution": "error", "calibration_images": 32}
    told |= {"weights_kept": 67 / 336, "weights_before": 336}
    if chosen.score == "taylor":
        told["calibration_images"] = 32
    assert pruned.compression == told
    assert len(pruned.history.epochs) == 6
    assert pruned.recipe == RECIPE


CHOICES = [
    *({"score": score} for score in SCORES),
    *({"distribution": distribution} for distribution in DISTRIBUTIONS),
    {"layers": {"body": 0.5}},
]


@pytest.mark.parametrize("choice", CHOICES, ids=str)
@pytest.mark.parametrize("method", WITH_MASKS)
def test_every_method_takes_every_choice_that_it_has(models, dataset, method, choice):
    [name] = choice
    if name not in METHODS[method].options:
        with pytest.raises(ConfigError, match=f"{method} has a {name} of its own"):
            run(models, dataset, method, 0.6, **choice)
        return
    group = {"group": "Side"} if choice.get("score") == "fairgrape" else {}
    pruned = run(models, dataset, method, 0.6, **choice, **group)
    check_pruned(pruned, 134)
    if name == "layers":
        assert pruned.masks["body.weight"].sum() == 108


@pytest.mark.parametrize("method", [m for m in WITH_MASKS if "pattern" in METHODS[m].options])
def test_patterns_hold_in_training(models, dataset, method):
    pruned = run(models, dataset, method, 0.5, pattern="2:4", ignore=["stem", "head"])
    check_pruned(pruned, 108)
    groups = pruned.masks["body.weight"].movedim(1, -1).reshape(-1, 4)
    assert (groups.sum(dim=1) == 2).all()


def test_one_shot_without_a_recipe_changes_masked_weights_and_statistics_alone(models, dataset):
    dense = models["dense"]
    pruned = run(models, dataset, "one-shot", 0.5, recipe=None)
    assert pruned.history is None
    assert pruned.recipe is None
    for name, tensor in pruned.model.state_dict().items():
        if name in pruned.masks:
            assert torch.equal(tensor, dense.state_dict()[name] * pruned.masks[name])
        elif name.endswith("weight") or name.endswith("bias"):
            assert torch.equal(tensor, dense.state_dict()[name])
    # The first normalisation sees what the pruned stem makes of the training images.
    images = torch.from_numpy(dataset.images(np.arange(len(dataset)))) / 255
    with torch.no_grad():
        seen = pruned.model.stem(images).mean((0, 2, 3))
    assert torch.allclose(pruned.model.stem_norm.running_mean, seen, atol=1e-5)
    keeps_largest = sorted(w.abs() for n in pruned.masks for w in dense.get_parameter(n).flatten())
    threshold = keeps_largest[168]
    for name, mask in pruned.masks.items():
        assert torch.equal(dense.get_parameter(name).abs() >= threshold, mask)


def test_zero_sparsity_is_dense_training(models, dataset):
    pruned = run(models, dataset, "gmp-ri", 0.0)
    assert pruned.masks == Masks.dense(models["random"])


def test_what_is_left_is_counted_among_all_weights(models, dataset):
    pruned = run(models, dataset, "one-shot", 0.5, recipe=None, ignore="head")
    named = prunable_weights(pruned.model)
    n, kept = (sum(map(f, named.values())) for f in (torch.numel, torch.count_nonzero))
    assert pruned.compression["weights_kept"] == int(kept) / n > 0.5
    assert pruned.compression["weights_before"] == n
    assert "channels_kept" not in pruned.compression


def test_ignored_layers_stay_dense_and_do_not_count(models, dataset):
    pruned = run(models, dataset, "gmp-pt", 0.9, ignore="head")
    assert list(pruned.masks) == ["stem.weight", "body.weight"]
    assert pruned.masks.n_kept == 32  # 10% of 324, rounded
    assert (pruned.model.head.weight != 0).all()
    assert pruned.compression["ignore"] == ["head"]


def test_seed_defaults_to_the_recipes_and_rules_all(models, dataset):
    recipe = RECIPE.replace(seed=5)
    options = {"recipe": recipe, "score": "random"}
    first = run(models, dataset, "gmp-ri", **options)
    same = run(models, dataset, "gmp-ri", recipe=RECIPE, score="random", seed=5)
    other = run(models, dataset, "gmp-ri", seed=6, **options)
    assert first.compression["seed"] == same.compression["seed"] == 5
    assert first.masks == same.masks
    assert torch.equal(first.model.head.bias, same.model.head.bias)
    assert other.recipe.seed == 6
    assert other.masks != first.masks
    assert not torch.equal(first.model.head.bias, other.model.head.bias)


class Stop(Callback):
    """Breaks training off before a step, as a kill would; None lets it end."""

    def __init__(self, step):
        self.step = step

    def on_step_start(self, state):
        if state.step == self.step:
            raise KeyboardInterrupt


@pytest.mark.parametrize("method", WITH_MASKS)
def test_interrupted_run_resumes_to_the_same_bits(models, dataset, method, tmp_path):
    whole = run(models, dataset, method, callbacks=[Stop(None)])
    for step in (1, 10, 19, 23):
        folder = tmp_path / str(step)
        with pytest.raises(KeyboardInterrupt):
            run(models, dataset, method, callbacks=[Stop(step)], resume_dir=folder)
        resumed = run(models, dataset, method, callbacks=[Stop(None)], resume_dir=folder)
        again = run(models, dataset, method, callbacks=[Stop(None)], resume_dir=folder)
        for other in (resumed, again):
            assert other.masks == whole.masks
            for name, tensor in whole.model.state_dict().items():
                assert torch.equal(other.model.state_dict()[name], tensor)


def test_folder_of_a_run_to_another_sparsity(models, dataset, tmp_path):
    run(models, dataset, "gmp-ri", 0.8, resume_dir=tmp_path)
    with pytest.raises(CheckpointError, match=r"sparsity 0.8 .* this one to sparsity 0.9"):
        run(models, dataset, "gmp-ri", 0.9, resume_dir=tmp_path)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"method": "gmp"}, ConfigError, "unknown method 'gmp': did you mean imp, gmp-ri"),
        ({"sparsity": 95}, ConfigError, "95 percent is 0.95"),
        ({"sparsity": 1.0}, ConfigError, "would remove every weight"),
        ({"sparsity": 0.999}, ConfigError, "of 336 weights keeps none"),
        ({"score": "size"}, ConfigError, "unknown score 'size'"),
        ({"distribution": "even"}, ConfigError, "unknown distribution 'even'"),
        ({"ignore": "heat"}, ConfigError, "unknown layer to ignore 'heat': did you mean head\\?"),
        ({"ignore": "*"}, ConfigError, "leaves no layer"),
        ({"recipe": Recipe(steps=5)}, ConfigError, "5 steps of training are too few"),
    ],
)
def test_bad_arguments(fresh, dataset, arguments, error, message):
    arguments = {"method": "gmp-ri", "sparsity": 0.5, "recipe": RECIPE, "device": "cpu"} | arguments
    with pytest.raises(error, match=message):
        prune(fresh, dataset, **arguments)


def test_model_with_a_weight_that_is_not_a_number(models, dataset):
    models["dense"].stem.weight.data[0, 0, 0, 0] = torch.nan
    with pytest.raises(TrainingError, match="stem has weights that are NaN"):
        run(models, dataset, "one-shot", 0.5, recipe=None)


def test_deep_one_shot_cut_without_training_warns(models, dataset):
    with pytest.warns(PrunescopeWarning, match="without training may ruin"):
        run(models, dataset, "one-shot", 0.7, recipe=None)


def test_start_from_the_wrong_kind_of_model_warns(models, dataset):
    with pytest.warns(PrunescopeWarning, match="gmp-ri starts from random .* has been trained"):
        prune(models["dense"], dataset, "gmp-ri", 0.5, recipe=RECIPE, device="cpu")
    with pytest.warns(PrunescopeWarning, match="one-shot starts from a trained model"):
        prune(models["random"], dataset, "one-shot", 0.5, device="cpu")


def test_model_without_normalisation_is_taken_as_it_is(dataset):
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(108, 2))
    for method in WITH_MASKS:
        options = looking(method) | {"recipe": RECIPE, "device": "cpu"}
        pruned = prune(model, dataset, method, 0.5, **options)
        assert pruned.masks.n_kept == 108


def test_layer_that_vanishes_warns(models, dataset):
    models["dense"].head.weight.data.mul_(1e-6)
    with pytest.warns(PrunescopeWarning, match="leaves no weight of head"):
        run(models, dataset, "one-shot", 0.5, recipe=None)


def test_methods_of_the_registry_say_where_they_start_and_how_they_train():
    assert {name: (m.starts_from, m.recipe) for name, m in METHODS.items()} == {
        "one-shot": ("dense", None),
        "reconstruct": ("dense", None),
        "gmp-pt": ("dense", "paper-pt"),
        "gmp-ri": ("random", "paper-ri"),
        "linear-pt": ("dense", "paper-pt"),
        "ac/dc": ("random", "paper-ri"),
        "rigl": ("random", "paper-ri"),
        "imp": ("random", "paper-ri"),
        "snip": ("random", "paper-ri"),
        "structured": ("dense", "paper-pt"),
    }


def test_real_architecture_from_pruning_to_checkpoint_and_back(dataset, tmp_path):
    model = build_model("resnet_small", dataset.samples.attributes, image_size=6, input_size=32)
    recipe = Recipe(steps=10, batch_size=16)
    pruned = prune(model, dataset, "gmp-ri", 0.95, recipe=recipe, device="cpu")
    n_weights = sum(p.numel() for p in model.parameters() if p.ndim > 1)
    assert pruned.masks.n_weights == n_weights
    assert pruned.masks.n_kept == count_kept(n_weights, 0.95)
    provenance = Provenance.of(pruned.model, dataset, compression=pruned.compression)
    save_checkpoint(tmp_path / "model", pruned.model, provenance, pruned.masks)
    loaded = load_checkpoint(tmp_path / "model")
    assert Masks(loaded.masks) == pruned.masks
    assert loaded.provenance.compression == pruned.compression
    answers = [infer(m, dataset, device="cpu") for m in (pruned.model, loaded.model)]
    assert np.allclose(*answers, atol=1e-5)  # loaded in another memory layout


# Single methods


def test_weights_that_went_are_free_again_in_a_dense_phase(models, dataset):
    live = []

    class Count(Callback):
        def on_step_end(self, state):
            live.append(sum(int((w != 0).sum()) for w in prunable_weights(state.model).values()))

    run(models, dataset, "ac/dc", 0.8, recipe=RECIPE.replace(steps=40), callbacks=[Count()])
    sparse = {step for step in range(40) if live[step] <= 67}
    # of 40 steps a phase is 2: sparse from 4, dense from 6 … dense from 30, sparse from 34
    assert sparse == {*(s + i for s in range(4, 29, 4) for i in (0, 1)), *range(34, 40)}


def test_rigl_is_sparse_throughout_and_moves_weights_as_it_says(models, dataset):
    seen = []

    class Watch(Callback):
        def on_train_start(self, state):
            self.masks = {n: w != 0 for n, w in prunable_weights(state.model).items()}
            seen.append(self.masks)

        def on_step_end(self, state):
            weights = prunable_weights(state.model)
            assert sum(int((w != 0).sum()) for w in weights.values()) <= 67

    recipe = RECIPE.replace(steps=24)
    pruned = run(models, dataset, "rigl", 0.8, recipe=recipe, callbacks=[Watch()])
    [start] = seen
    end = pruned.masks
    assert {n: int(m.sum()) for n, m in start.items()} == {n: int(m.sum()) for n, m in end.items()}
    assert any(not torch.equal(start[n], end[n]) for n in start)


def test_a_rigl_move_by_hand():
    weight = torch.nn.Parameter(torch.tensor([[1.0, -0.1, 0.0, 0.0], [0.2, 3.0, 0.0, 0.0]]))
    weight.grad = torch.tensor([[0.0, 9.0, 0.5, -4.0], [0.0, 0.0, 0.1, 0.3]])
    mask = torch.tensor([[1, 1, 0, 0], [1, 1, 0, 0]]).bool()
    # the smallest is -0.1, and its gradient the largest: it comes back
    assert move(weight, mask, 1).int().tolist() == [[1, 1, 0, 0], [1, 1, 0, 0]]
    weight.grad[0, 1] = 1.0
    assert move(weight, mask, 1).int().tolist() == [[1, 0, 0, 1], [1, 1, 0, 0]]
    assert move(weight, mask, 2).int().tolist() == [[1, 1, 0, 1], [0, 1, 0, 0]]
    assert move(weight, mask, 0) is mask
    full = torch.ones(2, 4, dtype=torch.bool)
    assert move(weight, full, 3).all()


def test_imp_sets_weights_back_and_prunes_by_where_they_went(models, dataset):
    assert rounds(0.8)[-1] == 0.8
    assert len(rounds(0.8)) == 8
    left = [1.0, *(1 - s for s in rounds(0.8))]
    shares = [b / a for a, b in pairwise(left)]
    assert shares == pytest.approx([0.2 ** (1 / 8)] * 8)
    starts = []

    class First(Callback):
        def on_step_start(self, state):
            if state.step in (0, 1):
                starts.append({n: w.detach().clone() for n, w in state.model.named_parameters()})

    run(models, dataset, "imp", 0.3, callbacks=[First()])
    assert len(starts) == 2 * 3  # a dense round and two sparse ones
    early = starts[1]  # a twentieth of 24 steps
    for again in (starts[2], starts[4]):
        for name, value in again.items():
            kept = value != 0
            assert torch.equal(value[kept], early[name][kept])


def test_imp_resumes_in_a_later_round(models, dataset, tmp_path):
    class StopIn(Callback):
        def __init__(self, number):
            self.number, self.trainings = number, 0

        def on_train_start(self, state):
            self.trainings += 1

        def on_step_start(self, state):
            if self.trainings == self.number and state.step == 10:
                raise KeyboardInterrupt

    whole = run(models, dataset, "imp", 0.5, callbacks=[StopIn(0)])
    with pytest.raises(KeyboardInterrupt):
        run(models, dataset, "imp", 0.5, callbacks=[StopIn(3)], resume_dir=tmp_path)
    resumed = run(models, dataset, "imp", 0.5, callbacks=[StopIn(0)], resume_dir=tmp_path)
    assert resumed.masks == whole.masks
    for name, value in whole.model.state_dict().items():
        assert torch.equal(resumed.model.state_dict()[name], value)


def test_snip_keeps_what_gradients_of_the_fresh_model_say(models, dataset):
    pruned = run(models, dataset, "snip", 0.7)
    scores = taylor(
        ScoreInputs(
            prunable_weights(models["random"]),
            model=models["random"],
            calibration=Calibration(dataset, 32),
        )
    )
    kept = torch.cat([scores[n][m] for n, m in pruned.masks.items()])
    gone = torch.cat([scores[n][~m] for n, m in pruned.masks.items()])
    assert kept.min() >= gone.max() * (1 - 1e-4)


def test_structured_leaves_fewer_channels_and_no_masks(models, dataset):
    pruned = run(models, dataset, "structured", 0.5)
    assert pruned.masks is None
    assert len(pruned.history.epochs) == 6
    assert pruned.model.stem.weight.shape == (2, 3, 3, 3)
    assert pruned.model.body.weight.shape == (3, 2, 3, 3)
    assert pruned.model.head.weight.shape == (2, 3)
    assert models["dense"].stem.weight.shape == (4, 3, 3, 3)
    assert infer(pruned.model, dataset, device="cpu").shape == (64, 2)
    before, after = (
        (4 * 3 * 9, 6 * 4 * 9, 2 * 6),
        (2 * 3 * 9, 3 * 2 * 9, 2 * 3),
    )
    assert pruned.compression["weights_kept"] == sum(after) / sum(before)
    assert pruned.compression["channels_kept"] == 0.5


def test_structured_resumes_and_distils(models, dataset, tmp_path):
    options = {"distill": Distill()}
    whole = run(models, dataset, "structured", 0.5, callbacks=[Stop(None)], **options)
    with pytest.raises(KeyboardInterrupt):
        run(
            models, dataset, "structured", 0.5, callbacks=[Stop(10)], resume_dir=tmp_path, **options
        )
    resumed = run(
        models, dataset, "structured", 0.5, callbacks=[Stop(None)], resume_dir=tmp_path, **options
    )
    for name, value in whole.model.state_dict().items():
        assert torch.equal(resumed.model.state_dict()[name], value)


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"distribution": "erk"}, "erk"),
        ({"score": "random"}, "structured has a score of its own"),
        ({"pattern": "2:4"}, "structured has a pattern of its own"),
    ],
)
def test_choices_that_structured_does_not_have(models, dataset, choice, message):
    with pytest.raises(ConfigError, match=message):
        run(models, dataset, "structured", 0.5, **choice)


# Distillation


def test_every_method_that_trains_can_distil(models, dataset):
    for method in WITH_MASKS:
        plain = run(models, dataset, method, 0.5)
        taught = run(
            models, dataset, method, 0.5, distill=Distill(weight=0.9), teacher=models["dense"]
        )
        assert taught.compression["distill"] == {"temperature": 2.0, "weight": 0.9}
        assert taught.masks.n_kept == plain.masks.n_kept
        assert not torch.equal(taught.model.head.bias, plain.model.head.bias)


class Brightness(torch.nn.Module):
    """Logits that are linear in the brightness of the channels, from 0 on: a convex problem."""

    def __init__(self):
        super().__init__()
        self.head = torch.nn.Linear(3, 2)
        torch.nn.init.zeros_(self.head.weight)
        torch.nn.init.zeros_(self.head.bias)

    def forward(self, images):
        return self.head((images.mean((2, 3)) - 0.5) * 20)


def test_a_student_of_nothing_but_the_teacher_comes_near_it(dataset, seed):
    """The only minimum is at the teacher, which knows nothing of the labels."""
    teacher = Brightness()
    with torch.no_grad():
        teacher.head.weight.copy_(torch.tensor([[0.0, 2.0, 0.0], [0.0, 0.0, -2.0]]))
    recipe = RECIPE.replace(steps=150, learning_rate=0.5, seed=seed)
    images = torch.from_numpy(dataset.images(np.arange(64))) / 255
    errors = []
    for weight in (0.0, 1.0):
        taught = prune(
            Brightness(), dataset, "gmp-ri", 0.0, recipe=recipe, device="cpu", teacher=teacher,
            distill=Distill(weight=weight, temperature=1.0),
        )  # fmt: skip
        with torch.no_grad():
            apart = taught.model(images).sigmoid() - teacher(images).sigmoid()
        errors.append(float(apart.abs().mean()))
    assert errors[1] < errors[0] / 2


def test_distillation_without_training_and_a_run_of_other_settings(models, dataset, tmp_path):
    with pytest.raises(ConfigError, match="one-shot without a recipe does not train"):
        run(models, dataset, "one-shot", 0.5, recipe=None, distill=Distill())
    run(models, dataset, "gmp-pt", 0.5, distill=Distill(), resume_dir=tmp_path)
    with pytest.raises(CheckpointError, match=r"weight 0.5, this one with 2 and 0.7"):
        run(models, dataset, "gmp-pt", 0.5, distill=Distill(weight=0.7), resume_dir=tmp_path)


def test_calibration_set_too_small(models, dataset):
    with pytest.raises(DataError, match="dots has 64 images to calibrate on"):
        run(models, dataset, "one-shot", score="fisher", calibration_images=100)


# Runs that are told apart


@pytest.mark.parametrize(
    ("method", "first", "then"),
    [
        ("gmp-ri", {"score": "taylor"}, {"score": "taylor", "distribution": "uniform"}),
        ("gmp-ri", {}, {"pattern": "channel"}),
        ("snip", {}, {"distribution": "erk"}),
        ("snip", {}, {"calibration_images": 16}),
        ("rigl", {}, {"distribution": "uniform"}),
        ("rigl", {"layers": {"body": 0.5}}, {"layers": {"body": 0.55}}),
        ("imp", {}, {"distribution": "uniform"}),
    ],
)
def test_a_run_does_not_go_on_from_one_with_other_choices(
    models, dataset, tmp_path, method, first, then
):
    run(models, dataset, method, 0.5, resume_dir=tmp_path, **first)
    with pytest.raises(CheckpointError, match="resume with the settings it began with"):
        run(models, dataset, method, 0.5, resume_dir=tmp_path, **then)


def test_a_run_does_not_go_on_with_another_teacher(models, dataset, tmp_path):
    options = {"distill": Distill(), "resume_dir": tmp_path}
    run(models, dataset, "gmp-ri", 0.5, teacher=models["dense"], **options)
    with pytest.raises(CheckpointError, match="learned from another teacher"):
        run(models, dataset, "gmp-ri", 0.5, teacher=models["random"], **options)


# What cannot be scored, or must not go


def test_the_layer_of_the_answers_keeps_its_channels(models, dataset):
    pruned = run(models, dataset, "one-shot", 0.5, recipe=None, pattern="channel")
    kept = {name: mask.flatten(1).any(dim=1).sum().item() for name, mask in pruned.masks.items()}
    assert kept == {"stem.weight": 2, "body.weight": 3}  # of 4 and 6; the head is not touched
    assert pruned.compression["ignore"] == ["head"]
    whole = {name: weight.numel() for name, weight in models["dense"].named_parameters()}
    left = whole["stem.weight"] / 2 + whole["body.weight"] / 2 + whole["head.weight"]
    there = sum(whole[f"{layer}.weight"] for layer in ("stem", "body", "head"))
    assert pruned.compression["weights_kept"] == left / there
    assert pruned.compression["channels_kept"] == 0.5  # the answers are no channels


def test_frozen_layers_and_layers_off_the_way(models, dataset):
    dense = models["dense"]
    dense.spare = torch.nn.Linear(3, 3)
    with pytest.warns(PrunescopeWarning, match="leaves no weight of spare"):
        pruned = run(models, dataset, "one-shot", 0.5, recipe=None, score="taylor")
    assert not pruned.masks["spare.weight"].any()
    dense.stem.weight.requires_grad_(False)
    with pytest.raises(ConfigError, match=r"stem.weight are frozen.*score by magnitude"):
        run(models, dataset, "one-shot", 0.5, recipe=None, score="taylor")
    with pytest.raises(ConfigError, match="give one or the other"):
        run(models, dataset, "one-shot", 0.5, layers={"body": 0.5}, distribution="erk")
