from statistics import NormalDist

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from prunescope.audit.significance import (
    FEW,
    Spread,
    add_q_values,
    deviation,
    exact_p_values,
    mcnemar,
)


def test_the_interval_is_that_of_the_percentiles():
    low, high = Spread(np.array([[1], [-1]]) * np.arange(101.0)).interval(0.9)
    assert low.tolist() == pytest.approx([5, -95])
    assert high.tolist() == pytest.approx([95, -5])


@given(
    st.lists(
        st.lists(st.sampled_from([-1.0, 0.0, 0.5, np.nan]), min_size=7, max_size=7), min_size=1
    )
)
def test_replicates_without_a_value_are_left_out(rows):
    replicates = np.array(rows)
    low, high = Spread(replicates).interval(0.5)
    error = Spread(replicates).error
    for row, *found in zip(replicates, low, high, error, strict=True):
        known = row[~np.isnan(row)]
        if not len(known):
            assert np.isnan(found).all()
            continue
        wanted = [*np.quantile(known, [0.25, 0.75]), np.std(known, ddof=1) if len(known) > 1 else 0]
        assert found == pytest.approx(wanted)


def test_without_replicates_there_is_no_interval():
    spread = Spread(np.zeros((2, 0)))
    assert np.isnan(spread.interval(0.95)).all()
    assert np.isnan(spread.p_value(np.ones(2))).all()


def test_centring_moves_the_mean_and_keeps_the_width():
    rows = np.array([[1.0, 2.0, 3.0, np.nan]])
    spread = Spread(rows, centre=np.array([10.0]))
    assert [end.item() for end in spread.interval(0.5)] == pytest.approx([9.5, 10.5])
    assert spread.error.tolist() == pytest.approx([1])


def test_deviation_is_numpys():
    values = np.random.default_rng(0).normal(5, 2, (50, 3, 4)).astype(np.float32)
    assert deviation(values) == pytest.approx(values.std(axis=0, ddof=1), rel=1e-4)


@given(st.lists(st.sampled_from([-1.0, 0.0, 0.5, np.nan]), min_size=1, max_size=30))
def test_p_value_equals_a_loop_where_replicates_tell_it(deltas):
    known = [delta for delta in deltas if not np.isnan(delta)]
    below = 1 + sum(delta <= 0 for delta in known)
    above = 1 + sum(delta >= 0 for delta in known)
    wanted = min(1, 2 * min(below, above) / (len(known) + 1)) if known else np.nan
    # an estimate of 0 has no evidence of its own
    found = Spread(np.array([deltas])).p_value(np.zeros(1))
    assert found.tolist() == pytest.approx([wanted], nan_ok=True)


def test_no_change_in_any_replicate_is_no_evidence():
    assert Spread(np.zeros((1, 200))).p_value(np.zeros(1)).tolist() == [1.0]


@pytest.mark.parametrize("z", [0.5, 2.0, 4.0, 6.0])
def test_p_value_is_that_of_a_normal_test(z):
    """Beyond what a thousand replicates can tell, too."""
    rng = np.random.default_rng(0)
    deltas = rng.normal(0, 1, (1, 20_000))
    deltas += z - deltas.mean()
    found = Spread(deltas).p_value(np.array([z]))[0]
    assert np.log(found) == pytest.approx(np.log(2 * NormalDist().cdf(-z)), rel=0.1)
    few = Spread(deltas[:, :1000]).p_value(np.array([z]))[0]
    assert 0 < few <= 2 * FEW / 1001 or z < 3


def test_few_degrees_of_freedom_make_evidence_weaker():
    spread = Spread(np.full((1, 100), 5.0) + np.linspace(-1, 1, 100))
    values = np.array([5.0])
    p = [spread.p_value(values, np.ones(1), np.array([df]))[0] for df in (2.0, 10.0, np.inf)]
    assert p == sorted(p, reverse=True)
    assert p[0] == pytest.approx(2 / 101)  # not more than the replicates say


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_the_binomial_test(one_way, other_way):
    n = one_way + other_way
    wanted = binomtest(one_way, n).pvalue if n else 1.0
    assert mcnemar(np.array(one_way), np.array(other_way)) == pytest.approx(wanted)


def test_exact_tests_count_what_their_metric_counts():
    """By hand: label × before × after."""
    counts = np.zeros((1, 1, 3, 2, 2))
    counts[0, 0, 0] = [[50, 7], [2, 10]]  # 7 false alarms come, 2 go
    counts[0, 0, 1] = [[5, 1], [9, 30]]  # 9 true positives lost, 1 found
    counts[0, 0, 2] = [[3, 4], [0, 1]]
    found = {name: p.item() for name, p in exact_p_values(counts).items()}
    assert found["tpr"] == found["fnr"] == pytest.approx(binomtest(9, 10).pvalue)
    assert found["fpr"] == found["tnr"] == pytest.approx(binomtest(7, 9).pvalue)
    worse_better = binomtest(16, 19).pvalue
    assert found["accuracy"] == found["harmful_flip_rate"] == pytest.approx(worse_better)
    assert found["helpful_flip_rate"] == found["accuracy"]
    assert found["selection_rate"] == pytest.approx(binomtest(11, 23).pvalue)


def benjamini_hochberg(p):
    """The smallest rate at which each hypothesis is rejected, by its definition."""
    m = len(p)
    return [min(1, min(m * q / sum(r <= q for r in p) for q in p if q >= mine)) for mine in p]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["tpr", "fpr"]),
            st.sampled_from(["Bald", "Male", None]),
            st.none() | st.integers(1, 1000).map(lambda k: k / 1000),
        ),
        min_size=1,
        max_size=30,
    )
)
def test_q_values_are_benjamini_hochberg_within_a_family(rows):
    """A family is one metric, by attribute or over all attributes."""
    kinds = {"metric": pl.String, "attribute": pl.String, "p_value": pl.Float64}
    found = add_q_values(pl.DataFrame(rows, schema=kinds, orient="row"))["q_value"].to_list()
    for metric in ("tpr", "fpr"):
        for over_all in (True, False):
            family = [
                i
                for i, (name, attribute, p) in enumerate(rows)
                if name == metric and (attribute is None) == over_all and p is not None
            ]
            wanted = benjamini_hochberg([rows[i][2] for i in family])
            assert [found[i] for i in family] == pytest.approx(wanted)
    assert all(found[i] is None for i, row in enumerate(rows) if row[2] is None)
