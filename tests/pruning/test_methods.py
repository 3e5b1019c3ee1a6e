import copy

import numpy as np
import pytest
import torch

from prunescope.errors import CheckpointError, ConfigError, PrunescopeWarning, TrainingError
from prunescope.models import Provenance, build_model, load_checkpoint, save_checkpoint
from prunescope.pruning import METHODS, Masks, count_kept, prune
from prunescope.training import Callback, Recipe, infer

RECIPE = Recipe(steps=24, batch_size=16, learning_rate=0.05, deterministic=True)


@pytest.fixture
def models(fresh):
    """Return a model of each kind that methods start from."""
    trained = copy.deepcopy(fresh)
    with torch.no_grad():
        trained(torch.rand(16, 3, 6, 6))
    return {"random": fresh, "dense": trained}


def run(models, dataset, method, sparsity=0.8, **options):
    options = {"recipe": RECIPE, "device": "cpu"} | options
    return prune(models[METHODS[method].starts_from], dataset, method, sparsity, **options)


@pytest.mark.parametrize("distribution", ["global", "uniform", "erk"])
@pytest.mark.parametrize("score", ["magnitude", "random"])
@pytest.mark.parametrize("method", METHODS)
def test_every_method_reaches_its_exact_sparsity(models, dataset, method, score, distribution):
    before = {kind: copy.deepcopy(model.state_dict()) for kind, model in models.items()}
    pruned = run(models, dataset, method, score=score, distribution=distribution)
    assert pruned.masks.n_kept == count_kept(336, 0.8) == 67
    for name, mask in pruned.masks.items():
        weight = pruned.model.get_parameter(name)
        assert torch.equal(weight != 0, mask)
    for kind, model in models.items():  # the model given stays as it is
        assert all(torch.equal(before[kind][k], t) for k, t in model.state_dict().items())
    assert pruned.compression == {
        "method": method,
        "sparsity": 0.8,
        "score": score,
        "distribution": distribution,
        "ignore": [],
        "seed": 0,
    }
    assert len(pruned.history.epochs) == 6
    assert pruned.recipe == RECIPE
    assert not pruned.model.training


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


@pytest.mark.parametrize("step", [1, 10, 19, 23])
@pytest.mark.parametrize("method", METHODS)
def test_interrupted_run_resumes_to_the_same_bits(models, dataset, method, step, tmp_path):
    whole = run(models, dataset, method, callbacks=[Stop(None)])
    with pytest.raises(KeyboardInterrupt):
        run(models, dataset, method, callbacks=[Stop(step)], resume_dir=tmp_path)
    resumed = run(models, dataset, method, callbacks=[Stop(None)], resume_dir=tmp_path)
    again = run(models, dataset, method, callbacks=[Stop(None)], resume_dir=tmp_path)
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
        ({"method": "gmp"}, ConfigError, "unknown method 'gmp': did you mean gmp-ri, gmp-pt\\?"),
        ({"sparsity": 95}, ConfigError, "did you mean 0.95"),
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
    for method in METHODS:
        assert prune(model, dataset, method, 0.5, recipe=RECIPE, device="cpu").masks.n_kept == 108


def test_layer_that_vanishes_warns(models, dataset):
    models["dense"].head.weight.data.mul_(1e-6)
    with pytest.warns(PrunescopeWarning, match="leaves no weight of head"):
        run(models, dataset, "one-shot", 0.5, recipe=None)


def test_methods_of_the_registry_say_where_they_start_and_how_they_train():
    assert {name: (m.starts_from, m.recipe) for name, m in METHODS.items()} == {
        "one-shot": ("dense", None),
        "gmp-ri": ("random", "paper-ri"),
        "gmp-pt": ("dense", "paper-pt"),
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
