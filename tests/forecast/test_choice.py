"""Which class is chosen, against closed forms, quadrature by scipy and draws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import norm

from prunescope.forecast import choice
from prunescope.forecast.choice import chances

MEAN = np.array([[0.3, -1.2, 0.9, 0.0], [2.0, 2.0, 2.0, 2.0], [-3.0, 4.0, 0.0, 3.5]])
SPREAD = np.array([0.4, 1.5, 0.7, 2.5])


def test_of_two_classes_it_is_the_normal_distribution_of_the_difference():
    gap = np.linspace(-9, 9, 61)
    spread = np.array([0.8, 1.7])
    found = chances(np.stack([gap, np.zeros_like(gap)], axis=1), spread)
    want = norm.cdf(gap / np.hypot(*spread))
    assert found[:, 0] == pytest.approx(want, abs=1e-10)
    assert found[:, 1] == pytest.approx(1 - want, abs=1e-10)


def test_of_equals_each_is_as_likely():
    assert chances(np.full((1, 7), 3.5), np.float32(0.2))[0] == pytest.approx(
        [1 / 7] * 7, abs=1e-12
    )


def test_it_is_the_integral_that_scipy_finds():
    found = chances(MEAN, SPREAD)
    for row, means in enumerate(MEAN):
        for c in range(4):
            others = np.delete(np.arange(4), c)

            def wins(t, c=c, others=others, means=means):
                below = norm.cdf(t, means[others], SPREAD[others]).prod()
                return norm.pdf(t, means[c], SPREAD[c]) * below

            ends = means[c] - 12 * SPREAD[c], means[c] + 12 * SPREAD[c]
            want = quad(wins, *ends, points=means, limit=200, epsabs=1e-12)[0]
            assert found[row, c] == pytest.approx(want, abs=1e-9)


def test_it_is_how_often_a_class_is_drawn():
    n = 400_000
    drawn = np.random.default_rng(0).normal(MEAN[:, None], SPREAD, (len(MEAN), n, 4)).argmax(axis=2)
    for row, found in enumerate(chances(MEAN, SPREAD)):
        seen = np.bincount(drawn[row], minlength=4) / n
        error = np.sqrt(found * (1 - found) / n)
        assert (abs(seen - found) < 4.5 * error + 1e-9).all()


logits = st.lists(st.lists(st.floats(-30, 30), min_size=5, max_size=5), min_size=1, max_size=4)


@given(logits, st.lists(st.floats(0.05, 5), min_size=5, max_size=5), st.floats(-50, 50))
def test_rows_add_up_to_one_and_a_constant_or_an_order_changes_nothing(rows, spread, constant):
    mean, spread = np.array(rows), np.array(spread)
    found = chances(mean, spread)
    assert (found >= 0).all()
    assert found.sum(axis=1) == pytest.approx(np.ones(len(mean)), abs=1e-12)
    assert chances(mean + constant, spread) == pytest.approx(found, abs=1e-9)
    order = [3, 0, 4, 1, 2]
    assert chances(mean[:, order], spread[order]) == pytest.approx(found[:, order], abs=1e-12)


def test_spreads_may_differ_from_cell_to_cell():
    rng = np.random.default_rng(1)
    mean, spread = rng.normal(0, 1, (6, 3)), rng.uniform(0.3, 2, (6, 3))
    whole = chances(mean, spread)
    for row in range(6):
        assert chances(mean[[row]], spread[row])[0] == pytest.approx(whole[row], abs=1e-12)


def test_many_classes_are_worked_on_in_parts(monkeypatch):
    rng = np.random.default_rng(2)
    mean = rng.normal(0, 3, (50, 300))
    whole = chances(mean, np.array(0.5))
    assert whole.sum(axis=1) == pytest.approx(np.ones(50), abs=1e-12)
    monkeypatch.setattr(choice, "MOST_CELLS", 1000)
    assert chances(mean, np.array(0.5)) == pytest.approx(whole, abs=1e-12)
