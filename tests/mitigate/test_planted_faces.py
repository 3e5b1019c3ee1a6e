"""Each measure on faces whose prevalence in each group is planted and known in closed form.

The answers are planted, too: the dense model is calibrated, and the pruned one has four faults of
known size. Each measure must move what it is for back towards a number that is written down, on
faces that fitted nothing. (The measures that train have a planted bias in ``finetune``.)
"""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from scipy.stats import norm
from sklearn.metrics import balanced_accuracy_score, f1_score

from prunescope.data.samples import Group, Samples
from prunescope.data.synthetic import ATTRIBUTES, correlation, prevalence, thresholds, true_rates
from prunescope.mitigate import Scene
from prunescope.mitigate.measures import measures_for, take
from prunescope.predictions import Metadata, Predictions

N = {"val": 8000, "test": 8000}
BLUR = 1.5
"""Deviation of the noise through which the dense model sees what makes an attribute true."""
RARER = 1.0
"""By how much the pruned model's logits are moved towards the commoner value."""
APART = 1.5
"""By how much they are moved towards what is commoner on the side of a face."""
HEAT = 2.0
"""By how much it is too sure."""
FORGOTTEN = 0.1
"""Share of faces about which a forgetful model tosses coins, and knows it."""
SENT = 0.05
"""Share of answers that routing sends."""


def dense_of(split, seed):
    """Return a calibrated model: log-odds of z > t given z + noise, for two normal variables."""
    rng = np.random.default_rng([seed, len(split)])
    z = rng.multivariate_normal(np.zeros(len(ATTRIBUTES)), correlation(), N[split])
    labels = (z > thresholds()).astype(np.int8)
    seen = (z + rng.normal(0, BLUR, z.shape)) / (1 + BLUR**2)
    above = (seen - thresholds()) * np.sqrt(1 + BLUR**2) / BLUR
    samples = Samples(
        pl.Series([f"{split}-{i}" for i in range(len(z))]),
        ATTRIBUTES,
        labels,
        {"Male": Group.from_series(pl.Series(labels[:, ATTRIBUTES.index("Male")] == 1))},
    )
    logits = norm.logcdf(above) - norm.logsf(above)
    return Predictions(samples, logits.astype("f4"), Metadata(name="dense", split=split)), rng


def faulty(dense):
    """Return the pruned model: moved towards the commoner value and the sides, and too sure."""
    towards = np.array([1 if prevalence()[a] > 0.5 else -1 for a in ATTRIBUTES])
    men, women = (true_rates("Male", side) for side in (True, False))
    of_men = np.array([1 if men[a] > women[a] else -1 for a in ATTRIBUTES])
    side = np.where(sides(dense)[True], 1, -1)[:, None]
    logits = HEAT * (dense.logits + RARER * towards + APART * side * of_men)
    return replace(dense, logits=np.round(logits, 3), metadata=Metadata(name="pruned"))


def forgetful(dense, rng):
    """Return a pruned model that is the dense one, but on the faces that it has forgotten."""
    forgotten = np.arange(len(dense.samples)) < FORGOTTEN * len(dense.samples)
    coins = rng.uniform(-1e-4, 1e-4, dense.logits.shape).astype("f4")
    logits = np.where(forgotten[:, None], coins, dense.logits)
    return replace(dense, logits=logits, metadata=Metadata(name="pruned"))


@pytest.fixture(scope="module")
def world(seed):
    """Return the scene and what each measure makes of it."""
    dense = [dense_of(split, seed)[0] for split in N]
    pruned = [faulty(model) for model in dense]
    scene = Scene(dense[0], pruned[0], dense[1], pruned[1], group="Male")
    return scene, {
        "nothing": scene.pruned_test,
        **{
            name: take(scene, name).test
            for name in measures_for(scene)
            if not name.startswith("route")
        },
    }


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


def test_the_dense_model_is_calibrated(world):
    scene, _ = world
    assert calibration_error(scene.dense_test) < 0.01


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
        assert apart < pooled / 2


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


def flips(model, dense):
    return (model.decisions != dense.decisions).mean()


def test_routing_takes_flips_and_errors_away(seed):
    """The least sure answers are those about forgotten faces: half of what is sent was wrong."""
    models = []
    for split in N:
        dense, rng = dense_of(split, seed)
        models += [dense, forgetful(dense, rng)]
    scene = Scene(*models, share=SENT)
    dense, nothing = scene.dense_test, scene.pruned_test
    assert flips(nothing, dense) == pytest.approx(FORGOTTEN / 2, rel=0.1)

    def errors(model):
        return (model.decisions != (model.samples.labels == 1)).mean()

    for measure in ("route-dense", "route-images", "route-person"):
        made = take(scene, measure).test
        sent = (made.logits != nothing.logits).mean()
        assert sent == pytest.approx(SENT, rel=0.35), measure  # a cut of the validation split's
        if measure == "route-person":
            taken = errors(nothing) - errors(made)
        else:
            taken = flips(nothing, dense) - flips(made, dense)
        assert taken == pytest.approx(sent / 2, rel=0.1), measure  # at random: 5% of them
