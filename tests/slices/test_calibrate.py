"""Expected damage, corrected by the damage that there was."""

import numpy as np
import pytest

from prunescope.slices.calibrate import calibrated

EVERY = np.ones(40_000, bool)


@pytest.mark.parametrize("sign", [1, -1])
def test_is_right_at_every_margin_whatever_was_foretold(sign):
    rng = np.random.default_rng(0)
    margin = rng.exponential(2.0, 40_000)
    chance = 0.5 * np.exp(-margin)
    damage = (rng.random(40_000) < chance).astype(float)
    foretold = np.where(margin < 0.5, 0.9, 0.02)  # far too much here, and too little there
    found = sign * calibrated(sign * foretold, sign * damage, margin, EVERY)
    part = np.digitize(margin, np.quantile(margin, np.arange(1, 10) / 10))
    for number in range(10):
        here = part == number
        assert found[here].mean() == pytest.approx(chance[here].mean(), abs=0.025)
    assert found.mean() == pytest.approx(damage.mean(), rel=0.01)


def test_only_what_was_seen_counts():
    rng = np.random.default_rng(1)
    margin, seen = rng.exponential(2.0, 2000), np.arange(2000) < 1000
    damage = (rng.random(2000) < 0.2).astype(float)
    foretold = np.full(2000, 0.2)
    first = calibrated(foretold, damage, margin, seen)
    damage[~seen] = 1 - damage[~seen]
    assert np.array_equal(first, calibrated(foretold, damage, margin, seen))


def test_few_answers_leave_what_was_foretold():
    found = calibrated(np.full(3, 0.3), np.zeros(3), np.array([0.1, 1.0, 2.0]), np.ones(3, bool))
    assert found == pytest.approx(np.full(3, 0.3), abs=0.15)


def test_without_damage_or_without_anything_seen_nothing_is_changed():
    margin = np.array([0.5, 1.0])
    assert calibrated(np.zeros(2), np.zeros(2), margin, np.ones(2, bool)).tolist() == [0, 0]
    assert calibrated(np.array([0.1, 0.2]), np.ones(2), margin, np.zeros(2, bool)).tolist() == [
        0.1,
        0.2,
    ]


def test_equal_margins_are_no_trouble():
    damage = np.tile([1.0, 0.0, 0.0, 0.0], 100)
    found = calibrated(np.full(400, 0.01), damage, np.zeros(400), np.ones(400, bool))
    assert found == pytest.approx(np.full(400, 0.25), abs=0.02)
