import numpy as np
import pytest
from scipy.optimize import linprog

from prunescope.pruning.error_curves import LEVELS, Curve, share_out


def test_a_convex_curve_loses_its_cheap_pieces_first():
    flat = Curve(100, tuple(level**4 for level in LEVELS), 1.0)
    steep = Curve(100, tuple(level**4 for level in LEVELS), 10.0)
    kept = share_out({"flat": flat, "steep": steep}, 100)
    assert sum(kept.values()) == 100
    assert kept["flat"] < kept["steep"]


def test_pieces_below_a_bump_count():
    """A curve that rises early and is level later is cut through by a straight line."""
    bump = Curve(1000, tuple(0.5 for _ in LEVELS), 1.0)
    line = Curve(1000, LEVELS, 0.9)
    assert share_out({"bump": bump, "line": line}, 1000) == {"bump": 10, "line": 990}


@pytest.mark.parametrize("n_kept", [1, 60, 333, 700])
def test_as_a_linear_programme_shares_out(seed, n_kept):
    """For convex curves the greedy choice is the optimum; scipy's is the same."""
    rng = np.random.default_rng(seed)
    curves = {
        name: Curve(size, tuple(np.array(LEVELS) ** power), weight)
        for name, size, power, weight in zip(
            "abc", (100, 250, 400), rng.uniform(1.5, 6, 3), rng.uniform(0.2, 5, 3), strict=True
        )
    }
    kept = share_out(curves, n_kept)
    assert sum(kept.values()) == n_kept
    costs, bounds = [], []
    for curve in curves.values():
        points = np.array((0.0, *LEVELS, 1.0))
        values = np.array((0.0, *curve.errors, 1.0)) * curve.weight
        costs += list(np.diff(values) / np.diff(points) / curve.units)
        ends = np.round(points * curve.units)
        bounds += [(0, width) for width in np.diff(ends)]
    solved = linprog(costs, A_eq=[np.ones(len(costs))], b_eq=[750 - n_kept], bounds=bounds)
    parts = np.split(solved.x, 3)
    for curve, part, n in zip(curves.values(), parts, kept.values(), strict=True):
        assert curve.units - n == pytest.approx(part.sum(), abs=1e-6)
