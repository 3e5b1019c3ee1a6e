"""The maps of correlations: triangles of coloured cells, with the names along the diagonal."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

import altair as alt

from prunescope.report.records import Triangle
from prunescope.report.svg import INK, LESS, MORE, RULE, data, drawn, merge_cells
from prunescope.verdict.numbers import CORRELATION

WIDTH, NAMES = 360, 96
"""Units for the cells, and for the names beside them."""

SMALLEST, LARGEST = 9, 36
LEVELS = 10
NOTHING = "var(--hatch)"


@dataclass(frozen=True)
class Grid:
    """A drawn triangle, an ``<svg>`` element.

    The `size` of a cell is its side in units of the view box; `cells` are the values in hundredths,
    row by row, by commas, with nothing where there is no value.
    """

    svg: str
    size: int
    cells: str


def draw_grid(attributes: list[str], values: Triangle, full: float, what: str) -> Grid:
    """Draw correlations, or changes of them, as a triangle; null where undefined.

    A cell has its `full` colour from that size on: above 0 one, below 0 the other, at 0 none.
    `what` they are is said to those who do not see them.
    """
    size = max(SMALLEST, min(LARGEST, WIDTH // len(attributes)))
    places = [(i, j) for i in range(len(attributes)) for j in range(i)]
    painted = ((place, _paint(value, full)) for place, value in zip(places, values, strict=True))
    cells = []
    for (i, (hue, level)), run in groupby(painted, key=lambda cell: (cell[0][0], cell[1])):
        columns = [j for (_, j), _ in run]
        across = {"x": columns[0] * size, "x2": (columns[-1] + 1) * size}
        down = {"y": i * size, "y2": (i + 1) * size}
        cells.append({**across, **down, "colour": hue, "level": level})
    names = [
        {"x": i * size + 3, "y": (i + 0.5) * size, "name": name}
        for i, name in enumerate(attributes)
    ]
    width, height = size * len(attributes), size * len(attributes)

    def place(name: str) -> alt.X:
        return alt.X(name, scale=alt.Scale(domain=[0, width], nice=False), axis=None)

    def drop(name: str) -> alt.Y:
        return alt.Y(name, scale=alt.Scale(domain=[height, 0], nice=False), axis=None)

    squares = data(cells).mark_rect().encode(
        x=place("x:Q"), x2=alt.X2("x2:Q"), y=drop("y:Q"), y2=alt.Y2("y2:Q"),
        fill=alt.Fill("colour:N", scale=None), fillOpacity=alt.FillOpacity("level:Q", scale=None),
    )  # fmt: skip
    words = data(names).mark_text(
        align="left", baseline="middle", fontSize=8 if size < 14 else 11, limit=NAMES, color=INK
    )
    chart = alt.layer(squares, words.encode(x=place("x:Q"), y=drop("y:Q"), text=alt.Text("name:N")))
    padding = {"left": 0, "top": 0, "bottom": 0, "right": WIDTH + NAMES - width}
    label = _described(attributes, values, places, what)
    svg = drawn(chart, (width, height), padding, label, merge_cells)
    hundredths = ",".join("" if value is None else str(round(100 * value)) for value in values)
    return Grid(svg, size, hundredths)


def _paint(value: float | None, full: float) -> tuple[str, float]:
    """Return the colour of a value and how strong it is."""
    if value is None:
        return NOTHING, 1.0
    level = min(LEVELS, round(LEVELS * abs(value) / full)) / LEVELS
    return (MORE if value > 0 else LESS, level) if level else (RULE, 0.4)


def _described(
    attributes: list[str], values: Triangle, places: list[tuple[int, int]], what: str
) -> str:
    """Say what a picture shows: the extremes and where they are."""
    told = [(value, pair) for value, pair in zip(values, places, strict=True) if value is not None]
    if not told:
        return f"{what}: no value"
    ends = (
        f"{CORRELATION.bare(value)} between {attributes[j]} and {attributes[i]}"
        for value, (i, j) in (min(told), max(told))
    )
    return f"{what}, {len(told)} pairs of attributes: from {' to '.join(ends)}"
