from xml.etree import ElementTree

import pytest

from prunescope.report.records import LinkPlot, LinkPoint
from prunescope.report.scatter import draw_points
from prunescope.report.svg import TAGS


def plot(*points, cause="uncertainty", effect="bias_amplification"):
    points = [
        LinkPoint(model=model, attribute=name, group=group, x=x, y=y)
        for model, name, group, x, y in points
    ]
    return LinkPlot(cause=cause, effect=effect, n=len(points), points=points)


PLOT = plot(
    ("m1", "Bald", "Male", 0.02, 0.05), ("m2", "Hat", None, 0.1, -0.01), ("m1", "c", "Age", 0.0, 0)
)


def drawn(one=PLOT, colours=None):
    return ElementTree.fromstring(draw_points(one, colours or {"m1": "var(--s1)"}))


def test_each_point_has_its_place_and_words():
    bald, hat, none = list(drawn().iter("circle"))
    assert bald.get("data-tip") == "Bald · Male · m1: +2.0, +5.0"
    assert hat.get("data-tip") == "Hat · m2: +10.0, −1.0"
    assert none.get("data-tip") == "c · Age · m1: ±0, ±0"
    at = {
        tip: [float(c.get(k)) for c in (bald, hat, none)] for tip, k in (("x", "cx"), ("y", "cy"))
    }
    assert at["x"][2] < at["x"][0] < at["x"][1]
    assert at["y"][0] < at["y"][2] < at["y"][1]
    # in proportion
    assert (at["x"][1] - at["x"][2]) / (at["x"][0] - at["x"][2]) == pytest.approx(5, abs=0.05)


def test_colours_are_those_of_the_models():
    assert [c.get("fill") for c in drawn().iter("circle")] == [
        "var(--s1)", "var(--ink)", "var(--s1)",
    ]  # fmt: skip


def test_axes_are_named_with_their_units():
    texts = {element.text for element in drawn().iter("text")}
    assert {"change in uncertainty, points", "bias amplification, further from 0, points"} <= texts
    assert {"0", "10"} <= texts  # 0.1 of all answers are 10 points
    other = drawn(
        plot(("m", "a", None, 0.1, 0.2), cause="interdependence", effect="rare_value_ratio")
    )
    texts = {element.text for element in other.iter("text")}
    assert {"change in interdependence", "rare-value ratio, further from 1"} <= texts
    assert other.get("aria-label") == (
        "1 points: change in interdependence across, rare-value ratio, further from 1 upwards"
    )


def test_hostile_names_stay_text(planted):
    svg = draw_points(plot((planted.HOSTILE,) * 3 + (0.1, 0.2)), {})
    assert "<img" not in svg
    assert "<script" not in svg
    root = ElementTree.fromstring(svg)
    assert planted.HOSTILE in next(root.iter("circle")).get("data-tip")
    assert {element.tag for element in root.iter()} <= TAGS
