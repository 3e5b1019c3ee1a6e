"""The curves: key figures against sparsity, drawn as SVG that needs no script."""

from __future__ import annotations

from typing import Any

from prunescope.report.panels import Series
from prunescope.report.plot import Axis, Plot, by_factors, fitted
from prunescope.report.structure import Curve, CurvePoint
from prunescope.report.svg import INK, N_COLOURS, colour
from prunescope.verdict.glossary import GLOSSARY
from prunescope.verdict.numbers import removed

WIDTH, HEIGHT = 280, 150
RADIUS, FAINT = 4.0, 2.24
FLAT = 96
"""Height where no method has a line to draw."""

PADDING = {"left": 44, "right": 8, "top": 8, "bottom": 26}
"""Room for labels, the same in every chart so that they line up."""

SIDE = 20
"""Room beside the outermost points, so that the word "dense" is clear of the vertical axis."""

DASHES = ("1,0", "5,3", "2,2")
DENSE = "dense"


def dash_of(place: int) -> str:
    """Return the dashes of a series: others, when colours repeat."""
    return DASHES[place // N_COLOURS % len(DASHES)]


def series_of(curves: list[Curve]) -> list[Series]:
    """Give each method a colour, the same in every curve."""
    points = [point for curve in curves for point in curve.points if not point.dense]
    names = dict.fromkeys(point.method for point in points)
    return [Series(name=name, place=place) for place, name in enumerate(names)]


def draw(curve: Curve, series: list[Series]) -> str:
    """Draw one metric against sparsity as an ``<svg>`` element for use inside HTML.

    It holds only shapes and text: no script, no links, and no name that is not escaped.
    """
    steps = {(point.method, point.sparsity) for point in curve.points if not point.dense}
    height = HEIGHT if len(steps) > len({method for method, _ in steps}) else FLAT
    every = [_row(curve, point) for point in curve.points]
    rows = [row for row in every if not row["member"]]
    dense = [row for row in rows if row["method"] is None]
    level = _level(curve, dense)
    values = [row["value"] for row in every] + ([] if level is None else [level])
    ends = [row[end] for row in rows for end in ("low", "high") if row[end] is not None]
    unit = GLOSSARY[curve.metric].unit
    suffix = "%" if unit.suffix == "%" else ""
    y = fitted([*values, *ends], height, about=4, suffix=suffix)
    plot = Plot(_across(curve), y, PADDING, f"{GLOSSARY[curve.metric].label} against sparsity")
    _draw_level(plot, curve, level)
    for one in series:
        path = _path(dense, [row for row in rows if row["method"] == one.name])
        if len(path) > 1 + bool(dense):
            _draw_path(plot, one, path)
    _draw_points(plot, every, {None: INK} | {one.name: colour(one.place) for one in series})
    return plot.text()


def _left(point: CurvePoint) -> float:
    return 1 - point.sparsity


def _level(curve: Curve, dense: list[dict[str, Any]]) -> float | None:
    """Return the level of dense or, of flips, the churn."""
    if curve.churn is not None:
        return curve.churn * GLOSSARY[curve.metric].unit.scale
    return sum(row["value"] for row in dense) / len(dense) if dense else None


def _across(curve: Curve) -> Axis:
    """Return the axis of the weights that are left, by factors; words say what was removed."""
    kept = sorted({_left(point) for point in curve.points} | {1.0}, reverse=True)
    ticks = [(left, DENSE if left == 1 else removed(1 - left)) for left in kept]
    return by_factors((1.0, min(*kept, 0.8)), WIDTH, ticks, room=SIDE)


def _draw_level(plot: Plot, curve: Curve, level: float | None) -> None:
    if level is not None:
        plot.level(level)
        if curve.churn is not None:
            plot.words("churn", 2, plot.at((1, level))[1] - 6)


def _draw_path(plot: Plot, one: Series, path: list[dict[str, float]]) -> None:
    """Draw the band and the line of one method."""
    lower, line, upper = (
        [(row["left"], row[of]) for row in path] for of in ("low", "value", "high")
    )
    plot.area(lower, upper, colour(one.place))
    dashes = dash_of(one.place)
    plot.line(line, stroke=colour(one.place), stroke_width=1.8, stroke_dasharray=dashes)


def _draw_points(plot: Plot, rows: list[dict[str, Any]], tones: dict[str | None, str]) -> None:
    """Draw a point with its interval per model, faint and small for single seeds behind a mean."""
    for row in rows:
        if not row["member"] and row["low"] is not None:
            plot.range(row["left"], row["low"], row["high"], tones[row["method"]])
    for row in sorted(rows, key=lambda row: not row["member"]):
        faint, dense = row["member"], row["method"] is None
        place, tone = (row["left"], row["value"]), tones[row["method"]]
        r = FAINT if faint else RADIUS
        plot.mark(place, r, tone, row["tip"], square=dense, faint=faint)


def _row(curve: Curve, point: CurvePoint) -> dict[str, Any]:
    """Return what is drawn of one model."""
    row, unit = point.estimate, GLOSSARY[curve.metric].unit
    value = row.value or 0.0
    return {
        "left": _left(point),
        "value": value * unit.scale,
        "low": None if row.low is None else row.low * unit.scale,
        "high": None if row.high is None else row.high * unit.scale,
        "tip": f"{row.model}: {unit.whole(value, row.low, row.high)}",
        "member": point.member,
        "method": None if point.dense else point.method,
    }


def _path(dense: list[dict[str, Any]], rows: list[dict[str, Any]]) -> list[dict[str, float]]:
    """Return the line of one method, from dense on: mean over seeds, envelope of intervals."""
    path = []
    for left in sorted({row["left"] for row in [*dense, *rows]}, reverse=True):
        here = [row for row in [*dense, *rows] if row["left"] == left]
        values = [row["value"] for row in here]
        path.append(
            {
                "left": left,
                "value": sum(values) / len(values),
                "low": min(row["value"] if row["low"] is None else row["low"] for row in here),
                "high": max(row["value"] if row["high"] is None else row["high"] for row in here),
            }
        )
    return path
