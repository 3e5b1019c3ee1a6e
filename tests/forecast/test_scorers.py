"""Scorers of tier A, on logits whose fate is planted."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit, logit
from scipy.stats import spearmanr
from sklearn.decomposition import PCA
from sklearn.metrics import average_precision_score

from prunescope.data.samples import TrainRates
from prunescope.errors import ConfigError
from prunescope.forecast import BEST, SCORERS
from prunescope.forecast.drift import JITTER, shrinkage
from prunescope.forecast.scorers import Case
from prunescope.forecast.scorers.group_prior import group_rates
from prunescope.forecast.scorers.temperature import temperatures

SPARSITY = 0.95
TIER_A = [name for name, scorer in SCORERS.items() if scorer.tier == "A" and name != "temperature"]


def precision(risk, flips):
    return average_precision_score(flips.ravel(), risk.ravel())


def case_of(world, **more):
    return Case(world.dense, world.rates, SPARSITY, **more)


def test_the_best_of_each_tier_is_of_that_tier():
    assert all(SCORERS[name].tier == tier for tier, name in BEST.items())


@pytest.mark.parametrize("name", TIER_A)
def test_labels_of_the_samples_are_not_looked_at(planted, name):
    world = planted(200)
    case = case_of(world)
    samples = world.dense.samples
    blank = replace(samples, labels=np.full_like(samples.labels, -1))
    blind = replace(case, dense=replace(world.dense, samples=blank))
    look = SCORERS[name].look
    assert np.array_equal(look(case).risk, look(blind).risk)


@pytest.mark.parametrize("name", TIER_A)
@pytest.mark.parametrize("n", [1, 2, 50])
def test_risks_are_finite_for_few_samples_and_constant_logits(planted, name, n):
    world = planted(n)
    logits = world.z.copy()
    logits[:, 1] = 1.25
    found = SCORERS[name].look(Case(replace(world.dense, logits=logits), world.rates, SPARSITY))
    assert found.risk.shape == logits.shape
    assert found.risk.dtype == np.float32
    assert np.isfinite(found.risk).all()


def test_margin_is_highest_at_the_threshold(build):
    dense = build([[1, 1, 1]], [[0.1, -3.0, 1.0]])
    found = SCORERS["margin"].look(Case(dense, TrainRates({}, {}), 0.9)).risk
    assert found[0] == pytest.approx([-0.1, -3.0, -1.0])


def test_band_is_the_open_interval(build):
    dense = build([[1] * 4], [logit([0.1, 0.11, 0.89, 0.95])])
    found = SCORERS["band"].look(Case(dense, TrainRates({}, {}), 0.9)).risk
    assert found[0, 1:].tolist() == [1, 1, 0]


def test_prior_shrink_ranks_flips_perfectly_where_logits_shrink_by_its_share(planted):
    world = planted()
    prior = logit([world.rates.prevalence[a] for a in world.dense.attributes])
    share = shrinkage(SPARSITY)
    sparse = (1 - share) * world.z + share * prior
    flips = (sparse > 0) != (world.z > 0)
    assert 100 < flips.sum() < flips.size / 2
    found = precision(SCORERS["prior-shrink"].look(case_of(world)).risk, flips)
    assert found == pytest.approx(1.0)
    assert precision(SCORERS["margin"].look(case_of(world)).risk, flips) < 0.8


def test_the_share_grows_with_sparsity():
    grid = np.linspace(0.01, 0.999, 50)
    shares = [shrinkage(s) for s in grid]
    assert (np.diff(shares) >= 0).all()
    assert shares[0] < 0.01
    assert max(shares) <= 0.9


def test_probabilities_are_right_where_logits_move_by_its_spread(planted):
    """Logits that go where prior-shrink expects them, give or take its own deviation."""
    world = planted(20_000)
    found = SCORERS["prior-shrink"].look(case_of(world))
    sparse = found.mean + found.spread * world.rng.normal(0, 1, world.z.shape)
    flips = (sparse > 0) != (world.z > 0)
    p = found.flip_probability
    for low, high in ((0.02, 0.1), (0.1, 0.3), (0.3, 0.6), (0.6, 1.0)):
        inside = (p > low) & (p <= high)
        error = np.sqrt(p[inside].mean() / inside.sum())
        assert inside.sum() > 50
        assert flips[inside].mean() == pytest.approx(p[inside].mean(), abs=4 * error)


def test_group_prior_uses_the_rates_of_each_samples_groups(build):
    told = {"Male": {"True": {"a0": 0.8}, "False": {"a0": 0.2}}, "Old": {"True": {"a0": 0.6}}}
    rates = TrainRates({"a0": 0.5}, told)
    groups = {"Male": [True, False, None], "Old": [True, False, True]}
    case = Case(build([[1]] * 3, [[1.0]] * 3, groups=groups), rates, SPARSITY)
    want = [
        (logit(0.8) + logit(0.6)) / 2,  # both are told
        (logit(0.2) + logit(0.5)) / 2,  # of those that are not old it is not told
        (logit(0.5) + logit(0.6)) / 2,  # neither man nor woman
    ]
    assert group_rates(case)[:, 0] == pytest.approx(want, abs=1e-6)
    without = Case(build([[1]], [[1.0]]), rates, SPARSITY)
    assert group_rates(without) == pytest.approx([0.0])


def test_spectral_shrink_is_a_shrinking_of_principal_components(planted):
    """Against scikit-learn's decomposition."""
    world = planted()
    z = world.z.astype(np.float64)
    mean, deviation = z.mean(axis=0), z.std(axis=0)
    pca = PCA().fit((z - mean) / deviation)
    variance = pca.explained_variance_ / pca.explained_variance_[0]
    share = shrinkage(SPARSITY)
    kept = (1 - share / 2) * variance ** (share / 2)
    scores = pca.transform((z - mean) / deviation) * kept
    prior = logit([world.rates.prevalence[a] for a in world.dense.attributes])
    want = scores @ pca.components_ * deviation + (1 - share) * mean + share * prior
    found = SCORERS["spectral-shrink"].look(case_of(world))
    assert found.mean == pytest.approx(want, abs=1e-4)
    assert found.spread == pytest.approx(JITTER * deviation, rel=1e-5)


