"""Rows of known figures, judged: the damage, how far it may reach, and what that makes of them."""

import itertools
import math

import numpy as np
import polars as pl
import pytest
from scipy import stats

from prunescope.audit.verdicts import HIGHER, LOWER, TARGETS, harm_of
from prunescope.verdict import Criterion
from prunescope.verdict.damage import judge_rows

SCHEMA = {
    "metric": pl.String, "status": pl.String, "reason": pl.String, "verdict": pl.String,
    "value": pl.Float64, "low": pl.Float64, "high": pl.Float64, "baseline": pl.Float64,
    "delta": pl.Float64, "delta_low": pl.Float64, "delta_high": pl.Float64, "p_value": pl.Float64,
    "units": pl.Int64,
}  # fmt: skip

RATIO = 1.6448536 / 1.9599640  # of the quantiles of the normal: 95% one-sided, two-sided


def change(metric, baseline, delta, half=0.01, p=0.001, **more):
    """A row of a change from dense, with the half-width of its interval."""
    return {
        "metric": metric, "status": "ok", "value": baseline + delta, "low": baseline + delta,
        "high": baseline + delta,
        "baseline": baseline, "delta": delta, "delta_low": delta - half, "delta_high": delta + half,
        "p_value": p, "units": 1000, **more,
    }  # fmt: skip


def value(metric, at, low, high, **more):
    """A row of a value that no change is known of."""
    return {
        "metric": metric, "status": "ok", "value": at, "low": low, "high": high, "units": 1000,
        **more,
    }  # fmt: skip


def judged(told, *rows, alpha=0.05, share=1.0):
    criterion = Criterion(**{"metric": rows[0]["metric"], **told})
    return judge_rows(criterion, pl.DataFrame(list(rows), SCHEMA), alpha, share)


def one(told, row, **how):
    return judged(told, row, **how).row(0, named=True)


LIMITS = {"moderate": 0.005, "severe": 0.02}


@pytest.mark.parametrize(
    ("told", "row", "damage", "reach"),
    [
        # higher is better, lower is better
        ({}, change("accuracy", 0.95, -0.02), 0.02, 0.02 + 0.01 * RATIO),
        ({}, change("accuracy", 0.95, 0.02), -0.02, -0.02 + 0.01 * RATIO),
        ({}, change("uncertainty", 0.1, 0.03), 0.03, 0.03 + 0.01 * RATIO),
        ({}, change("uncertainty", 0.1, -0.03), -0.03, -0.03 + 0.01 * RATIO),
        ({}, change("equal_opportunity_difference", 0.1, 0.2), 0.2, 0.2 + 0.01 * RATIO),
        # best at a value: how much further from it
        ({}, change("rare_value_ratio", 0.9, -0.2), 0.2, 0.2 + 0.01 * RATIO),
        ({}, change("rare_value_ratio", 1.1, 0.4), 0.4, 0.4 + 0.01 * RATIO),
        ({}, change("rare_value_ratio", 1.3, -0.3, 0.0), -0.3, -0.3),
        ({}, change("rare_value_ratio", 1.3, -0.4, 0.0), -0.2, -0.2),
        ({}, change("rare_value_ratio", 0.8, 0.5, 0.0), 0.1, 0.1),
        ({}, change("rare_value_ratio", 1.0, 0.0, 0.2), 0.0, 0.2 * RATIO),
        ({}, change("bias_amplification", 0.02, 0.08), 0.08, 0.08 + 0.01 * RATIO),
        ({}, change("bias_amplification", 0.02, -0.12, 0.0), 0.08, 0.08),
        ({}, change("bias_amplification", 0.05, -0.04, 0.0), -0.04, -0.04),
        # one way alone
        ({"way": "falls"}, change("rare_value_ratio", 1.1, -0.3, 0.0), 0.1, 0.1),
        ({"way": "rises"}, change("rare_value_ratio", 1.1, -0.3, 0.0), 0.0, 0.0),
        ({"way": "rises"}, change("rare_value_ratio", 0.8, 0.5, 0.0), 0.1, 0.1),
        ({"way": "falls"}, change("rare_value_ratio", 0.8, 0.5, 0.0), 0.0, 0.0),
        ({"way": "rises"}, change("bias_amplification", 0.0, -0.05, 0.1), 0.0, 0.1 * RATIO - 0.05),
        ({"way": "falls"}, change("bias_amplification", 0.0, -0.05, 0.1), 0.05, 0.05 + 0.1 * RATIO),
        # a change by itself; of flips what exceeds churn, where it is known
        ({}, value("harmful_flip_rate", 0.03, 0.02, 0.05), 0.03, 0.03 + 0.02 * RATIO),
        ({}, change("harmful_flip_rate", 0.04, -0.01), -0.01, -0.01 + 0.01 * RATIO),
        ({}, value("excess_accuracy_gap", 0.01, -0.02, 0.04), 0.01, 0.01 + 0.03 * RATIO),
        ({}, value("excess_top1_gap", -0.01, -0.04, 0.02), -0.01, -0.01 + 0.03 * RATIO),
    ],
)  # fmt: skip
def test_damage_and_its_reach(told, row, damage, reach):
    found = one(LIMITS | told, row)
    assert found["damage"] == pytest.approx(damage, abs=1e-9)
    assert found["reach"] == pytest.approx(max(reach, damage), abs=1e-7)


