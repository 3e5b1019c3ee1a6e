"""How well risks rank, against scikit-learn, and their replicates, against drawing for real."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from prunescope.audit.intervals.bootstrap import draw
from prunescope.forecast.ranking import BUDGETS, Figure, Resampling, grade, recall

N, A, R = 400, 3, 300


@pytest.fixture
def world():
    rng = np.random.default_rng(0)
    risk = np.round(rng.normal(0, 1, (N, A)), 1).astype(np.float32)  # with ties
    happened = (rng.random((N, A)) < 1 / (1 + np.exp(2 - risk))).astype(np.uint8)
    happened[rng.random((N, A)) < 0.1] = 2
    return risk, happened, Resampling(np.arange(N), draw(N, R, seed=0))


def each(risk, happened):
    """Yield (risk, happened) of known answers: all together, and by attribute."""
    for r, h in ((risk.ravel(), happened.ravel()), *zip(risk.T, happened.T, strict=True)):
        yield r[h != 2], h[h != 2]


def test_figures_are_those_of_scikit_learn(world):
    risk, happened, resampling = world
    found = grade(risk, happened, resampling)
    for measure, oracle in (
        ("average_precision", average_precision_score),
        ("auroc", roc_auc_score),
    ):
        pooled, *apart = (oracle(h, r) for r, h in each(risk, happened))
        assert found[measure, "pooled"].value == pytest.approx(pooled)
        assert found[measure, "macro"].value == pytest.approx(np.mean(apart))


def expected_recall(risk, happened, budget):
    """Recall by a loop; of a tie that the budget cuts, the share that fits."""
    n_left, hit = budget * len(risk), 0.0
    for value in sorted(set(risk), reverse=True):
        tied = risk == value
        share = min(1.0, n_left / tied.sum())
        hit += share * happened[tied].sum()
        n_left -= share * tied.sum()
    return hit / happened.sum()


def test_recall_is_that_of_a_loop(world):
    risk, happened, resampling = world
    found = grade(risk, happened, resampling)
    for budget in BUDGETS:
        pooled, *apart = (expected_recall(r, h, budget) for r, h in each(risk, happened))
        name = f"recall_at_{budget:.0%}"
        assert found[name, "pooled"].value == pytest.approx(pooled)
        assert found[name, "macro"].value == pytest.approx(np.mean(apart))


@pytest.mark.parametrize("measure", ["average_precision", "auroc", "recall_at_5%"])
def test_replicates_vary_as_those_that_are_computed_anew(world, measure):
    risk, happened, resampling = world
    found = grade(risk, happened, resampling)[measure, "pooled"]
    oracle = {
        "average_precision": lambda r, h: average_precision_score(h, r),
        "auroc": lambda r, h: roc_auc_score(h, r),
        "recall_at_5%": lambda r, h: expected_recall(r, h, 0.05),
    }[measure]
    anew = []
    for weights in resampling.weights:
        rows = np.repeat(np.arange(N), weights.astype(int))
        r, h = risk[rows].ravel(), happened[rows].ravel()
        anew.append(oracle(r[h != 2], h[h != 2]))
    assert found.replicates.std() == pytest.approx(np.std(anew), rel=0.15)
    assert np.corrcoef(found.replicates, anew)[0, 1] > 0.9
    assert found.replicates.mean() == pytest.approx(np.mean(anew), abs=0.02)


def test_what_never_happened_has_no_figure(world):
    risk, happened, resampling = world
    found = grade(risk, np.where(happened == 1, 0, happened).astype(np.uint8), resampling)
    assert all(np.isnan(figure.value) for figure in found.values())
    assert found["auroc", "pooled"].reason == "it happened to no answer, or to all"


def test_macro_leaves_out_attributes_to_which_it_did_not_happen(world):
    risk, happened, resampling = world
    happened[:, 1] = 0
    found = grade(risk, happened, resampling)["auroc", "macro"].value
    want = [roc_auc_score(h, r) for r, h in list(each(risk, happened))[1:] if h.any()]
    assert len(want) == 2
    assert found == pytest.approx(np.mean(want))


def test_a_rare_attribute_does_not_take_replicates_away(world):
    """One flip in one sample: replicates that do not draw it are over the other attributes."""
    risk, happened, resampling = world
    happened[:, 1] = 0
    happened[7, 1] = 1
    found = grade(risk, happened, resampling)
    assert all(np.isfinite(figure.replicates).all() for figure in found.values())


def test_a_floor_that_knows_nothing_gets_the_base_rate(world):
    _, happened, resampling = world
    found = grade(np.zeros((N, A), np.float32), happened, resampling)
    known = happened[happened != 2]
    assert found["average_precision", "pooled"].value == pytest.approx(known.mean())
    assert found["auroc", "pooled"].value == 0.5
    for budget in BUDGETS:
        assert found[f"recall_at_{budget:.0%}", "pooled"].value == pytest.approx(budget)


def test_recall_of_one_sample():
    value, _ = recall(np.zeros(1), np.ones(1, np.uint8), np.zeros(1, int), np.ones((1, 1), "f4"))
    assert value == pytest.approx(BUDGETS)


def test_figures_subtract_and_average_by_replicate():
    a, b = Figure(0.5, np.array([0.4, 0.6])), Figure(0.2, np.array([0.3, 0.2]))
    assert a.minus(b).replicates == pytest.approx([0.1, 0.4])
    assert Figure.mean([a, b]).value == pytest.approx(0.35)
    assert Figure.mean([a, b]).replicates == pytest.approx([0.35, 0.4])
