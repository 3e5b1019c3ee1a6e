"""The picture of the trade-off: one damage upwards, one cost across, a point for each model."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from prunescope.report.plot import Axis, Plot, by_factors, round_ticks
from prunescope.report.records import Damage, TradeOff
from prunescope.report.svg import INK, cut
from prunescope.report.tradeoff import KEPT
from prunescope.verdict.glossary import unit_of

WIDTH, HEIGHT, RADIUS, TICKS = 310, 220, 4.74, 5
PADDING = {"left": 50, "right": 52, "top": 12, "bottom": 40}
LETTER, LINE = 6.0, 11.0
"""Pixels that a letter of a name takes in the picture, about, and a line."""

LONGEST = 22
"""Letters of a name in the picture."""

Align: TypeAlias = Literal["start", "middle", "end"]
AROUND: tuple[tuple[Align, int, int], ...] = (
    ("start", 9, 0),
    ("end", -9, 0),
    ("middle", 0, -14),
    ("middle", 0, -27),
    ("start", 9, -13),
    ("end", -9, -13),
    ("start", 9, -20),
    ("end", -9, -20),
    ("middle", 0, -40),
)
"""Where a name may stand beside its point: its alignment, how far right, how far down."""


def draw_trade_off(told: TradeOff, damage: int, cost: int, colours: dict[str, str]) -> str:
    """Draw one damage against one cost, by their places; lines mark where it is grave.

    Models of which either is not known are left out of the ``<svg>`` element.
    """
    measure, name = told.damages[damage], told.costs[cost]
    rows = _rows(told, damage, cost, colours)
    x, y = _axes(measure, name, rows)
    plot = Plot(x, y, PADDING, f"{measure.label} against {name}, model by model", grid=False)
    lines = _draw_limits(plot, measure)
    places = [(row["x"], row["y"]) for row in rows]
    for row, place in zip(rows, places, strict=True):
        plot.mark(place, RADIUS, row["colour"], row["tip"], square=row["dense"])
    pixels = [plot.at(place) for place in places]
    names = [row["name"] for row in rows]
    for (left, top), words, where in zip(pixels, names, _beside(pixels, names, lines), strict=True):
        if where:  # the tip has every name
            align, dx, dy = where
            plot.words(words, left + dx, top + dy, align, fill=INK)
    return plot.text()


def _rows(told: TradeOff, damage: int, cost: int, colours: dict[str, str]) -> list[dict[str, Any]]:
    """Return what is drawn of each model."""
    measure, unit = told.damages[damage], unit_of(told.damages[damage].metric)
    suffix = told.costs[cost].rpartition(", ")[2]
    return [
        {
            "x": value,
            "y": size * unit.scale,
            "dense": point.dense,
            "colour": INK if point.dense else colours.get(point.model, "var(--s2)"),
            "name": cut(point.model, LONGEST),
            "tip": f"{point.model}: {value:.3g} {suffix}, "
            f"{'the measure' if point.dense else _told(size, measure)}",
        }
        for point in told.points
        if (value := point.costs[cost]) is not None and (size := point.damages[damage]) is not None
    ]


def _axes(measure: Damage, cost: str, rows: list[dict[str, Any]]) -> tuple[Axis, Axis]:
    """Fit the axes to rows and limits; weights stand by factors, as in the whole report."""
    ends, unit = sorted({row["x"] for row in rows}), unit_of(measure.metric)
    if cost == KEPT:
        ticks = [(end, f"{end:g}") for end in ends]
        x = by_factors((0.8 * min([*ends, 100.0]), 115.0), WIDTH, ticks, cost)
    else:
        high = 1.1 * max(ends, default=1)
        x = Axis(0, high, WIDTH, round_ticks(0, high, TICKS), cost)
    limits = [1.25 * limit * unit.scale for _, limit in measure.limits]
    top = max([*limits, *(1.08 * row["y"] for row in rows)])
    title = f"{measure.label.lower()}{', points' if unit.scale == 100 else ''}"
    return x, Axis(0, top, HEIGHT, round_ticks(0, top, TICKS), title)


def _draw_limits(plot: Plot, measure: Damage) -> list[float]:
    """Draw from where a damage is called moderate and severe; words that would meet, one.

    Return how far from the top the lines lie.
    """
    levels = [limit * unit_of(measure.metric).scale for _, limit in measure.limits]
    tops = [HEIGHT - plot.y.place(level) for level in levels]
    for (word, limit), level, top in zip(measure.limits, levels, tops, strict=True):
        plot.level(level, opacity=0.8)
        if tops[0] - tops[-1] > LINE or limit == measure.limits[-1][1]:
            plot.words(word, WIDTH + 4, top, font_size="10px")
    return tops


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
            left = x + dx - {"start": 0.0, "middle": width / 2, "end": width}[align]
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
