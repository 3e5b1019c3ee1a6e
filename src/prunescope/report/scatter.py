"""The points of a link: change of the cause across, change of the effect upwards."""

from __future__ import annotations

import altair as alt

from prunescope.report.records import LinkPlot
from prunescope.report.svg import INK, MUTED, data, drawn, shrink_points
from prunescope.verdict.glossary import GLOSSARY

WIDTH, HEIGHT = 300, 200
PADDING = {"left": 60, "right": 8, "top": 8, "bottom": 40}
UPWARDS = {
    "bias_amplification": "bias amplification, further from 0",
    "rare_value_ratio": "rare-value ratio, further from 1",
}


def draw_points(plot: LinkPlot, colours: dict[str, str]) -> str:
    """Draw the points of one link in the colours of their models, as an ``<svg>`` element."""
    x_unit, y_unit = GLOSSARY[plot.cause].unit, GLOSSARY[plot.effect].unit
    rows = [
        {
            "x": point.x * x_unit.scale,
            "y": point.y * y_unit.scale,
            "colour": colours.get(point.model, INK),
            "tip": f"{' · '.join(filter(None, (point.attribute, point.group, point.model)))}: "
            f"{x_unit.bare_change(point.x)}, {y_unit.bare_change(point.y)}",
        }
        for point in plot.points
    ]
    zero = data([{"x": 0, "y": 0}]).mark_rule(color=MUTED, opacity=0.7, strokeDash=[2, 3])
    x = alt.X(
        "x:Q",
        title=f"change in {GLOSSARY[plot.cause].label.lower()}{_points(x_unit.scale)}",
        scale=alt.Scale(nice=True, zero=True, padding=6),
        axis=alt.Axis(tickCount=5),
    )
    y = alt.Y(
        "y:Q",
        title=f"{UPWARDS[plot.effect]}{_points(y_unit.scale)}",
        scale=alt.Scale(nice=True, zero=True, padding=6),
        axis=alt.Axis(tickCount=5, minExtent=34, maxExtent=34),
    )
    layers = [
        zero.encode(x=alt.X("x:Q")),
        zero.encode(y=alt.Y("y:Q")),
        data(rows).mark_point(filled=True, size=26, opacity=1).encode(
            x=x, y=y, color=alt.Color("colour:N", scale=None), description=alt.Description("tip:N")
        ),
    ]  # fmt: skip
    label = (
        f"{len(rows)} points: change in {GLOSSARY[plot.cause].label.lower()} across, "
        f"{UPWARDS[plot.effect]} upwards"
    )
    return drawn(alt.layer(*layers), (WIDTH, HEIGHT), PADDING, label, shrink_points)


def _points(scale: float) -> str:
    return ", points" if scale == 100 else ""
