"""Axes that are drawn by hand."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from prunescope.report.axes import labelled, limits, spread, ticks


def test_a_wide_interval_does_not_flatten_the_line():
    low, high = limits([0.80, 0.90], [-3.0, 5.0], (0.0, 1.0))
    assert 0.7 < low < 0.8
    assert 0.9 < high < 1.0


@given(st.floats(-5, 5), st.floats(-5, 5), st.floats(-50, 50))
def test_all_values_are_inside(first, second, end):
    low, high = limits([first, second], [end], (-1.0, 1.0))
    assert low < min(first, second) <= max(first, second) < high


@given(st.lists(st.floats(0, 200), min_size=1, max_size=6))
def test_labels_lie_apart_in_their_order(places):
    found = spread(places, 12)
    order = sorted(range(len(places)), key=places.__getitem__)
    gaps = [found[b] - found[a] for a, b in pairwise(order)]
    assert all(gap >= 12 - 1e-9 for gap in gaps)
    if all(abs(a - b) > 12 for i, a in enumerate(places) for b in places[:i]):
        assert found == places


@given(st.floats(-1000, 1000), st.floats(1e-3, 1000))
def test_ticks_are_few_and_inside(low, span):
    found = ticks(low, low + span)
    assert 1 <= len(found) <= 8
    assert all(low - 1e-6 <= tick <= low + span + 1e-6 * span for tick in found)


def test_no_tick_stands_where_no_value_can_be():
    assert [words for _, words in labelled("accuracy", 0.985, 1.015)][-1] == "100%"
    assert labelled("rare_value_ratio", -0.4, 1.0)[0] == (0.0, "0")
