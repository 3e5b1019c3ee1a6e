"""From intervals to verdicts, against scipy and by hand."""

import numpy as np
import pytest
from scipy import stats

from prunescope.study.results.claims.verdicts import (
    UNKNOWN,
    Interval,
    all_of,
    between_seeds,
    over_attributes,
    over_seeds,
    share,
)


@pytest.mark.parametrize(
    ("low", "high", "at_least", "above", "within"),
    [
        (0.1, 0.2, "held", "held", "held"),
        (0.0, 0.2, "held", "undecided", "held"),
        (-0.1, 0.2, "undecided", "undecided", "held"),
        (-0.2, 0.0, "undecided", "failed", "held"),
        (-0.2, -0.1, "failed", "failed", "held"),
        (0.6, 0.7, "held", "held", "failed"),
        (-0.7, -0.6, "failed", "failed", "failed"),
        (0.4, 0.7, "held", "held", "undecided"),
        (np.nan, np.nan, "undecided", "undecided", "undecided"),
    ],
)
def test_an_interval_decides(low, high, at_least, above, within):
    found = Interval(0.0, low, high)
    assert found.at_least(0) == at_least
    assert found.above(0) == above
    assert found.within(0.5) == within


def test_words():
    assert str(Interval(0.1, 0.05, 0.15)) == "+0.100 [+0.050, +0.150]"
    assert Interval(0.1, np.nan, np.nan).plain() == "0.100 (one seed: no interval)"
    assert str(UNKNOWN) == "unknown"
    assert str(-Interval(0.1, 0.05, 0.2)) == "-0.100 [-0.200, -0.050]"


def test_several_conditions():
    assert all_of(["held", "held"]) == "held"
    assert all_of(["held", "undecided"]) == "undecided"
    assert all_of(["undecided", "failed"]) == "failed"
    assert all_of([]) == "undecided"


def test_means_over_seeds_have_students_interval():
    values = [0.2, 0.5, 0.3, 0.9]
    found = over_seeds([*values, np.nan])
    told = stats.ttest_1samp(values, 0).confidence_interval()
    assert found == pytest.approx((np.mean(values), told.low, told.high))
    assert over_seeds([0.3])[0] == 0.3
    assert np.isnan(over_seeds([0.3])[1:]).all()
    assert np.isnan(over_seeds([np.nan])).all()


def test_differences_between_seeds_have_welchs_interval():
    one, other = [0.2, 0.5, 0.3, 0.9], [0.1, 0.15, 0.3]
    found = between_seeds(one, other)
    told = stats.ttest_ind(one, other, equal_var=False).confidence_interval()
    assert found == pytest.approx((np.mean(one) - np.mean(other), told.low, told.high))
    assert between_seeds([0.5, 0.5], [0.2, 0.2]) == pytest.approx((0.3, 0.3, 0.3))
    assert np.isnan(between_seeds([0.5], [0.2, 0.3])[1:]).all()
    assert np.isnan(between_seeds([], [0.2])).all()


def test_means_over_attributes_are_covered():
    rng = np.random.default_rng(0)
    hits = 0
    for number in range(200):
        found = over_attributes(list(rng.normal(0.5, 1, 40)), seed=number)
        hits += found.low <= 0.5 <= found.high
    assert 0.88 <= hits / 200 <= 0.99
    assert over_attributes([1.0, 2.0, 9.0, np.nan], median=True).value == 2


def test_shares_have_wilsons_interval():
    found = share(np.array([True] * 8 + [False] * 2))
    assert found == pytest.approx((0.8, 0.490162, 0.943318), abs=1e-5)
    assert np.isnan(share(np.array([], bool))).all()
