"""Panels against sparsity as SVG: evenly spaced steps, lines with bands, or ranges side by side."""

from __future__ import annotations

from dataclasses import dataclass
from xml.etree.ElementTree import Element

from prunescope.report.axes import bounds_of, labelled, limits, spread
from prunescope.report.panels import Mark, Panel, Series, step
from prunescope.report.svg import (
    INK,
    MUTED,
    N_COLOURS,
    PAPER,
    RULE,
    add,
    colour,
    cut,
    picture,
    text,
)
from prunescope.verdict.glossary import unit_of
from prunescope.verdict.numbers import Unit, counted

DASHES = ("", "5 3", "2 2")
SHAPES = (
    "M-3.6,0a3.6,3.6 0 1,0 7.2,0a3.6,3.6 0 1,0 -7.2,0",
    "M-3.2,-3.2h6.4v6.4h-6.4z",
    "M0,-4.4L4.2,3.2H-4.2z",
    "M0,-4.6L4.6,0L0,4.6L-4.6,0z",
    "M0,4.4L4.2,-3.2H-4.2z",
    "M-4,-1.2h2.8v-2.8h2.4v2.8h2.8v2.4h-2.8v2.8h-2.4v-2.8h-2.8z",
)
"""A shape for each colour, so that neither is needed alone."""


@dataclass(frozen=True)
class Size:
    """How large a panel is drawn: its inside, the room around it, its text."""

    width: int
    height: int
    left: int
    right: int
    font: float
    labels: bool

    top: int = 10
    bottom: int = 24


SIZES = {
    "large": Size(width=250, height=150, left=44, right=62, font=11, labels=True),
    "small": Size(width=138, height=74, left=34, right=8, font=10, labels=False),
}


def draw_panel(panel: Panel, size: str = "large") -> str:
    """Draw a panel that has marks, "large" or "small", as an ``<svg>`` of shapes and text alone.

    >>> marks = [Mark(sparsity=0.9, value=0.8, low=0.7, high=0.9)]
    >>> panel = Panel(title="AUC", metric="auc", series=[Series(name="gmp", place=0, marks=marks)])
    >>> drawn = draw_panel(panel)
    >>> drawn[:4], "gmp, 90% removed: 0.800 (0.700 to 0.900)" in drawn
    ('<svg', True)
    """
    return text(_Drawing(panel, SIZES[size]).root)


def marker(place: int) -> Element:
    """Return the shape of a series, around (0, 0)."""
    return Element("path", {"d": SHAPES[place % N_COLOURS], "fill": colour(place)})


def _limits(panel: Panel) -> tuple[float, float]:
    """Return the ends of a panel's vertical axis."""
    marks = [mark for one in panel.series for mark in one.marks]
    marks += [] if panel.level is None else [panel.level]
    values = [value for mark in marks for value in (mark.value, *mark.seeds)]
    values += [] if panel.target is None else [panel.target]
    ends = [end for mark in marks for end in (mark.low, mark.high) if end is not None]
    return limits(values + ends if panel.ranges else values, ends, bounds_of(panel.metric))


