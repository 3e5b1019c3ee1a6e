"""Leads over plain rules, against scipy and scikit-learn on points that are written out."""

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from prunescope.forecast.rivals import DRAWS, aurocs, draws_of, lead, rank_correlations


@pytest.fixture(scope="module")
def points():
    rng = np.random.default_rng(0)
    attributes = np.repeat(np.arange(12), rng.integers(1, 4, 12))
    y = rng.normal(0, 1, len(attributes)).round(1)
    return attributes, (y + rng.normal(0, 1, len(y))).round(1), y


def test_draws_are_of_whole_attributes(points):
    attributes, _, _ = points
    weights = draws_of(attributes)
    assert weights.shape == (DRAWS + 1, len(attributes))
    assert (weights[0] == 1).all()
    for attribute in range(12):
        assert np.ptp(weights[:, attributes == attribute], axis=1).max() == 0
    first = [np.flatnonzero(attributes == a)[0] for a in range(12)]
    assert (weights[:, first].sum(axis=1) == 12).all()
    assert weights[1:, first].mean() == pytest.approx(1)


def test_figures_of_weighted_points_are_those_of_repeated_ones(points):
    attributes, x, y = points
    weights = draws_of(attributes)[:50]
    rising = (y > 0) * 1.0
    for row, rho, auroc in zip(
        weights, rank_correlations(weights, x, y), aurocs(weights, x, rising), strict=True
    ):
        n = row.astype(int)
        assert rho == pytest.approx(spearmanr(np.repeat(x, n), np.repeat(y, n))[0])
        rises = np.repeat(rising, n)
        if 0 < rises.mean() < 1:
            assert auroc == pytest.approx(roc_auc_score(rises, np.repeat(x, n)))
        else:
            assert np.isnan(auroc)


def test_what_is_the_same_everywhere_has_no_figure(points):
    attributes, x, y = points
    weights = draws_of(attributes)
    flat = np.ones_like(x)
    assert np.isnan(rank_correlations(weights, flat, y)).all()
    assert np.isnan(aurocs(weights, x, flat)).all()
    nothing = np.full(DRAWS + 1, np.nan)
    assert np.isnan(lead(nothing, [np.zeros(DRAWS + 1)])).all()


def test_a_lead_is_over_the_best_rule_whichever_way_it_points():
    rng = np.random.default_rng(1)
    mine, weak, strong = (np.full(DRAWS + 1, v) + rng.normal(0, 0.01, DRAWS + 1) for v in
                          (0.5, 0.1, -0.4))  # fmt: skip
    found = lead(mine, [weak, strong])
    assert found.value == pytest.approx(mine[0] + strong[0])
    assert found.low < 0.1 < found.high
    assert found.high - found.low == pytest.approx(2 * 1.96 * 0.01 * np.sqrt(2), rel=0.15)
