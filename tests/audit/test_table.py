from statistics import NormalDist

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunescope.audit.table import SCHEMA, add_q_values, interval, p_value


def test_the_interval_is_that_of_the_percentiles():
    replicates = np.arange(101.0)[:, None] * [1, -1]
    low, high = interval(replicates, np.array([True, True]), 0.9)
    assert low.tolist() == pytest.approx([5, -95])
    assert high.tolist() == pytest.approx([95, -5])


def test_replicates_without_a_value_are_left_out():
    replicates = np.array([[1.0, np.nan], [np.nan, np.nan], [3.0, np.nan]])
    low, high = interval(replicates, np.array([True, True]), 0.5)
    assert low.tolist() == pytest.approx([1.5, np.nan], nan_ok=True)
    assert high.tolist() == pytest.approx([2.5, np.nan], nan_ok=True)


def test_what_may_not_be_used_has_no_interval():
    replicates = np.zeros((5, 2, 2))
    usable = np.array([[True, False], [False, False]])
    low, high = interval(replicates, usable, 0.95)
    assert np.isnan(low).tolist() == (~usable).tolist()
    assert np.isnan(high).tolist() == (~usable).tolist()


@given(st.lists(st.sampled_from([-1.0, 0.0, 0.5, np.nan]), min_size=1, max_size=30))
def test_p_value_equals_a_loop(deltas):
    known = [delta for delta in deltas if not np.isnan(delta)]
    below = 1 + sum(delta <= 0 for delta in known)
    above = 1 + sum(delta >= 0 for delta in known)
    wanted = min(1, 2 * min(below, above) / (len(known) + 1))
    found = p_value(np.array(deltas)[:, None], np.array([True]))
    assert found.tolist() == pytest.approx([wanted])
    assert np.isnan(p_value(np.array(deltas)[:, None], np.array([False]))).all()


def test_no_change_in_any_replicate_is_no_evidence():
    assert p_value(np.zeros((200, 1)), np.array([True])).tolist() == [1.0]


def test_p_value_is_that_of_a_normal_test():
    deltas = np.random.default_rng(0).normal(2, 1, (20_000, 1))
    wanted = 2 * NormalDist().cdf(-2)
    assert p_value(deltas, np.array([True]))[0] == pytest.approx(wanted, rel=0.1)


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


def test_the_columns_are_those_of_the_design():
    assert " ".join(SCHEMA) == (
        "model method sparsity seed metric attribute group group_value value low high n status "
        "reason baseline delta delta_low delta_high p_value q_value"
    )
