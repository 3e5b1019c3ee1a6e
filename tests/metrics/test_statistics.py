import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunescope.metrics import Slices, count
from prunescope.metrics.statistics import Moments, divide, moments

SEEDS = st.integers(0, 2**32 - 1)


def slices_of_rows(slices, rows):
    return Slices(slices.groups, slices.values, slices.codes[:, rows])


def assert_equal(left, right):
    """Compare statistics; moments may have axes of length one that stand for equal entries."""
    assert np.allclose(left.sums, right.sums, rtol=0, atol=1e-9)
    a = left.sums.shape[1]
    for mine, other in ((left.predicted, right.predicted), (left.labelled, right.labelled)):
        for part, same in zip(mine, other, strict=True):
            assert np.array_equal(np.broadcast_to(part, (a, a)), np.broadcast_to(same, (a, a)))


@given(seed=SEEDS, n=st.integers(1, 50), n_bins=st.integers(1, 12))
def test_the_whole_is_the_sum_of_its_parts(draw, seed, n, n_bins):
    predictions = draw(seed, n=n)
    slices = Slices.of(predictions.samples)
    part = np.random.default_rng(seed).random(n) < 0.5
    options = {"n_bins": n_bins, "band": (0.2, 0.7)}
    pieces = [
        count(predictions.take(rows), slices_of_rows(slices, rows), **options)
        for rows in (part, ~part)
        if rows.any()
    ]
    total = pieces[0] if len(pieces) == 1 else pieces[0] + pieces[1]
    assert_equal(total, count(predictions, slices, **options))


def test_a_fully_and_a_partly_labelled_batch_add_up(build):
    labels = np.array([[1, 0], [1, 1], [-1, 1], [0, -1]])
    predictions = build(labels, labels * 2.0)
    slices = Slices.of(predictions.samples)
    first, last = (
        count(predictions.take(rows), slices_of_rows(slices, rows))
        for rows in (np.arange(2), np.arange(2, 4))
    )
    assert_equal(first + last, count(predictions, slices))
    assert_equal(last + first, count(predictions, slices))


@given(seed=SEEDS, n=st.integers(1, 30))
def test_statistics_equal_a_loop(draw, seed, n):
    predictions = draw(seed, n=n)
    slices = Slices.of(predictions.samples)
    statistics = count(predictions, slices)
    in_band, cells = np.zeros((len(slices), 3)), np.zeros((len(slices), 3, 3, 2))
    bins = np.zeros((len(slices), 3, 3, 10))
    for s, rows in enumerate(slices.members()):
        for row in rows:
            for a in range(3):
                label = predictions.samples.labels[row, a]
                p = predictions.probabilities[row, a]
                cells[s, a, 2 if label < 0 else label, int(predictions.decisions[row, a])] += 1
                in_band[s, a] += abs(p - 0.5) < 0.4
                if label >= 0:
                    place = min(int(p * 10), 9)
                    bins[s, a, :, place] += (1, p, label)
    assert np.array_equal(statistics.counts, cells)
    assert np.array_equal(statistics.in_band, in_band)
    assert np.allclose(statistics.bins, bins)


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


@given(seed=SEEDS, partly=st.booleans())
def test_weighted_moments_are_those_of_repeated_samples(seed, partly):
    rng = np.random.default_rng(seed)
    known = rng.random((15, 3)) < 0.7 if partly else None
    columns = rng.random((15, 3)) < 0.5
    if partly:
        columns &= known
    weights = rng.multinomial(15, [1 / 15] * 15, size=3).astype(float)
    found = moments(columns, known, weights)
    for r, weight in enumerate(weights):
        rows = np.repeat(np.arange(15), weight.astype(int))
        wanted = moments(columns[rows], known[rows] if partly else None)
        for part, same in zip(found, wanted, strict=True):
            got = np.broadcast_to(part, (3, 3, 3))[r]
            assert np.array_equal(got, np.broadcast_to(same, (3, 3)))


def test_moments_of_batches_add_up():
    one = Moments(np.array(2.0), np.array([[1.0]]), np.array([[1.0]]))
    total = one + one
    assert (float(total.n), total.first.item(), total.second.item()) == (4, 2, 2)


def test_one_sample_of_one_attribute(build):
    predictions = build([[1]], [[0.0]])
    statistics = count(predictions, Slices.of(predictions.samples))
    assert statistics.counts[0, 0].tolist() == [[0, 0], [1, 0], [0, 0]]
    assert statistics.in_band.tolist() == [[1]]
    assert statistics.bins[0, 0, :, 5].tolist() == [1, 0.5, 1]
    assert statistics.sums.shape == (1, 1, 37)


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
