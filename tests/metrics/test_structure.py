import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunescope.metrics import (
    Moments,
    correlation,
    correlation_shift,
    frobenius_norm,
    interdependence,
    interdependence_replicates,
)
from prunescope.metrics.statistics import moments

SEEDS = st.integers(0, 2**32 - 1)


def columns_of(seed, n, a):
    """Binary columns, some constant, some equal to or the opposite of another."""
    rng = np.random.default_rng(seed)
    columns = rng.random((n, a)) < rng.choice([0.0, 0.1, 0.5, 0.9, 1.0], a)
    for column in range(1, a):
        kind = rng.integers(0, 5)
        if kind == 0:
            columns[:, column] = columns[:, rng.integers(0, column)]
        if kind == 1:
            columns[:, column] = ~columns[:, rng.integers(0, column)]
    return columns


def r_squared(columns, target):
    """R² of ordinary least squares with intercept of one column on all the others."""
    y = columns[:, target].astype(float)
    design = np.column_stack([np.ones(len(y)), np.delete(columns, target, axis=1)])
    residual = y - design @ np.linalg.lstsq(design, y)[0]
    return 1 - residual @ residual / ((y - y.mean()) @ (y - y.mean()))


@given(seed=SEEDS, n=st.integers(1, 60), a=st.integers(1, 6))
def test_interdependence_is_r_squared_by_least_squares(seed, n, a):
    columns = columns_of(seed, n, a)
    varies = columns.any(axis=0) & ~columns.all(axis=0)
    measure = interdependence(moments(columns))
    for column in range(a):
        if varies[column] and varies.sum() > 1:
            wanted = r_squared(columns, column)
            assert measure.value[column] == pytest.approx(wanted, abs=1e-8)
        else:
            assert np.isnan(measure.value[column])
        assert measure.support[column] == n


def test_interdependence_of_a_few_words_by_hand():
    a = np.array([1, 1, 0, 0], bool)
    b = np.array([1, 0, 1, 0], bool)
    free = interdependence(moments(np.stack([a, b], axis=1))).value
    assert free.tolist() == pytest.approx([0, 0])
    for other in (a, ~a):
        bound = interdependence(moments(np.stack([a, b, other], axis=1))).value
        assert bound.tolist() == pytest.approx([1, 0, 1])


@pytest.mark.parametrize("k", [3, 10])
def test_one_hot_answers_explain_each_other_wholly(k):
    columns = np.eye(k, dtype=bool)[np.random.default_rng(0).integers(0, k, 200)]
    assert interdependence(moments(columns)).value.tolist() == pytest.approx([1] * k)


def weighted(columns, weights):
    """Moments of replicates that draw sample i `weights[r, i]` times."""
    true = columns.astype(float)
    return Moments(
        weights.sum(axis=1)[:, None, None],
        (weights @ true)[:, :, None],
        np.einsum("rn,na,nb->rab", weights, true, true),
    )


def test_replicates_of_interdependence_move_as_recomputed_ones_do():
    """To first order: they differ by less than a third of the spread, and are not inflated."""
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=(800, 1))
    columns = (hidden + rng.normal(size=(800, 4))) > [0.0, 0.5, 1.0, -0.5]
    weights = rng.multinomial(800, [1 / 800] * 800, size=400).astype(float)
    replicates = weighted(columns, weights)
    found = interdependence_replicates(moments(columns), replicates)
    exact = np.array(
        [
            interdependence(Moments(*(part[r] for part in replicates))).value
            for r in range(len(weights))
        ]
    )
    spread = exact.std(axis=0)
    assert (np.abs(found - exact).mean(axis=0) < spread / 3).all()
    assert found.std(axis=0) == pytest.approx(spread, rel=0.1)
    value = interdependence(moments(columns)).value
    assert (np.abs(found.mean(axis=0) - value) < 0.2 * spread).all()


@given(seed=SEEDS, n=st.integers(1, 60), a=st.integers(1, 6))
def test_a_replicate_that_draws_each_sample_once_is_the_value(seed, n, a):
    columns = columns_of(seed, n, a)
    point = moments(columns)
    value = interdependence(point).value
    found = interdependence_replicates(point, weighted(columns, np.ones((1, n))))
    assert found[0].tolist() == pytest.approx(value.tolist(), nan_ok=True, abs=1e-5)


@given(seed=SEEDS, n=st.integers(1, 40), a=st.integers(1, 5))
def test_correlation_is_that_of_numpy(seed, n, a):
    columns = columns_of(seed, n, a)
    found = correlation(moments(columns))
    varies = columns.any(axis=0) & ~columns.all(axis=0)
    assert found.shape == (a, a)
    assert (np.isnan(found) == ~np.outer(varies, varies)).all()
    if varies.any():
        wanted = np.corrcoef(columns[:, varies], rowvar=False)
        assert np.allclose(found[np.ix_(varies, varies)], wanted)


@given(seed=SEEDS, n=st.integers(2, 40))
def test_correlation_shift_uses_pairs_of_known_labels(seed, n):
    rng = np.random.default_rng(seed)
    labels = rng.integers(-1, 2, (n, 3))
    decided = rng.random((n, 3)) < 0.5
    found = correlation_shift(
        correlation(moments(decided)), correlation(moments(labels == 1, labels >= 0))
    )
    for place, (a, b) in enumerate([(0, 1), (0, 2), (1, 2)]):
        known = (labels[:, a] >= 0) & (labels[:, b] >= 0)
        with np.errstate(all="ignore"):
            before = np.ma.corrcoef(labels[known, a], labels[known, b])[0, 1] if known.any() else 0
            after = np.ma.corrcoef(decided[:, a], decided[:, b])[0, 1]
        constant = any(
            len(set(column.tolist())) < 2
            for column in (labels[known, a], labels[known, b], decided[:, a], decided[:, b])
        )
        if constant:
            assert np.isnan(found[place])
        else:
            assert found[place] == pytest.approx(float(after) - float(before), abs=1e-9)


def test_frobenius_norm_counts_both_triangles():
    matrix = np.array([[0, 0.1, -0.2], [0.1, 0, 0.3], [-0.2, 0.3, 0]])
    pairs = matrix[np.triu_indices(3, k=1)]
    assert frobenius_norm(pairs) == pytest.approx(np.linalg.norm(matrix))
    stacked = frobenius_norm(np.stack([pairs, 2 * pairs, pairs * np.nan]))
    norm = np.linalg.norm(matrix)
    assert stacked.tolist() == pytest.approx([norm, 2 * norm, np.nan], nan_ok=True)
    assert np.isnan(frobenius_norm(np.array([])))
