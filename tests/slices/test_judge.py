"""The test half: figures by hand, an exact test against scipy's, errors in simulation."""

import numpy as np
import pytest
from scipy.stats import fisher_exact, ttest_ind

from prunescope.slices.damage import STRATA, Target, strata_of
from prunescope.slices.judge import judge

AUDITS = 100
"""Simulated here; `benchmarks/slice_cover.py` simulates more."""

CHANCE = 2.5 * np.sqrt(0.05 * 0.95 / AUDITS)
"""By how much a share of 5% of them may be off."""


def target(damage, expected=None, answers=None):
    damage = np.array(damage, np.int16)
    expected = np.full(len(damage), 0.1) if expected is None else np.array(expected)
    answers = np.ones(len(damage)) if answers is None else np.array(answers)
    return Target(None, damage, answers.astype(np.float32), expected.astype(np.float32))


def judged(of, inside, units=None, half=None, **more):
    n = len(of.damage)
    units = np.arange(n, dtype=np.uint64) if units is None else np.array(units, np.uint64)
    half = np.ones(n, bool) if half is None else half
    return judge(of, np.array(inside, bool), half, units, rng=np.random.default_rng(0), **more)


def test_means_by_hand():
    # Two kinds of samples: of three expected much, of five little.
    of = target([1, 1, 0, 0, 0, 1, 0, 0], [0.9] * 3 + [0.1] * 5)
    found = judged(of, [1, 0, 1, 1, 0, 0, 0, 0])
    assert (found.n, found.units) == (3, 3)
    assert found.damage == pytest.approx(1 / 3)
    # Elsewhere: 2 samples weigh as the one of much damage (1), 1 as those of little (1/4).
    assert found.elsewhere == pytest.approx((2 * 1 + 1 * 0.25) / 3)
    assert found.excess == pytest.approx(found.damage - found.elsewhere)


def test_answers_are_the_unit():
    of = target([2, 0, 1, 0], [1] * 4, answers=[4, 2, 2, 0])
    found = judged(of, [1, 1, 0, 1])
    assert found.n == 2  # the fourth cannot be damaged
    assert (found.damage, found.elsewhere) == (pytest.approx(2 / 6), pytest.approx(1 / 2))


def test_only_the_half_counts():
    damage, inside = [1, 0, 0, 1, 1, 1], [1, 1, 0, 0, 1, 0]
    half = np.array([1, 1, 1, 1, 0, 0], bool)
    assert judged(target(damage), inside, half=half) == judged(target(damage[:4]), inside[:4])


def test_nothing_to_compare():
    assert judged(target([0, 1]), [1, 1]) is None
    assert judged(target([0, 1]), [0, 0]) is None
    assert judged(target([0, 1], answers=[1, 0]), [0, 1]) is None


@pytest.mark.parametrize(("hits", "of", "others", "rest"), [(6, 20, 10, 200), (3, 30, 4, 40)])
def test_one_stratum_is_fishers_exact_test(hits, of, others, rest):
    damage = [1] * hits + [0] * (of - hits) + [1] * others + [0] * (rest - others)
    found = judged(target(damage), [1] * of + [0] * rest)
    table = [[hits, of - hits], [others, rest - others]]
    exact = fisher_exact(table, alternative="greater").pvalue
    assert found.p_value == pytest.approx(exact, abs=4 * np.sqrt(exact / 20_000))


def test_strata_part_what_is_expected():
    rng = np.random.default_rng(0)
    expected = rng.random(5000) ** 6
    strata = strata_of(target(np.zeros(5000), expected), np.arange(5000))
    order = np.argsort(expected)
    assert (np.diff(strata[order]) >= 0).all()
    mass = np.bincount(strata, weights=expected)
    assert len(mass) == STRATA[0]
    assert mass.max() < 1.5 * mass.sum() / STRATA[0]


def test_what_is_expected_is_no_excess_however_many_samples():
    """A slice of unsure images, without chance: what is not told apart in a stratum is bias."""
    rng = np.random.default_rng(0)
    for n, most in ((2500, 0.01), (100_000, 0.001)):
        margin = rng.normal(size=n)
        unsure = 0.7 * margin + 0.7 * rng.normal(size=n) < -1
        expected = 0.5 / (1 + np.exp(4 * margin + 5))
        found = judge(
            target(np.round(expected * 1000), expected), unsure, np.ones(n, bool),
            np.arange(n, dtype=np.uint64),
        )  # fmt: skip
        assert abs(found.excess) / 1000 < most


