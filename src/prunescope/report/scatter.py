"""The points of a link: change of the cause across, change of the effect upwards."""

from __future__ import annotations

from prunescope.report.plot import Plot, fitted
from prunescope.report.records import LinkPlot
from prunescope.report.svg import INK
from prunescope.verdict.glossary import GLOSSARY

WIDTH, HEIGHT, RADIUS = 300, 200, 2.55
PADDING = {"left": 60, "right": 8, "top": 8, "bottom": 40}
UPWARDS = {
    "bias_amplification": "bias amplification, further from 0",
    "rare_value_ratio": "rare-value ratio, further from 1",
}


def draw_points(plot: LinkPlot, colours: dict[str, str]) -> str:
    """Draw the points of one link in the colours of their models, as an ``<svg>`` element."""
    x_unit, y_unit = GLOSSARY[plot.cause].unit, GLOSSARY[plot.effect].unit
    across = [point.x * x_unit.scale for point in plot.points]
    upwards = [point.y * y_unit.scale for point in plot.points]
    cause, effect = GLOSSARY[plot.cause].label.lower(), UPWARDS[plot.effect]
    drawn = Plot(
        fitted(across, WIDTH, f"change in {cause}{_points(x_unit.scale)}", zero=True, room=6),
        fitted(upwards, HEIGHT, f"{effect}{_points(y_unit.scale)}", zero=True, room=6),
        PADDING,
        f"{len(across)} points: change in {cause} across, {effect} upwards",
    )
    drawn.upright(0)
    drawn.level(0)
    for point, place in zip(plot.points, zip(across, upwards, strict=True), strict=True):
        whose = " · ".join(filter(None, (point.attribute, point.group, point.model)))
        tip = f"{whose}: {x_unit.bare_change(point.x)}, {y_unit.bare_change(point.y)}"
        drawn.dot(place, RADIUS, colours.get(point.model, INK), tip)
    return drawn.text()


def _points(scale: float) -> str:
    return ", points" if scale == 100 else ""
