"""Plain lines with points, as SVG for a page: of what a forecast expects, and how it fared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from prunescope.report.plot import Axis, Plot, by_factors, fitted
from prunescope.report.svg import MUTED, colour

WIDTH, HEIGHT, RADIUS = 280, 170, 2.92
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

    def axis(self, values: Sequence[float], length: float) -> Axis:
        """Return the axis that holds some values."""
        if not self.log:
            return fitted(values, length, self.title, zero=self.zero)
        ends = (max(values), min(values)) if self.reverse else (min(values), max(values))
        ticks = [(tick, f"{tick:g}") for tick in self.ticks]
        return by_factors(ends, length, ticks, self.title)


def draw_lines(
    lines: Sequence[Line], x: Scale, y: Scale, label: str, *, diagonal: bool = False
) -> Markup:
    """Draw lines with a point at each value, as an ``<svg>`` element."""
    scaled = [[(a * x.factor, b * y.factor) for a, b in line.points] for line in lines]
    across, up = ([point[i] for points in scaled for point in points] for i in (0, 1))
    ends = (min([*across, *up]), max([*across, *up]))
    if diagonal:
        across, up = [*across, *ends], [*up, *ends]
    drawn = Plot(x.axis(across, WIDTH), y.axis(up, HEIGHT), PADDING, label)
    if diagonal:
        same = [(end, end) for end in ends]
        drawn.line(same, stroke=MUTED, stroke_dasharray="2,3", opacity=0.7)
    for line, points in zip(lines, scaled, strict=True):
        drawn.line(points, stroke=line.colour, stroke_width=1.8)
        for place in points:
            tip = f"{line.name}: {place[0]:.3g}, {place[1]:.3g}"
            drawn.dot(place, RADIUS, line.colour, tip)
    return Markup(drawn.text())
