"""What charts share: colours and fonts of the page, and SVG that is fit to stand inside it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import altair as alt
import vl_convert

N_COLOURS = 6
INK, MUTED, RULE, PAPER = "var(--ink)", "var(--muted)", "var(--rule)", "var(--paper)"
MORE, LESS = "var(--more)", "var(--less)"
FONT = "inherit"
TAGS = {"svg", "g", "path", "text", "line", "rect", "defs", "clipPath", "tspan", "circle"}
DISC = re.compile(r"M([\d.]+),0A.*")
SPARE = ("role", "aria-roledescription", "aria-hidden", "class", "pointer-events", "font-family")
"""Attributes that the page does without."""

NUMBER = re.compile(r"-?\d+\.\d+")
MOVE = re.compile(r"translate\((-?[\d.]+),(-?[\d.]+)\)")


def add(root: ElementTree.Element, kind: str, /, **attributes: object) -> ElementTree.Element:
    """Add a shape to a picture."""
    told = {name.replace("_", "-"): str(value) for name, value in attributes.items()}
    return ElementTree.SubElement(root, kind, told)


def picture(width: float, height: float, label: str) -> ElementTree.Element:
    """Begin a picture that is drawn by hand."""
    view = {"viewBox": f"0 0 {width} {height}", "role": "img", "aria-label": label}
    return ElementTree.Element("svg", view)


def data(rows: list[dict[str, Any]]) -> alt.Chart:
    """Begin a chart of some rows."""
    return alt.Chart({"values": rows})


def colour(place: int) -> str:
    """Return the colour of a series, which the page chooses; they repeat after `N_COLOURS`."""
    return f"var(--s{place % N_COLOURS + 1})"


def cut(name: str, most: int) -> str:
    """Cut a name that is too long for its place.

    >>> cut("Wearing_Lipstick", 10)
    'Wearing_L…'
    """
    return name if len(name) <= most else name[: most - 1] + "…"


def config(padding: dict[str, int]) -> dict[str, Any]:
    """Take fonts and colours from the page."""
    return {
        "autosize": "none",
        "padding": padding,
        "background": "transparent",
        "font": FONT,
        "view": alt.ViewConfig(stroke=None),
        "axis": alt.AxisConfig(
            labelColor=MUTED,
            labelFontSize=11,
            titleColor=MUTED,
            titleFontSize=11,
            titleFontWeight="normal",
            gridColor=RULE,
            domain=False,
            ticks=False,
            labelPadding=6,
        ),
        "axisX": alt.AxisConfig(
            grid=False, domain=True, domainColor=RULE, ticks=True, tickSize=4, tickColor=MUTED
        ),
    }


def drawn(
    chart: alt.LayerChart | alt.FacetChart,
    size: tuple[int, int],
    padding: dict[str, int],
    label: str,
    finish: Callable[[ElementTree.Element], ElementTree.Element] = lambda root: root,
) -> str:
    """Draw a chart, in the page's fonts and colours, as the text of an ``<svg>`` element."""
    whole = chart.properties(width=size[0], height=size[1]).configure(**config(padding))
    return text(finish(rendered(whole, label)))


def rendered(chart: alt.TopLevelMixin, label: str) -> ElementTree.Element:
    """Draw a chart as an ``<svg>`` element of a page: shapes and text, no script, no links."""
    return inline(vl_convert.vegalite_to_svg(chart.to_dict(validate=False)), label)


def text(root: ElementTree.Element) -> str:
    """Write an element; every name in it is escaped."""
    return ElementTree.tostring(root, encoding="unicode")


def inline(svg: str, label: str) -> ElementTree.Element:
    """Make an SVG document an element of a page: without namespaces, sizes and spare markup.

    It is parsed to be written anew, so that it is well formed and holds known elements alone.
    """
    root = ElementTree.fromstring(svg)
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        if element.tag not in TAGS:
            raise ValueError(f"chart holds an unexpected element <{element.tag}>")
        point = element.get("aria-roledescription") == "point"
        for name in SPARE:
            element.attrib.pop(name, None)
        for name in ("transform", "d"):
            if name in element.attrib:
                element.set(name, NUMBER.sub(_short, element.attrib[name]))
        tip = element.attrib.pop("aria-label", None)
        if point and tip:
            element.set("data-tip", tip)
    for name in ("version", "width", "height"):
        root.attrib.pop(name, None)
    root.attrib.update({"role": "img", "aria-label": label})
    return root


def _short(number: re.Match[str]) -> str:
    """Write a length to a hundredth of a pixel."""
    return f"{float(number[0]):.2f}".rstrip("0").rstrip(".")


def shrink_points(root: ElementTree.Element) -> ElementTree.Element:
    """Write discs as circles: a third of the bytes."""
    for element in root.iter("path"):
        disc, move = DISC.match(element.get("d", "")), MOVE.match(element.get("transform", ""))
        if disc and move:
            element.tag = "circle"
            kept = {name: element.get(name) for name in ("fill", "data-tip")}
            element.attrib.clear()
            element.attrib.update({"cx": move[1], "cy": move[2], "r": disc[1]})
            element.attrib.update({name: value for name, value in kept.items() if value})
    return root
