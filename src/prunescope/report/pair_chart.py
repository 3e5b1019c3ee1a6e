"""Two models beside each other, a row for each attribute, as SVG."""

from __future__ import annotations

from xml.etree.ElementTree import Element

from prunescope.report.axes import bounds_of, labelled, limits
from prunescope.report.panel_chart import marker
from prunescope.report.panels import Pairs
from prunescope.report.svg import INK, MUTED, RULE, add, colour, cut, picture, text
from prunescope.verdict.glossary import unit_of

WIDTH, LEFT, RIGHT, TOP, ROW = 220, 118, 12, 8, 19
APART = 3.2
"""Pixels between the two models of a row, upwards and downwards from its middle."""

MOST_LETTERS = 17


def draw_pairs(pairs: Pairs) -> str:
    """Draw two models beside each other, as an ``<svg>`` element of shapes and text alone.

    >>> from prunescope.report.panels import PairRow, Side
    >>> row = PairRow(name="Bald", first=Side(value=0.9), second=Side(value=0.4, low=0.3, high=0.5))
    >>> told = {"title": "", "metric": "rare_value_ratio", "names": ("jointly", "alone")}
    >>> "Bald, alone: 0.40 (0.30 to 0.50)" in draw_pairs(Pairs(**told, rows=[row], target=1.0))
    True
    """
    unit = unit_of(pairs.metric)
    sides = [side for row in pairs.rows for side in (row.first, row.second)]
    values = [side.value for side in sides] + ([] if pairs.target is None else [pairs.target])
    ends = [end for side in sides for end in (side.low, side.high) if end is not None]
    low, high = limits(values, ends, bounds_of(pairs.metric))
    bottom = TOP + ROW * len(pairs.rows)

    def x(value: float) -> float:
        inside = min(max(value, low), high)
        return round(LEFT + WIDTH * (inside - low) / (high - low), 1)

    label = f"{pairs.title}: {pairs.names[0]} and {pairs.names[1]}"
    root = picture(LEFT + WIDTH + RIGHT, bottom + 22, label)
    for tick, words in labelled(pairs.metric, low, high):
        _line(root, x(tick), x(tick), TOP, bottom, RULE)
        _text(root, words, x(tick), bottom + 16, "middle", MUTED)
    if pairs.target is not None:
        _line(root, x(pairs.target), x(pairs.target), TOP, bottom, MUTED)
    for number, row in enumerate(pairs.rows):
        y = TOP + ROW * (number + 0.5)
        _text(root, cut(row.name, MOST_LETTERS), LEFT - 8, y + 3.5, "end", INK)
        for which, side in enumerate((row.first, row.second)):
            level = y + (2 * which - 1) * APART
            if side.low is not None and side.high is not None:
                _line(root, x(side.low), x(side.high), level, level, colour(which))
            shape = marker(which)
            shape.set("transform", f"translate({x(side.value)},{level:.1f}) scale(.85)")
            told = unit.whole(side.value, side.low, side.high)
            shape.set("data-tip", f"{row.name}, {pairs.names[which]}: {told}")
            root.append(shape)
    return text(root)


def _line(root: Element, x1: float, x2: float, y1: float, y2: float, tone: str) -> None:
    add(root, "line", x1=x1, x2=x2, y1=round(y1, 1), y2=round(y2, 1), stroke=tone)


def _text(root: Element, words: str, x: float, y: float, anchor: str, tone: str) -> None:
    add(root, "text", x=x, y=f"{y:.1f}", text_anchor=anchor, font_size=11, fill=tone).text = words