FALLS = {"gte": -0.01, "relative": True}
RISES = {"lte": 0, "relative": True}
BOTH = {"gte": 0.8, "lte": 1.2}


@pytest.mark.parametrize(
    ("told", "row", "damage", "reach"),
    [
        ({"gte": 0.9}, value("accuracy", 0.92, 0.89, 0.94), -0.02, -0.02 + 0.03 * RATIO),
        ({"gte": 0.9}, change("accuracy", 0.5, 0.42, low=0.0, high=1.0), -0.02,
         -0.02 + 0.92 * RATIO),
        ({"lte": 0.9}, value("accuracy", 0.92, 0.89, 0.94), 0.02, 0.02 + 0.02 * RATIO),
        (FALLS, change("accuracy", 0.95, -0.02), 0.01, 0.01 + 0.01 * RATIO),
        (RISES, change("accuracy", 0.95, -0.02), -0.02, -0.02 + 0.01 * RATIO),
        (BOTH, value("rare_value_ratio", 0.9, 0.8, 1.0), -0.1, -0.1 + 0.1 * RATIO),
        (BOTH, value("rare_value_ratio", 1.3, 1.0, 1.6), 0.1, 0.1 + 0.3 * RATIO),
        ({"gte": 0.5}, value("interdependence", 0.4, 0.3, 0.5), 0.1, 0.1 + 0.1 * RATIO),
    ],
)  # fmt: skip
def test_how_far_a_bound_is_broken(told, row, damage, reach):
    found = one(told, row)
    assert found["damage"] == pytest.approx(damage, abs=1e-9)
    assert found["reach"] == pytest.approx(reach, abs=1e-7)


@pytest.mark.parametrize("metric", [*HIGHER, *LOWER, *TARGETS])
def test_damage_is_what_the_audit_calls_harm(metric):
    rng = np.random.default_rng(1)
    rows = [change(metric, *pair) for pair in rng.normal(0.5, 0.5, (20, 2))]
    expected = pl.DataFrame(rows, SCHEMA).select(harm_of()).to_series().to_list()
    assert judged(LIMITS, *rows)["damage"].to_list() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("baseline", "delta", "half", "p", "state"),
    [
        (0.95, -0.030, 0.002, 0.001, "severe"),
        (0.95, -0.021, 0.002, 0.001, "severe"),
        (0.95, -0.019, 0.002, 0.001, "moderate"),  # its reach is beyond severe; its estimate is not
        (0.95, -0.006, 0.002, 0.001, "moderate"),
        (0.95, -0.004, 0.002, 0.001, "open"),  # beyond chance, and may be beyond moderate
        (0.95, -0.002, 0.002, 0.001, "held"),
        (0.95, -0.030, 0.04, 0.2, "open"),  # large, and maybe chance
        (0.95, 0.000, 0.002, 1.0, "held"),
        (0.95, 0.000, 0.02, 1.0, "open"),
        (0.95, 0.030, 0.002, 0.001, "held"),
        (0.95, -0.030, 0.04, 0.0999, "severe"),  # two-sided 0.0999 is 0.04995 one-sided
        (0.95, -0.030, 0.04, 0.1001, "open"),
    ],
)
def test_states_of_a_row(baseline, delta, half, p, state):
    found = one(LIMITS, change("accuracy", baseline, delta, half, p))
    assert found["state"] == state
    assert found["beyond_chance"] == (delta < 0 and p <= 0.1)


