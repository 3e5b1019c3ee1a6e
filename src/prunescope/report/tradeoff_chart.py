"""The picture of the trade-off: one damage upwards, one cost across, a point for each model."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import altair as alt

from prunescope.report.records import Damage, TradeOff
from prunescope.report.svg import INK, MUTED, PAPER, cut, data, drawn
from prunescope.report.tradeoff import KEPT
from prunescope.verdict.glossary import unit_of

WIDTH, HEIGHT = 310, 220
PADDING = {"left": 50, "right": 52, "top": 12, "bottom": 40}
LETTER, LINE = 6.0, 11.0
"""Pixels that a letter of a name takes in the picture, about, and a line."""

LONGEST = 22
"""Letters of a name in the picture."""

Align: TypeAlias = Literal["left", "center", "right"]
AROUND: tuple[tuple[Align, int, int], ...] = (
    ("left", 9, 0),
    ("right", -9, 0),
    ("center", 0, -14),
    ("center", 0, -27),
    ("left", 9, -13),
    ("right", -9, -13),
    ("left", 9, -20),
    ("right", -9, -20),
    ("center", 0, -40),
)
"""Where a name may stand beside its point: its alignment, how far right, how far down."""


def draw_trade_off(told: TradeOff, damage: int, cost: int, colours: dict[str, str]) -> str:
    """Draw one damage against one cost, by their places; lines mark where it is grave.

    Models of which either is not known are left out of the ``<svg>`` element.
    """
    measure, name = told.damages[damage], told.costs[cost]
    rows = _rows(told, damage, cost, colours)
    frame = _Frame.of(measure, name, rows)
    layers = [*frame.limits(measure), _points(rows, frame), *_names(rows, frame, measure)]
    label = f"{measure.label} against {name}, model by model"
    return drawn(alt.layer(*layers), (WIDTH, HEIGHT), PADDING, label)


def _rows(told: TradeOff, damage: int, cost: int, colours: dict[str, str]) -> list[dict[str, Any]]:
    """Return what is drawn of each model."""
    measure, unit = told.damages[damage], unit_of(told.damages[damage].metric)
    suffix = told.costs[cost].rpartition(", ")[2]
    return [
        {
            "x": value,
            "y": size * unit.scale,
            "kind": "dense" if point.dense else "compressed",
            "colour": INK if point.dense else colours.get(point.model, "var(--s2)"),
            "name": cut(point.model, LONGEST),
            "tip": f"{point.model}: {value:.3g} {suffix}, "
            f"{'the measure' if point.dense else _told(size, measure)}",
        }
        for point in told.points
        if (value := point.costs[cost]) is not None and (size := point.damages[damage]) is not None
    ]


@dataclass(frozen=True)
class _Frame:
    """The axes, and where a value lies on them, in pixels."""

    x: alt.X
    y: alt.Y
    low: float
    high: float
    top: float
    log: bool

    @classmethod
    def of(cls, measure: Damage, cost: str, rows: list[dict[str, Any]]) -> _Frame:
        """Fit the axes to rows and limits; weights stand by factors, as in the whole report."""
        ends, log, unit = [row["x"] for row in rows], cost == KEPT, unit_of(measure.metric)
        low, high = (0.8 * min([*ends, 100.0]), 115.0) if log else (0.0, 1.1 * max(ends, default=1))
        limits = [1.25 * limit * unit.scale for _, limit in measure.limits]
        top = max([*limits, *(1.08 * row["y"] for row in rows)])
        ticks: dict[str, Any] = {"tickCount": 5}
        if log:
            ticks = {"values": sorted(set(ends)), "labelOverlap": "greedy", "format": "~g"}
        scale = alt.Scale(type="log" if log else "linear", domain=[low, high], nice=False)
        points = ", points" if unit.scale == 100 else ""
        x = alt.X("x:Q", title=cost, scale=scale, axis=alt.Axis(**ticks))
        y = alt.Y(
            "y:Q",
            title=f"{measure.label.lower()}{points}",
            scale=alt.Scale(domain=[0, top]),
            axis=alt.Axis(tickCount=5, grid=False),
        )
        return cls(x, y, low, high, top, log)

    def place(self, row: dict[str, Any]) -> tuple[float, float]:
        """Return where a row lies, from the left and from the top."""
        share = row["x"] / self.high
        if self.log:
            share = math.log(row["x"] / self.low) / math.log(self.high / self.low)
        return WIDTH * share, HEIGHT * (1 - row["y"] / self.top)

    def lines(self, measure: Damage) -> list[float]:
        """Return how far from the top the limits lie."""
        scale = unit_of(measure.metric).scale
        return [HEIGHT * (1 - limit * scale / self.top) for _, limit in measure.limits]

    def limits(self, measure: Damage) -> list[alt.Chart]:
        """Draw from where a damage is called moderate and severe; words that would meet, one."""
        scale = unit_of(measure.metric).scale
        first, last = measure.limits[0][1], measure.limits[-1][1]
        apart = HEIGHT * (last - first) * scale / self.top > LINE
        layers: list[alt.Chart] = []
        for word, limit in measure.limits:
            level = data([{"y": limit * scale}]).encode(y=self.y)
            layers.append(level.mark_rule(color=MUTED, strokeDash=[2, 3], opacity=0.8))
            if apart or limit == last:
                layers.append(
                    level.mark_text(align="left", x=WIDTH + 4, fontSize=10, color=MUTED, text=word)
                )
        return layers


def _points(rows: list[dict[str, Any]], frame: _Frame) -> alt.Chart:
    shapes = alt.Scale(domain=["dense", "compressed"], range=["diamond", "circle"])
    points = data(rows).mark_point(filled=True, opacity=1, size=90, stroke=PAPER, strokeWidth=1)
    encoded: alt.Chart = points.encode(
        x=frame.x,
        y=frame.y,
        color=alt.Color("colour:N", scale=None),
        shape=alt.Shape("kind:N", legend=None, scale=shapes),
        description=alt.Description("tip:N"),
    )
    return encoded


def _names(rows: list[dict[str, Any]], frame: _Frame, measure: Damage) -> list[alt.Chart]:
    """Write names beside their points where there is room; the tip has them all."""
    layers = []
    places, names = [frame.place(row) for row in rows], [row["name"] for row in rows]
    beside = _beside(places, names, frame.lines(measure))
    for row, where in zip(rows, beside, strict=True):
        if where:
            align, dx, dy = where
            label = data([row]).encode(x=frame.x, y=frame.y, text=alt.Text("name:N"))
            layers.append(label.mark_text(align=align, dx=dx, dy=dy, fontSize=11, color=INK))
    return layers


def _beside(
    places: list[tuple[float, float]],
    names: list[str],
    lines: list[float],
) -> list[tuple[Align, int, int] | None]:
    """Find a free place for the name of each point, on no line; None where there is none."""
    taken = [(x - 5, y - 5, 10.0, 10.0) for x, y in places]
    taken += [(0.0, y, float(WIDTH), 0.0) for y in lines]
    found: list[tuple[Align, int, int] | None] = []
    for (x, y), name in zip(places, names, strict=True):
        width = LETTER * len(name)
        for align, dx, dy in AROUND:
            left = x + dx - {"left": 0.0, "center": width / 2, "right": width}[align]
            box = (left, y + dy - LINE / 2, width, LINE)
            inside = left > -PADDING["left"] / 4 and left + width < WIDTH
            if inside and box[1] > -PADDING["top"] and not any(_meet(box, one) for one in taken):
                taken.append(box)
                found.append((align, dx, dy))
                break
        else:
            found.append(None)
    return found


def _meet(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return all(one[i] < other[i] + other[i + 2] and other[i] < one[i] + one[i + 2] for i in (0, 1))


def _told(size: float, measure: Damage) -> str:
    """Say how large a damage is, and that there may be none that can be told from chance."""
    if not size:
        return "no damage that can be told from chance"
    unit = unit_of(measure.metric)
    return f"{measure.label.lower()} {unit.change(size).lstrip('+')}"
