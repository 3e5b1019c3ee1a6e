"""Forecasts that ask the model: by data set, model and predictions that must fit together."""

import numpy as np
import polars as pl
import pytest
import torch
from torch import nn

from prunescope.data import synthetic_faces
from prunescope.errors import DataError
from prunescope.forecast import SCORERS, forecast
from prunescope.models import build_model
from prunescope.predictions import Metadata, Predictions
from prunescope.training import Recipe, infer

FAST = Recipe(steps=20, batch_size=16, learning_rate=0.1)


@pytest.fixture(scope="module")
def world(seed):
    faces = synthetic_faces(64, 40, 60, size=32, seed=seed)
    names = faces.samples.attributes
    torch.manual_seed(seed)
    model = nn.Sequential(
        nn.Conv2d(3, 6, 3, stride=2), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 8, 3, stride=2),
        nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, len(names)),
    ).eval()  # fmt: skip
    answers = {
        split: Predictions(
            faces.split(split).samples, infer(model, faces.split(split)), Metadata(name="dense")
        )
        for split in ("val", "test")
    }
    return faces, model, answers


@pytest.fixture
def one_draw(monkeypatch):
    """Reconstruct one network, not five: that takes as long for few images as for many."""
    monkeypatch.setattr("prunescope.forecast.scorers.reconstruction.N_DRAWS", 1)


@pytest.mark.parametrize("scorer", ["augmentation", "one-shot", "probe"])
def test_the_model_is_asked_about_the_samples_in_their_order(world, scorer, one_draw):
    faces, model, answers = world
    settings = {"scorer": scorer, "model": model, "dataset": faces, "recipe": FAST}
    found = forecast(answers["test"], **settings)
    order = np.random.default_rng(0).permutation(60)
    again = forecast(answers["test"].take(order), **settings)
    assert found.info.tier == ("C" if scorer == "probe" else "B")
    assert found.expected[order] == pytest.approx(again.expected, abs=2e-3)


def test_tier_b_is_chosen_where_there_is_a_model(world):
    faces, model, answers = world
    told = []
    found = forecast(
        answers["test"], model=model, dataset=faces, progress=lambda *at: told.append(at)
    )
    assert (found.info.tier, found.info.scorer) == ("B", "ensemble")
    assert {note for _, _, note in told} == {"layers", "trials", "images, mirrored and moved"}
    assert told[-1][0] == told[-1][1] == 1000 * SCORERS["ensemble"].passes
    assert found.at()["scorer"].unique().to_list() == ["ensemble"]
    with_a = forecast(answers["test"], model=model, dataset=faces, tier="A")
    assert with_a.info.scorer == "spectral-shrink"


def test_calibration_asks_the_model_about_the_validation_split(world):
    faces, model, answers = world
    rng = np.random.default_rng(0)
    sparse = Predictions(
        answers["val"].samples,
        answers["val"].logits + rng.normal(0, 2, answers["val"].logits.shape).astype("f4"),
        Metadata(name="small"),
    )
    found = forecast(
        answers["test"], scorer="augmentation", model=model, dataset=faces,
        validation=answers["val"], pruned_validation=[sparse],
    )  # fmt: skip
    assert found.info.calibration.n == answers["val"].logits.size


def test_predictions_of_another_model_are_refused(world):
    faces, _, answers = world
    other = build_model("resnet_small", faces.samples.attributes, image_size=32, seed=99)
    with pytest.raises(DataError, match="give the model that made them"):
        forecast(answers["test"], model=other, dataset=faces)


def test_samples_that_the_data_lack_are_refused(world):
    faces, model, answers = world
    part = faces.take(np.flatnonzero(faces.splits != "test"))
    with pytest.raises(DataError, match="lacks 60 of the 60 samples"):
        forecast(answers["test"], model=model, dataset=part)


def test_other_attributes_are_refused(world):
    from dataclasses import replace

    faces, model, answers = world
    names = tuple(f"x{i}" for i in range(len(faces.samples.attributes)))
    renamed = replace(answers["test"].samples, attributes=names)
    with pytest.raises(DataError, match="expected the same in one order"):
        forecast(replace(answers["test"], samples=renamed), model=model, dataset=faces)
    assert isinstance(renamed.ids, pl.Series)
