import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from prunescope.audit.intervals import bootstrap
from prunescope.audit.intervals.bootstrap import (
    blocks_of,
    count_units,
    deal,
    draw,
    number_units,
    units_of,
)
from prunescope.errors import ConfigError
from prunescope.metrics import rank

SEEDS = st.integers(0, 2**32 - 1)


def test_each_replicate_draws_as_many_blocks_as_there_are():
    weights = draw(7, 50, seed=1)
    assert weights.shape == (50, 7)
    assert (weights.sum(axis=1) == 7).all()


def test_draws_are_those_of_sampling_with_replacement():
    """Mean 1 and variance 1 - 1/n for each block: a multinomial with n draws."""
    weights = draw(50, 4000, seed=2)
    assert np.allclose(weights.mean(axis=0), 1, atol=0.08)
    assert weights.var(axis=0).mean() == pytest.approx(1 - 1 / 50, rel=0.02)
    assert np.corrcoef(weights[:, 0], weights[:, 1])[0, 1] == pytest.approx(-1 / 49, abs=0.05)


def test_the_seed_alone_decides():
    first, same, other = (draw(30, 5, seed) for seed in (7, 7, 8))
    assert np.array_equal(first, same)
    assert not np.array_equal(first, other)
    assert np.array_equal(first, draw(30, 9, 7)[:5])


@given(seed=SEEDS, n=st.integers(1, 40), n_units=st.integers(1, 20), most=st.integers(2, 30))
def test_a_unit_lies_in_one_block_and_has_its_own_where_there_is_room(seed, n, n_units, most):
    units = np.random.default_rng(seed).integers(0, n_units, n).astype(np.uint64)
    blocks, n_blocks = blocks_of(units, most, seed)
    pairs = set(zip(units.tolist(), blocks.tolist(), strict=True))
    assert len(pairs) == len(set(units.tolist()))
    assert 0 <= blocks.min() <= blocks.max() < n_blocks <= most
    if len(set(units.tolist())) <= most:
        assert n_blocks == len(pairs) == len(set(blocks.tolist()))


def test_units_are_dealt_evenly_and_by_the_seed():
    units = np.arange(100_000, dtype=np.uint64)
    sizes = np.bincount(deal(units, 100, seed=0), minlength=100)
    # as if thrown: mean 1000, standard deviation √990
    assert sizes.std() == pytest.approx(np.sqrt(990), rel=0.25)
    assert np.abs(sizes - 1000).max() < 150
    assert np.array_equal(deal(units, 100, 3), deal(units, 100, 3))
    assert np.mean(deal(units, 100, 3) == deal(units, 100, 4)) == pytest.approx(0.01, abs=0.005)
    together = deal(units, 100, 0).reshape(-1, 2)
    assert np.mean(together[:, 0] == together[:, 1]) == pytest.approx(0.01, abs=0.005)


def test_blocks_of_random_members_vary_as_their_members_do():
    """The bootstrap over 256 blocks of 80 samples has the width of that over 20,480 samples."""
    values = np.random.default_rng(0).exponential(size=20_480)
    widths = []
    for seed in range(20):
        blocks, n = blocks_of(np.arange(20_480, dtype=np.uint64), 256, seed)
        sums = np.bincount(blocks, values, n), np.bincount(blocks, minlength=n)
        weights = draw(n, 1000, seed)
        means = weights @ sums[0] / (weights @ sums[1])
        widths.append(means.std())
    assert np.mean(widths) == pytest.approx(values.std() / np.sqrt(20_480), rel=0.03)
    assert np.std(widths) / np.mean(widths) < 2 / np.sqrt(2 * 256)


@pytest.fixture(scope="module")
def ranked(build):
    """600 samples of two attributes, and their ranking."""
    rng = np.random.default_rng(5)
    labels = (rng.random((600, 2)) < [0.3, 0.1]).astype(np.int8)
    logits = np.round(rng.normal(size=labels.shape) + 1.3 * labels, 2)
    labels[rng.random(labels.shape) < 0.1] = -1
    predictions = build(labels, logits)
    codes = np.where(labels < 0, 2, labels).astype(np.uint8).T
    return predictions, rank(list(predictions.log_odds.T), codes, np.arange(600), 600)


