"""The maps of correlations: triangles of coloured cells, with the names along the diagonal."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

from prunescope.report.records import Triangle
from prunescope.report.svg import INK, LESS, MORE, RULE, add, cut, picture, text
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
    n = len(attributes)
    size = max(SMALLEST, min(LARGEST, WIDTH // n))
    places = [(i, j) for i in range(n) for j in range(i)]
    painted = ((place, _paint(value, full)) for place, value in zip(places, values, strict=True))
    shapes: dict[tuple[str, float], str] = {}  # cells of one colour are one path
    for (i, paint), run in groupby(painted, key=lambda cell: (cell[0][0], cell[1])):
        columns = [j for (_, j), _ in run]
        x, across = columns[0] * size, len(columns) * size
        shape = f"M{x},{i * size}h{across}v{size}h{-across}Z"
        shapes[paint] = shapes.get(paint, "") + shape
    root = picture(WIDTH + NAMES, n * size, _described(attributes, values, places, what))
    for (hue, level), path in shapes.items():
        add(root, "path", d=path, fill=hue, fill_opacity=level)
    font, letters = (8, 21) if size < 14 else (11, 15)
    words = add(root, "g", font_size=font, fill=INK)
    for i, name in enumerate(attributes):
        middle = (i + 0.5) * size + 0.3 * font
        add(words, "text", x=i * size + 3, y=f"{middle:.1f}").text = cut(name, letters)
    hundredths = ",".join("" if value is None else str(round(100 * value)) for value in values)
    return Grid(text(root), size, hundredths)


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
