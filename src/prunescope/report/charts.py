"""The curves: Altair charts, drawn once as SVG that needs no script; the page colours them."""

from __future__ import annotations

from typing import Any

import altair as alt

from prunescope.report.panels import Series
from prunescope.report.structure import Curve, CurvePoint
from prunescope.report.svg import INK, MUTED, N_COLOURS, PAPER, colour, data, drawn
from prunescope.verdict.glossary import GLOSSARY
from prunescope.verdict.numbers import removed

WIDTH, HEIGHT = 280, 150
FLAT = 96
"""Height where no method has a line to draw."""

PADDING = {"left": 44, "right": 8, "top": 8, "bottom": 26}
"""Room for labels, the same in every chart so that they line up."""

SIDE = 20
"""Room beside the outermost points, so that the word "dense" is clear of the vertical axis."""

DASHES = ([1, 0], [5, 3], [2, 2])
DENSE = "dense"


def dash_of(place: int) -> list[int]:
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
    label = f"{GLOSSARY[curve.metric].label} against sparsity"
    return drawn(_chart(curve, series), (WIDTH, height), PADDING, label)


def _left(point: CurvePoint) -> float:
    return 1 - point.sparsity


def _chart(curve: Curve, series: list[Series]) -> alt.LayerChart | alt.FacetChart:
    """Layer the level of dense, then bands and lines of each method, then a point per model."""
    codes = {one.name: f"m{i}" for i, one in enumerate(series)}
    every = [_row(curve, point, codes) for point in curve.points]
    rows = [row for row in every if not row["member"]]
    dense = [row for row in rows if row["method"] == DENSE]
    x, y = _axes(curve)
    layers = _level(curve, dense)
    for one in series:
        path = _path(dense, [row for row in rows if row["method"] == codes[one.name]])
        if len(path) > 1 + bool(dense):
            along = data(path).encode(x=x)
            band = along.mark_area(color=colour(one.place), opacity=0.16)
            line = along.mark_line(
                color=colour(one.place), strokeWidth=1.8, strokeDash=dash_of(one.place)
            )
            layers += [band.encode(y=alt.Y("low:Q"), y2=alt.Y2("high:Q")), line.encode(y=y)]
    return alt.layer(*layers, *_points(every, x, y, series))


def _level(curve: Curve, dense: list[dict[str, Any]]) -> list[alt.Chart]:
    """Draw the level of dense or, of flips, the churn."""
    churn = curve.churn is not None
    if curve.churn is not None:
        value = curve.churn * GLOSSARY[curve.metric].unit.scale
    elif dense:
        value = sum(row["value"] for row in dense) / len(dense)
    else:
        return []
    level = data([{"value": value}]).encode(y=alt.Y("value:Q"))
    line = level.mark_rule(color=MUTED, strokeDash=[2, 3], opacity=0.7)
    word = level.mark_text(text="churn", align="left", x=2, dy=-6, fontSize=11, color=MUTED)
    return [line, word] if churn else [line]


def _points(
    rows: list[dict[str, Any]], x: alt.X, y: alt.Y, series: list[Series]
) -> list[alt.Chart]:
    """Draw a point with its interval per model, faint and small for single seeds behind a mean."""
    domain = [DENSE, *(f"m{i}" for i in range(len(series)))]
    scale = alt.Scale(domain=domain, range=[INK, *(colour(one.place) for one in series)])
    paint = alt.Color("method:N", legend=None, scale=scale)
    seeds, base = (
        data([row for row in rows if row["member"] == member]).encode(x=x, y=y, color=paint)
        for member in (True, False)
    )
    bar = base.transform_filter("isValid(datum.low)").mark_rule(strokeWidth=1.4, opacity=0.8)
    shapes = alt.Scale(domain=["dense", "compressed"], range=["diamond", "circle"])
    point = base.mark_point(filled=True, opacity=1, size=64, stroke=PAPER, strokeWidth=1)
    shape = alt.Shape("kind:N", legend=None, scale=shapes)
    faint = seeds.mark_point(filled=True, opacity=0.5, size=20)
    return [
        bar.encode(y=alt.Y("low:Q"), y2=alt.Y2("high:Q")),
        *(
            [faint.encode(shape=shape, description=alt.Description("tip:N"))]
            if any(r["member"] for r in rows)
            else []
        ),
        point.encode(shape=shape, description=alt.Description("tip:N")),
    ]


def _axes(curve: Curve) -> tuple[alt.X, alt.Y]:
    """Make the axes: what is left of the weights, by factors, and the metric."""
    kept = sorted({_left(point) for point in curve.points} | {1.0})
    x = alt.X(
        "left:Q",
        title=None,
        scale=alt.Scale(type="log", domain=[1, min(*kept, 0.8)], padding=SIDE),
        axis=alt.Axis(values=kept[::-1], labelExpr=_tick_words(kept), labelOverlap="greedy"),
    )
    suffix = "%" if GLOSSARY[curve.metric].unit.suffix == "%" else ""
    y = alt.Y(
        "value:Q",
        title=None,
        scale=alt.Scale(zero=False, nice=True),
        axis=alt.Axis(labelExpr=f"datum.label + '{suffix}'", tickCount=4),
    )
    return x, y


def _row(curve: Curve, point: CurvePoint, codes: dict[str, str]) -> dict[str, Any]:
    """Return what is drawn of one model."""
    row, unit = point.estimate, GLOSSARY[curve.metric].unit
    value = row.value or 0.0
    return {
        "left": _left(point),
        "value": value * unit.scale,
        "low": None if row.low is None else row.low * unit.scale,
        "high": None if row.high is None else row.high * unit.scale,
        "kind": "dense" if point.dense else "compressed",
        "tip": f"{row.model}: {unit.whole(value, row.low, row.high)}",
        "member": point.member,
        "method": DENSE if point.dense else codes[point.method],
    }


def _path(dense: list[dict[str, Any]], rows: list[dict[str, Any]]) -> list[dict[str, float]]:
    """Return the line of one method, from dense on: mean over seeds, envelope of intervals."""
    path = []
    for left in sorted({row["left"] for row in [*dense, *rows]}):
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


def _tick_words(kept: list[float]) -> str:
    """Write the Vega expression that labels a share of weights left with the share removed."""
    pairs = ", ".join(
        f"'{left:.9f}': '{'dense' if left == 1 else removed(1 - left)}'" for left in kept
    )
    return f"{{{pairs}}}[format(datum.value, '.9f')]"