def test_single_rows_are_held_to_severe_and_means_to_moderate():
    row = change("accuracy", 0.95, 0.0, 0.01, 1.0)  # it reaches to 0.84 points
    assert one(LIMITS, row)["state"] == "open"
    assert one({**LIMITS, "attribute": "*"}, row)["state"] == "held"
    assert one({"moderate": 0.005, "attribute": "*"}, row)["state"] == "open"
    assert one({"severe": 0.02}, row)["state"] == "held"


def test_what_reaches_exactly_to_a_limit_is_open_and_to_a_bound_held():
    row = change("accuracy", 0.95, -0.005, 0.0, 1.0)
    assert one(LIMITS, row)["state"] == "open"
    assert one({"gte": -0.005, "relative": True}, row)["state"] == "held"


def test_a_damage_at_a_limit_of_none_is_broken_only_if_there_is_one():
    none = {"moderate": 0.0}
    assert one(none, change("accuracy", 0.95, 0.0, 0.01, 1e-9))["state"] == "open"
    assert one(none, change("accuracy", 0.95, -1e-6, 0.0, 1e-9))["state"] == "moderate"


@pytest.mark.parametrize(
    ("at", "half", "share", "state"),
    [
        (0.92, 0.01, 1, "held"),
        (0.92, 0.03, 1, "open"),
        (0.88, 0.02, 1, "severe"),  # 1.96 standard errors: p = 0.025
        (0.88, 0.02, 0.51, "severe"),
        (0.88, 0.02, 0.49, "open"),
        (0.88, 0.025, 1, "open"),  # 1.568: p = 0.058
        (0.88, 0.0, 1, "severe"),
        (0.90, 0.0, 1, "held"),
    ],
)
def test_a_bound_is_tested_at_its_limit(at, half, share, state):
    row = value("accuracy", at, at - half, at + half)
    assert one({"gte": 0.9}, row, share=share)["state"] == state
    turned = value("uncertainty", 1 - at, 1 - at - half, 1 - at + half)
    assert one({"lte": 0.1}, turned, share=share)["state"] == state
    moved = change("accuracy", 0.5, at - 0.5, half, 1.0)  # "none" is not what a bound asks about
    told = {"gte": 0.4, "relative": True, "severity": "moderate"}
    expected = "moderate" if state == "severe" else state
    assert one(told, moved, share=share)["state"] == expected


def test_without_a_p_value_the_interval_tests_each_limit():
    """Of flips no test against dense exists: severe is tested at its own limit."""
    told = {"moderate": 0.02, "severe": 0.05}
    states = [
        one(told, value("harmful_flip_rate", at, at - half, at + half))["state"]
        for at, half in ((0.06, 0.005), (0.06, 0.02), (0.02, 0.001), (0.01, 0.001))
    ]
    assert states == ["severe", "moderate", "open", "held"]


@pytest.mark.parametrize("way", [None, "falls"])
def test_q_values_are_of_the_rows_of_the_criterion(way):
    """By brute force; one-sided where one way is worse, two-sided where both are."""
    rng = np.random.default_rng(2)
    p = 0.2 * rng.random(40) ** 4
    signs = rng.choice([-1, 1], 40)
    rows = [
        change("rare_value_ratio", 0.5, 0.2 * s, 0.01, x) for s, x in zip(signs, p, strict=True)
    ]
    one_sided = np.where(signs < 0, p / 2 if way else p, 1.0)
    expected = [
        min(p_j * 40 / sum(p_k <= p_j for p_k in one_sided) for p_j in one_sided if p_j >= p_i)
        for p_i in one_sided
    ]
    found = judged({"attribute": "*", "moderate": 0.1, **({"way": way} if way else {})}, *rows)
    assert found["q"].to_list() == pytest.approx(np.minimum(expected, 1.0))
    broken = (found["state"] == "moderate").to_list()
    assert broken == [q <= 0.05 and s < 0 for q, s in zip(expected, signs, strict=True)]
    assert 0 < sum(broken) < sum(signs < 0)


