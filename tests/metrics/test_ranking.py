import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from prunescope.metrics import rank_histogram
from prunescope.metrics.ranking import N_BUCKETS, bucket
from prunescope.metrics.ranking import rank as rank_by_attribute

SEEDS = st.integers(0, 2**32 - 1)


def rank(scores, labels):
    """Rank scores and labels (N, A), each sample a block of its own."""
    codes = np.where(labels < 0, 2, labels).astype(np.uint8)
    return rank_by_attribute(list(scores.T), codes.T, np.arange(len(labels)), len(labels))


def scikit(scores, labels, weights=None):
    """AUC and average precision by scikit-learn over labelled samples, NaN where not defined."""
    known = labels >= 0
    y, z = labels[known], scores[known]
    w = None if weights is None else weights[known]
    auc = roc_auc_score(y, z, sample_weight=w) if 0 < (y == 1).sum() < len(y) else np.nan
    precision = average_precision_score(y, z, sample_weight=w) if (y == 1).any() else np.nan
    return auc, precision


@settings(max_examples=50)
@given(seed=SEEDS, n=st.integers(1, 60), dtype=st.sampled_from([np.float32, np.float64]))
def test_both_agree_with_scikit_learn(draw, seed, n, dtype):
    predictions = draw(seed, n=n)
    scores, labels = predictions.logits.astype(dtype), predictions.samples.labels
    ranking = rank(scores, labels)
    for column in range(3):
        found = ranking.auc[column], ranking.average_precision[column]
        wanted = scikit(scores[:, column], labels[:, column])
        assert found == pytest.approx(wanted, nan_ok=True, abs=1e-12)
        assert ranking.n_positive[column] == (labels[:, column] == 1).sum()
        assert ranking.n_negative[column] == (labels[:, column] == 0).sum()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_scores_without_ties_agree_with_scikit_learn(dtype):
    rng = np.random.default_rng(0)
    labels = (rng.random((2000, 2)) < 0.2).astype(np.int8)
    scores = (rng.normal(size=labels.shape) + labels).astype(dtype)
    ranking = rank(scores, labels)
    for column in range(2):
        found = ranking.auc[column], ranking.average_precision[column]
        assert found == pytest.approx(scikit(scores[:, column], labels[:, column]), abs=1e-12)


def test_neighbouring_float32_scores_are_no_ties():
    scores = np.array([[1.0], [np.nextafter(np.float32(1), np.float32(2))]], np.float32)
    assert rank(scores, np.array([[0], [1]], np.int8)).auc.tolist() == [1.0]


VALUES = (-np.inf, -1e30, -2.5, -1e-45, -0.0, 0.0, 1e-45, 0.5, 3e38, np.inf)


@given(
    st.lists(st.tuples(st.sampled_from(VALUES), st.integers(0, 2), st.integers(0, 2)), min_size=1)
)
def test_scores_rank_by_their_values_whatever_their_precision(samples):
    scores, labels, blocks = (np.array(column) for column in zip(*samples, strict=True))
    single, double = (
        rank_by_attribute([scores.astype(dtype)], labels[None].astype(np.uint8), blocks, 3)
        for dtype in (np.float32, np.float64)
    )
    assert single.auc == pytest.approx(double.auc, nan_ok=True)
    for mine, other in zip(single.sums.arrays(), double.sums.arrays(), strict=True):
        assert mine == pytest.approx(other, abs=1e-12)


def test_all_tied_scores_tell_nothing():
    labels = np.array([[1], [0], [0], [0]], np.int8)
    ranking = rank(np.full((4, 1), 3.0), labels)
    assert (ranking.auc.tolist(), ranking.average_precision.tolist()) == ([0.5], [0.25])


@given(seed=SEEDS, n=st.integers(1, 40))
def test_one_block_holds_the_sum_over_samples(draw, seed, n):
    predictions = draw(seed, n=n)
    codes = np.where(predictions.samples.labels < 0, 2, predictions.samples.labels)
    whole = rank_by_attribute(list(predictions.logits.T), codes.astype(np.uint8).T).sums
    each = rank(predictions.logits, predictions.samples.labels).sums
    for mine, other in zip(whole.arrays(), each.arrays(), strict=True):
        assert np.allclose(mine[0], other.sum(axis=0))


@pytest.mark.parametrize("huge", [np.inf, np.finfo(np.float32).max])
def test_huge_scores_are_ranked_without_a_warning(huge):
    scores = np.array([[huge], [huge], [-huge], [-huge]], np.float32)
    ranking = rank(scores, np.array([[1], [0], [1], [0]], np.int8))
    assert ranking.auc.tolist() == [0.5]


