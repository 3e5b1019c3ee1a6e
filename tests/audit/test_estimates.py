import numpy as np
import pytest

from prunescope.audit.estimates import (
    INSUFFICIENT,
    NOT_APPLICABLE,
    OK,
    UNDEFINED,
    difference,
    estimate,
    summarize,
    worst_group,
)
from prunescope.metrics import Measure


def make(value, support, metric="tpr", **options):
    value = np.array(value, float)
    replicates = options.pop("replicates", np.broadcast_to(value, (5, *value.shape)))
    return estimate(
        metric,
        tuple("abcdef"[: value.shape[-1]]),
        Measure(value, np.array(support, float)),
        np.asarray(replicates),
        min_support=10,
        basis="true positives",
        undefined="nothing to divide",
        **options,
    )


def test_too_little_support_comes_before_undefined():
    made = make([0.5, 0.5, np.nan, np.nan], [10, 9, 0, 12])
    assert made.status.tolist() == [OK, INSUFFICIENT, INSUFFICIENT, UNDEFINED]
    assert made.value.tolist() == pytest.approx([0.5] + [np.nan] * 3, nan_ok=True)
    assert made.support.tolist() == [10, 9, 0, 12]
    assert made.reason.tolist() == [
        None,
        "9 true positives: at least 10 are needed",
        "0 true positives: at least 10 are needed",
        "nothing to divide",
    ]


def test_explaining_removes_the_value():
    made = make([0.5, 0.6], [10, 10]).explain(np.array([False, True]), NOT_APPLICABLE, "because")
    assert made.value.tolist() == pytest.approx([0.5, np.nan], nan_ok=True)
    assert made.status.tolist() == [OK, NOT_APPLICABLE]
    assert made.reason.tolist() == [None, "because"]


GROUP = [[0.9] * 4, [0.2, 0.2, 0.2, np.nan], [0.5, 0.5, 0.5, 0.5], [0.8, 0.8, 0.8, 0.8]]
SUPPORT = [[99] * 4, [20, 20, 9, 0], [30, 3, 3, 3], [40, 40, 40, 40]]


def test_a_difference_is_over_supported_values_and_names_the_rest():
    made = difference("gap", [make(GROUP, SUPPORT)], "g", slice(1, 4))
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
    tpr = make(GROUP, SUPPORT)
    fpr = make([[0.1] * 4, [0.0] * 4, [0.9] * 4, [0.1] * 4], np.full((4, 4), 50))
    made = difference("odds", [tpr, fpr], "g", slice(1, 4))
    assert made.value.tolist() == pytest.approx([0.9, 0.6, np.nan, np.nan], nan_ok=True)
    assert made.replicates[0, :2].tolist() == pytest.approx([0.9, 0.6])


def test_the_worst_group_is_named_by_its_position():
    made = worst_group(make(GROUP, SUPPORT), "g", slice(1, 4))
    assert made.value.tolist() == pytest.approx([0.2, 0.2, np.nan, np.nan], nan_ok=True)
    assert made.group_value.tolist() == [0, 0, -1, -1]
    assert made.replicates[0, :2].tolist() == [0.2, 0.2]
    last = worst_group(make(GROUP, SUPPORT), "g", slice(2, 4))
    assert (last.value[0], last.group_value[0]) == (0.5, 0)


def test_the_summary_is_the_mean_over_usable_attributes():
    made = make([[0.2, 0.4, 0.9], [0.2, 0.4, np.nan]], [[10, 10, 10], [5, 5, 5]])
    whole = summarize(made, made.ok, np.array([100, 7]))
    assert whole.attributes == ("a", "b", "c", None)
    assert whole.value[0].tolist() == pytest.approx([0.2, 0.4, 0.9, 0.5])
    assert whole.replicates[0, 0, 3] == pytest.approx(0.5)
    assert whole.status[:, 3].tolist() == [OK, INSUFFICIENT]
    assert whole.reason[:, 3].tolist() == [None, "none of the 3 attributes has a value"]
    assert whole.support[:, 3].tolist() == [100, 7]
    some = summarize(made, made.ok & [True, False, True], np.array([100, 7]))
    assert some.value[0, 3] == pytest.approx(0.55)
    assert some.reason[0, 3] == "mean over 2 of 3 attributes"


def test_the_status_of_a_summary_is_that_of_its_own_slice():
    made = make([[0.2, 0.4], [0.2, 0.4], [0.2, 0.4]], [[50, 50], [5, 5], [5, 5]])
    made = made.explain(
        np.array([[True, True], [False, False], [False, False]]), NOT_APPLICABLE, "x"
    )
    whole = summarize(made, made.ok, np.array([100, 7, 7]))
    assert whole.status[:, 2].tolist() == [NOT_APPLICABLE, INSUFFICIENT, INSUFFICIENT]


def test_a_replicate_without_one_attribute_averages_the_others():
    replicates = np.array([[0.2, 0.4], [0.3, np.nan], [np.nan, np.nan]])
    made = make([0.2, 0.4], [50, 50], replicates=replicates)
    whole = summarize(made, made.ok, np.array([100]))
    assert whole.replicates[:, 2].tolist() == pytest.approx([0.3, 0.3, np.nan], nan_ok=True)


def test_the_summary_of_correlation_shifts_is_their_norm_alone():
    made = make([0.3, 0.4, 5.0], [50, 50, 5], metric="correlation_shift")
    whole = summarize(made, made.ok, np.array([100]))
    assert whole.attributes == (None,)
    assert whole.value.tolist() == pytest.approx([np.sqrt(2) * 0.5])
    assert whole.reason.tolist() == ["norm over 2 of 3 pairs"]


def test_no_pair_at_all_has_no_norm():
    made = make([], [], metric="correlation_shift", replicates=np.zeros((5, 0)))
    whole = summarize(made, made.ok, np.array([100]))
    assert (whole.status.tolist(), whole.reason.tolist()) == (
        [UNDEFINED],
        ["none of the 0 pairs has a value"],
    )