def test_one_damage_among_many_rows_needs_a_smaller_p():
    rows = [
        change("accuracy", 0.9, -0.05, 0.01, 0.04),
        *[change("accuracy", 0.9, 0.0, 0.01, 1.0)] * 9,
    ]
    assert judged({**LIMITS, "attribute": "*"}, rows[0])["state"].to_list() == ["severe"]
    assert judged({**LIMITS, "attribute": "*"}, *rows)["state"][0] == "open"


def test_a_change_below_the_least_effect_that_matters_is_broken_at_its_limit_and_else_not_told():
    limits = {"moderate": 0.005, "severe": 0.02}
    row = change("accuracy", 0.95, -0.01, 0.002, 1e-9, verdict="negligible")
    found = one(limits, row)
    assert (found["state"], found["beyond_chance"]) == ("moderate", True)
    for verdict, told in (("negligible", False), ("worse", True)):
        row = change("accuracy", 0.95, -0.003, 0.0001, 1e-9, verdict=verdict)
        found = one(limits, row)
        assert (found["state"], found["beyond_chance"]) == ("held", told)


@pytest.mark.parametrize("status", ["insufficient_support", "undefined", "what is this", None])
def test_what_has_no_value_is_not_judged_and_says_why(status):
    for told in (LIMITS, {"gte": 0.1}, {"lte": 0.1, "relative": True}):
        row = change("accuracy", 0.95, 0.0) | {"status": status, "reason": "why"}
        found = one(told, row)
        assert (found["state"], found["reason"]) == ("not judged", "why")
        assert found["damage"] is found["reach"] is found["q"] is found["more"] is None


def test_what_is_not_applicable_is_left_out():
    left = change("accuracy", 0.95, 0.0) | {"status": "not_applicable"}
    assert judged(LIMITS, left, change("accuracy", 0.95, 0.0)).height == 1
    assert judged(LIMITS, left).height == 0


def test_without_a_change_a_damage_is_not_judged():
    bare = value("accuracy", 0.95, 0.94, 0.96)
    found = one(LIMITS, bare)
    assert (found["state"], found["reason"]) == (
        "not judged", "its change from dense is not known",
    )  # fmt: skip
    assert one({"gte": 0.9}, bare)["state"] == "held"
    assert one({"gte": 0.9}, bare | {"value": None})["reason"] == "it has no value"


FIGURES = ("value", "low", "high", "delta", "delta_low", "delta_high")


@pytest.mark.parametrize(
    ("column", "figure"), [*itertools.product(FIGURES, (math.nan, math.inf, -math.inf))]
)
def test_figures_that_are_no_numbers_never_hold(column, figure):
    """Though the status says that all is well: a table can be damaged, or made by others."""
    good = change("accuracy", 0.95, 0.05, 0.001, 1.0)
    for told in (
        {"moderate": 0.1, "severe": 0.2},
        {"gte": 0.1},
        {"lte": 2.0},
        {"gte": -0.5, "relative": True},
        {"lte": 0.5, "relative": True},
    ):
        on_value = "relative" not in told and "moderate" not in told
        assert one(told, good | {"low": 0.9, "high": 1.0})["state"] == "held"
        found = one(told, good | {"low": 0.9, "high": 1.0, column: figure})
        judged_by = ("value", "delta", *(("low", "high") if on_value else FIGURES[4:]))
        if column in judged_by or math.isnan(figure):
            assert found["state"] == "not judged"
            assert found["reason"] == "its figures are no numbers: the audit's table is damaged"


def test_a_baseline_that_is_no_number_never_holds():
    for figure in (math.nan, math.inf, -math.inf):
        row = change("rare_value_ratio", 1.0, 0.0, 0.001, 1.0) | {"baseline": figure}
        assert one({"moderate": 0.1, "severe": 0.3}, row)["state"] == "not judged"


def test_a_p_value_that_is_no_number_never_holds():
    for figure in (math.nan, math.inf):
        row = change("accuracy", 0.95, -0.05, 0.001) | {"p_value": figure}
        assert one({"moderate": 0.1, "severe": 0.3}, row)["state"] == "not judged"


def test_without_an_interval_nothing_is_ruled_out():
    row = change("accuracy", 0.95, 0.0, 0.01, 1.0) | {"delta_low": None, "delta_high": None}
    found = one(LIMITS, row)
    assert (found["state"], found["reason"], found["more"]) == ("open", "it has no interval", None)
    assert math.isinf(found["reach"])
    bound = value("accuracy", 0.95, None, None)
    assert one({"gte": 0.9}, bound)["state"] == "open"


