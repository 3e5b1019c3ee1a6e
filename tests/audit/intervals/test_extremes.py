"""Gaps and worst groups: the largest of several contrasts, against loops and planted truths."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from prunescope.audit.comparison import compare
from prunescope.audit.estimates import INSUFFICIENT, OK, estimate
from prunescope.audit.intervals.extremes import change_of, gap, pairs_of, worst
from prunescope.audit.support import Support
from prunescope.metrics import Measure

SEEDS = st.integers(0, 2**32 - 1)


def of_groups(part):
    """The slices that are the group's values: all but the first, which holds all samples."""
    return slice(1, len(part.value))


def gap_of(metric, *parts):
    return gap(metric, list(parts), "g", of_groups(parts[0]))


def worst_of(part):
    return worst("worst_group_accuracy", part, "g", of_groups(part))


def part(metric, value, error, support=None, trials=None):
    """Estimate a metric of slices × attributes, with a standard error, by 40 blocks of noise."""
    value = np.asarray(value, float)
    n = np.full(value.shape, 100.0) if support is None else np.asarray(support, float)
    signs = np.where(np.arange(40) % 2, 1.0, -1.0).reshape(-1, *[1] * value.ndim)
    moved = signs * np.asarray(error) / np.sqrt(39 * 40 / 40)
    made = estimate(
        metric,
        tuple("abcdef"[: value.shape[1]]),
        Measure(value, n),
        value + moved,
        min_support=10,
        basis="samples",
        undefined="no samples",
        rests=Support(n, np.full(value.shape, 1e9), np.full(value.shape, 40.0)),
        trials=trials,
    )
    wanted = np.broadcast_to(np.square(error), value.shape)
    assert np.allclose(made.spread.variance[made.ok], wanted[made.ok])
    return made


def drawn(seed, n_values=4, n_attributes=2):
    rng = np.random.default_rng(seed)
    value = rng.uniform(0.2, 0.8, (n_values + 1, n_attributes))
    error = rng.uniform(0.01, 0.1, value.shape)
    support = rng.choice([5, 50, 60], value.shape, p=[0.2, 0.4, 0.4])
    return part("tpr", value, error, support), part("fpr", 1 - value**2, error, support[::-1])


@pytest.mark.parametrize("n", [0, 1, 2, 3, 5])
def test_pairs_are_every_ordered_two_values(n):
    found = {tuple(row) for row in pairs_of(n).tolist()}
    wanted = {
        tuple(int(k == i) - int(k == j) for k in range(n))
        for i, j in itertools.permutations(range(n), 2)
    }
    assert found == (wanted or {(0,) * n})


@given(SEEDS)
def test_gaps_and_worst_groups_are_those_of_a_loop(seed):
    tpr, fpr = drawn(seed)
    odds = gap_of("equalized_odds_difference", tpr, fpr)
    parity = gap_of("equal_opportunity_difference", tpr)
    low = worst_of(tpr)
    for a in range(2):
        mine = [v for v in range(1, 5) if tpr.ok[v, a]]
        both = [v for v in mine if fpr.ok[v, a]]
        for found, kept, wanted in (
            (parity, mine, lambda rows, a=a: np.ptp(tpr.value[rows, a])),
            (low, mine, lambda rows, a=a: tpr.value[rows, a].min()),
            (odds, both, lambda rows, a=a: max(np.ptp(p.value[rows, a]) for p in (tpr, fpr))),
        ):
            if len(kept) < 2:
                assert found.status[a] == INSUFFICIENT
                assert np.isnan(found.value[a])
                continue
            assert found.value[a] == pytest.approx(wanted(kept))
            left = 4 - len(kept)
            plural = "value" if left == 1 else "values"
            told = f"{left} {plural} of g left out for too little support" if left else None
            assert found.reason[a] == told
        if len(mine) >= 2:
            assert low.group_value[a] == min(mine, key=lambda v, a=a: tpr.value[v, a]) - 1


GROUP = [[0.9] * 4, [0.2, 0.2, 0.2, np.nan], [0.5, 0.5, 0.5, 0.5], [0.8, 0.8, 0.8, 0.8]]
SUPPORT = [[99] * 4, [20, 20, 9, 0], [30, 3, 3, 3], [40, 40, 40, 40]]


