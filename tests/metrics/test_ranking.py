import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from prunescope.metrics import Slices
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
        found = ranking.auc[0, column], ranking.average_precision[0, column]
        wanted = scikit(scores[:, column], labels[:, column])
        assert found == pytest.approx(wanted, nan_ok=True, abs=1e-12)
        assert ranking.n_positive[0, column] == (labels[:, column] == 1).sum()
        assert ranking.n_negative[0, column] == (labels[:, column] == 0).sum()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_scores_without_ties_agree_with_scikit_learn(dtype):
    rng = np.random.default_rng(0)
    labels = (rng.random((2000, 2)) < 0.2).astype(np.int8)
    scores = (rng.normal(size=labels.shape) + labels).astype(dtype)
    ranking = rank(scores, labels)
    for column in range(2):
        found = ranking.auc[0, column], ranking.average_precision[0, column]
        assert found == pytest.approx(scikit(scores[:, column], labels[:, column]), abs=1e-12)


def test_neighbouring_float32_scores_are_no_ties():
    scores = np.array([[1.0], [np.nextafter(np.float32(1), np.float32(2))]], np.float32)
    assert rank(scores, np.array([[0], [1]], np.int8)).auc.tolist() == [[1.0]]


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
    assert (ranking.auc.tolist(), ranking.average_precision.tolist()) == ([[0.5]], [[0.25]])


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
    assert ranking.auc.tolist() == [[0.5]]


@pytest.mark.parametrize(
    ("labels", "precision"), [([-1, -1], np.nan), ([0, 0], np.nan), ([1, 1], 1)]
)
def test_one_class_alone_has_no_auc(labels, precision):
    ranking = rank(np.array([[1.0], [2.0]]), np.array(labels, np.int8)[:, None])
    assert np.isnan(ranking.auc[0, 0])
    assert ranking.average_precision[0, 0] == pytest.approx(precision, nan_ok=True)
    assert not ranking.sums.auc.any()


@given(seed=SEEDS, n=st.integers(2, 40))
def test_auc_parts_equal_a_loop(draw, seed, n):
    predictions = draw(seed, n=n, a=1)
    scores, labels = predictions.logits[:, 0], predictions.samples.labels[:, 0]
    ranking = rank(predictions.logits, predictions.samples.labels)
    if np.isnan(ranking.auc[0, 0]):
        return
    for row in range(n):
        others = scores[labels == 1 - labels[row]] if labels[row] >= 0 else []
        wins = [float(scores[row] > z) + 0.5 * float(scores[row] == z) for z in others]
        share = np.mean(wins) if labels[row] == 1 else 1 - np.mean(wins) if wins else 0.0
        assert ranking.sums.auc[row, 0].sum() == pytest.approx(share)
    for side in (0, 1):
        shares = ranking.sums.auc[labels == side, 0, side]
        assert shares.mean() == pytest.approx(ranking.auc[0, 0])


@settings(max_examples=15)
@given(seed=SEEDS)
def test_average_precision_parts_are_its_derivative_by_weight(draw, seed):
    predictions = draw(seed, n=12, a=1)
    scores, labels = predictions.logits[:, 0], predictions.samples.labels[:, 0]
    ranking = rank(predictions.logits, predictions.samples.labels)
    if np.isnan(ranking.average_precision[0, 0]):
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


def sliced(draw, seed, n, n_blocks, a=3):
    """Return predictions with groups, their ranking in blocks, and what it was made of."""
    predictions = draw(seed, n=n, a=a)
    samples = predictions.samples
    slices = Slices.of(samples)
    blocks = np.random.default_rng(seed).integers(0, n_blocks, n)
    codes = np.where(samples.labels < 0, 2, samples.labels).astype(np.uint8).T
    made = list(predictions.logits.T), codes, blocks, n_blocks, slices, samples.groups
    return predictions, rank_by_attribute(*made), made


@settings(max_examples=40)
@given(seed=SEEDS, n=st.integers(1, 60), at_once=st.sampled_from([1, 40, 1 << 15]))
def test_every_slice_agrees_with_scikit_learn(draw, seed, n, at_once):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("prunescope.metrics.ranking.LONGEST", at_once)
        predictions, ranking, made = sliced(draw, seed, n, 4)
    slices, labels = made[4], predictions.samples.labels
    for s, rows in enumerate(slices.members(predictions.samples)):
        for column in range(3):
            y, z = labels[rows, column], predictions.logits[rows, column]
            found = ranking.auc[s, column], ranking.average_precision[s, column]
            assert found == pytest.approx(scikit(z, y), nan_ok=True, abs=1e-12)
            assert ranking.n_positive[s, column] == (y == 1).sum()
            assert ranking.n_negative[s, column] == (y == 0).sum()


@settings(max_examples=10)
@given(seed=SEEDS)
def test_influence_is_the_slope_by_the_weight_of_a_block(draw, seed):
    """Of every slice and attribute, by weighting a block a little more and a little less."""
    n, n_blocks, step = 40, 5, 1e-5
    predictions, ranking, made = sliced(draw, seed, n, n_blocks, a=2)
    labels, blocks, slices = predictions.samples.labels, made[2], made[4]
    for s, rows in enumerate(slices.members(predictions.samples)):
        for column in range(2):
            y, z = labels[rows, column], predictions.logits[rows, column]
            for k in range(n_blocks):
                weights = 1 + step * (blocks[rows] == k)
                more, less = (np.array(scikit(z, y, w)) for w in (weights, 2 - weights))
                slope = np.nan_to_num((more - less) / (2 * step))
                assert ranking.auc_influence[k, s, column] == pytest.approx(slope[0], abs=1e-6)
                assert ranking.average_precision_influence[k, s, column] == pytest.approx(
                    slope[1], abs=1e-6
                )


def test_influence_tells_the_variance_as_leaving_out_each_block_does(build):
    """The jackknife over 100 blocks, by scikit-learn, of all samples and of a group's values."""
    rng = np.random.default_rng(1)
    n, n_blocks = 10_000, 100
    labels = (rng.random((n, 1)) < 0.2).astype(np.int8)
    scores = np.round(rng.normal(size=(n, 1)) + 1.2 * labels, 2).astype(np.float32)
    predictions = build(labels, scores, groups={"g": (rng.random(n) < 0.4).tolist()})
    blocks, samples = rng.integers(0, n_blocks, n), predictions.samples
    slices = Slices.of(samples)
    made = list(scores.T), labels.T.astype(np.uint8), blocks, n_blocks, slices, samples.groups
    ranking = rank_by_attribute(*made)
    for s, rows in enumerate(slices.members(samples)):
        y, z = labels[rows, 0], scores[rows, 0]
        left = np.array(
            [scikit(z[rest], y[rest]) for rest in (blocks[rows] != k for k in range(n_blocks))]
        )
        whole = np.array([ranking.auc[s, 0], ranking.average_precision[s, 0]])
        moved = np.stack(
            [ranking.auc_influence[:, s, 0], ranking.average_precision_influence[:, s, 0]], axis=1
        )
        assert np.abs(moved.sum(axis=0)).max() < 1e-12
        jackknife = (whole - left) * (1 - 1 / n_blocks)
        assert np.corrcoef(jackknife[:, 0], moved[:, 0])[0, 1] > 0.999
        assert np.corrcoef(jackknife[:, 1], moved[:, 1])[0, 1] > 0.995
        assert (moved**2).sum(axis=0) == pytest.approx((jackknife**2).sum(axis=0), rel=0.05)
