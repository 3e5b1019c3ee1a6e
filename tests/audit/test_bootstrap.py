import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from prunescope.audit.bootstrap import Bootstrap, resampling_units
from prunescope.errors import ConfigError
from prunescope.metrics import Slices, count, rank

SEEDS = st.integers(0, 2**32 - 1)


def repeated(build, predictions, weights):
    """Predictions in which each sample stands as often as its weight says, under a new id."""
    rows = np.repeat(np.arange(len(weights)), weights.astype(int))
    samples = predictions.samples
    return build(
        samples.labels[rows],
        predictions.logits[rows],
        groups={
            name: group.take(rows).to_series(name).to_list()
            for name, group in samples.groups.items()
        },
    ), rows


def slices_of_rows(slices, rows):
    return Slices(slices.groups, slices.values, slices.codes[:, rows])


UNITS = {
    "samples": lambda rng, n: np.arange(n),
    "clusters": lambda rng, n: np.unique(rng.integers(0, n // 3, n), return_inverse=True)[1],
    "clusters of one, in another order": lambda rng, n: rng.permutation(n),
}


@settings(max_examples=30)
@given(seed=SEEDS, kind=st.sampled_from(sorted(UNITS)))
def test_statistics_of_a_replicate_are_those_of_the_repeated_samples(build, draw, seed, kind):
    predictions = draw(seed, n=24)
    units = UNITS[kind](np.random.default_rng(seed), 24)
    slices = Slices.of(predictions.samples)
    bootstrap = Bootstrap.draw(units, 3, seed)
    found = bootstrap.statistics(
        predictions, slices, 7, (0.2, 0.7), bootstrap.labelled(predictions.samples)
    )
    for r, weights in enumerate(bootstrap.of_samples()):
        same, rows = repeated(build, predictions, weights)
        wanted = count(same, slices_of_rows(slices, rows), n_bins=7, band=(0.2, 0.7))
        assert np.allclose(found.sums[r], wanted.sums, rtol=0, atol=1e-4)
        for mine, other in (
            (found.predicted, wanted.predicted),
            (found.labelled, wanted.labelled),
        ):
            for part, whole in zip(mine, other, strict=True):
                got = np.broadcast_to(part, (3, 3, 3))[r]
                assert np.array_equal(got, np.broadcast_to(whole, (3, 3)))


@settings(max_examples=20)
@given(seed=SEEDS, kind=st.sampled_from(sorted(UNITS)))
def test_transitions_of_a_replicate_are_those_of_the_repeated_samples(draw, seed, kind):
    before, after = draw(seed, n=24, models=2)
    units = UNITS[kind](np.random.default_rng(seed), 24)
    slices = Slices.of(before.samples)
    bootstrap = Bootstrap.draw(units, 2, seed)
    found = bootstrap.transitions(before, after, slices)
    for r, weights in enumerate(bootstrap.of_samples()):
        for s, rows in enumerate(slices.members()):
            wanted = np.zeros((3, 3, 2, 2))
            for row in rows:
                for a in range(3):
                    label = before.samples.labels[row, a]
                    place = a, 2 if label < 0 else label
                    decided = int(before.decisions[row, a]), int(after.decisions[row, a])
                    wanted[*place, *decided] += weights[row]
            assert np.array_equal(found[r, s], wanted)


def test_each_replicate_draws_as_many_units_as_there_are():
    bootstrap = Bootstrap.draw(np.array([0, 0, 1, 2, 2, 2]), 50, seed=1)
    assert bootstrap.weights.shape == (50, 3)
    assert (bootstrap.weights.sum(axis=1) == 3).all()
    samples = bootstrap.of_samples()
    assert samples.shape == (50, 6)
    assert np.array_equal(samples[:, 0], samples[:, 1])
    assert np.array_equal(samples[:, 3], samples[:, 5])


def test_draws_are_those_of_sampling_with_replacement():
    """Mean 1 and variance 1 - 1/n for each unit: a multinomial with n draws."""
    weights = Bootstrap.draw(np.arange(50), 4000, seed=2).weights
    assert np.allclose(weights.mean(axis=0), 1, atol=0.08)
    assert weights.var(axis=0).mean() == pytest.approx(1 - 1 / 50, rel=0.02)
    assert np.corrcoef(weights[:, 0], weights[:, 1])[0, 1] == pytest.approx(-1 / 49, abs=0.05)


def test_the_seed_alone_decides():
    units = np.arange(30)
    first, same, other = (Bootstrap.draw(units, 5, seed).weights for seed in (7, 7, 8))
    assert np.array_equal(first, same)
    assert not np.array_equal(first, other)
    more = Bootstrap.draw(units, 9, 7).weights
    assert np.array_equal(first, more[:5])


@pytest.fixture(scope="module")
def ranked(build):
    """600 samples of two attributes, and their ranking."""
    rng = np.random.default_rng(5)
    labels = (rng.random((600, 2)) < [0.3, 0.1]).astype(np.int8)
    logits = np.round(rng.normal(size=labels.shape) + 1.3 * labels, 2)
    labels[rng.random(labels.shape) < 0.1] = -1
    predictions = build(labels, logits)
    return predictions, rank(predictions.log_odds, labels)


def test_ranking_is_exact_when_every_weight_is_one(ranked):
    predictions, ranking = ranked
    bootstrap = Bootstrap(np.arange(600), np.ones((1, 600), np.float32))
    auc, precision = bootstrap.ranking(ranking, predictions.samples)
    assert auc[0].tolist() == pytest.approx(ranking.auc.tolist(), abs=1e-6)
    assert precision[0].tolist() == pytest.approx(ranking.average_precision.tolist(), abs=1e-6)


def test_ranking_of_replicates_is_close_to_recomputing(ranked):
    """To first order: the error is a tenth (AUC) or a third (AP) of the replicates' spread."""
    predictions, ranking = ranked
    bootstrap = Bootstrap.draw(np.arange(600), 200, seed=0)
    found = np.array(bootstrap.ranking(ranking, predictions.samples))
    exact = np.empty_like(found)
    for r, weights in enumerate(bootstrap.of_samples()):
        for column in range(2):
            known = predictions.samples.labels[:, column] >= 0
            y = predictions.samples.labels[known, column]
            z, w = predictions.logits[known, column], weights[known]
            exact[0, r, column] = roc_auc_score(y, z, sample_weight=w)
            exact[1, r, column] = average_precision_score(y, z, sample_weight=w)
    error = np.sqrt(((found - exact) ** 2).mean(axis=1))
    spread = exact.std(axis=1)
    assert (error[0] < 0.1 * spread[0]).all()
    assert (error[1] < 0.3 * spread[1]).all()
    assert np.allclose(found.std(axis=1), spread, rtol=0.05)


def test_ranking_of_replicates_without_a_class_is_not_defined(build):
    predictions = build([[1], [0], [-1]], [[2.0], [1.0], [0.0]])
    weights = np.array([[1, 1, 1], [2, 0, 1], [0, 2, 1], [0, 0, 3]], np.float32)
    ranking = rank(predictions.log_odds, predictions.samples.labels)
    auc, _ = Bootstrap(np.arange(3), weights).ranking(ranking, predictions.samples)
    assert auc[:, 0].tolist() == pytest.approx([1, np.nan, np.nan, np.nan], nan_ok=True)


def test_units_are_samples_or_clusters(build):
    who = {"who": ["q", None, "p", "q", None], "age": [None] * 5}
    samples = build([[1]] * 5, [[0.0]] * 5, groups=who).samples
    assert resampling_units(samples, None).tolist() == [0, 1, 2, 3, 4]
    units = resampling_units(samples, "who").tolist()
    assert units[0] == units[3]
    assert len(set(units)) == 4
    assert sorted(set(units)) == [0, 1, 2, 3]
    assert len(set(resampling_units(samples, "age").tolist())) == 5
    assert samples.groups["who"].codes.tolist() == [1, -1, 0, 1, -1]


def test_an_unknown_cluster_is_an_error(build):
    samples = build([[1]], [[0.0]], groups={"identity": ["x"]}).samples
    with pytest.raises(ConfigError, match="unknown cluster column 'identiti': did you mean ident"):
        resampling_units(samples, "identiti")
