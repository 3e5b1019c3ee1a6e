"""Two models beside each other: what lies where."""

import re
from xml.etree.ElementTree import fromstring

import pytest

from prunescope.report.pair_chart import draw_pairs
from prunescope.report.panels import PairRow, Pairs, Side


def test_rows_lie_below_each_other_and_values_along_one_axis():
    rows = (
        PairRow(name="Bald", first=Side(value=0.2), second=Side(value=0.4)),
        PairRow(name="<b>&", first=Side(value=0.8, low=0.7, high=0.9), second=Side(value=1.0)),
    )
    drawn = draw_pairs(
        Pairs(title="t", metric="rare_value_ratio", names=("jointly", "alone"), rows=rows)
    )
    told = {}
    for element in fromstring(drawn).iter("path"):
        place = re.match(r"translate\(([\d.]+),([\d.]+)\)", element.get("transform"))
        told[element.get("data-tip")] = tuple(map(float, place.groups()))
    assert list(told) == [
        "Bald, jointly: 0.20",
        "Bald, alone: 0.40",
        "<b>&, jointly: 0.80 (0.70 to 0.90)",
        "<b>&, alone: 1.00",
    ]
    (x1, y1), (x2, y2), (x3, y3), (x4, _) = told.values()
    assert x4 - x3 == pytest.approx(x2 - x1, abs=0.2)
    assert x3 - x1 == pytest.approx(3 * (x2 - x1), abs=0.3)
    assert y1 < y2 < y3
    assert "<b>" not in drawn
