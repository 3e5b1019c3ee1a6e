"""Each measure on drawn faces, whose prevalence in each group is planted and known in closed form.

A small network learns them and is pruned until its answers no longer follow what was planted. Each
measure must move what it is for back towards a number that is written down, on faces that fitted
nothing. (The measures that train by group have a planted bias with a known cause in
``finetune/test_run.py``.)
"""

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score

from prunescope.data import DataConfig, load_dataset
from prunescope.data.synthetic import ATTRIBUTES, prevalence, true_rates
from prunescope.mitigate.measures import measures_for, take
from prunescope.study import Models, prune_model, train_model
from prunescope.study.sweep import silent
from prunescope.training import Recipe

DENSE = Recipe(
    steps=120, batch_size=64, learning_rate=1.0, nesterov=True, weight_decay=5e-5, warmup=0.1
)
PRUNED = DENSE.replace(steps=60, learning_rate=0.3)
TUNED = PRUNED.replace(steps=30)
TRAINED = ("finetune-none", "finetune-distill", "finetune-balance-labels")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Return the scene and what each measure makes of it."""
    folder = tmp_path_factory.mktemp("faces")
    config = DataConfig(
        source="synthetic", n_train=1500, n_val=1000, n_test=1200, size=32, seed=3,
        cache=folder / "cache",
    )  # fmt: skip
    dataset = load_dataset(config)
    train = dataset.split("train")
    dense = train_model(train, "resnet_small", DENSE, folder / "dense", data=config)
    pruned = prune_model(
        dense, train, "gmp-pt", 0.97, folder / "pruned", recipe=PRUNED, data=config
    )
    models = Models(pruned, dense, dataset, TUNED, folder / "out", data=config, group="Male")
    scene = models.scene(silent)
    candidates = [take(scene, name) for name in measures_for(scene)] + models.train(TRAINED, silent)
    made = {one.name: one.test for one in candidates}
    return scene, {"nothing": scene.pruned_test, **made}


def distance(model, planted, rows=slice(None)):
    """Return how far the answered rates lie from planted ones, as a mean over attributes."""
    wanted = np.array([planted[name] for name in ATTRIBUTES])
    return abs(model.decisions[rows].mean(axis=0) - wanted).mean()


def sides(model):
    male = model.samples.groups["Male"].codes == 1
    return {True: male, False: ~male}


def found_share(model):
    yes = model.samples.labels == 1
    return (model.decisions & yes).sum(axis=0) / np.maximum(yes.sum(axis=0), 1)


def mean_score(score, model):
    columns = zip(model.samples.labels.T, model.decisions.T, strict=True)
    return np.mean([score(labels, answers) for labels, answers in columns])


def calibration_error(model, bins=15):
    """Return the ECE of all answers together, by a loop over bins."""
    p, yes = model.probabilities.ravel(), (model.samples.labels == 1).ravel()
    place = np.minimum((p * bins).astype(int), bins - 1)
    return sum(
        abs(yes[place == b].mean() - p[place == b].mean()) * (place == b).mean()
        for b in np.unique(place)
    )


def flips(model, dense):
    return (model.decisions != dense.decisions).mean()


def test_prevalence_brings_the_planted_rates_back(world):
    _, made = world
    before, after = (distance(made[name], prevalence()) for name in ("nothing", "prevalence"))
    assert before > 0.06
    assert after < 0.02


def test_prevalence_by_group_brings_the_planted_rates_of_each_side_back(world):
    _, made = world
    for side in (True, False):
        rates = true_rates("Male", side)
        before, pooled, apart = (
            distance(made[name], rates, sides(made[name])[side])
            for name in ("nothing", "prevalence", "group-prevalence")
        )
        assert apart < before / 3
        assert apart < pooled


def test_the_dense_models_rates_are_followed(world):
    scene, made = world
    rates = dict(zip(ATTRIBUTES, scene.dense_test.decisions.mean(axis=0), strict=True))
    before, after = (distance(made[name], rates) for name in ("nothing", "dense-rate"))
    assert after < before / 3
    shares = [abs(found_share(made[name]) - found_share(scene.dense_test)).mean()
              for name in ("nothing", "dense-tpr")]  # fmt: skip
    assert shares[1] < shares[0] / 2


@pytest.mark.parametrize(
    ("measure", "score"),
    [("f1", f1_score), ("balanced-accuracy", balanced_accuracy_score)],
)
def test_what_is_highest_is_higher_than_by_any_other_threshold(world, measure, score):
    _, made = world
    others = ("nothing", "prevalence", "dense-rate", "dense-tpr", "f1", "balanced-accuracy")
    scores = {name: mean_score(score, made[name]) for name in others}
    assert max(scores, key=scores.get) == measure


def test_true_positive_rates_of_the_sides_come_together(world):
    _, made = world
    gaps = []
    for name in ("nothing", "group-equal-tpr"):
        model = made[name]
        by_side = [found_share(model.take(rows)) for rows in sides(model).values()]
        gap = abs(by_side[0] - by_side[1])
        gaps.append(np.delete(gap, ATTRIBUTES.index("Male")).mean())  # which one side has not
    assert gaps[1] < gaps[0] / 2


@pytest.mark.parametrize("measure", ["temperature", "isotonic"])
def test_probabilities_come_closer_to_the_truth(world, measure):
    _, made = world
    assert calibration_error(made[measure]) < 0.75 * calibration_error(made["nothing"])
    order = np.argsort(made["nothing"].logits, axis=0, kind="stable")
    assert (np.argsort(made[measure].logits, axis=0, kind="stable") == order).all()


def test_routing_takes_flips_and_errors_away(world):
    scene, made = world
    before = flips(made["nothing"], scene.dense_test)
    # 5% of the answers are sent; at random that would take 5% of the flips away
    assert flips(made["route-dense"], scene.dense_test) < 0.8 * before
    assert flips(made["route-images"], scene.dense_test) < 0.95 * before
    errors = [1 - mean_score(lambda y, d: (y == d).mean(), made[name])
              for name in ("nothing", "route-person")]  # fmt: skip
    assert errors[1] < 0.9 * errors[0]


def test_training_moves_what_it_is_for_beside_its_control(world):
    scene, made = world
    control, told = (made[f"finetune-{name}"] for name in ("none", "distill"))
    apart = [abs(model.probabilities - scene.dense_test.probabilities).mean()
             for model in (control, told)]  # fmt: skip
    assert apart[1] < 0.95 * apart[0]
    rates = [
        distance(made[f"finetune-{name}"], prevalence()) for name in ("none", "balance-labels")
    ]
    assert rates[1] < rates[0]