def test_spectral_shrink_finds_what_the_other_answers_contradict(planted):
    """Sparse logits that are the common part of the dense ones alone."""
    world = planted()
    common = world.z.mean(axis=1, keepdims=True) - world.z.mean()
    sparse = 0.7 * world.z + 0.3 * (world.z.mean(axis=0) + 1.2 * common)
    flips = (sparse > 0) != (world.z > 0)
    found = {n: precision(SCORERS[n].look(case_of(world)).risk, flips) for n in SCORERS if n in
             ("margin", "prior-shrink", "spectral-shrink")}  # fmt: skip
    assert found["spectral-shrink"] > max(found["margin"], found["prior-shrink"]) + 0.1


def test_spectral_shrink_does_not_depend_on_the_unit_of_a_logit(planted):
    world = planted()
    rates = TrainRates(dict.fromkeys(world.dense.attributes, 0.5), {})
    found, scaled = (
        SCORERS["spectral-shrink"].look(Case(replace(world.dense, logits=z), rates, SPARSITY)).risk
        for z in (world.z, world.z * np.array([1, 10, 0.1, 3], np.float32))
    )
    assert found == pytest.approx(scaled, rel=1e-3, abs=1e-4)


def test_classes_are_ranked_too(build):
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (400, 3)).astype(np.float32)
    dense = build(np.eye(3, dtype=int)[logits.argmax(1)], logits, task="multiclass")
    rates = TrainRates({"a0": 0.6, "a1": 0.3, "a2": 0.1}, {})
    for name in TIER_A:
        risk = SCORERS[name].look(Case(dense, rates, SPARSITY)).risk
        assert np.isfinite(risk).all(), name
    risk = SCORERS["prior-shrink"].look(Case(dense, rates, SPARSITY)).risk
    chosen = logits.argmax(axis=1)
    rare, common = (risk[chosen == c, c].mean() for c in (2, 0))
    assert rare > common  # the answer that is rare in training is rather given up


def test_temperature_recovers_the_one_that_was_planted(planted):
    world = planted(20_000)
    hot = replace(world.dense, logits=world.z * np.array([4, 2, 1, 0.5], np.float32))
    # the labels were drawn from the logits as they were
    assert temperatures(hot) == pytest.approx([4, 2, 1, 0.5], rel=0.1)


def test_temperature_takes_out_the_unit_of_a_logit(planted):
    world = planted(5000)
    hot = replace(world.dense, logits=world.z * np.array([4, 2, 1, 0.5], np.float32))
    found = SCORERS["temperature"].look(Case(hot, world.rates, SPARSITY, validation=hot)).risk
    margin = SCORERS["margin"].look(case_of(world)).risk
    assert spearmanr(found.ravel(), margin.ravel())[0] > 0.99


def test_temperature_without_validation_says_what_to_give(planted):
    with pytest.raises(ConfigError, match="validation split"):
        SCORERS["temperature"].look(case_of(planted(20)))


@pytest.mark.parametrize("name", [n for n, s in SCORERS.items() if s.tier != "A"])
def test_tiers_b_and_c_ask_for_the_model(planted, name):
    with pytest.raises(ConfigError, match="give the model and its data"):
        SCORERS[name].look(case_of(planted(20)))


def test_base_rates_of_nobody_and_everybody_are_finite(build):
    dense = build([[1, 0]], [[1.0, -1.0]])
    found = Case(dense, TrainRates({"a0": 0.0, "a1": 1.0}, {}), 0.9).base_rates()
    assert expit(found) == pytest.approx([0.001, 0.999], abs=1e-6)
