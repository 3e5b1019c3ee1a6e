import re
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunescope.report.plot import Axis, Plot, by_factors, fitted, number, round_ticks
from prunescope.report.svg import TAGS

PADDING = {"left": 40, "right": 5, "top": 10, "bottom": 30}
VALUES = st.lists(st.floats(-1e4, 1e4, width=32), min_size=2).filter(
    lambda values: max(values) - min(values) > 1e-3
)


def plot(**more):
    x, y = fitted([0, 10], 200, "across"), fitted([0, 1], 100, "up")
    return Plot(x, y, PADDING, "it", **more)


def texts(drawn):
    return [element.text for element in drawn.root.iter("text")]


@given(VALUES)
def test_a_fitted_axis_holds_its_values_and_ends_at_round_numbers(values):
    axis = fitted(values, 200)
    span = axis.high - axis.low
    assert axis.low <= min(values) + 1e-8 * span
    assert max(values) - 1e-8 * span <= axis.high
    assert 0.7 * span <= max(values) - min(values)  # a step of some ten more at each end
    places = [axis.place(value) for value, _ in axis.ticks]
    assert np.allclose(np.diff(places), np.diff(places).mean() if len(places) > 1 else 0)
    assert 1 <= len(places) <= 11


@given(VALUES)
def test_words_of_ticks_are_their_values(values):
    for value, words in fitted(values, 200).ticks:
        assert float(words.replace("−", "-").replace(",", "")) == pytest.approx(value, abs=1e-12)


def test_room_is_kept_in_pixels():
    bare = fitted([0, 100], 300)
    roomy = fitted([0, 100], 300, room=6)
    assert (bare.low, bare.high) == (0, 100)
    assert roomy.place(0) >= 6
    assert 300 - roomy.place(100) >= 6
    logarithmic = by_factors((1.0, 0.05), 280, room=10)
    assert [round(logarithmic.place(end), 9) for end in (1.0, 0.05)] == [10, 270]


def test_zero_is_held_if_asked_for():
    assert fitted([5.0, 9.0], 100).low == 5.0
    assert fitted([5.0, 9.0], 100, zero=True).low == 0.0
    assert fitted([-9.0, -5.0], 100, zero=True).high == 0.0


def test_one_value_lies_in_the_middle():
    axis = fitted([3.0, 3.0], 100, suffix="%")
    assert axis.place(3.0) == 50
    assert axis.ticks == [(3.0, "3%")]


def test_ticks_outside_a_logarithmic_axis_go():
    ticks = [(value, str(value)) for value in (100, 50, 20, 10)]
    assert by_factors((100, 20), 100, ticks).ticks == ticks[:3]


def test_thousands_and_minus_are_written_as_words_are():
    assert [words for _, words in round_ticks(-2000, 0, 2)] == ["−2,000", "−1,000", "0"]


def test_what_is_drawn_lies_by_its_values():
    drawn = plot()
    drawn.dot((5, 0.25), 2.0, "red", "a")
    drawn.mark((0, 1), 4.0, "red", "b")
    drawn.level(0.5)
    drawn.upright(10)
    drawn.range(5, 0, 1, "red")
    dot, mark = (e for e in drawn.root.iter() if e.get("data-tip"))
    assert [float(dot.get(name)) for name in ("cx", "cy")] == [100, 75]
    assert mark.get("transform") == "translate(0,0)"
    ends = ("x1", "y1", "x2", "y2")
    level, upright, interval = (
        [float(line.get(end)) for end in ends] for line in list(drawn.root.iter("line"))[-3:]
    )
    assert level == [0, 50, 200, 50]
    assert upright == [200, 0, 200, 100]
    assert interval == [100, 100, 100, 0]


def test_lines_and_areas_go_through_their_points():
    drawn = plot()
    drawn.line([(0, 0), (10, 1)])
    drawn.area([(0, 1), (10, 1)], [(0, 0), (10, 0)], "red")
    line, area = (path.get("d") for path in drawn.root.iter("path"))
    assert line == "M0,100L200,0"
    assert area == "M0,0L200,0L200,100L0,100Z"


def test_a_diamond_reaches_as_far_as_a_disc():
    drawn = plot()
    drawn.mark((5, 0.5), 4.74, "red", "a")
    drawn.mark((5, 0.5), 4.74, "red", "b", square=True)
    for path in drawn.root.iter("path"):
        reach = [abs(float(x)) for x in re.findall(r"-?\d+\.\d+", path.get("d"))]
        assert set(reach) == {4.74}


def test_axes_have_a_line_across_for_each_tick_unless_asked_otherwise():
    lines = len(list(plot().root.iter("line")))
    assert lines - len(list(plot(grid=False).root.iter("line"))) == len(plot().y.ticks)


def test_words_that_would_meet_are_left_out_and_titles_stay():
    x = Axis(0, 1, 60, [(k / 10, f"0.{k}") for k in range(10)], "across")
    drawn = Plot(x, fitted([0, 100], 100, "up"), PADDING, "it")
    kept = [words for words in texts(drawn) if re.fullmatch(r"0\.\d", words)]
    assert kept == ["0.0", "0.3", "0.6", "0.9"]  # of 15 pixels each, 6 apart
    assert {"across", "up"} <= set(texts(drawn))


def test_a_picture_is_shapes_and_escaped_words():
    drawn = plot()
    drawn.words("<script>", 0, 0)
    drawn.dot((0, 0), 2.0, "red", '"><script>')
    assert "<script" not in drawn.text()
    root = ElementTree.fromstring(drawn.text())
    assert {element.tag for element in root.iter()} <= TAGS
    assert (root.get("viewBox"), root.get("aria-label")) == ("0 0 245 140", "it")
    assert not [tag for tag in TAGS if re.search("script|image|use|style|foreign", tag)]


def test_lengths_are_short():
    assert [number(x) for x in (1.23456, -0.004, 100.0, 0.1)] == ["1.23", "0", "100", "0.1"]
