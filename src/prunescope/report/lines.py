"""Plain lines with points, as SVG for a page: of what a forecast expects, and how it fared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
from markupsafe import Markup

from prunescope.report.svg import MUTED, colour, data, drawn, shrink_points

WIDTH, HEIGHT = 280, 170
PADDING = {"left": 46, "right": 10, "top": 8, "bottom": 40}


@dataclass(frozen=True)
class Line:
    """One series: its name, and (x, y) in order of x."""

    name: str
    points: Sequence[tuple[float, float]]
    place: int = 0

    @property
    def colour(self) -> str:
        """The colour of the series, which the page chooses."""
        return colour(self.place)


@dataclass(frozen=True)
class Scale:
    """An axis: its title, whether it is logarithmic, ticks, what a value is multiplied by.

    `zero`: it starts at 0; `reverse`: it falls from left to right.
    """

    title: str
    log: bool = False
    ticks: tuple[float, ...] = ()
    factor: float = 1.0
    zero: bool = False
    reverse: bool = False

    def channel(self, kind: Any, field: str) -> Any:  # noqa: ANN401 - alt.X or alt.Y
        """Return the axis for Altair."""
        axis = {"tickCount": 5} if not self.ticks else {"values": list(self.ticks)}
        scale = alt.Scale(
            type="log" if self.log else "linear",
            zero=self.zero,
            nice=not self.log,
            reverse=self.reverse,
        )
        return kind(f"{field}:Q", title=self.title, scale=scale, axis=alt.Axis(**axis))


def draw_lines(
    lines: Sequence[Line], x: Scale, y: Scale, label: str, *, diagonal: bool = False
) -> Markup:
    """Draw lines with a point at each value, as an ``<svg>`` element."""
    across, up = x.channel(alt.X, "x"), y.channel(alt.Y, "y")
    layers: list[alt.Chart] = []
    if diagonal:
        ends = [value * x.factor for line in lines for point in line.points for value in point]
        rows = [{"x": end, "y": end} for end in (min(ends), max(ends))]
        layers.append(
            data(rows).mark_line(color=MUTED, strokeDash=[2, 3], opacity=0.7).encode(x=across, y=up)
        )
    for line in lines:
        values: list[dict[str, Any]] = [
            {
                "x": a * x.factor,
                "y": b * y.factor,
                "tip": f"{line.name}: {a * x.factor:.3g}, {b * y.factor:.3g}",
            }
            for a, b in line.points
        ]
        one = data(values).encode(x=across, y=up)
        layers.append(one.mark_line(color=line.colour, strokeWidth=1.8))
        layers.append(
            one.mark_point(filled=True, size=34, opacity=1, color=line.colour).encode(
                description=alt.Description("tip:N")
            )
        )
    return Markup(drawn(alt.layer(*layers), (WIDTH, HEIGHT), PADDING, label, shrink_points))
