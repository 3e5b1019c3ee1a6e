"""Changes of estimates: intervals and p-values, alone and in clusters."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.stats import binomtest, norm, skew, t, ttest_rel

from prunescope.audit.comparison import Comparison, Pairs, compare, from_zero
from prunescope.audit.estimates import OK, UNDEFINED, estimate
from prunescope.audit.intervals.ends import of_paired
from prunescope.audit.support import Support
from prunescope.metrics import Measure

SEEDS = st.integers(0, 2**32 - 1)


def share(right, units=None, metric="accuracy"):
    """Estimate the share of samples that are right; `units` gives the block of each."""
    right = np.asarray(right, float)
    n, alone = len(right), units is None
    blocks = np.arange(n) if alone else np.asarray(units)
    sums = np.bincount(blocks, right)
    sizes = np.bincount(blocks).astype(float)
    without = (sums.sum() - sums) / (n - sizes)
    count = np.array([float(len(sizes))])
    return estimate(
        metric,
        ("a",),
        Measure(np.array([right.mean()]), np.array([float(n)])),
        without[:, None],
        min_support=1,
        basis="labelled samples",
        undefined="no samples",
        rests=Support.of(sizes[:, None], None if alone else count),
        trials=np.array([float(n)]),
    )


def pairs_of(before, after):
    before, after = np.asarray(before, bool), np.asarray(after, bool)
    return Pairs(
        *(np.array([float(x)]) for x in (sum(~before & after), sum(before & ~after), len(before)))
    )


def drawn(seed, n=80):
    rng = np.random.default_rng(seed)
    before = rng.random(n) < 0.8
    return before, before ^ (rng.random(n) < 0.15)


def change(before, after, units=None, exact=None):
    pairs = pairs_of(before, after)
    return compare(share(after, units), share(before, units), exact, pairs)


def the_ends(comparison, level=0.95):
    return [end.item() for end in comparison.interval(level)]


def test_the_change_is_that_of_each_sample():
    found = change([1, 1, 1, 0, 0, 0], [1, 0, 0, 1, 0, 0])
    assert (found.baseline.item(), found.delta.item()) == pytest.approx((0.5, -1 / 6))
    assert found.told.tolist() == [True]


@given(SEEDS)
def test_the_interval_of_independent_pairs_is_tangos(seed):
    before, after = drawn(seed)
    pairs = pairs_of(before, after)
    wanted = of_paired(*pairs, np.array(norm.ppf(0.95)))
    assert the_ends(change(before, after), 0.9) == pytest.approx([end.item() for end in wanted])


@given(SEEDS)
def test_without_an_exact_test_a_change_of_a_mean_is_students(seed):
    """The interval reaches further to the side of the skewness: Hall's g(T) in place of T."""
    rng = np.random.default_rng(seed)
    before = rng.random(200)
    after = before + rng.normal(0.02, 0.1, 200)
    found = compare(share(after, metric="ece"), share(before, metric="ece"))
    wanted = ttest_rel(after, before)
    # Satterthwaite's freedom is about 199, not exactly
    assert np.log(found.p_values().item()) == pytest.approx(np.log(wanted.pvalue), rel=0.05)
    ends = np.array([*wanted.confidence_interval(0.95)])
    gamma = skew(after - before) / np.sqrt(200)

    def corrected(x):
        return x + gamma / 3 * x**2 + gamma**2 / 27 * x**3 + gamma / 6

    quantile = t.ppf(0.975, 199)
    error = (ends[1] - ends[0]) / 2 / quantile
    change_of = wanted.statistic * error
    hall = [
        change_of
        - error * brentq(lambda x, side=side: corrected(x) - side * norm.ppf(0.975), -9, 9)
        for side in (1, -1)
    ]
    further = [min(ends[0], hall[0]), max(ends[1], hall[1])]
    assert the_ends(found) == pytest.approx(further, abs=3e-4)


@given(SEEDS, st.integers(2, 20))
def test_copies_of_samples_in_clusters_tell_what_one_of_each_tells(seed, copies):
    before, after = drawn(seed)
    n = len(before)
    one = change(before, after, np.arange(n))
    every = change(
        np.repeat(before, copies), np.repeat(after, copies), np.repeat(np.arange(n), copies)
    )
    assert the_ends(every) == pytest.approx(the_ends(one), abs=1e-9)
    assert every.p_values() == pytest.approx(one.p_values())
    low, high = the_ends(every)
    alone = the_ends(change(before, after))
    assert low <= alone[0] + 1e-9  # never narrower than independent samples have it
    assert high >= alone[1] - 1e-9


def test_the_interval_of_clusters_is_about_students():
    """Of many clusters, where a share lies far from 0 and 1."""
    rng = np.random.default_rng(0)
    who = np.repeat(np.arange(400), 5)
    before = rng.random(2000) < np.repeat(rng.random(400), 5)
    after = rng.random(2000) < np.repeat(rng.random(400), 5)
    moved = after.astype(float) - before
    error = moved.reshape(400, 5).mean(axis=1).std(ddof=1) / np.sqrt(400)
    found = change(before, after, who)
    half = t.ppf(0.975, 399) * error
    assert the_ends(found) == pytest.approx([moved.mean() - half, moved.mean() + half], abs=2e-3)
    assert found.p_values().item() == pytest.approx(
        2 * t.sf(abs(moved.mean()) / error, 399), rel=0.05
    )