def test_ranking_is_exact_when_every_weight_is_one(ranked):
    _, ranking = ranked
    auc, precision = ranking.replicates(np.ones((1, 600), np.float32))
    assert auc[0].tolist() == pytest.approx(ranking.auc[0].tolist(), abs=1e-6)
    assert precision[0].tolist() == pytest.approx(ranking.average_precision[0].tolist(), abs=1e-6)


def test_ranking_of_replicates_is_close_to_recomputing(ranked):
    """To first order: the error is a tenth (AUC) or a third (AP) of the replicates' spread."""
    predictions, ranking = ranked
    drawn = draw(600, 200, seed=0)
    found = np.array(ranking.replicates(drawn))
    exact = np.empty_like(found)
    for r, weights in enumerate(drawn):
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


def test_ranking_of_replicates_without_a_class_is_not_defined():
    weights = np.array([[1, 1, 1], [2, 0, 1], [0, 2, 1], [0, 0, 3]], np.float32)
    scores = [np.array([2.0, 1.0, 0.0])]
    ranking = rank(scores, np.array([[1, 0, 2]], np.uint8), np.arange(3), 3)
    auc, _ = ranking.replicates(weights)
    assert auc[:, 0].tolist() == pytest.approx([1, np.nan, np.nan, np.nan], nan_ok=True)


def test_units_are_samples_or_clusters(build):
    who = {"who": ["q", None, "p", "q", None], "age": [None] * 5}
    samples = build([[1]] * 5, [[0.0]] * 5, groups=who).samples
    assert len(set(units_of(samples, None).tolist())) == 5
    units = units_of(samples, "who").tolist()
    assert units[0] == units[3]
    assert len(set(units)) == 4
    assert len(set(units_of(samples, "age").tolist())) == 5
    assert samples.groups["who"].codes.tolist() == [1, -1, 0, 1, -1]


def test_a_name_of_a_cluster_is_no_id(build):
    samples = build([[1]] * 2, [[0.0]] * 2, groups={"who": ["s1", None]}).samples
    assert samples.ids.to_list() == ["s0", "s1"]
    assert len(set(units_of(samples, "who").tolist())) == 2


@given(seed=SEEDS, cluster=st.sampled_from([None, "who"]), most=st.integers(1, 60))
def test_blocks_go_with_samples_not_with_rows(build, seed, cluster, most):
    rng = np.random.default_rng(seed)
    who = [None if k == 3 else f"p{k}" for k in rng.integers(0, 20, 40)]
    samples = build(np.ones((40, 1)), np.zeros((40, 1)), groups={"who": who}).samples
    order = rng.permutation(40)
    shuffled = samples.take(order)
    before, n = blocks_of(units_of(samples, cluster), most, seed)
    after, m = blocks_of(units_of(shuffled, cluster), most, seed)
    assert n == m
    assert np.array_equal(before[order], after)


@given(
    seed=SEEDS, n=st.integers(0, 60), k=st.integers(1, 40), held=st.integers(1, 80),
    cuts=st.lists(st.integers(0, 60), max_size=5),
)  # fmt: skip
def test_units_are_counted_part_by_part(seed, n, k, held, cuts):
    rng = np.random.default_rng(seed)
    units = rng.integers(0, 2**64, k, np.uint64)[rng.integers(0, k, n)]
    parts = np.split(units, sorted(cuts))
    there = np.unique(units)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bootstrap, "HELD", max(held, len(there)))
        for most in (len(there), len(there) - 1):
            found, numbers = count_units(parts, most)
            assert found == len(there)
            assert (numbers is None) == (most < len(there))
            if numbers is not None:
                assert np.array_equal(numbers, there)


def test_many_units_are_estimated_from_the_least_of_their_numbers(monkeypatch):
    monkeypatch.setattr(bootstrap, "HELD", 4096)
    units = number_units(pl.Series(np.arange(100_000)))
    parts = np.array_split(np.concatenate([units, units[::-1]]), 30)
    found, numbers = count_units(parts, 512)
    assert found == pytest.approx(100_000, rel=4 / np.sqrt(4096))
    assert numbers is None


def test_an_unknown_cluster_is_an_error(build):
    samples = build([[1]], [[0.0]], groups={"identity": ["x"]}).samples
    with pytest.raises(ConfigError, match="unknown cluster column 'identiti': did you mean ident"):
        units_of(samples, "identiti")
