"""Trials on tiny networks, whose outcome is known."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch
from torch import nn

from prunescope.data.dataset import Dataset
from prunescope.data.samples import Samples, TrainRates
from prunescope.forecast import SCORERS
from prunescope.forecast.drift import (
    cut_at_random,
    cut_to_probe,
    cut_to_reconstruct,
    cuts_at_once,
    noise,
)
from prunescope.forecast.lab import PROBE, Lab, Meter, cut
from prunescope.forecast.scorers import Case
from prunescope.predictions import Metadata, Predictions
from prunescope.pruning.reconstruction import DAMPING
from prunescope.training import Recipe, infer

N, SIDE = 300, 4
SPARSITY = 0.95


class Linear(nn.Module):
    """One linear layer on the pixels: no normalisation, no bias, so that trials can be told."""

    def __init__(self, n_outputs=2):
        super().__init__()
        self.head = nn.Linear(3 * SIDE * SIDE, n_outputs, bias=False)

    def forward(self, images):
        return self.head(images.flatten(1))


@pytest.fixture
def world(seed):
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (2 * N, 3, SIDE, SIDE), np.uint8)
    model = Linear().eval()
    with torch.no_grad():
        model.head.weight.copy_(torch.randn(2, 48, generator=torch.Generator().manual_seed(seed)))
    samples = Samples(
        pl.Series([str(i) for i in range(2 * N)]),
        ("a", "b"),
        rng.integers(0, 2, (2 * N, 2), np.int8),
    )
    everyone = Dataset(
        "dots", "0", samples, pixels, np.arange(2 * N), np.array(["train"] * N + ["test"] * N)
    )
    scored = everyone.split("test")
    lab = Lab(model, everyone.split("train"), scored, Recipe(steps=20, learning_rate=1e-9))
    dense = Predictions(scored.samples, infer(model, scored), Metadata(name="dense"))
    x = scored.images(np.arange(N)).reshape(N, -1) / 255
    weight = model.head.weight.detach().numpy()
    return lab, Case(dense, TrainRates({"a": 0.5, "b": 0.5}, {}), SPARSITY, lab=lab), x, weight


def test_what_a_trial_adds_to_all_classes_alike_is_left_out(world):
    """Else classes would seem to sway that only go up and down together."""
    lab, _, _, _ = world
    of_classes = replace(
        lab, scored=replace(lab.scored, samples=replace(lab.scored.samples, task="multiclass"))
    )

    def louder(by):
        def trial(model):
            with torch.no_grad():
                model.head.weight += by  # the same for both outputs

        return trial

    mean, deviation = of_classes.moments(of_classes.changed(louder(by)) for by in (0.0, 1.0, -3.0))
    dense = infer(lab.model, lab.scored)
    assert mean == pytest.approx(dense - dense.mean(axis=1, keepdims=True), abs=1e-3)
    assert abs(deviation).max() < 1e-3
    assert lab.moments(lab.changed(louder(by)) for by in (0.0, 1.0, -3.0))[1].max() > 1


def test_moments_are_mean_and_deviation_over_trials(world):
    lab, _, x, weight = world
    cuts = [0.1, 0.5, 0.8]
    logits = np.stack([x @ pruned(weight, s).T for s in cuts])
    mean, deviation = lab.moments(lab.changed(cut("magnitude", s, 0)) for s in cuts)
    assert mean == pytest.approx(logits.mean(axis=0), abs=1e-5)
    assert deviation == pytest.approx(logits.std(axis=0, ddof=1), abs=1e-5)


def pruned(weight, sparsity):
    """Zero the smallest weights by hand."""
    order = np.argsort(abs(weight), axis=None)
    gone = order[: weight.size - round((1 - sparsity) * weight.size)]
    result = weight.copy().ravel()
    result[gone] = 0
    return result.reshape(weight.shape)


def test_trials_leave_the_model_as_it_was(world):
    lab, case, _, weight = world
    for name in ("weight-noise", "random-pruning", "reconstruction", "augmentation", "probe"):
        SCORERS[name].look(case)
        assert np.array_equal(lab.model.head.weight.detach().numpy(), weight), name


def test_weight_noise_leaves_the_mean_and_spreads_by_its_size(world):
    lab, case, x, weight = world
    found = SCORERS["weight-noise"].look(case)
    size = noise(SPARSITY) * weight.std(ddof=1) * np.sqrt((x**2).sum(axis=1))
    off = (found.mean - case.dense.logits) / (size[:, None] / np.sqrt(6))
    assert 0.3 < np.sqrt(np.mean(off**2)) < 2.5  # a mean of six draws, shared by all images
    assert lab.seed == 0


def test_random_pruning_expects_what_is_left_of_the_weights(world):
    _, case, x, weight = world
    found = SCORERS["random-pruning"].look(case)
    left = 1 - cut_at_random(SPARSITY)
    scale = np.sqrt(left * (1 - left) * ((x**2) @ (weight.T**2)) / 6)
    assert (abs(found.mean - left * (x @ weight.T)) < 5 * scale).all()


def test_one_shot_expects_the_mean_over_its_cuts(world):
    _, case, x, weight = world
    want = np.mean([x @ pruned(weight, s).T for s in cuts_at_once(SPARSITY)], axis=0)
    assert SCORERS["one-shot"].look(case).mean == pytest.approx(want, abs=1e-5)


def test_cuts_are_milder_than_planned_and_grow_with_it():
    for rule in (cut_at_random, cut_to_probe, cut_to_reconstruct, lambda s: cuts_at_once(s)[0]):
        cuts = [rule(s) for s in (0.5, 0.9, 0.99)]
        assert cuts == sorted(cuts)
        assert all(0 < cut < s for cut, s in zip(cuts, (0.5, 0.9, 0.99), strict=True))


def test_augmentation_averages_an_image_its_mirror_image_and_moved_ones(world):
    lab, _, _, weight = world
    images = lab.scored.images(np.arange(N)).astype(np.float64) / 255
    padded = np.pad(images, ((0, 0), (0, 0), (2, 2), (2, 2)), mode="edge")
    views = [images, images[..., ::-1]]
    for down, right in ((0, 2), (4, 2), (2, 0), (2, 4)):
        views.append(padded[:, :, down : down + SIDE, right : right + SIDE])
    want = np.mean([view.reshape(N, -1) @ weight.T for view in views], axis=0)
    assert lab.ask(lab.model, shift=2) == pytest.approx(want, abs=1e-5)


def test_a_probe_that_hardly_trains_is_a_cut(world):
    lab, _, x, weight = world
    assert lab.ask(lab.probe(0.5, 0.15)) == pytest.approx(x @ pruned(weight, 0.5).T, abs=1e-4)


def test_a_probe_trains_a_share_of_the_steps(world):
    lab, _, _, _ = world
    told = []
    meter = Meter(PROBE, lambda *at: told.append(at))
    replace(lab, meter=meter).probe(0.5, 0.15)
    thirds = [round(1000 * PROBE * k / 3) for k in (1, 2, 3)]  # three steps of twenty
    assert {at for at, _, _ in told} <= set(thirds)
    assert told[-1][0] == thirds[-1]


def test_the_probe_scorer_stands_between_probe_and_ensemble(world):
    lab, case, _, _ = world
    ensemble = SCORERS["ensemble"].look(case)
    want = (lab.ask(lab.probe(cut_to_probe(SPARSITY), 0.15)) + ensemble.mean) / 2
    assert SCORERS["probe"].look(case).mean == pytest.approx(want, abs=1e-4)


def test_a_reconstruction_fits_what_stays_to_all_images(world):
    """Each output solves its own normal equations on the weights that stay."""
    lab, _, _, weight = world
    found = lab.reconstructed(0.5, N, 0).head.weight.detach().numpy()
    images = lab.training.images(np.arange(N)).reshape(N, -1) / 255
    moments = images.T @ images / N
    moments += DAMPING * np.diag(moments).mean() * np.eye(len(moments))
    keep = found != 0
    assert keep.sum() == keep.size // 2
    for row, stay, made in zip(weight, keep, found, strict=True):
        want = np.zeros_like(row)
        want[stay] = np.linalg.solve(moments[np.ix_(stay, stay)], (moments @ row)[stay])
        assert made == pytest.approx(want, abs=1e-4)
    assert abs(found - weight * keep).max() > 0.01


def test_draws_of_images_differ_and_are_drawn_by_the_seed(world):
    lab, _, _, _ = world
    first, again, other = (
        lab.reconstructed(0.5, 50, draw).head.weight.detach().numpy() for draw in (0, 0, 1)
    )
    assert np.array_equal(first, again)
    assert abs(first - other).max() > 1e-3


def test_reconstruction_expects_the_mean_over_draws(world):
    lab, case, _, _ = world
    sparsity = cut_to_reconstruct(SPARSITY)
    asked = [lab.ask(lab.reconstructed(sparsity, 256, draw)) for draw in range(5)]
    found = SCORERS["reconstruction"].look(case)
    assert found.mean == pytest.approx(np.mean(asked, axis=0), abs=1e-4)
    spread = np.sqrt(np.var(asked, axis=0, ddof=1) + case.spread**2)
    assert found.spread == pytest.approx(spread, rel=1e-3)


def test_the_ensemble_is_the_mean_of_images_weights_and_answers(world):
    _, case, _, _ = world
    parts = [
        SCORERS[name].look(case).mean for name in ("reconstruction", "augmentation",
                                                   "spectral-shrink")
    ]  # fmt: skip
    assert SCORERS["ensemble"].look(case).mean == pytest.approx(np.mean(parts, axis=0), abs=1e-4)


@pytest.mark.parametrize("name", [name for name, one in SCORERS.items() if one.tier != "A"])
def test_progress_is_one_measure_of_all_the_work(world, name):
    lab, case, _, _ = world
    told = []
    passes = SCORERS[name].passes
    meter = Meter(passes, lambda *at: told.append(at))
    SCORERS[name].look(replace(case, lab=replace(lab, meter=meter)))
    done, total, _ = zip(*told, strict=True)
    assert set(total) == {1000 * passes}
    assert list(done) == sorted(done)
    assert done[-1] == total[-1]


def test_the_same_seed_gives_the_same_risk(world):
    _, case, _, _ = world
    first, again = (SCORERS["weight-noise"].look(case).risk for _ in range(2))
    assert np.array_equal(first, again)
