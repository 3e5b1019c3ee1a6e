"""Certificates hold as often as they say, in simulated samples of a known population.

Few of them here; `benchmarks/certificates.py` simulates more, at several sizes.
"""

import numpy as np
import pytest
from scipy.stats import binomtest

from prunescope.errors import ConfigError
from prunescope.mitigate import certify
from prunescope.mitigate.certificate import (
    CUTS,
    betting_p_values,
    binomial_p_values,
    fewest_units,
    sample_losses,
)

ALPHA, DELTA, SIMULATIONS = 0.05, 0.1, 200


def binary(rng, n):
    """Draw risks and flips of one attribute: the riskier, the likelier wrong."""
    risk = -abs(rng.normal(0, 2, (n, 1)))
    return risk, (rng.random((n, 1)) < 0.45 * np.exp(risk)).astype(float)


def several(rng, n):
    """Draw risks and flips of six attributes that hang together."""
    hard = rng.normal(0, 0.5, (n, 1))
    risk = -abs(rng.normal(0, 2, (n, 6)))
    return risk, (rng.random((n, 6)) < 0.4 * np.exp(risk + hard)).astype(float)


def true_losses(draw):
    risk, wrong = draw(np.random.default_rng(99), 50_000)
    nothing = np.zeros_like(wrong)
    parts = np.array_split(CUTS, 16)  # fits into memory
    return np.concatenate([sample_losses(risk, wrong, nothing, c).mean(axis=0) for c in parts])


def broken(certificates, truth):
    """Count the certificates whose cut has a true loss above alpha."""
    cuts = [one.cut for one in certificates if one.cut is not None]
    places = np.searchsorted(CUTS, cuts)
    return int((truth[places] > ALPHA).sum())


@pytest.mark.parametrize("draw", [binary, several])
def test_certificates_hold_in_their_share_of_simulations(draw):
    truth, rng, found = true_losses(draw), np.random.default_rng(0), []
    for _ in range(SIMULATIONS):
        risk, wrong = draw(rng, 300)
        nothing = np.zeros_like(wrong)
        found.append(certify(risk, wrong, nothing, loss="d", alpha=ALPHA, delta=DELTA))
    n_broken = broken(found, truth)
    assert binomtest(n_broken, SIMULATIONS, DELTA, alternative="greater").pvalue > 0.01
    assert n_broken <= DELTA * SIMULATIONS
    # and they are worth having: keeping everything is too much, and most answers are kept
    assert truth[-1] > 1.5 * ALPHA
    assert np.mean([one.routed for one in found]) < 0.75


def test_certificates_of_groups_hold_for_every_group_at_once():
    rng, n = np.random.default_rng(1), 400
    truth = [true_losses(binary), true_losses(lambda r, m: (binary(r, m)[0], harder(r, m)))]
    n_broken = 0
    for _ in range(SIMULATIONS):
        risk, wrong = binary(rng, n)
        second = np.arange(n) % 3 == 0
        redrawn, worse = binary(rng, n)
        worse = (rng.random((n, 1)) < 0.9 * np.exp(redrawn)).astype(float)
        risk, wrong = (np.where(second[:, None], b, a)
                       for a, b in ((risk, redrawn), (wrong, worse)))  # fmt: skip
        members = {"first": np.flatnonzero(~second), "second": np.flatnonzero(second)}
        found = certify(risk, wrong, 0 * wrong, loss="d", alpha=ALPHA, delta=DELTA, members=members)
        if found.cut is not None:
            place = np.searchsorted(CUTS, found.cut)
            n_broken += max(truth[0][place], harder_loss(place)) > ALPHA
    assert n_broken <= SIMULATIONS * DELTA


def harder(rng, n):
    risk = -abs(rng.normal(0, 2, (n, 1)))
    return (rng.random((n, 1)) < 0.9 * np.exp(risk)).astype(float)


def harder_loss(place):
    """True loss at a cut of the group that is wrong twice as often."""
    rng = np.random.default_rng(5)
    risk = -abs(rng.normal(0, 2, 200_000))
    return float((0.9 * np.exp(risk) * (risk < CUTS[place])).mean())


def test_binomial_p_values_are_scipys():
    losses = (np.random.default_rng(2).random((80, 3)) < (0.0, 0.05, 0.3)).astype(float)
    expected = [binomtest(int(k), 80, 0.1, alternative="less").pvalue for k in losses.sum(axis=0)]
    np.testing.assert_allclose(binomial_p_values(losses, 0.1), expected)


