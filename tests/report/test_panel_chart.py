"""Panels against sparsity: what lies where."""

import re
from itertools import pairwise
from xml.etree.ElementTree import fromstring

import pytest

from prunescope.report.panel_chart import draw_panel
from prunescope.report.panels import Mark, Panel, Series, figure

HOSTILE = "<script>alert(1)</script>&\"'"


def panel(**options):
    dense = Mark(sparsity=0, value=0.9, low=0.88, high=0.92)
    marks = [
        Mark(sparsity=s, value=v, low=v - 0.02, high=v + 0.02, seeds=(v - 0.01, v + 0.01))
        for s, v in ((0.8, 0.9), (0.9, 0.88), (0.99, 0.8), (0.995, 0.7))
    ]
    told = {
        "title": "Accuracy",
        "metric": "accuracy",
        "series": (Series(name="gmp-ri", place=1, marks=(dense, *marks)),),
        "level": dense,
    }
    return Panel(**told | options)


def placed(drawn):
    """Return tip, x and y of each mark."""
    found = []
    for element in fromstring(drawn).iter("path"):
        if "data-tip" in element.attrib:
            x, y = re.match(r"translate\(([\d.]+),([\d.]+)\)", element.get("transform")).groups()
            found.append((element.get("data-tip"), float(x), float(y)))
    return found


def words(drawn):
    return [element.text for element in fromstring(drawn).iter("text")]


def test_sparsities_are_evenly_spaced_and_higher_values_lie_higher():
    told = sorted(placed(draw_panel(panel())), key=lambda one: one[1])
    assert [tip.split(":")[0] for tip, _, _ in told] == [
        "dense",
        "gmp-ri, 80% removed",
        "gmp-ri, 90% removed",
        "gmp-ri, 99% removed",
        "gmp-ri, 99.5% removed",
    ]
    gaps = [right[1] - left[1] for left, right in pairwise(told)]
    assert gaps == pytest.approx([gaps[0]] * 4, abs=0.11)
    y = [one[2] for one in told]
    assert y[1] < y[2] < y[3] < y[4]
    drops = [y[3] - y[2], y[4] - y[3]]
    assert drops[1] / drops[0] == pytest.approx(0.1 / 0.08, rel=0.02)


def test_axis_lines_and_level_are_named_where_they_end():
    told = words(draw_panel(panel()))
    assert {"dense", "80%", "90%", "99%", "99.5%", "removed", "gmp-ri"} <= set(told)
    assert told.count("dense") == 2


def test_single_seeds_are_faint_points_of_large_panels_alone():
    assert draw_panel(panel()).count("<circle") == 8
    assert "<circle" not in draw_panel(panel(), "small")


def test_a_mark_tells_value_interval_seeds_and_note():
    mark = Mark(sparsity=0.9, value=0.5, low=0.4, high=0.6, n_seeds=3, note="over 2 of 3")
    drawn = draw_panel(panel(series=(Series(name="gmp", place=0, marks=(mark,)),)))
    tips = [tip for tip, _, _ in placed(drawn)]
    assert tips == ["gmp, 90% removed: 50.0% (40.0 to 60.0%), 3 seeds; over 2 of 3"]


def test_distributions_stand_side_by_side():
    lines = tuple(
        Series(name=name, place=i, marks=(Mark(sparsity=0.9, value=0.01, low=0.0, high=0.02),))
        for i, name in enumerate(("a", "b"))
    )
    told = Panel(title="t", metric="bias_amplification", series=lines, ranges=True)
    (_, x1, y1), (_, x2, y2) = placed(draw_panel(told))
    assert x2 - x1 == 11
    assert y1 == y2


def test_names_are_escaped():
    told = panel(
        title=HOSTILE,
        series=(Series(name=HOSTILE, place=0, marks=(Mark(sparsity=0.9, value=0.5),)),),
    )
    drawn = draw_panel(told)
    assert "<script" not in drawn
    assert fromstring(drawn).get("aria-label").startswith(HOSTILE)
    assert placed(drawn)[0][0].startswith(HOSTILE)


def test_panels_without_marks_become_one_sentence_for_each_reason():
    reasons = {"a": "x", "b": "x", "c": "y"}
    empty = [Panel(title=name, metric="auc", missing=why) for name, why in reasons.items()]
    made = figure("f", "t", "c", [*empty, panel()])
    assert [one.title for one in made.panels] == ["Accuracy"]
    assert made.missing == ("a, b: x.", "c: y.")
    assert [(one.name, one.place, one.marks) for one in made.legend] == [("gmp-ri", 1, ())]
