"""Charts of a page as files of their own: laid out beside each other, with the page's colours."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from xml.etree.ElementTree import Element, SubElement, fromstring, tostring

from prunescope.report.panel_chart import marker
from prunescope.report.panels import Series

MARGIN, GAP, TITLE, LEGEND = 14, 16, 18, 22
FONT = "Liberation Sans, Arial, Helvetica, sans-serif"
LETTER = 6.2
"""Pixels that a letter of the legend takes, about."""

VARIABLE = re.compile(r"var\((--[a-z0-9]+)\)")
SCALE = 2.0
"""Pixels of a PNG for each of the SVG."""


@dataclass(frozen=True)
class Chart:
    """One chart of a page, with what stands above it."""

    title: str
    svg: str


def sheet(
    charts: Sequence[Chart],
    legend: Sequence[Series] = (),
    columns: int = 3,
    *,
    dots: bool = False,
) -> str:
    """Lay charts, all of one size or below each other, out as an SVG document, on white.

    The legend stands above all; with `dots` the charts tell series by colour alone, and so does it.

    >>> chart = Chart("A & B", '<svg viewBox="0 0 100 50"><text fill="var(--ink)">x</text></svg>')
    >>> made = sheet([chart, chart])
    >>> made[:41], "A &amp; B" in made, "var(" in made
    ('<svg xmlns="http://www.w3.org/2000/svg" w', True, False)
    """
    inside = [fromstring(chart.svg) for chart in charts]
    boxes = [[float(end) for end in one.get("viewBox", "").split()] for one in inside]
    wide, high = (max(box[i] for box in boxes) for i in (2, 3))
    columns = max(1, min(columns, len(charts)))
    rows = -(-len(charts) // columns)
    top = MARGIN + (LEGEND if legend else 0)
    width = 2 * MARGIN + columns * wide + (columns - 1) * GAP
    height = top + rows * (high + TITLE) + (rows - 1) * GAP + MARGIN
    root = Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "width": f"{width:g}",
            "height": f"{height:g}",
            "viewBox": f"0 0 {width:g} {height:g}",
            "font-family": FONT,
            "font-size": "11",
        },
    )
    SubElement(root, "rect", {"width": "100%", "height": "100%", "fill": "#ffffff"})
    _legend(root, legend, dots=dots)
    for place, (chart, one, box) in enumerate(zip(charts, inside, boxes, strict=True)):
        x = MARGIN + place % columns * (wide + GAP)
        y = top + place // columns * (high + TITLE + GAP)
        told = {"x": f"{x:g}", "y": f"{y + 11:g}", "font-size": "12", "font-weight": "600"}
        SubElement(root, "text", told | {"fill": "var(--ink)"}).text = chart.title
        one.attrib |= {"x": f"{x:g}", "y": f"{y + TITLE:g}"}
        one.attrib |= {"width": f"{box[2]:g}", "height": f"{box[3]:g}"}
        root.append(one)
    for element in root.iter():
        element.attrib.pop("data-tip", None)
        for name, value in element.attrib.items():
            element.set(name, VARIABLE.sub(lambda told: colours()[told[1]], value))
    return tostring(root, encoding="unicode")


def _legend(root: Element, legend: Sequence[Series], *, dots: bool) -> None:
    x = float(MARGIN + 6)
    for one in legend:
        shape = marker(one.place)
        if dots:
            shape.set("d", marker(0).get("d", ""))
        shape.set("transform", f"translate({x:g},{MARGIN + 4})")
        root.append(shape)
        told = {"x": f"{x + 9:g}", "y": f"{MARGIN + 8}", "fill": "var(--ink)"}
        SubElement(root, "text", told).text = one.name
        x += 30 + LETTER * len(one.name)


@cache
def colours() -> dict[str, str]:
    """Return the page's colours by day, by the names of their variables; paper is white.

    >>> colours()["--s1"], colours()["--paper"]
    ('#14619f', '#ffffff')
    """
    css = files("prunescope.report").joinpath("templates/report.css").read_text("utf-8")
    by_day = css.partition("}")[0]
    found = dict(re.findall(r"(--[a-z0-9]+):\s*(#[0-9a-f]{6})", by_day))
    return found | {"--paper": "#ffffff"}


def to_png(svg: str) -> bytes:
    """Return a document of `sheet` as PNG."""
    import vl_convert

    drawn: bytes = vl_convert.svg_to_png(svg, scale=SCALE)
    return drawn
