"""Calibration, against planted miscalibration and scikit-learn."""

import numpy as np
import pytest
from scipy.special import expit, log_softmax
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import log_loss, roc_auc_score

from prunescope.mitigate.calibrate import CALIBRATIONS, isotonic_curves, temperature_curves
from prunescope.predictions import Adjustment, adjust


def planted(build, n=20_000, seed=0, **options):
    """Return answers whose true log-odds are half of the first logit and 1 below the second."""
    rng = np.random.default_rng(seed)
    z = rng.normal(0, 3, (n, 2)).astype("f4")
    labels = rng.random((n, 2)) < expit(np.stack([z[:, 0] / 2, z[:, 1] - 1], axis=1))
    return build(labels, z, names=("half", "shifted"), name="sparse", **options)


def test_temperature_finds_the_planted_one(build):
    curves = temperature_curves(planted(build))
    assert curves["half"].of(np.array([1.0]))[0] == pytest.approx(0.5, abs=0.02)


def test_isotonic_finds_the_planted_curves(build):
    curves = isotonic_curves(planted(build))
    at = np.array([-4.0, -1.0, 0.0, 1.0, 4.0])
    np.testing.assert_allclose(curves["half"].of(at), at / 2, atol=0.35)
    np.testing.assert_allclose(curves["shifted"].of(at), at - 1, atol=0.35)


@pytest.mark.parametrize("kind", CALIBRATIONS)
def test_held_out_loss_falls_and_auc_stays_exactly(build, kind):
    test = planted(build, seed=1)
    after = adjust(test, Adjustment(curves=CALIBRATIONS[kind](planted(build))))
    before, then = (
        log_loss(test.samples.labels[:, 0], model.probabilities[:, 0]) for model in (test, after)
    )
    assert then < before - 0.02
    for a in range(2):
        labels = test.samples.labels[:, a]
        assert roc_auc_score(labels, after.logits[:, a]) == roc_auc_score(labels, test.logits[:, a])


def test_curves_go_through_the_blocks_of_isotonic_regression(build):
    z = np.array([[-2.0], [-1], [0], [1], [2], [3], [4], [5]])
    labels = np.array([[0], [0], [1], [0], [1], [0], [1], [1]])
    curve = isotonic_curves(build(labels, z))["a0"]
    blocks = IsotonicRegression().fit_transform(z[:, 0], labels[:, 0])
    assert blocks.tolist() == [0, 0, 0.5, 0.5, 0.5, 0.5, 1, 1]
    assert curve.knots[1:-1] == (-1.5, 1.5, 4.5)
    rates = np.array([0.5 / 3, 2.5 / 5, 2.5 / 3])  # (k + 1/2) / (n + 1)
    np.testing.assert_allclose(expit(curve.values[1:-1]), rates)


def test_no_two_logits_become_one(build):
    """Blocks whose rates are equal but for rounding must not make a curve that is all but flat."""
    for seed in (180, 222, 233, 307, 332):  # where rounding parts two blocks of one rate
        rng = np.random.default_rng(seed)
        z = rng.normal(0, 2, 900).astype("f4")[:, None]
        labels = rng.random(900)[:, None] < 1 / (1 + np.exp(-z / 4))
        curve = isotonic_curves(build(labels, z))["a0"]
        new = np.unique(rng.normal(0, 2, 20_000).astype("f4"))
        assert (np.diff(curve.of(new)) > 0).all()


@pytest.mark.parametrize(
    ("kind", "scale"),
    [("temperature", 1e-18), ("temperature", 1e9), ("isotonic", 1e-6), ("isotonic", 1e9)],
)
def test_logits_may_have_any_scale(build, kind, scale):
    rng = np.random.default_rng(0)
    z = rng.normal(0, 2, (4000, 1))
    labels = rng.random((4000, 1)) < expit(z)
    model = build(labels, (scale * z).astype("f4"))
    after = adjust(model, Adjustment(curves=CALIBRATIONS[kind](model)))
    before, then = (roc_auc_score(labels, one.logits[:, 0]) for one in (model, after))
    assert before == then > 0.8


def test_labels_of_one_kind_give_no_curve(build):
    model = build([[1, 1], [1, -1]], [[1.0, 2.0], [3.0, 4.0]])
    assert isotonic_curves(model) == {}
    assert temperature_curves(model)["a0"].of(np.array([2.0]))[0] == 2.0


def test_one_temperature_for_all_classes(build):
    rng = np.random.default_rng(5)
    z = rng.normal(0, 2, (20_000, 3))
    p = np.exp(log_softmax(z / 3, axis=1))
    true = (rng.random((len(z), 1)) > p.cumsum(axis=1)).sum(axis=1)
    labels = np.eye(3, dtype=np.int8)[true]
    labels[:50] = -1
    model = build(labels, z, task="multiclass", names=("cat", "dog", "owl"))
    curves = temperature_curves(model)
    assert len(set(curves.values())) == 1
    assert curves["cat"].of(np.array([3.0]))[0] == pytest.approx(1.0, abs=0.05)
    assert (adjust(model, Adjustment(curves=curves)).decisions == model.decisions).all()