def test_where_nobody_changed_clusters_are_what_counts():
    """t² / (units + t²), of 40 clusters, not of 400 images."""
    same = np.tile([1, 1, 1, 0], 100)
    low, high = the_ends(change(same, same, np.repeat(np.arange(40), 10)))
    reach = t.ppf(0.975, 39) ** 2
    assert (low, high) == pytest.approx((-reach / (40 + reach), reach / (40 + reach)), abs=1e-6)


def test_changes_that_cancel_in_every_cluster_count_clusters():
    """Each of 30 pairs of images gains one and loses one: as 30 samples of the same shares."""
    before, after = np.tile([0, 1], 30), np.tile([1, 0], 30)
    found = change(before, after, np.repeat(np.arange(30), 2))
    wanted = of_paired(np.array(15.0), np.array(15.0), np.array(30.0), np.array(t.ppf(0.975, 29)))
    assert the_ends(found) == pytest.approx([end.item() for end in wanted])


@pytest.mark.parametrize("k", [2, 3, 5, 9])
def test_few_units_tell_no_more_than_a_sign_test(k):
    before, after = np.ones(20 * k), np.zeros(20 * k)
    found = change(before, after, np.repeat(np.arange(k), 20))
    assert found.p_values().item() == pytest.approx(binomtest(0, k).pvalue)


def test_an_exact_test_goes_before_students():
    before, after = drawn(3)
    assert change(before, after, exact=np.array([0.25])).p_values().tolist() == [0.25]
    student = change(before, after).p_values()
    assert change(before, after, exact=np.array([np.nan])).p_values() == pytest.approx(student)


def test_a_model_without_a_value_is_not_compared():
    one = share([1, 0, 1, 1])
    none = one.explain(np.array([True]), UNDEFINED, "nothing was predicted positive")
    for found in (compare(one, none), compare(none, one)):
        assert np.isnan([found.delta, *found.interval(0.9), found.p_values()]).all()
        assert not found.told.any()
    assert compare(one, none).missing.tolist() == ["nothing was predicted positive"]
    assert compare(none, one).missing.tolist() == [None]


def test_what_may_have_either_sign_is_compared_with_nothing():
    one = replace(share([1, 0, 1, 1, 1, 0], metric="excess_accuracy_gap"), trials=None)
    found = from_zero(one)
    assert np.isnan(found.baseline).all()
    assert found.delta == one.value
    value, error = one.value.item(), np.sqrt(one.spread.variance.item())
    wanted = 2 * t.sf(value / error, one.spread.df.item())
    assert found.p_values().item() == pytest.approx(max(wanted, 2.0**-5))


def test_without_replicates_there_is_no_interval_and_no_p_value():
    one = share([1, 0, 1, 1])
    bare = replace(one, replicates=one.replicates[:0])
    found = compare(bare, bare)
    assert np.isnan(found.interval(0.95)).all()
    assert np.isnan(found.p_values()).all()
    assert found.delta.tolist() == [0]


def test_what_chance_moves_widens_an_interval_and_weakens_evidence():
    before, after = drawn(5, n=300)
    plain = compare(share(after, metric="ece"), share(before, metric="ece"))
    biased = replace(plain, bias=np.array([0.01]))
    low, high = the_ends(plain)
    assert the_ends(biased) == pytest.approx([low - 0.01, high + 0.01])
    assert biased.p_values() > plain.p_values()
    assert replace(plain, bias=np.array([0.5])).p_values() == 1


def test_the_p_value_of_bounds_is_that_of_their_width():
    """Ends 1 ± 0.5 at 95%: two-sided normal, of a standard error 0.5 / 1.96; of 4 units 1/8."""

    def bounds(level):
        half = 0.5 * norm.ppf((1 + level) / 2) / norm.ppf(0.975)
        return np.array([1 - half]), np.array([1 + half])

    for one, p in (
        (share([1, 0, 1, 1] * 20), 2 * norm.sf(1.96 / 0.5)),
        (share([1, 0, 1, 1]), 1 / 8),
    ):
        found = Comparison(one, np.zeros(1), np.ones(1), one.replicates, bounds=bounds)
        assert found.p_values().item() == pytest.approx(p, rel=0.01)
    assert one.status.tolist() == [OK]


@given(SEEDS, st.booleans(), st.sampled_from([0.8, 0.95]))
def test_a_surer_interval_is_wider_and_holds_the_change(seed, clustered, level):
    before, after = drawn(seed)
    units = np.random.default_rng(seed).permutation(np.arange(80) % 25) if clustered else None
    found = change(before, after, units)
    low, high = the_ends(found, level)
    assert -1 <= low <= found.delta.item() <= high <= 1
    assert low < high
    wider = the_ends(found, 0.99)
    assert wider[0] <= low
    assert wider[1] >= high
