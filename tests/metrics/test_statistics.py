import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunescope.metrics import Counter, Layout, Moments, Slices, count
from prunescope.metrics.statistics import divide, moments
from prunescope.predictions.batch import Batch

SEEDS = st.integers(0, 2**32 - 1)


def counter_of(models, blocks=None, n_blocks=1, rows=None, slices=None, **options):
    """Count some rows of predictions that share their samples."""
    slices = slices or Slices.of(models[0].samples)
    if rows is not None:
        models = [model.take(rows) for model in models]
    batch = Batch.of(models)
    return Counter(batch, Layout(slices, n_blocks, **options), blocks), batch.models


def assert_equal(left, right):
    for mine, other in zip(left.arrays(), right.arrays(), strict=True):
        assert mine.shape == other.shape
        assert np.allclose(mine, other, rtol=0, atol=1e-9)


@given(seed=SEEDS, n=st.integers(2, 50), n_bins=st.integers(1, 12))
def test_the_whole_is_the_sum_of_its_parts(draw, seed, n, n_bins):
    models = draw(seed, n=n, models=2)
    slices = Slices.of(models[0].samples)
    part = np.arange(n) < np.random.default_rng(seed).integers(1, n)
    options = {"n_bins": n_bins, "band": (0.2, 0.7), "slices": slices}
    counted = []
    for rows in (part, ~part, np.ones(n, bool)):
        counter, answers = counter_of(models, rows=rows, **options)
        found = counter.statistics(answers[0]), counter.transitions(*answers), counter.labels()
        counted.append(found)
    for first, second, whole in zip(*counted, strict=True):
        assert_equal(first + second, whole)


@given(seed=SEEDS, n=st.integers(1, 30), n_blocks=st.integers(1, 5))
def test_blocks_add_up_to_the_whole(draw, seed, n, n_blocks):
    """Block by block as well: each holds its own samples."""
    models = draw(seed, n=n, models=2)
    blocks = np.random.default_rng(seed).integers(0, n_blocks, n)
    slices = Slices.of(models[0].samples)
    counter, answers = counter_of(models, blocks, n_blocks)
    found = counter.statistics(answers[0]), counter.transitions(*answers), counter.labels()
    whole, same = counter_of(models)
    wanted = whole.statistics(same[0]), whole.transitions(*same), whole.labels()
    for mine, other in zip(found, wanted, strict=True):
        assert_equal(mine.total(), other.total())
    for block in np.unique(blocks).tolist():
        part, same = counter_of(models, rows=blocks == block, slices=slices)
        alone = part.statistics(same[0]), part.transitions(*same), part.labels()
        for mine, other in zip(found, alone, strict=True):
            for left, right in zip(mine.arrays(), other.total().arrays(), strict=True):
                assert np.allclose(left[block], right)


@given(seed=SEEDS)
def test_weighted_statistics_are_those_of_repeated_blocks(draw, seed):
    models = draw(seed, n=15, models=2)
    rng = np.random.default_rng(seed)
    weights = rng.multinomial(15, [1 / 15] * 15, size=3).astype(np.float32)
    counter, answers = counter_of(models, np.arange(15), 15)
    for found in counter.statistics(answers[0]), counter.transitions(*answers), counter.labels():
        drawn = found.weighted(weights)
        for mine, array in zip(drawn.arrays(), found.arrays(), strict=True):
            assert mine.shape == (3, *array.shape[1:])
            for r, weight in enumerate(weights):
                repeated = array[np.repeat(np.arange(15), weight.astype(int))]
                assert np.allclose(mine[r], repeated.sum(axis=0), atol=1e-4)