@pytest.mark.parametrize(
    ("labels", "precision"), [([-1, -1], np.nan), ([0, 0], np.nan), ([1, 1], 1)]
)
def test_one_class_alone_has_no_auc(labels, precision):
    ranking = rank(np.array([[1.0], [2.0]]), np.array(labels, np.int8)[:, None])
    assert np.isnan(ranking.auc[0])
    assert ranking.average_precision[0] == pytest.approx(precision, nan_ok=True)
    assert not ranking.sums.auc.any()


@given(seed=SEEDS, n=st.integers(2, 40))
def test_auc_parts_equal_a_loop(draw, seed, n):
    predictions = draw(seed, n=n, a=1)
    scores, labels = predictions.logits[:, 0], predictions.samples.labels[:, 0]
    ranking = rank(predictions.logits, predictions.samples.labels)
    if np.isnan(ranking.auc[0]):
        return
    for row in range(n):
        others = scores[labels == 1 - labels[row]] if labels[row] >= 0 else []
        wins = [float(scores[row] > z) + 0.5 * float(scores[row] == z) for z in others]
        share = np.mean(wins) if labels[row] == 1 else 1 - np.mean(wins) if wins else 0.0
        assert ranking.sums.auc[row, 0].sum() == pytest.approx(share)
    for side in (0, 1):
        shares = ranking.sums.auc[labels == side, 0, side]
        assert shares.mean() == pytest.approx(ranking.auc[0])


@settings(max_examples=15)
@given(seed=SEEDS)
def test_average_precision_parts_are_its_derivative_by_weight(draw, seed):
    predictions = draw(seed, n=12, a=1)
    scores, labels = predictions.logits[:, 0], predictions.samples.labels[:, 0]
    ranking = rank(predictions.logits, predictions.samples.labels)
    if np.isnan(ranking.average_precision[0]):
        return
    step = 1e-6
    for row in np.flatnonzero(labels >= 0):
        more, less = np.ones(12), np.ones(12)
        more[row] += step
        less[row] -= step
        slope = (scikit(scores, labels, more)[1] - scikit(scores, labels, less)[1]) / (2 * step)
        assert ranking.sums.average_precision[row, 0] == pytest.approx(slope, abs=1e-6)
    assert ranking.sums.average_precision[labels < 0, 0].tolist() == [0.0] * (labels < 0).sum()
    assert ranking.sums.average_precision.sum() == pytest.approx(0, abs=1e-12)


def histogram(scores, labels, blocks, n_blocks):
    """Count (K, A, 2, buckets) as a loop does."""
    counts = np.zeros((n_blocks, scores.shape[1], 2, N_BUCKETS))
    for row in range(len(scores)):
        for a, place in enumerate(bucket(scores[row].astype(float))):
            if labels[row, a] >= 0:
                counts[blocks[row], a, labels[row, a], place] += 1
    return counts


@settings(max_examples=20)
@given(seed=SEEDS, n=st.integers(1, 60))
def test_a_histogram_bounds_its_error(draw, seed, n):
    """Scores so close that many share a bucket."""
    predictions = draw(seed, n=n)
    rng = np.random.default_rng(seed)
    scores = predictions.logits / 50 + rng.normal(0, 0.01, (n, 3))
    labels = predictions.samples.labels
    exact = rank(scores, labels)
    found = rank_histogram(histogram(scores, labels, rng.integers(0, 4, n), 4))
    for name in ("auc", "average_precision"):
        value, error = getattr(found, name), getattr(found, f"{name}_error")
        assert (np.isnan(value) == np.isnan(getattr(exact, name))).all()
        apart = np.abs(value - getattr(exact, name))
        assert (np.isnan(value) | (apart <= error + 1e-12)).all()
    assert np.array_equal(found.n_positive, exact.n_positive)


def test_a_histogram_of_scores_apart_is_exact():
    rng = np.random.default_rng(0)
    scores = rng.permutation(np.arange(-200, 200))[:, None] / 20
    labels = (rng.random((400, 1)) < 0.3).astype(np.int8)
    blocks = np.arange(400)
    exact, found = rank(scores, labels), rank_histogram(histogram(scores, labels, blocks, 400))
    assert found.auc == pytest.approx(exact.auc)
    assert found.average_precision == pytest.approx(exact.average_precision)
    assert found.auc_error.tolist() == [0]
    assert np.allclose(found.sums.auc, exact.sums.auc)
    assert np.allclose(found.sums.average_precision, exact.sums.average_precision)


def test_scores_beyond_the_reach_share_the_outer_buckets():
    ends = bucket(np.array([-1e30, -16.0, 0.0, 15.99, 1e30]))
    assert ends.tolist() == [0, 0, N_BUCKETS // 2, N_BUCKETS - 1, N_BUCKETS - 1]