def test_a_difference_is_over_supported_values_and_names_the_rest():
    made = gap_of("equal_opportunity_difference", part("tpr", GROUP, 0.05, SUPPORT))
    assert made.value.tolist() == pytest.approx([0.6, 0.6, np.nan, np.nan], nan_ok=True)
    assert made.status.tolist() == [OK, OK, INSUFFICIENT, INSUFFICIENT]
    assert made.support.tolist() == [20, 20, 40, 40]
    assert made.reason.tolist() == [
        None,
        "1 value of g left out for too little support",
        "fewer than two values of g have enough support",
        "fewer than two values of g have enough support",
    ]
    assert made.group == "g"


def test_equalized_odds_is_the_larger_gap_where_both_are_supported():
    tpr = part("tpr", GROUP, 0.05, SUPPORT)
    fpr = part("fpr", [[0.1] * 4, [0.0] * 4, [0.9] * 4, [0.1] * 4], 0.05, np.full((4, 4), 50))
    made = gap_of("equalized_odds_difference", tpr, fpr)
    assert made.value.tolist() == pytest.approx([0.9, 0.6, np.nan, np.nan], nan_ok=True)


def test_the_worst_group_is_named_by_its_position():
    made = worst_of(part("tpr", GROUP, 0.05, SUPPORT))
    assert made.value.tolist() == pytest.approx([0.2, 0.2, np.nan, np.nan], nan_ok=True)
    assert made.group_value.tolist() == [0, 0, -1, -1]
    last = worst("w", part("tpr", GROUP, 0.05, SUPPORT), "g", slice(2, 4))
    assert (last.value[0], last.group_value[0]) == (0.5, 0)


def test_what_a_gap_rests_on_is_the_smallest_group_of_both_metrics():
    tpr = part("tpr", [[0.5]] * 4, 0.1, [[90], [30], [20], [5]])
    fpr = part("fpr", [[0.5]] * 4, 0.1, [[90], [15], [40], [50]])
    assert gap_of("equal_opportunity_difference", tpr).support.tolist() == [20]
    assert gap_of("equalized_odds_difference", tpr, fpr).support.tolist() == [15]


@given(SEEDS)
def test_a_replicate_is_the_gap_of_the_same_two_values(seed):
    """So that its mean over attributes has the right variance."""
    tpr, _ = drawn(seed)
    found = gap_of("equal_opportunity_difference", tpr)
    for a in np.flatnonzero(found.ok):
        kept = [v for v in range(1, 5) if tpr.ok[v, a]]
        high = max(kept, key=lambda v, a=a: tpr.value[v, a])
        low = min(kept, key=lambda v, a=a: tpr.value[v, a])
        wanted = tpr.replicates[:, high, a] - tpr.replicates[:, low, a]
        assert found.replicates[:, a] == pytest.approx(wanted)


@given(SEEDS, st.sampled_from([0.8, 0.95]))
def test_the_interval_of_a_gap_is_projected_from_those_of_its_pairs(seed, level):
    """The largest upper end of all pairs; the largest lower end of pairs that hold at once."""
    tpr, _ = drawn(seed)
    found = gap_of("equal_opportunity_difference", tpr)
    low, high = found.interval(level)
    ends = tpr.interval(level)
    for a in np.flatnonzero(found.ok):
        kept = [v for v in range(1, 5) if tpr.ok[v, a]]
        strict = tpr.interval(1 - (1 - level) / (4 * 3 / 2))
        highs, lows = [0.0], [0.0]
        for i, j in itertools.permutations(kept, 2):
            apart = tpr.value[i, a] - tpr.value[j, a]
            up = ends[1][i, a] - tpr.value[i, a], tpr.value[j, a] - ends[0][j, a]
            down = tpr.value[i, a] - strict[0][i, a], strict[1][j, a] - tpr.value[j, a]
            highs.append(apart + np.hypot(*up))
            lows.append(apart - np.hypot(*down))
        assert (low[a], high[a]) == pytest.approx((max(lows), min(max(highs), 1)))


