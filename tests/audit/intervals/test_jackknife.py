"""The jackknife's variance and degrees of freedom, against loops and textbook formulas."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from prunescope.audit.intervals.jackknife import HINGE, hinged, spread, without_each
from prunescope.metrics import Transitions

SEEDS = st.integers(0, 2**32 - 1)


def of_mean(x, limit=None):
    """The spread of the mean of numbers, each in a block of its own."""
    x = np.asarray(x, float)
    m = len(x)
    without = (x.sum() - x) / (m - 1)
    most = np.array(m - 1.0 if limit is None else limit)
    return spread(np.array(x.mean()), without, np.array(float(m)), most)


@given(SEEDS, st.integers(1, 6))
def test_the_sums_without_a_block_are_those_over_the_others(seed, k):
    counts = np.random.default_rng(seed).integers(0, 9, (k, 2, 3)).astype(float)
    found = without_each(Transitions(counts)).counts
    for block in range(k):
        others = [counts[other] for other in range(k) if other != block]
        assert np.array_equal(found[block], sum(others, np.zeros((2, 3))))


@given(SEEDS, st.integers(2, 40))
def test_the_variance_of_a_mean_is_the_textbooks(seed, m):
    x = np.random.default_rng(seed).normal(3, 2, m)
    assert of_mean(x).variance == pytest.approx(x.var(ddof=1) / m)


@given(SEEDS, st.integers(3, 9))
def test_the_variance_of_any_figure_is_the_jackknifes(seed, m):
    """Of a median, deleting a sample at a time; with two figures and blocks that hold nothing."""
    x = np.random.default_rng(seed).exponential(size=(m, 2))
    value = np.median(x, axis=0)
    replicates = [np.median(np.delete(x, k, axis=0), axis=0) for k in range(m)] + [value] * 3
    found = spread(value, np.array(replicates), np.full(2, float(m)), np.full(2, 50.0))
    for column in range(2):
        without = [float(np.median(np.delete(x[:, column], k))) for k in range(m)]
        mean = sum(without) / m
        wanted = (m - 1) / m * sum((one - mean) ** 2 for one in without)
        assert found.variance[column] == pytest.approx(wanted, abs=1e-12)
        # Quenouille's bias
        assert found.bias[column] == pytest.approx((m - 1) * (mean - value[column]), abs=1e-12)


def test_the_variance_of_the_mean_of_blocks_is_that_of_clusters():
    """Blocks of ten samples that say the same tell what ten blocks of one do."""
    x = np.random.default_rng(0).normal(size=30)
    block = np.repeat(np.arange(30), 10)
    every = x[block]
    without = np.array([every[block != k].mean() for k in range(30)])
    found = spread(np.array(every.mean()), without, np.array(30.0), np.array(29.0))
    assert found.variance == pytest.approx(x.var(ddof=1) / 30)


@pytest.mark.parametrize("k", [2, 5, 40])
def test_blocks_that_weigh_alike_have_one_degree_of_freedom_less(k):
    x = np.tile([1.0, -1.0], k)[: 2 * (k // 2)]
    assert of_mean(x).df == pytest.approx(len(x) - 1)


def test_the_formula_itself_is_of_the_fourth_moment():
    """2 / (κ - 1) for each unit, of kurtosis κ: endless for two values alike, m for normal ones."""
    assert of_mean(np.tile([1.0, -1.0], 50), 1e6).df == 1e6
    normal = norm.ppf((np.arange(2000) + 0.5) / 2000)
    assert of_mean(normal, 1e6).df == pytest.approx(2000, rel=0.02)
    even = np.linspace(-1, 1, 2000)
    assert of_mean(even, 1e6).df == pytest.approx(2000 * 2 / (1.8 - 1), rel=0.01)


@pytest.mark.parametrize(("few", "many"), [(1, 200), (3, 1000), (10, 5000)])
def test_where_a_handful_of_units_make_up_the_variance_it_is_told(few, many):
    x = np.zeros(many)
    x[:few] = 1
    assert of_mean(x).df == pytest.approx(2 * few, rel=0.05)


@given(SEEDS, st.integers(2, 60), st.floats(0, 80))
def test_degrees_of_freedom_lie_between_one_and_the_limit(seed, m, limit):
    x = np.random.default_rng(seed).exponential(size=m) ** 3
    assert 1 <= of_mean(x, limit).df <= max(limit, 1)


@given(SEEDS, st.integers(3, 30))
def test_degrees_of_freedom_do_not_hang_on_the_unit_of_a_metric(seed, m):
    x = np.random.default_rng(seed).normal(size=m)
    assert of_mean(x * 1e-3 + 5).df == pytest.approx(of_mean(x).df, rel=1e-5)


def test_degrees_of_freedom_are_those_that_simulation_tells():
    """2 E[V]² / Var[V], of V the variance of a mean of numbers of known kurtosis."""
    rng = np.random.default_rng(0)
    draws = rng.laplace(size=(20_000, 60))
    variances = draws.var(axis=1, ddof=1) / 60
    truth = 2 * variances.mean() ** 2 / variances.var()
    told = np.median([of_mean(x).df for x in draws[:2000]])
    assert truth < 30  # far from 59
    assert truth / 1.6 < told < truth * 1.6


def test_what_rounding_alone_moves_has_no_variance():
    """And as many degrees of freedom as there can be: nothing stands out."""
    found = of_mean(np.full(20, 0.3))
    assert found.bias != 0
    assert found.variance == 0
    assert found.df == 19


def test_an_estimate_hinges_on_the_block_without_which_it_has_no_value():
    found = hinged(np.array([0.5, 0.0]), np.array([[np.nan, 0.2], [0.5, np.nan]]))
    assert found.tolist() == [[0.5 - HINGE, 0.2], [0.5, -HINGE]]
    whole = np.array([[0.5, 0.2]])
    assert hinged(np.array([0.5, 0.0]), whole) is whole
