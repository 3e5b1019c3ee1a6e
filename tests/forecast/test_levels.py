"""Whether attributes fared as expected, where their fate is planted."""

import numpy as np
import polars as pl
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from prunescope.data.samples import Group, Samples
from prunescope.forecast import forecast, score
from prunescope.forecast.drift import JITTER
from prunescope.predictions import Compression, Metadata, Predictions

A, N = 16, 12_000


@pytest.fixture(scope="module")
def world():
    """Sixteen attributes from rare to common; pruning does what is expected, up to chance."""
    rng = np.random.default_rng(0)
    rates = np.linspace(0.05, 0.9, A)
    male = rng.random(N) < 0.4
    shared = rng.normal(0, 1, (N, 1)) + rng.choice([-1, 1], A) * 0.7 * male[:, None]
    z = (2 * np.log(rates / (1 - rates)) + 2 * shared + rng.normal(0, 1.5, (N, A))).astype("f4")
    samples = Samples(
        pl.Series([str(i) for i in range(N)]),
        tuple(f"a{i}" for i in range(A)),
        (z + rng.logistic(0, 1, z.shape) > 0).astype(np.int8),
        {"Male": Group.from_series(pl.Series(male))},
    )
    told = samples.rates()
    metadata = Metadata(
        name="dense",
        train_prevalence=dict(told.prevalence),
        train_group_rates={g: dict(v) for g, v in told.group_rates.items()},
    )
    dense = Predictions(samples, z, metadata)
    found = forecast(dense, sparsity=0.97)
    how = Compression(method="gmp-ri", sparsity=0.97)
    # what chance adds, the expected part has less of: sparse margins spread as expected ones do
    mean, spread, jitter = found.expected.mean(0), found.expected.std(0), JITTER * z.std(0)
    kept = np.sqrt(1 - np.square(jitter / spread))
    moved = mean + kept * (found.expected - mean) + jitter * rng.normal(0, 1, z.shape)
    sparse = Predictions(samples, moved.astype("f4"), Metadata(name="sparse", compression=how))
    return found, score(found, sparse, replicates=100), sparse


def row(world, metric, predictor):
    [found] = world[1].levels.filter(metric=metric, predictor=predictor).to_dicts()
    return found


def test_a_forecast_that_is_right_ranks_attributes_and_groups_right(world):
    for metric in ("flip_rate", "rare_value_ratio", "bias_amplification"):
        found = row(world, metric, "forecast")
        assert found["rho"] > 0.85, metric
        assert found["p_value"] < 0.01
        assert found["expected_at"] == 0.97
    lean = row(world, "bias_amplification", "forecast")
    assert lean["auroc"] > 0.9
    assert lean["auroc_p_value"] < 0.05
    assert 0 < lean["brier"] < 0.25


def test_figures_are_those_of_scipy_and_scikit_learn(world):
    forecast, _, sparse = world
    flips = ((sparse.logits > 0) != forecast.answer).mean(axis=0)
    expected = forecast.at().filter(pl.col("group").is_null(), metric="flip_rate")["expected"]
    want = spearmanr(expected, flips)[0]
    assert row(world, "flip_rate", "forecast")["rho"] == pytest.approx(want)
    rarity = [-min(p, 1 - p) for p in forecast.info.metadata.train_prevalence.values()]
    assert row(world, "flip_rate", "rarity")["rho"] == pytest.approx(spearmanr(rarity, flips)[0])


def test_rises_are_told_from_falls(world):
    forecast, judged, sparse = world
    from prunescope.audit import audit

    dense = Predictions(sparse.samples, forecast.margin, forecast.info.metadata)
    seen = audit(dense, sparse, replicates=0).table.filter(
        pl.col("model") == "sparse", pl.col("attribute").is_not_null(), pl.col("group").is_null(),
        pl.col("metric") == "rare_value_ratio", pl.col("delta").is_not_null(),
    )  # fmt: skip
    rises = dict(zip(seen["attribute"], seen["delta"] > 0, strict=True))
    expected = forecast.at().filter(
        pl.col("group").is_null(), pl.col("attribute").is_in(list(rises)), metric="rare_value_ratio"
    )
    truth = [rises[name] for name in expected["attribute"]]
    found = judged.levels.filter(metric="rare_value_ratio", predictor="forecast").to_dicts()[0]
    assert found["n_rising"] == sum(truth)
    assert 0 < sum(truth) < len(truth)
    assert found["auroc"] == pytest.approx(roc_auc_score(truth, expected["change"]))


def test_trivial_predictors_stand_beside_and_a_flip_rate_never_falls(world):
    levels = world[1].levels
    assert set(levels["predictor"]) == {
        "forecast", "rarity", "dense", "error", "uncertainty", "skew",
    }  # fmt: skip
    assert set(levels.filter(predictor="dense")["metric"]) == {
        "rare_value_ratio", "bias_amplification",
    }  # fmt: skip
    assert set(levels.filter(predictor="skew")["metric"]) == {"bias_amplification"}
    assert levels.filter(metric="flip_rate")["auroc"].null_count() == 4
    trivial = levels.filter(pl.col("predictor") != "forecast")["auroc"].drop_nulls()
    assert (trivial >= 0.5).all()  # their direction is chosen afterwards


def test_shuffled_attributes_are_no_evidence(world):
    """What is expected of one attribute happens to another: the p-value must not be small."""
    forecast, _, sparse = world
    order = np.random.default_rng(3).permutation(A)
    sign = np.where(forecast.answer, 1, -1)
    flipped = ((sparse.logits > 0) != forecast.answer)[:, order]
    shuffled = Predictions(
        sparse.samples,
        np.where(flipped, -sign, sign).astype("f4"),
        sparse.metadata.model_copy(update={"name": "shuffled"}),
    )
    levels = score(forecast, shuffled, replicates=100).levels
    [found] = levels.filter(metric="flip_rate", predictor="forecast").to_dicts()
    assert found["p_value"] > 0.05