@given(seed=SEEDS, n=st.integers(1, 30), joint=st.booleans())
def test_statistics_equal_a_loop(draw, seed, n, joint):
    predictions = draw(seed, n=n)
    slices = Slices.of(predictions.samples)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("prunescope.metrics.slices.MOST_CELLS", 128 if joint else 1)
        statistics = count(predictions, slices)
    in_band, cells = np.zeros((len(slices), 3)), np.zeros((len(slices), 3, 3, 2))
    gaps = np.zeros((len(slices), 3, 10))
    for s, rows in enumerate(slices.members(predictions.samples)):
        for row in rows:
            for a in range(3):
                label = predictions.samples.labels[row, a]
                p = predictions.probabilities[row, a]
                cells[s, a, 2 if label < 0 else label, int(predictions.decisions[row, a])] += 1
                in_band[s, a] += abs(p - 0.5) < 0.4
                if label >= 0:
                    gaps[s, a, min(int(p * 10), 9)] += p - label
    assert np.array_equal(statistics.counts, cells)
    assert np.array_equal(statistics.in_band, in_band)
    assert np.allclose(statistics.gaps, gaps)
    decided = predictions.decisions.astype(float)
    assert np.array_equal(statistics.pairs, decided.T @ decided)
    expected = moments(predictions.decisions)
    for mine, other in zip(statistics.predicted, expected, strict=True):
        assert np.array_equal(np.broadcast_to(mine, (3, 3)), np.broadcast_to(other, (3, 3)))


@given(seed=SEEDS, n=st.integers(1, 30))
def test_moments_of_labels_are_over_pairs_that_are_known(draw, seed, n):
    predictions = draw(seed, n=n)
    labels = predictions.samples.labels
    found = counter_of([predictions])[0].labels().total().moments
    for mine, other in zip(found, moments(labels == 1, labels >= 0), strict=True):
        assert np.array_equal(np.broadcast_to(mine, (3, 3)), other)


@given(seed=SEEDS, n=st.integers(1, 30), a=st.integers(1, 4))
def test_moments_equal_a_loop(seed, n, a):
    rng = np.random.default_rng(seed)
    known = rng.random((n, a)) < 0.7
    columns = (rng.random((n, a)) < 0.5) & known
    found = moments(columns, known)
    for i in range(a):
        for j in range(a):
            both = [row for row in range(n) if known[row, i] and known[row, j]]
            pair = found.n, found.first, found.second
            got = [np.broadcast_to(part, (a, a))[i, j] for part in pair]
            assert got == [
                len(both),
                sum(columns[row, i] for row in both),
                sum(columns[row, i] and columns[row, j] for row in both),
            ]


def test_pairs_of_very_many_attributes_are_not_counted(build):
    predictions = build(np.zeros((3, 257)), np.zeros((3, 257)))
    assert count(predictions, Slices.of(predictions.samples)).pairs.shape == (0, 0)


def test_one_sample_of_one_attribute(build):
    predictions = build([[1]], [[0.0]])
    statistics = count(predictions, Slices.of(predictions.samples))
    assert statistics.counts[0, 0].tolist() == [[0, 0], [1, 0], [0, 0]]
    assert statistics.in_band.tolist() == [[1]]
    assert statistics.gaps[0, 0].tolist() == [0] * 5 + [-0.5] + [0] * 4
    predicted = Moments(np.array([[1.0]]), np.array([[0.0]]), np.array([[0.0]]))
    assert [part.tolist() for part in statistics.predicted] == [p.tolist() for p in predicted]


def test_extreme_logits_are_counted_without_a_warning(build):
    predictions = build([[1], [0]], np.array([[-1e30], [1e30]], np.float32))
    assert count(predictions, Slices.of(predictions.samples)).gaps[0, 0].tolist() == [
        -1, *[0] * 8, 1,
    ]  # fmt: skip


@given(
    st.lists(st.sampled_from([0.0, 1.0, -2.0, np.nan, np.inf]), min_size=1, max_size=5),
    st.sampled_from([0.0, 2.0, np.nan]),
)
def test_division_by_nothing_is_nan_without_a_warning(top, bottom):
    found = divide(top, bottom)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted = np.array(top) / np.float64(bottom) if bottom != 0 else np.full(len(top), np.nan)
    assert found.tolist() == pytest.approx(wanted.tolist(), nan_ok=True)