@pytest.mark.parametrize("variance", ["low", "high"])
def test_betting_p_values_are_uniform_or_larger_where_the_mean_is_alpha(variance):
    rng, n = np.random.default_rng(3), 2000
    losses = rng.random((200, n)) * 0.2 if variance == "low" else rng.random((200, n)) < 0.1
    p = betting_p_values(losses.astype(float), 0.1, 0.1)
    for level in (0.01, 0.05, 0.1, 0.3):
        assert (p <= level).mean() <= level + 2 * np.sqrt(level / n)


def test_betting_sees_a_small_variance():
    losses = np.full((200, 1), 0.04)
    assert betting_p_values(losses, 0.06, 0.1)[0] < 0.05
    noisy = np.zeros((200, 1))
    noisy[:8] = 1.0  # of the same mean
    assert betting_p_values(np.random.default_rng(0).permutation(noisy), 0.06, 0.1)[0] > 0.1


def test_losses_at_each_cut_are_those_of_a_loop():
    rng = np.random.default_rng(4)
    risk = rng.choice([-3.0, -0.5, 0.0, 2.0], (20, 3))
    kept, sent = rng.random((2, 20, 3))
    kept[0] = np.nan
    sent[1, 1] = np.nan
    found = sample_losses(risk, kept, sent)
    assert CUTS[258] == 0.0  # where some risks stand exactly
    for place in (0, 40, 200, 258, 300, len(CUTS) - 1):
        loss = np.where(risk >= CUTS[place], sent, kept)
        loss[np.isnan(kept) | np.isnan(sent)] = np.nan
        expected = [np.nanmean(row) if not np.isnan(row).all() else np.nan for row in loss]
        np.testing.assert_allclose(found[:, place], expected, atol=1e-12)


def test_units_count_alike_however_many_samples_they_have():
    # one person has 900 images, all right; 60 persons have one each, all wrong
    risk = np.full((960, 1), -1.0)
    wrong = np.r_[np.zeros(900), np.ones(60)][:, None]
    units = np.r_[np.zeros(900, int), np.arange(1, 61)]
    alone = certify(risk, wrong, 0 * wrong, loss="d", alpha=0.1, delta=0.1)
    assert alone.cut == CUTS[-1]  # 6% of the images
    people = certify(risk, wrong, 0 * wrong, loss="d", alpha=0.1, delta=0.1, units=units)
    assert people.n == 61
    assert people.cut < -0.9


def test_too_small_a_sample_cannot_prove_anything():
    for n in (3, fewest_units(0.05, 0.1) - 1):
        nothing = np.zeros((n, 1))
        found = certify(nothing, nothing, nothing, loss="d", alpha=0.05, delta=0.1)
        assert found.cut is None
        assert f"{n} independent units; even without a loss 45 are needed" in found.reason
    nothing = np.zeros((45, 1))
    assert certify(nothing, nothing, nothing, loss="d", alpha=0.05, delta=0.1).cut == CUTS[-1]
    members = {"all": np.arange(45), "Male=True": np.arange(3)}
    small = certify(
        nothing, nothing, nothing, loss="d", alpha=0.05, delta=0.1, members=members, who="all"
    )
    assert small.cut is None
    assert small.reason.startswith("Male=True: 3 independent units")


def test_a_loss_that_sending_does_not_mend_cannot_be_certified():
    wrong = np.ones((500, 1))
    found = certify(-wrong, wrong, wrong, loss="error", alpha=0.05, delta=0.1)
    assert found.cut is None
    assert "with every answer sent the loss is 1" in found.reason


def test_samples_without_a_known_answer_are_left_out():
    risk = np.full((200, 2), -1.0)
    wrong = np.zeros((200, 2))
    wrong[:50] = np.nan
    assert certify(risk, wrong, wrong, loss="error", alpha=0.05, delta=0.1).n == 150


@pytest.mark.parametrize("wrong", [{"alpha": 0}, {"alpha": 1.5}, {"delta": -1}])
def test_shares_outside_0_and_1_are_refused(wrong):
    nothing = np.zeros((9, 1))
    with pytest.raises(ConfigError, match="expected a share between 0 and 1"):
        certify(nothing, nothing, nothing, loss="d", **wrong)
