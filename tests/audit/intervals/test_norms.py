import numpy as np
import pytest
from scipy.stats import norm

from prunescope.audit.intervals.norms import Norm, norms_apart

MANY = np.array(np.inf)


def of_normal(truth, error, draws, rng):
    """Norms of draws about a vector: with the variance along what is seen, which is delta's."""
    seen = np.asarray(truth) + error * rng.normal(size=(draws, len(truth)))
    value = np.linalg.norm(seen, axis=1)
    variance = (seen**2 @ error**2) / value**2
    return Norm(value, variance, MANY, np.full(draws, (error**2).sum()), MANY)


@pytest.mark.parametrize("value", [0.0, 0.1, 0.3, 1.0])
@pytest.mark.parametrize("chance", [0.0, 0.04, 0.3])
def test_the_ends_are_those_of_the_score_test(value, chance):
    """By trying all norms."""
    z, variance = norm.ppf(0.975), 0.01
    tried = np.linspace(0, 3, 300_001)
    off = np.abs(value**2 - chance - tried**2)
    held = tried[off <= z * np.sqrt((4 * tried**2 + 2 * chance) * variance)]
    one = Norm(*(np.array(x) for x in (value, variance, np.inf, chance, 100.0)))
    low, high = one.ends(0.95)
    if len(held):
        assert (low, high) == (pytest.approx(held[0], abs=2e-5), pytest.approx(held[-1], abs=2e-5))
    assert one.interval(0.95)[1] == max(high, value)


@pytest.mark.parametrize("size", [3, 15, 66, 780])
@pytest.mark.parametrize("length", [0.0, 1.0, 4.0, 40.0])
@pytest.mark.parametrize("alike", [True, False])
def test_intervals_hold_the_truth(size, length, alike):
    """A norm of 0 as well as one far above chance; of 2,000 draws, three errors below 93%."""
    rng = np.random.default_rng(size)
    error = np.full(size, 1.0) if alike else np.geomspace(0.5, 2, size)
    truth = np.full(size, length / np.sqrt(size))
    low, high = of_normal(truth, error, 2_000, rng).interval(0.95)
    assert ((low <= length) & (length <= high)).mean() > 0.93 - 3 * np.sqrt(0.05 * 0.95 / 2_000)


@pytest.mark.parametrize(
    "lengths", [(0.0, 0.0), (0.0, 3.0), (0.0, 30.0), (30.0, 0.0), (3.0, 30.0), (20.0, 30.0)]
)
def test_changes_of_norms_that_vary_by_themselves_are_held(lengths):
    rng = np.random.default_rng(1)
    error = np.ones(20)
    before, after = (
        of_normal(np.full(20, length / np.sqrt(20)), error, 2_000, rng) for length in lengths
    )
    low, high = norms_apart(after, before, after.variance + before.variance, 0.95)
    true = lengths[1] - lengths[0]
    assert ((low <= true) & (true <= high)).mean() > 0.93 - 3 * np.sqrt(0.05 * 0.95 / 2_000)


def test_a_change_that_hardly_varies_has_a_narrow_interval():
    """Two large norms whose errors are one and the same."""
    one = Norm(np.array(50.0), np.array(1.0), MANY, np.array(0.0), MANY)
    low, high = norms_apart(one, one, np.array(0.0), 0.95)
    assert -0.1 < low <= high < 0.1  # apart they would be known to ± 2.8