@pytest.mark.parametrize("seed", range(20))
def test_as_many_more_units_as_are_said_rule_the_damage_out_with_power_80(seed):
    """Simulated: a mean of n units and of as many more, whose truth is 0, and its upper bound."""
    rng = np.random.default_rng(seed)
    n, error, limit = int(rng.integers(200, 2000)), rng.uniform(0.007, 0.02), 0.01
    half = error * stats.t.ppf(0.975, n - 1)
    damage = limit - stats.norm.ppf(0.95) * error * rng.uniform(0, 0.8)
    row = change("accuracy", 0.9, -damage, half, 1.0) | {"units": n}
    found = one({"moderate": limit}, row)
    more, each = found["more"], error * math.sqrt(n)  # the spread of one unit
    later = rng.normal(0, each / math.sqrt(more), 40_000)
    pooled = (n * damage + more * later) / (n + more)
    reach = pooled + stats.norm.ppf(0.95) * each / math.sqrt(n + more)
    assert found["state"] == "open"
    assert np.mean(reach < limit) == pytest.approx(0.8, abs=0.01)


def test_how_many_more_units_a_damage_beyond_chance_takes_and_one_beyond_the_limit_has_none():
    told, n = {"moderate": 0.005}, 1000
    for half, p, truth in (
        (0.003, 0.01, 0.004),  # beyond chance: as large as it is measured
        (0.006, 0.2, 0.0),  # within chance: none
        (0.003, 0.2, 0.0),
    ):
        error = half / stats.t.ppf(0.975, n - 1)
        found = one(told, change("accuracy", 0.9, -0.004, half, p))
        assert found["state"] == "open"

        def power(more, error=error, truth=truth):
            every = n + more
            mean = (n * 0.004 + more * truth) / every
            bound = mean + stats.norm.ppf(0.95) * error * math.sqrt(n / every)
            return stats.norm.cdf((0.005 - bound) * every / (error * math.sqrt(n * more)))

        assert power(found["more"] - 10) < 0.8 <= power(found["more"])
    beyond = one(told, change("accuracy", 0.9, -0.006, 0.003, 0.01))
    assert (beyond["state"], beyond["more"]) == ("moderate", None)


def test_what_is_open_by_bad_luck_needs_fewer_more_units_the_less_it_looks_like_damage():
    """So many units would be enough, and yet it is open: they stay in the sum."""
    asked = [
        one({"moderate": 0.005}, change("accuracy", 0.9, -damage, 0.003, 0.2))["more"]
        for damage in (0.0026, 0.003, 0.004, 0.0049)
    ]
    assert asked == sorted(asked)
    assert asked[0] < 0.2 * asked[-1]


def test_where_nothing_flipped_the_bound_falls_with_the_number_not_with_its_root():
    """No flip among n: the score interval ends at z² / (n + z²), one-sided at 0.839 of that."""
    square = 1.959964**2
    n, end = 100, square / (100 + square)
    row = value("harmful_flip_rate", 0.0, 0.0, end) | {"units": n}
    more = one({"moderate": 0.01}, row)["more"]
    reach = 1.644854 / 1.959964 * square
    assert reach / (n + more + square) < 0.01 < reach / (n + more - 11 + square)


def test_where_the_dense_model_lies_about_the_best_value_its_error_counts():
    """A change of 0.02 past the best value is as bad as the dense model may have been near it."""
    told = {"moderate": 0.02, "severe": 0.05}
    ratio = stats.norm.ppf(0.95) / stats.norm.ppf(0.975)
    for baseline, half, reach in (
        (-0.01, 0.0, 0.0),  # from -0.01 to 0.01: no worse
        (-0.01, 0.005, 2 * ratio * 0.005),  # it may have been nearer
        (-0.01, 0.1, 0.02),  # and even on the other side: then all of the change is damage
        (0.03, 0.005, 0.02),
        (-0.06, 0.005, -0.02),
    ):
        row = change("bias_amplification", baseline, 0.02, half=1e-12)
        row |= {"low": row["value"] - half, "high": row["value"] + half}
        assert one(told, row)["reach"] == pytest.approx(reach, abs=1e-9)
