import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prunescope.metrics import Histogram, Slices, rank, rank_histogram
from prunescope.metrics.histogram import N_BUCKETS, N_WIDE, bucket

SEEDS = st.integers(0, 2**32 - 1)


def both(predictions, blocks, n_blocks):
    """Rank predictions exactly, and by their histogram, counted in two parts."""
    samples = predictions.samples
    slices = Slices.of(samples)
    labels = np.where(samples.labels < 0, 2, samples.labels).astype(np.uint8).T
    n, a = samples.labels.shape
    cells = [(one, one.cells(samples.groups, n)) for one in slices.partitions()]
    parts = []
    for rows in (slice(None, n // 2), slice(n // 2, None)):
        part = Histogram.empty(n_blocks, len(slices), a)
        here = [(one, of_all[rows]) for one, of_all in cells]
        for column in range(a):
            found = bucket(predictions.logits[rows, column])
            part.count(column, found, labels[column, rows], blocks[rows], here)
        parts.append(part)
    exact = rank(list(predictions.logits.T), labels, blocks, n_blocks, slices, samples.groups)
    return exact, rank_histogram(parts[0] + parts[1])


@settings(max_examples=20)
@given(seed=SEEDS, n=st.integers(1, 60), joint=st.booleans())
def test_a_histogram_bounds_its_error(draw, build, seed, n, joint):
    """Scores so close that many share a bucket."""
    predictions, rng = draw(seed, n=n), np.random.default_rng(seed)
    scores = predictions.logits / 50 + rng.normal(0, 0.01, (n, 3))
    groups = {"g": rng.choice(["x", "y"], n).tolist(), "h": rng.choice(["z", None], n).tolist()}
    close = build(predictions.samples.labels, scores, groups=groups)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("prunescope.metrics.slices.MOST_CELLS", 128 if joint else 1)
        exact, found = both(close, rng.integers(0, 4, n), 4)
    for name in ("auc", "average_precision"):
        value, error = getattr(found, name), getattr(found, f"{name}_error")
        assert (np.isnan(value) == np.isnan(getattr(exact, name))).all()
        apart = np.abs(value - getattr(exact, name))
        assert (np.isnan(value) | (apart <= error + 1e-12)).all()
        assert np.abs(getattr(found, f"{name}_influence").sum(axis=0)).max() < 1e-12
    assert np.array_equal(found.n_positive, exact.n_positive)
    assert np.array_equal(found.n_negative, exact.n_negative)


def test_a_histogram_of_scores_apart_is_exact(build):
    rng = np.random.default_rng(0)
    scores = rng.permutation(np.arange(-50, 50))[:, None] / 4.0
    labels = (rng.random((100, 1)) < 0.3).astype(np.int8)
    groups = {"g": rng.choice(["x", "y", None], 100).tolist()}
    predictions = build(labels, scores, groups=groups)
    exact, found = both(predictions, np.arange(100), 100)
    assert found.auc_error.tolist() == [[0], [0], [0]]
    for name in ("auc", "average_precision", "auc_influence", "average_precision_influence"):
        assert getattr(found, name) == pytest.approx(getattr(exact, name), abs=1e-12)
    for mine, other in zip(found.sums.arrays(), exact.sums.arrays(), strict=True):
        assert mine == pytest.approx(other, abs=1e-12)


def test_a_histogram_tells_how_much_blocks_move_the_values(build):
    """Nearly, as it is read off wide buckets."""
    rng = np.random.default_rng(2)
    labels = (rng.random((20_000, 1)) < 0.1).astype(np.int8)
    scores = rng.normal(-2, 1.5, labels.shape) + 2 * labels
    groups = {"g": rng.choice(["x", "y"], len(labels)).tolist()}
    exact, found = both(build(labels, scores, groups=groups), rng.integers(0, 32, 20_000), 32)
    for name in ("auc_influence", "average_precision_influence"):
        wanted, got = (np.sqrt((getattr(one, name) ** 2).sum(axis=0)) for one in (exact, found))
        assert got == pytest.approx(wanted, rel=0.01)


def test_buckets_are_of_equal_width_between_minus_16_and_16():
    ends = bucket(np.array([-1e30, -16.0, 0.0, 15.99, 1e30]))
    assert ends.tolist() == [0, 0, N_BUCKETS // 2, N_BUCKETS - 1, N_BUCKETS - 1]
    assert N_BUCKETS % N_WIDE == 0
