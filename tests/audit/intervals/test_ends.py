"""Intervals against scipy, published values, and score tests inverted numerically."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.stats import binomtest, norm, t

from prunescope.audit.intervals.ends import (
    of_change,
    of_paired,
    of_ratio,
    of_share,
    of_value,
    student,
    two_sided,
)

LEVELS = st.sampled_from([0.5, 0.9, 0.95, 0.99])
FREEDOMS = st.sampled_from([1.0, 2.0, 7.5, 60.0, np.inf])
Z = norm.ppf(0.975)


def ends(found):
    return [end.item() for end in found]


# Student


@pytest.mark.parametrize("df", [1, 2.5, 30])
def test_quantiles_and_p_values_are_scipys(df):
    assert student(np.array(df), 0.9) == pytest.approx(t.ppf(0.95, df))
    found = two_sided(np.array([0.3, -0.3]), np.array([0.01, 0.01]), np.array([df, df]))
    assert found == pytest.approx([2 * t.sf(3, df)] * 2)


def test_with_endless_freedom_students_is_the_normal_distribution():
    assert student(np.array(np.inf), 0.95) == pytest.approx(Z)
    assert two_sided(np.array(2.0), np.array(1.0), np.array(np.inf)) == pytest.approx(
        2 * norm.sf(2), rel=1e-6
    )


def test_no_change_is_no_evidence_and_a_sure_change_is_beyond_doubt():
    found = two_sided(np.array([0.0, 0.1]), np.array([0.0, 0.0]), np.array([5.0, 5.0]))
    assert found.tolist() == [1, 0]


# Shares


@given(n=st.integers(1, 500), share=st.floats(0, 1), level=LEVELS)
def test_the_interval_of_a_share_is_wilsons(n, share, level):
    k = round(n * share)
    wanted = binomtest(k, n).proportion_ci(level, method="wilson")
    p = k / n
    found = of_value(
        "share", np.array(p), np.array(p * (1 - p) / n), np.array(np.inf), np.array(float(n)), level
    )
    assert ends(found) == pytest.approx([wanted.low, wanted.high], abs=1e-7)
    alone = of_share(np.array(p), np.array(float(n)), student(np.array(np.inf), level))
    assert ends(alone) == pytest.approx([wanted.low, wanted.high], abs=1e-7)


def test_a_share_with_less_freedom_has_a_wider_interval():
    some = np.array(0.9), np.array(0.0009)
    widths = [
        np.subtract(*of_value("share", *some, np.array(df), np.array(50.0), 0.95))
        for df in (np.inf, 20.0, 3.0)
    ]
    assert widths == sorted(widths, reverse=True)  # low - high


def test_a_variance_beyond_the_binomials_is_that_of_fewer_samples():
    """Korn and Graubard: a share of 0.8 with four times the variance is one of n/4 samples."""
    found = of_value(
        "share", np.array(0.8), np.array(4 * 0.16 / 100), np.array(np.inf), np.array(40.0), 0.95
    )
    wanted = binomtest(20, 25).proportion_ci(0.95, method="wilson")
    assert ends(found) == pytest.approx([wanted.low, wanted.high])


def test_a_signed_value_is_a_share_of_twice_the_range():
    found = of_value("signed", np.array(-0.4), np.array(0.02), np.array(9.0), np.array(33.0), 0.9)
    low, high = of_value(
        "share", np.array(0.3), np.array(0.005), np.array(9.0), np.array(33.0), 0.9
    )
    assert ends(found) == pytest.approx([2 * low - 1, 2 * high - 1])


# Ratios


@given(r=st.floats(0.05, 8), n=st.floats(2, 1000), level=LEVELS)
def test_the_interval_of_a_ratio_inverts_the_score_test_of_a_poisson_count(r, n, level):
    """Rates R for which n events, n R / r of which were expected, are within z of that."""
    z = norm.ppf((1 + level) / 2)

    def refused(at):
        expected = n * at / r
        return (n - expected) ** 2 / expected - z * z

    low = brentq(refused, r * 1e-12, r, xtol=1e-14)
    high = brentq(refused, r, r * (3 + 10 * z * z), xtol=1e-14)
    assert ends(of_ratio(np.array(r), np.array(n), np.array(z))) == pytest.approx([low, high])
    variance = np.array(r * r / n)
    found = of_value("positive", np.array(r), variance, np.array(np.inf), np.array(7.0), level)
    assert ends(found) == pytest.approx([low, high], rel=1e-6)


def test_from_no_event_a_ratio_is_as_large_as_a_score_test_allows():
    """0 of n R expected are refused where (n R)² / (n R) > z²."""
    found = of_value(
        "positive", np.array(0.0), np.array(0.0), np.array(np.inf), np.array(50.0), 0.95
    )
    assert ends(found) == pytest.approx([0, Z * Z / 50])


# Paired changes


def tango(gained, lost, n, level):
    """Tango's interval by finding roots of his statistic, its nuisance by maximum likelihood.

    `gained` and `lost` of n pairs: p21 = q and p12 = q + d are the chances of a lost and a gained
    pair, where d is the change that is tested.
    """
    z = norm.ppf((1 + level) / 2)
    change = (gained - lost) / n

    def likeliest(d):
        """The chance of a lost pair, given that the change is d."""

        def log_likelihood(q):
            parts = ((gained, q + d), (lost, q), (n - gained - lost, 1 - 2 * q - d))
            return sum(k * np.log(np.maximum(p, 1e-300)) for k, p in parts if k)

        low, high = max(0.0, -d), (1 - d) / 2
        for _ in range(6):
            grid = np.linspace(low, high, 400)
            at = log_likelihood(grid).argmax()
            low, high = grid[max(at - 1, 0)], grid[min(at + 1, 399)]
        return (low + high) / 2

    def refused(d):
        variance = n * (2 * likeliest(d) + d - d * d)
        apart = gained - lost - n * d
        return np.inf if variance <= 1e-12 and apart else apart**2 / max(variance, 1e-12) - z * z

    def root(limit):
        if refused(limit) <= 0:
            return limit
        near, far = change, limit
        for _ in range(45):
            middle = (near + far) / 2
            near, far = (middle, far) if refused(middle) <= 0 else (near, middle)
        return near

    return root(-1.0), root(1.0)


@pytest.mark.parametrize(
    ("gained", "lost", "n"),
    [(12, 2, 50), (2, 12, 50), (0, 0, 20), (5, 0, 40), (0, 1, 9), (7, 7, 14), (9, 0, 9),
     (3, 9, 5000)],
)  # fmt: skip
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_the_interval_of_a_paired_change_is_tangos(gained, lost, n, level):
    found = of_paired(
        np.array(float(gained)), np.array(float(lost)), np.array(float(n)),
        student(np.array(np.inf), level),
    )  # fmt: skip
    assert ends(found) == pytest.approx(tango(gained, lost, n, level), abs=1e-5)


def test_tangos_interval_has_the_published_ends():
    """Newcombe (1998) and Tango (1998): 36 + 12 and 2 + 0 of 50; and where nothing changed."""
    pairs = (np.array([12.0, 0.0]), np.array([2.0, 0.0]), np.array([50.0, 50.0]))
    low, high = of_paired(*pairs, np.array(Z))
    assert low == pytest.approx([0.0611, -0.0714], abs=1e-4)
    assert high == pytest.approx([0.3447, 0.0714], abs=1e-4)


@pytest.mark.parametrize(
    ("gained", "lost", "n", "t", "low", "high"),
    [(3, 0, 10, 1, 0.17882082075676461, 0.45754281560687177),
     (19, 0, 23, 1, 0.7339459246529935, 0.8910540753470065),
     (5155, 0, 5157, 1, 0.9992245056223342, 0.9998060762755839),
     (0, 45, 91, 2.5758, -0.6252122053827718, -0.3645455392250012)],
)  # fmt: skip
def test_tangos_ends_are_exact_where_changes_go_one_way(gained, lost, n, t, low, high):
    """By halving in numbers of 60 digits; the variance bends where the likeliest share is 0."""
    found = of_paired(*(np.array(float(one)) for one in (gained, lost, n, t)))
    assert ends(found) == pytest.approx([low, high], abs=1e-12)


def test_no_pairs_tell_nothing():
    nothing = np.array(0.0)
    assert np.isnan(of_paired(nothing, nothing, nothing, np.array(Z))).all()


@given(gained=st.integers(0, 30), lost=st.integers(0, 30), more=st.integers(0, 100), level=LEVELS)
def test_a_paired_change_turned_round_is_the_other_way(gained, lost, more, level):
    n = gained + lost + more
    assume(n > 0)
    z = student(np.array(np.inf), level)
    there = of_paired(np.array(gained), np.array(lost), np.array(n), z)
    back = of_paired(np.array(lost), np.array(gained), np.array(n), z)
    assert ends(there) == pytest.approx([-back[1].item(), -back[0].item()], abs=1e-9)


def test_tangos_interval_holds_the_truth_as_often_as_it_says():
    """Few changes among 80 pairs: 2% lost, 6% gained."""
    drawn = np.random.default_rng(0).multinomial(80, [0.06, 0.02, 0.92], 4000).T.astype(float)
    low, high = of_paired(drawn[0], drawn[1], np.array(80.0), np.array(Z))
    assert 0.93 < np.mean((low <= 0.04) & (high >= 0.04)) < 0.985


# Other changes


@given(delta=st.floats(-0.3, 0.3), error=st.floats(1e-3, 0.2), df=FREEDOMS, level=LEVELS)
def test_another_change_reaches_t_standard_errors_inside_its_range(delta, error, df, level):
    half = t.ppf((1 + level) / 2, df) * error
    for scale, reach in (("share", 1), ("signed", 2), ("positive", np.inf)):
        low, high = of_change(
            scale, np.array(delta), np.array(error**2), np.array(df), np.array(9.0), level
        )
        assert low == pytest.approx(max(delta - half, -reach), rel=1e-5, abs=1e-9)
        assert high == pytest.approx(min(delta + half, reach), rel=1e-5, abs=1e-9)


@pytest.mark.parametrize("n", [1, 12, 500])
def test_where_no_unit_changed_a_change_has_tangos_interval(n):
    still = np.array(0.0), np.array(0.0), np.array(np.inf), np.array(float(n))
    wanted = of_paired(np.array(0.0), np.array(0.0), np.array(float(n)), np.array(Z))
    assert ends(of_change("share", *still, 0.95)) == pytest.approx(ends(wanted), abs=1e-6)


# What holds for all


RANGES = {"share": (0, 1), "signed": (-1, 1), "positive": (0, np.inf)}


@given(
    scale=st.sampled_from(sorted(RANGES)),
    share=st.sampled_from([0, 1]) | st.floats(1e-4, 1 - 1e-4),
    error=st.sampled_from([0.0, 1e-4, 0.01, 0.2, 2.0]),
    df=FREEDOMS,
    units=st.floats(1, 1e6),
    level=LEVELS,
)
def test_an_interval_lies_in_the_range_and_holds_its_value(scale, share, error, df, units, level):
    least, most = RANGES[scale]
    value = np.array(share * 3 if scale == "positive" else least + (most - least) * share)
    some = value, np.array(error**2), np.array(df), np.array(units)
    low, high = of_value(scale, *some, level)
    assert least <= low <= value + 1e-12
    assert value - 1e-12 <= high <= most
    assert high > low
    wider = of_value(scale, *some, (1 + level) / 2)
    assert wider[0] <= low + 1e-12
    assert wider[1] >= high - 1e-12


@given(
    gained=st.integers(0, 40), lost=st.integers(0, 40), more=st.integers(0, 200), df=FREEDOMS,
    level=LEVELS,
)  # fmt: skip
def test_the_interval_of_a_paired_change_holds_it(gained, lost, more, df, level):
    n = gained + lost + more
    assume(n > 0)
    pairs = np.array(float(gained)), np.array(float(lost)), np.array(float(n))
    delta = (gained - lost) / n
    low, high = of_paired(*pairs, student(np.array(df), level))
    assert -1 <= low <= delta + 1e-9
    assert delta - 1e-9 <= high <= 1
    assert high > low
    wider = of_paired(*pairs, student(np.array(df), (1 + level) / 2))
    assert wider[0] <= low + 1e-9
    assert wider[1] >= high - 1e-9
