import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from prunescope import metrics
from prunescope.audit.intervals.significance import add_q_values, mcnemar, paired


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_the_binomial_test(one_way, other_way):
    n = one_way + other_way
    wanted = binomtest(one_way, n).pvalue if n else 1.0
    assert mcnemar(np.array(one_way), np.array(other_way)) == pytest.approx(wanted)


def test_pairs_are_what_a_share_counts():
    """By hand: label × before × after."""
    counts = np.zeros((1, 1, 3, 2, 2))
    counts[0, 0, 0] = [[50, 7], [2, 10]]  # 7 false alarms come, 2 go
    counts[0, 0, 1] = [[5, 1], [9, 30]]  # 9 true positives lost, 1 found
    counts[0, 0, 2] = [[3, 4], [0, 1]]
    found = {name: [x.item() for x in pairs] for name, pairs in paired(counts).items()}
    assert found == {
        "accuracy": [3, 16, 114],
        "tpr": [1, 9, 45],
        "fnr": [9, 1, 45],
        "fpr": [7, 2, 69],
        "tnr": [2, 7, 69],
        "selection_rate": [12, 11, 122],
    }


@given(st.integers(0, 2**32 - 1))
def test_what_a_share_gains_and_loses_is_its_change(seed):
    """A property of every one of them, from the metrics' own functions."""
    counts = np.random.default_rng(seed).integers(1, 20, (2, 3, 3, 2, 2)).astype(float)
    before, after = counts.sum(axis=-1), counts.sum(axis=-2)
    for name, pairs in paired(counts).items():
        metric = getattr(metrics, LONG.get(name, name))
        change = metric(after).value - metric(before).value
        assert (pairs.gained - pairs.lost) / pairs.n == pytest.approx(change), name


LONG = {
    "tpr": "true_positive_rate",
    "fnr": "false_negative_rate",
    "fpr": "false_positive_rate",
    "tnr": "true_negative_rate",
}


def benjamini_hochberg(p):
    """The smallest rate at which each hypothesis is rejected, by its definition."""
    m = len(p)
    return [min(1, min(m * q / sum(r <= q for r in p) for q in p if q >= mine)) for mine in p]


ROWS = st.lists(
    st.tuples(
        st.sampled_from(["tpr", "fpr"]),
        st.sampled_from(["Bald", "Male", None]),
        st.sampled_from([None, "Male", "Young"]),
        st.none() | st.integers(1, 1000).map(lambda k: k / 1000),
    ),
    min_size=1,
    max_size=40,
)
KINDS = {"metric": pl.String, "attribute": pl.String, "group": pl.String, "p_value": pl.Float64}


def q_values(rows):
    return add_q_values(pl.DataFrame(rows, schema=KINDS, orient="row"))["q_value"].to_list()


@given(ROWS)
def test_q_values_are_benjamini_hochberg_within_a_family(rows):
    """A family is one metric by one group, or by none; means over attributes are others."""
    found = q_values(rows)
    families = {(metric, group, attribute is None) for metric, attribute, group, _ in rows}
    for family in families:
        mine = [
            i
            for i, (metric, attribute, group, p) in enumerate(rows)
            if (metric, group, attribute is None) == family and p is not None
        ]
        wanted = benjamini_hochberg([rows[i][3] for i in mine])
        assert [found[i] for i in mine] == pytest.approx(wanted)
    assert all(found[i] is None for i, row in enumerate(rows) if row[3] is None)


@given(ROWS)
def test_what_is_told_by_one_group_does_not_hang_on_another(rows):
    some = [row for row in rows if row[2] != "Young"]
    if some:
        found = q_values(rows)
        assert q_values(some) == [
            q for q, row in zip(found, rows, strict=True) if row[2] != "Young"
        ]
