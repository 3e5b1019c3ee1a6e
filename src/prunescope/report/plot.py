"""A plot: two axes with round ticks, and shapes that lie by their values, as SVG for a page."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from prunescope.report.axes import multiples
from prunescope.report.svg import MUTED, PAPER, RULE, add, picture, text
from prunescope.verdict.numbers import MINUS

STEPS = {10: math.sqrt(50), 5: math.sqrt(10), 2: math.sqrt(2)}
"""Round steps, and from where on each is nearer by factors than the next below."""

LETTER, NARROW = 6.1, 3.1
"""Pixels that a digit of a tick takes, about, and a point."""

FINE = 10
"""Steps into which an axis would be cut to find round ends for it."""

Point = tuple[float, float]
Tick = tuple[float, str]


@dataclass(frozen=True)
class Axis:
    """The values at its ends, which may fall; its length in pixels; its ticks with their words."""

    low: float
    high: float
    length: float
    ticks: Sequence[Tick]
    title: str = ""
    log: bool = False

    def place(self, value: float) -> float:
        """Return where a value lies, from the low end; in the middle where there is no span.

        >>> Axis(1.0, 0.01, 200, (), log=True).place(0.1), Axis(2, 2, 200, ()).place(2)
        (100.0, 100.0)
        """
        low, high, at = self.low, self.high, value
        if self.log:
            low, high, at = (math.log10(one) for one in (low, high, value))
        return self.length * (0.5 if high == low else (at - low) / (high - low))


def step_of(span: float, about: int) -> float:
    """Return the round step that cuts a span into about so many: 1, 2 or 5 times a power of ten.

    >>> step_of(2.4, 4), step_of(35, 5), step_of(1, 10)
    (0.5, 5.0, 0.1)
    """
    power = 10.0 ** math.floor(math.log10(span / about))
    rough = span / about / power
    return power * next((step for step, least in STEPS.items() if rough >= least), 1)


def round_ticks(low: float, high: float, about: int, suffix: str = "") -> list[Tick]:
    """Return round numbers between two ends, about so many, all written to as many digits.

    >>> round_ticks(-1.0, 0.1, 2), round_ticks(86.0, 88.4, 4, "%")[-1]
    ([(-1.0, '−1.0'), (-0.5, '−0.5'), (0.0, '0.0')], (88.0, '88.0%'))
    """
    step = step_of(high - low, about) if high > low else 1.0
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    found = [round(k * step, digits) for k in multiples(low, high, step)] if high > low else [low]
    return [(tick, f"{tick:,.{digits}f}{suffix}".replace("-", MINUS)) for tick in found]


def fitted(
    values: Iterable[float],
    length: float,
    title: str = "",
    *,
    about: int = 5,
    zero: bool = False,
    room: float = 0.0,
    suffix: str = "",
) -> Axis:
    """Return an axis that ends at round numbers around values and, with `zero`, 0.

    There are `room` pixels beyond the values at least, and about so many ticks.

    >>> axis = fitted([86.1, 88.35], 150, about=4)
    >>> axis.low, axis.high, [words for _, words in axis.ticks][:2]
    (86.0, 88.4, ['86.0', '86.5'])
    """
    known = [*values, 0.0] if zero else list(values)
    low, high = min(known), max(known)
    beyond = room * (high - low) / (length - 2 * room)
    low, high, before = low - beyond, high + beyond, 0.0
    while high > low and (step := step_of(high - low, FINE)) != before:
        before, digits = step, max(0, 1 - math.floor(math.log10(step)))
        low = round(math.floor(round(low / step, 9)) * step, digits)
        high = round(math.ceil(round(high / step, 9)) * step, digits)
    return Axis(low, high, length, round_ticks(low, high, about, suffix), title)


def by_factors(
    ends: Point, length: float, ticks: Iterable[Tick] = (), title: str = "", room: float = 0.0
) -> Axis:
    """Return a logarithmic axis between two ends and `room` pixels beyond; ticks outside go.

    Without ticks it has 1, 2 and 5 times the powers of ten.

    >>> [words for _, words in by_factors((0.03, 2.0), 200).ticks]
    ['0.05', '0.1', '0.2', '0.5', '1', '2']
    """
    first, last = (math.log10(end) for end in ends)
    beyond = room * (last - first) / (length - 2 * room)
    low, high = 10 ** (first - beyond), 10 ** (last + beyond)
    powers = range(math.floor(min(first, last)), math.ceil(max(first, last)) + 1)
    own = [k * 10.0**power for power in powers for k in (1, 2, 5)]
    inside = [
        (value, words)
        for value, words in ticks or [(value, f"{value:g}") for value in own]
        if min(low, high) * (1 - 1e-9) <= value <= max(low, high) * (1 + 1e-9)
    ]
    return Axis(low, high, length, inside, title, log=True)


class Plot:
    """A picture of shapes between two axes, drawn from back to front.

    Parameters
    ----------
    x, y : Axis
    padding : dict
        Room around the inside for words: left, right, top, bottom.
    label : str
        What the picture shows, for who does not see it.
    grid : bool
        Whether lines are drawn across at the ticks of `y`.
    """

    def __init__(
        self, x: Axis, y: Axis, padding: dict[str, int], label: str, *, grid: bool = True
    ) -> None:
        self.x, self.y = x, y
        width = padding["left"] + x.length + padding["right"]
        self.root = picture(width, padding["top"] + y.length + padding["bottom"], label)
        shift = f"translate({padding['left']},{padding['top']})"
        self._inside = add(self.root, "g", fill="none", transform=shift)
        self._draw_axes(padding["left"], grid)

    def text(self) -> str:
        """Write the picture: shapes and escaped words, no script and no links."""
        return text(self.root)

    def at(self, point: Point) -> tuple[float, float]:
        """Return where a point lies, from the left and from the top."""
        return self.x.place(point[0]), self.y.length - self.y.place(point[1])

    def level(self, value: float, opacity: float = 0.7) -> None:
        """Draw a dashed line across at a value of `y`."""
        self._dashed((0, self.at((self.x.low, value))[1]), (self.x.length, 0), opacity)

    def upright(self, value: float, opacity: float = 0.7) -> None:
        """Draw a dashed line upwards at a value of `x`."""
        self._dashed((self.at((value, self.y.low))[0], 0), (0, self.y.length), opacity)

    def line(self, points: Iterable[Point], **drawn: object) -> None:
        """Draw a line through points."""
        self._add("path", d="M" + "L".join(map(self._pair, points)), **drawn)

    def area(self, upper: Sequence[Point], lower: Sequence[Point], tone: str) -> None:
        """Fill what lies between two lines."""
        around = map(self._pair, [*upper, *reversed(lower)])
        self._add("path", d=f"M{'L'.join(around)}Z", fill=tone, opacity=0.16)

    def range(self, x: float, low: float, high: float, tone: str) -> None:
        """Draw an interval upright."""
        across, bottom = self.at((x, low))
        ends = {"x1": across, "x2": across, "y1": bottom, "y2": self.at((x, high))[1]}
        self._add("line", **ends, stroke=tone, stroke_width=1.4, opacity=0.8)

    def mark(
        self,
        point: Point,
        r: float,
        tone: str,
        tip: str,
        *,
        square: bool = False,
        faint: bool = False,
    ) -> None:
        """Draw a point that is told about: a disc or a square on its tip, edged with paper."""
        size, where = number(r), f"translate({self._pair(point)})"
        path = f"M{size},0A{size},{size},0,1,1,-{size},0A{size},{size},0,1,1,{size},0"
        if square:
            path = f"M-{size},0L0,-{size}L{size},0L0,{size}Z"
        edge = {"opacity": 0.5} if faint else {"stroke": PAPER, "stroke_width": 1, "opacity": 1}
        self._add("path", transform=where, d=path, fill=tone, **edge, data_tip=tip)

    def dot(self, point: Point, r: float, tone: str, tip: str) -> None:
        """Draw a small disc that is told about."""
        x, y = self.at(point)
        self._add("circle", cx=x, cy=y, r=r, fill=tone, data_tip=tip)

    def words(self, words: str, x: float, y: float, anchor: str = "start", **drawn: object) -> None:
        """Write words at a place of the inside, in pixels, their middle as high as it."""
        told = {"font_size": "11px", "fill": MUTED} | drawn
        self._add("text", text_anchor=anchor, x=x, y=y + 3, **told).text = words

    def _add(self, kind: str, **attributes: Any) -> Any:  # noqa: ANN401 - an element, whatever it has
        told = {k: number(v) if isinstance(v, float) else v for k, v in attributes.items()}
        return add(self._inside, kind, **told)

    def _pair(self, point: Point) -> str:
        return ",".join(map(number, self.at(point)))

    def _dashed(self, start: Point, way: Point, opacity: float) -> None:
        ends = {"x1": start[0], "y1": start[1], "x2": start[0] + way[0], "y2": start[1] + way[1]}
        self._add("line", **ends, stroke=MUTED, stroke_dasharray="2,3", opacity=opacity)

    def _draw_axes(self, left: float, grid: bool) -> None:
        right, bottom = self.x.length, self.y.length
        for value, _ in self.y.ticks if grid else ():
            y = _sharp(self.at((self.x.low, value))[1])
            self._add("line", x1=0.5, x2=right + 0.5, y1=y, y2=y, stroke=RULE)
        kept = _apart(self.x)
        for value, _ in kept:
            x = _sharp(self.x.place(value))
            self._add("line", x1=x, x2=x, y1=bottom + 0.5, y2=bottom + 4.5, stroke=MUTED)
        for value, words in kept:
            at = self.x.place(value)
            anchor = "start" if at < 1 else "end" if at > right - 1 else "middle"
            self.words(words, at + 0.5, bottom + 16.5, anchor)
        self._add("line", x1=0.5, x2=right + 0.5, y1=bottom + 0.5, y2=bottom + 0.5, stroke=RULE)
        if self.x.title:
            self.words(self.x.title, right / 2 + 0.5, bottom + 31.5, "middle")
        for value, words in self.y.ticks:
            self.words(words, -5.5, self.at((self.x.low, value))[1] + 0.5, "end")
        if self.y.title:
            widest = max((_width(words) for _, words in self.y.ticks), default=0.0)
            aside = max(left - 20.5, widest + 11.5)
            turned = f"translate({number(-aside)},{number(bottom / 2 + 0.5)}) rotate(-90)"
            told = {"font_size": "11px", "fill": MUTED, "transform": turned}
            self._add("text", text_anchor="middle", **told).text = self.y.title


def number(length: float) -> str:
    """Write a length to a hundredth of a pixel.

    >>> number(2.5), number(-0.001), number(10.0)
    ('2.5', '0', '10')
    """
    return f"{round(length, 2) + 0.0:.2f}".rstrip("0").rstrip(".")


def _sharp(place: float) -> float:
    """Put a thin line in the middle of a pixel."""
    return math.floor(place + 0.5) + 0.5


def _width(words: str) -> float:
    return sum(NARROW if letter in ".," else LETTER for letter in words)


def _apart(axis: Axis) -> list[Tick]:
    """Leave out ticks whose words would meet those of one before."""
    kept: list[Tick] = []
    for tick in sorted(axis.ticks, key=lambda tick: axis.place(tick[0])):
        half = _width(tick[1]) / 2
        if (
            not kept
            or axis.place(tick[0]) - half > axis.place(kept[-1][0]) + _width(kept[-1][1]) / 2
        ):
            kept.append(tick)
    return kept