class _Drawing:
    """One panel, drawn from back to front."""

    def __init__(self, panel: Panel, size: Size) -> None:
        self.panel, self.size = panel, size
        self.unit: Unit = unit_of(panel.metric)
        self.low, self.high = _limits(panel)
        self.steps = panel.steps
        width = size.left + size.width + size.right
        self.root = picture(
            width, size.top + size.height + size.bottom, f"{panel.title} against sparsity"
        )
        self._axes()
        if panel.level is not None:
            self._level(panel.level)
        if panel.ranges:
            for number, one in enumerate(panel.series):
                self._ranges(one, (number - (len(panel.series) - 1) / 2) * 11)
        else:
            for one in panel.series:
                self._band(one)
            for one in panel.series:
                self._line(one)
        if size.labels:
            self._labels()

    def x(self, sparsity: float) -> float:
        """Return where a step lies."""
        share = (self.steps.index(sparsity) + 0.5) / len(self.steps)
        return round(self.size.left + share * self.size.width, 1)

    def y(self, value: float) -> float:
        """Return where a value lies, cut at the edges."""
        inside = min(max(value, self.low), self.high)
        share = (inside - self.low) / (self.high - self.low)
        return round(self.size.top + (1 - share) * self.size.height, 1)

    def add(self, kind: str, /, **attributes: object) -> Element:
        """Add a shape."""
        return add(self.root, kind, **attributes)

    def write(self, words: str, x: float, y: float, **attributes: object) -> None:
        """Add a text; it is escaped."""
        told = {"font_size": self.size.font, "fill": MUTED} | attributes
        self.add("text", x=round(x, 1), y=round(y, 1), **told).text = words

    def _axes(self) -> None:
        size = self.size
        right, bottom = size.left + size.width, size.top + size.height
        about = 4 if size.labels else 3
        for tick, words in labelled(self.panel.metric, self.low, self.high, about):
            y = self.y(tick)
            self.add("line", x1=size.left, x2=right, y1=y, y2=y, stroke=RULE)
            self.write(words, size.left - 6, y + 3.5, text_anchor="end")
        if self.panel.target is not None:
            y = self.y(self.panel.target)
            self.add("line", x1=size.left, x2=right, y1=y, y2=y, stroke=MUTED, opacity=0.6)
        named = [step(one) for one in self.steps]
        for place, (one, name) in enumerate(zip(self.steps, named, strict=True)):
            x = self.x(one)
            self.add("line", x1=x, x2=x, y1=bottom, y2=bottom + 4, stroke=MUTED, opacity=0.6)
            if size.labels or place in (0, len(named) - 1):
                self.write(name, x, bottom + 17, text_anchor="middle")
        if size.labels:
            self.write("removed", right + 5, bottom + 17)

    def _level(self, level: Mark) -> None:
        size, right = self.size, self.size.left + self.size.width
        if level.low is not None and level.high is not None:
            top, bottom = self.y(level.high), self.y(level.low)
            self.add(
                "rect", x=size.left, y=top, width=size.width, height=round(bottom - top, 1),
                fill=MUTED, opacity=0.13,
            )  # fmt: skip
        y = self.y(level.value)
        line = self.add(
            "line", x1=size.left, x2=right, y1=y, y2=y, stroke=MUTED, stroke_width=1.3,
            stroke_dasharray="2 3",
        )  # fmt: skip
        line.set("data-tip", self._tip(self.panel.level_name, level))
        if any(level == mark for one in self.panel.series for mark in one.marks):
            self._seeds(level, INK)
            self._mark(self.panel.level_name, level, self.x(0.0), INK, 3)

    def _band(self, one: Series) -> None:
        ends = [
            (self.x(mark.sparsity), self.y(mark.low), self.y(mark.high))
            for mark in one.marks
            if mark.low is not None and mark.high is not None
        ]
        if len(ends) > 1:
            over = [f"{x},{high}" for x, _, high in ends]
            under = [f"{x},{low}" for x, low, _ in reversed(ends)]
            path = f"M{'L'.join([*over, *under])}z"
            self.add("path", d=path, fill=colour(one.place), opacity=0.14)
        elif ends:
            x, low, high = ends[0]
            self.add("line", x1=x, x2=x, y1=low, y2=high, stroke=colour(one.place), opacity=0.6)

    def _line(self, one: Series) -> None:
        tone, small = colour(one.place), not self.size.labels
        points = [f"{self.x(mark.sparsity)},{self.y(mark.value)}" for mark in one.marks]
        if len(points) > 1:
            dash = DASHES[one.place // N_COLOURS % len(DASHES)]
            line = self.add(
                "path", d="M" + "L".join(points), fill="none", stroke=tone,
                stroke_width=1.4 if small else 1.9,
            )  # fmt: skip
            if dash:
                line.set("stroke-dasharray", dash)
        own = [mark for mark in one.marks if mark != self.panel.level]
        for mark in own:
            self._seeds(mark, tone)
        for mark in own:
            self._mark(one.name, mark, self.x(mark.sparsity), tone, one.place)

    def _seeds(self, mark: Mark, tone: str) -> None:
        """Draw single seeds, where there is room."""
        for seed in mark.seeds if self.size.labels else ():
            self.add(
                "circle", cx=self.x(mark.sparsity), cy=self.y(seed), r=2, fill=tone, opacity=0.45
            )

    def _ranges(self, one: Series, aside: float) -> None:
        for mark in one.marks:
            x = self.x(mark.sparsity) + aside
            if mark.low is not None and mark.high is not None:
                self.add(
                    "line", x1=x, x2=x, y1=self.y(mark.low), y2=self.y(mark.high),
                    stroke=colour(one.place), stroke_width=3, opacity=0.45,
                )  # fmt: skip
            self._mark(one.name, mark, x, colour(one.place), one.place)

    def _mark(self, name: str, mark: Mark, x: float, tone: str, place: int) -> None:
        scale = "" if self.size.labels else " scale(.72)"
        shape = marker(place)
        shape.set("fill", tone)
        shape.set("transform", f"translate({round(x, 1)},{self.y(mark.value)}){scale}")
        shape.attrib |= {"stroke": PAPER, "stroke-width": "0.8"}
        shape.set("data-tip", self._tip(name, mark))
        self.root.append(shape)

    def _labels(self) -> None:
        """Name lines and level where they end, none upon another."""
        told: list[tuple[str, float, str]] = []
        if self.panel.level is not None:
            told.append((self.panel.level_name, self.y(self.panel.level.value), MUTED))
        if not self.panel.ranges and len(self.panel.series) <= N_COLOURS:
            told += [
                (one.name, self.y(one.marks[-1].value), colour(one.place))
                for one in self.panel.series
                if one.marks
            ]
        places = spread([y for _, y, _ in told], self.size.font + 1.5)
        for (name, _, tone), y in zip(told, places, strict=True):
            x = self.size.left + self.size.width + 5
            self.write(cut(name, 10), x, y + 3.5, fill=tone)

    def _tip(self, name: str, mark: Mark) -> str:
        """Say all there is to say about a mark."""
        where = "" if mark.sparsity == 0 else f", {step(mark.sparsity)} removed"
        seeds = f", {counted(mark.n_seeds, 'seed')}" if mark.n_seeds > 1 else ""
        told = f"{name}{where}: {self.unit.whole(mark.value, mark.low, mark.high)}{seeds}"
        return f"{told}; {mark.note}" if mark.note else told
