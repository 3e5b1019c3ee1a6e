import pytest
from pydantic import ValidationError

from prunescope.errors import ConfigError
from prunescope.training import RECIPES, Recipe


@pytest.mark.parametrize("settings", [{}, {"steps": 3, "epochs": 2}])
def test_steps_or_epochs_but_not_both(settings):
    with pytest.raises(ConfigError, match="either steps or epochs"):
        Recipe(**settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"nesterov": True, "optimizer": "adam"}, "nesterov needs optimizer='sgd'"),
        ({"nesterov": True, "momentum": 0.0}, "nesterov needs .* momentum above 0"),
        ({"schedule": "one-cycle", "warmup": 0.0}, "'one-cycle' needs a warm-up"),
        ({"milestones": (0.8, 0.2)}, "expected rising shares of the steps"),
        ({"milestones": (0.2, 1.0)}, "expected rising shares of the steps"),
    ],
)
def test_settings_that_contradict_each_other(settings, message):
    with pytest.raises(ConfigError, match=message):
        Recipe(steps=1, **settings)


@pytest.mark.parametrize(
    "setting",
    [
        {"batch_size": 0},
        {"learning_rate": 0},
        {"learning_rate": float("nan")},
        {"learning_rate": float("inf")},
        {"momentum": 1.0},
        {"warmup": 1.0},
        {"optimizer": "lion"},
        {"schedule": "linear"},
        {"precision": "fp8"},
        {"seed": -1},
        {"label_smoothing": 0.1},
    ],
)
def test_values_out_of_range_and_unknown_settings(setting):
    with pytest.raises(ValidationError, match=next(iter(setting))):
        Recipe(steps=1, **setting)


def test_a_recipe_never_changes():
    with pytest.raises(ValidationError, match="frozen"):
        Recipe(steps=1).steps = 2


def test_replacing_checks_again_and_keeps_the_rest():
    recipe = Recipe(epochs=4, learning_rate=0.3, seed=2)
    changed = recipe.replace(steps=7, batch_size=9)
    assert (changed.steps, changed.epochs, changed.batch_size) == (7, None, 9)
    assert (changed.learning_rate, changed.seed) == (0.3, 2)
    assert changed.replace(epochs=1.5).steps is None
    assert recipe.replace(seed=3).epochs == 4
    with pytest.raises(ValidationError):
        recipe.replace(batch_size=-1)
    with pytest.raises(ValidationError):
        recipe.replace(bach_size=1)


@pytest.mark.parametrize(
    ("recipe", "n", "per_epoch", "total"),
    [
        (Recipe(epochs=3, batch_size=10), 40, 4, 12),
        (Recipe(epochs=3, batch_size=10), 49, 4, 12),
        (Recipe(epochs=2.5, batch_size=10), 40, 4, 10),
        (Recipe(epochs=0.01, batch_size=10), 40, 4, 1),
        (Recipe(epochs=3, batch_size=100), 40, 1, 3),
        (Recipe(steps=7, batch_size=10), 40, 4, 7),
    ],
)
def test_lengths(recipe, n, per_epoch, total):
    assert (recipe.steps_per_epoch(n), recipe.total_steps(n)) == (per_epoch, total)


def test_it_survives_json():
    recipe = Recipe(epochs=2, milestones=(0.1, 0.9))
    assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe


def test_the_papers_recipes():
    from_scratch, from_dense = RECIPES["paper-ri"], RECIPES["paper-pt"]
    assert (from_scratch.optimizer, from_scratch.learning_rate) == ("sgd", 0.256)
    assert (from_scratch.momentum, from_scratch.weight_decay) == (0.875, 3.05e-5)
    assert (from_scratch.epochs, from_scratch.warmup * 100) == (100, 5)
    assert (from_scratch.schedule, from_scratch.batch_size) == ("cosine", 256)
    assert (from_dense.optimizer, from_dense.learning_rate) == ("adam", 1e-4)
    assert (from_dense.schedule, from_dense.epochs) == ("constant", 80)
    assert from_scratch.flip
    assert from_dense.flip
