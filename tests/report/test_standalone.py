"""Sheets of charts: documents of their own."""

import io
from xml.etree.ElementTree import fromstring

import numpy as np
from PIL import Image

from prunescope.report.panel_chart import draw_panel
from prunescope.report.panels import Mark, Panel, Series
from prunescope.report.standalone import Chart, sheet, to_png

SVG = "{http://www.w3.org/2000/svg}"


def chart(name):
    line = Series(name="gmp", place=0, marks=(Mark(sparsity=0.9, value=0.5),))
    told = Panel(title=name, metric="auc", series=(line,), level=Mark(sparsity=0, value=0.6))
    return Chart(name, draw_panel(told))


def test_charts_lie_in_rows_and_columns_with_colours_of_their_own():
    made = sheet([chart("A & <b>"), chart("B"), chart("C")], columns=2)
    root = fromstring(made)
    places = [(float(one.get("x")), float(one.get("y"))) for one in root.iter(f"{SVG}svg")
              if one is not root]  # fmt: skip
    assert len(places) == 3
    assert places[0][1] == places[1][1] < places[2][1]
    assert places[0][0] == places[2][0] < places[1][0]
    assert "var(" not in made
    assert "data-tip" not in made
    assert "A & <b>" in [one.text for one in root.iter(f"{SVG}text")]


def test_a_legend_makes_room_for_itself():
    without, within = (
        fromstring(sheet([chart("A")], legend))
        for legend in ((), (Series(name="gmp-pt", place=0), Series(name="gmp-ri", place=1)))
    )
    assert float(within.get("height")) > float(without.get("height"))
    assert [one.text for one in within.findall(f"{SVG}text")][:2] == ["gmp-pt", "gmp-ri"]


def test_a_png_is_twice_as_large_and_not_blank():
    svg = sheet([chart("A")])
    image = Image.open(io.BytesIO(to_png(svg))).convert("RGB")
    assert image.width == round(2 * float(fromstring(svg).get("width")))
    assert len(np.unique(np.asarray(image).reshape(-1, 3), axis=0)) > 20
