"""Measures from two models: asked, trained again, set side by side; taken up where they stopped."""

import pytest

from prunescope.data import DataConfig, load_dataset
from prunescope.errors import CheckpointError, ConfigError
from prunescope.mitigate import compare
from prunescope.study import TRAINED, Models, prune_model, train_model, trained_for
from prunescope.study.sweep import silent
from prunescope.training import Recipe

RECIPE = Recipe(steps=4, batch_size=16, learning_rate=0.1, warmup=0.0)


@pytest.fixture(scope="module")
def models(tmp_path_factory, seed):
    folder = tmp_path_factory.mktemp("measures")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PRUNESCOPE_CACHE", str(folder / "cache"))
        config = DataConfig(
            source="synthetic", n_train=160, n_val=40, n_test=40, size=32, seed=seed
        )
        dataset = load_dataset(config)
        train = dataset.split("train")
        dense = train_model(train, "resnet_small", RECIPE, folder / "dense", data=config)
        pruned = prune_model(
            dense, train, "one-shot", 0.6, folder / "pruned", recipe=RECIPE, data=config
        )
        yield Models(pruned, dense, dataset, RECIPE, folder / "out", data=config, group="Male")


def test_trained_measures_stand_beside_the_others_and_are_made_once(models):
    scene = models.scene(silent)
    assert (scene.pruned_test.name, scene.dense_test.name) == ("pruned", "dense")
    names = ["finetune-none", "finetune-constrain"]
    candidates = models.train(names, silent)
    found = compare(scene, ["dense-rate"], candidates, replicates=0)
    assert {one.name for one in found.info.measures} == {"dense-rate", *names}
    told = {one.name: one for one in found.info.measures}
    assert told["finetune-constrain"].summary == TRAINED["finetune-constrain"]
    assert told["finetune-none"].cost == "4 steps of training"
    kept = models.out / "models" / "finetune-none" / "model.safetensors"
    made = kept.stat().st_mtime_ns
    again = models.train(names, silent)
    assert kept.stat().st_mtime_ns == made
    assert (again[0].test.logits == candidates[0].test.logits).all()


def test_a_model_of_another_recipe_is_not_taken_for_it(models):
    models.train(["finetune-none"], silent)
    other = Models(models.pruned, models.dense, models.dataset, RECIPE.replace(steps=5), models.out)
    with pytest.raises(CheckpointError, match="made of another model or by another recipe"):
        other.train(["finetune-none"], silent)


def test_measures_that_do_not_fit_are_refused_before_training(models):
    alone = Models(models.pruned, models.dense, models.dataset, RECIPE, models.out)
    with pytest.raises(ConfigError, match="finetune-constrain treats the values of a group apart"):
        alone.train(["finetune-constrain"], silent)
    with pytest.raises(ConfigError, match="unknown measure 'finetune-nothing'"):
        alone.train(["finetune-nothing"], silent)
    assert "finetune-constrain" not in trained_for(None)
    assert trained_for("Male") == list(TRAINED)