def test_few_samples_or_little_damage_make_few_strata():
    rng = np.random.default_rng(0)
    for n, scale, n_strata in ((5000, 1, 20), (25_000, 1, 100), (25_000, 0.01, 20)):
        expected = scale * rng.random(n)
        strata = strata_of(target(np.zeros(n), expected), np.arange(n))
        assert len(np.unique(strata)) == n_strata


def test_equal_expectations_are_one_stratum():
    expected = np.array([0.0] * 50 + [0.3] * 50)
    strata = strata_of(target(np.zeros(100), expected), np.arange(100))
    assert len(np.unique(strata[:50])) == len(np.unique(strata[50:])) == 1
    assert not strata_of(target(np.zeros(3), np.zeros(3)), np.arange(3)).any()


def simulated(n_persons, effect, audits, rng):
    """How often p ≤ 0.05, and how often the interval holds the truth."""
    n, rejected, held = 1500, 0, 0
    for _ in range(audits):
        who = np.arange(n) if n_persons is None else rng.integers(0, n_persons, n)
        mine = rng.normal(size=who.max() + 1)[who]
        expected = 0.02 + 0.1 * rng.random(n)
        inside = rng.random(n) < 0.06
        if n_persons is not None:
            inside = (rng.random(n_persons) < 0.06)[who]
        chance = expected * np.exp(0.5 * mine - 0.125) if n_persons else expected
        hurt = rng.random(n) < np.clip(chance + effect * inside, 0, 1)
        found = judged(target(hurt, expected), inside, who, draws=1000)
        if found is None:
            continue
        rejected += found.p_value <= 0.05
        held += found.low <= effect <= found.high
    return rejected / audits, held / audits


def test_no_effect_is_seldom_found():
    rejected, held = simulated(None, 0.0, AUDITS, np.random.default_rng(1))
    assert rejected <= 0.05 + CHANCE
    assert held >= 0.95 - CHANCE


def test_an_effect_is_found_and_its_interval_holds_it():
    rejected, held = simulated(None, 0.1, AUDITS, np.random.default_rng(2))
    assert rejected >= 0.8
    assert held >= 0.95 - CHANCE


def test_persons_are_the_units():
    rejected, held = simulated(150, 0.0, AUDITS, np.random.default_rng(3))
    assert rejected <= 0.05 + CHANCE
    assert held >= 0.95 - CHANCE


@pytest.mark.parametrize("seed", [0, 3, 4])
def test_of_persons_the_p_value_is_welchs(seed):
    """Eighty persons of five images each, half of them in the slice."""
    rng = np.random.default_rng(seed)
    who = np.repeat(np.arange(80), 5)
    rate = np.where(np.arange(80) < 40, 0.32, 0.22) + rng.normal(0, 0.05, 80)
    hurt = rng.random(400) < np.clip(rate[who], 0, 1)
    means = np.bincount(who, hurt) / 5
    want = ttest_ind(means[:40], means[40:], equal_var=False, alternative="greater").pvalue
    assert judged(target(hurt), who < 40, who).p_value == pytest.approx(want, rel=0.05)


def test_intervals_hold_though_few_persons_make_up_the_damage():
    """Most of 20 persons lose next to nothing, some nearly all: those drawn may happen not to."""
    rng, held = np.random.default_rng(4), 0
    for _ in range(AUDITS):
        person = np.repeat(np.arange(2000), rng.geometric(0.1, 2000))[:2000]
        inside = np.isin(person, rng.permutation(person[-1] + 1)[:20])
        flips = rng.binomial(10, rng.beta(0.04, 0.96, person[-1] + 1)[person])
        found = judged(target(flips, answers=[10] * 2000), inside, person)
        held += found.low <= 0 <= found.high
    assert held / AUDITS >= 0.95 - CHANCE


def test_damage_that_is_a_mean_over_seeds():
    """Thirds: sums of draws that are equal but for rounding count as equal."""
    rng = np.random.default_rng(0)
    thirds = rng.integers(-3, 4, 400) / 3
    whole, third = (
        Target(None, damage.astype(np.float32), np.ones(400, np.float32), np.full(400, 0.1))
        for damage in (3 * thirds, thirds)
    )
    inside = rng.random(400) < 0.2
    assert judged(whole, inside).p_value == judged(third, inside).p_value


def test_one_person_tells_nothing():
    damage = [1] * 10 + [0] * 90
    found = judged(target(damage), [1] * 10 + [0] * 90, [0] * 10 + list(range(1, 91)))
    assert (found.n, found.units, found.p_value) == (10, 1, 1.0)