def wilson(value, n, level):
    z = norm.ppf((1 + level) / 2)
    centre = (value + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(value * (1 - value) / n + z * z / (4 * n * n))
    return centre - half, centre + half


def test_the_interval_of_the_worst_group_is_bounded_by_each():
    """The lowest upper end of all values; the lowest lower end of intervals that hold at once."""
    value, n = np.array([[0.7], [0.8], [0.72], [0.6]]), np.array([[400.0], [100], [200], [100]])
    accuracy = part("accuracy", value, 0.03, n, trials=n)
    found = worst_of(accuracy)
    ends = np.array([wilson(v, k, 0.95) for v, k in zip(value[1:, 0], n[1:, 0], strict=True)])
    strict = np.array(
        [wilson(v, k, 1 - 0.05 / 3) for v, k in zip(value[1:, 0], n[1:, 0], strict=True)]
    )
    low, high = found.interval(0.95)
    assert low.item() == pytest.approx(min(ends[:, 0]), abs=1e-6)
    assert high.item() == pytest.approx(min(strict[:, 1]), abs=1e-6)


# Coverage of planted truths: one attribute for each draw


def planted(truth, error, rng, repeats):
    """Values of several groups, drawn around a truth: (1 + V, repeats)."""
    values = np.asarray(truth)[:, None] + rng.normal(0, error, (len(truth), repeats))
    return np.concatenate([values.mean(axis=0, keepdims=True), values])


def pairs_drawn(before, after, error, correlation, rng, repeats=2000):
    noise = rng.normal(0, error, (len(before), repeats))
    other = rng.normal(0, error, (len(before), repeats))
    both = correlation * noise + np.sqrt(1 - correlation**2) * other
    stacked = [
        np.asarray(truth)[:, None] + part for truth, part in ((before, noise), (after, both))
    ]
    return [np.concatenate([one.mean(axis=0, keepdims=True), one]) for one in stacked]


TRUTHS = {
    "two equal groups": ([0.5, 0.5], [0.5, 0.5]),
    "two groups apart": ([0.55, 0.5], [0.6, 0.4]),
    "five equal groups": ([0.5] * 5, [0.5] * 5),
    "five groups, one falls": ([0.5] * 5, [0.5, 0.5, 0.5, 0.5, 0.35]),
    "five groups apart": ([0.3, 0.4, 0.5, 0.6, 0.7], [0.25, 0.4, 0.5, 0.6, 0.75]),
}


def of_normal(metric, values, error):
    """Estimates whose intervals are ± z standard errors."""
    made = part(metric, np.clip(values, 0.01, 0.99)[:, :6], error)
    repeats = values.shape[1]

    def bounds(level):
        half = norm.ppf((1 + level) / 2) * error
        return values - half, values + half

    return replace(
        made,
        attributes=tuple(map(str, range(repeats))),
        value=values,
        replicates=np.stack([values - error, values + error]),
        support=np.full(values.shape, 100),
        rests=Support(*(np.full(values.shape, k) for k in (100.0, 100.0, 40.0))),
        status=np.full(values.shape, OK, object),
        reason=np.full(values.shape, None, object),
        bounds=bounds,
    )


def change_between(dense, one, error):
    """How each value changed, within ± z standard errors."""
    found = compare(one, dense)

    def bounds(level):
        half = norm.ppf((1 + level) / 2) * error
        return found.delta - half, found.delta + half

    return replace(found, bounds=bounds)


@pytest.mark.parametrize("case", TRUTHS)
@pytest.mark.parametrize("correlation", [0.0, 0.9])
def test_intervals_hold_a_planted_gap_its_change_and_the_worst_group(case, correlation):
    error = 0.03
    rng = np.random.default_rng(1)
    before, after = TRUTHS[case]
    drawn_before, drawn_after = pairs_drawn(before, after, error, correlation, rng)
    dense, one = (of_normal("accuracy", x, error) for x in (drawn_before, drawn_after))
    moved = change_between(dense, one, error * np.sqrt(2 - 2 * correlation))
    for make, name, largest in (
        (lambda x: gap_of("accuracy_difference", x), "accuracy_difference", np.ptp),
        (worst_of, "worst_group_accuracy", lambda x: np.min(x)),
    ):
        earlier, later = make(dense), make(one)
        truth = largest(after)
        low, high = later.interval(0.95)
        held = (low <= truth + 1e-9) & (truth <= high)
        assert held.mean() >= 0.94, (name, "value")
        assert ((low <= later.value + 1e-9) & (later.value <= high + 1e-9)).all()
        found = change_of(earlier, later, {"accuracy": moved})
        change = largest(after) - largest(before)
        low, high = found.interval(0.95)
        assert ((low <= change + 1e-9) & (change <= high + 1e-9)).mean() >= 0.94, (name, "change")
        assert (low <= high).all()
        if change == 0:
            assert (found.p_values() <= 0.05).mean() <= 0.06, name


def test_a_gap_that_opened_is_found():
    """A group that loses ten standard errors."""
    rng = np.random.default_rng(0)
    before, after = pairs_drawn([0.7] * 3, [0.7, 0.7, 0.4], 0.02, 0.5, rng, 200)
    dense, one = (of_normal("accuracy", x, 0.02) for x in (before, after))
    moved = {"accuracy": change_between(dense, one, 0.02)}
    made = [gap_of("accuracy_difference", x) for x in (dense, one)]
    found = change_of(*made, moved)
    assert np.median(found.p_values()) < 1e-4
    assert (found.p_values() < 0.01).all()
    assert (found.interval(0.95)[0] > 0).all()


def test_a_gap_that_turned_round_did_not_grow():
    """Each group moves by 0.3, yet the gap is as wide as before."""
    rng = np.random.default_rng(0)
    before, after = pairs_drawn([0.7, 0.4], [0.4, 0.7], 0.01, 0.0, rng, 200)
    dense, one = (of_normal("accuracy", x, 0.01) for x in (before, after))
    moved = {"accuracy": change_between(dense, one, 0.01 * np.sqrt(2))}
    made = [gap_of("accuracy_difference", x) for x in (dense, one)]
    low, high = change_of(*made, moved).interval(0.95)
    assert (np.abs([low, high]) < 0.12).all()
    assert np.mean((low <= 0) & (high >= 0)) > 0.94


@pytest.mark.parametrize("n_values", [2, 3, 5])
def test_the_bias_of_a_gap_is_about_that_of_chance(n_values):
    """Groups that do not differ: the mean gap is by how much chance opens it."""
    error = 0.03
    values = planted([0.5] * n_values, error, np.random.default_rng(2), 4000)
    made = gap_of("accuracy_difference", of_normal("accuracy", values, error))
    assert made.bias.mean() == pytest.approx(made.value.mean(), rel=0.15)
    low = worst_of(of_normal("accuracy", values, error))
    assert (low.bias <= 0).all()


def test_a_group_far_from_all_others_is_not_moved_by_chance():
    values = planted([0.9, 0.5], 0.01, np.random.default_rng(3), 50)
    made = gap_of("accuracy_difference", of_normal("accuracy", values, 0.01))
    assert (made.bias == 0).all()


def test_without_replicates_there_is_no_interval():
    tpr = replace(part("tpr", [[0.5]] * 3, 0.1), replicates=np.zeros((0, 3, 1)))
    made = gap_of("equal_opportunity_difference", tpr)
    assert made.value.tolist() == [0]
    assert np.isnan(made.interval(0.95)).all()
    found = change_of(made, made, {"tpr": compare(tpr, tpr)})
    assert found.delta.tolist() == [0]
    assert np.isnan(found.interval(0.95)).all()


def test_a_group_of_one_value_has_no_gap():
    tpr = part("tpr", [[0.5]] * 2, 0.1)
    made = gap("equal_opportunity_difference", [tpr], "g", slice(1, 2))
    assert made.status.tolist() == [INSUFFICIENT]
    assert made.reason.tolist() == ["fewer than two values of g have enough support"]
    assert np.isnan(made.interval(0.95)).all()
