"""Axes of charts that are drawn by hand: where they end, round numbers, labels that lie apart."""

from __future__ import annotations

import math
from collections.abc import Sequence

from prunescope.verdict.glossary import unit_of
from prunescope.verdict.numbers import MINUS

BEYOND = 0.8
"""Share of the span of values that an interval may reach beyond them before it is cut."""

LEAST_SPAN = 0.02
"""Of an axis, as a share of the values: less would show rounding as if it were much."""


def multiples(low: float, high: float, step: float) -> range:
    """Return which multiples of a step lie between two ends, both of them included.

    >>> [k * 2 for k in multiples(-3, 4, 2)]
    [-2, 0, 2, 4]
    """
    return range(math.ceil(round(low / step, 9)), math.floor(round(high / step, 9)) + 1)


def ticks(low: float, high: float, about: int = 4, span: float | None = None) -> list[float]:
    """Return round numbers between two ends, about so many in a `span`, which is all by default.

    >>> ticks(0.0, 1.0), ticks(88.2, 91.9), ticks(-3, 12)
    ([0.0, 0.2, 0.4, 0.6, 0.8, 1.0], [89.0, 90.0, 91.0], [0.0, 5.0, 10.0])
    """
    span = span or high - low
    power = 10.0 ** math.floor(math.log10(span / about))
    step = min((power * k for k in (1, 2, 5, 10)), key=lambda s: abs(span / s - about))
    return [round(k * step, 10) for k in multiples(low, high, step)]


def spread(places: Sequence[float], gap: float) -> list[float]:
    """Move labels as little as it takes for them to lie `gap` apart, in the same order.

    >>> spread([10.0, 12.0, 40.0], 8)
    [7.0, 15.0, 40.0]
    """
    order = sorted(range(len(places)), key=places.__getitem__)
    blocks: list[tuple[list[int], float]] = []  # labels that touch, and their middle
    for index in order:
        members, middle = [index], places[index]
        while blocks and middle - blocks[-1][1] < gap * (len(members) + len(blocks[-1][0])) / 2:
            above, _ = blocks.pop()
            members = above + members
            middle = sum(places[i] for i in members) / len(members)
        blocks.append((members, middle))
    result = [0.0] * len(places)
    for members, middle in blocks:
        for place, index in enumerate(members):
            result[index] = middle + gap * (place - (len(members) - 1) / 2)
    return result


def limits(
    values: Sequence[float], ends: Sequence[float], bounds: tuple[float, float]
) -> tuple[float, float]:
    """Return the ends of an axis: all values are inside, `ends` of intervals that reach far cut.

    With two or three seeds an interval may be many times as wide as all that is seen, and reach
    beyond the `bounds` of what is possible.

    >>> low, high = limits([0.0, 1.0], [0.5, 50.0], (0.0, math.inf))
    >>> -0.1 < low < 0, 1.8 < high < 2
    (True, True)
    """
    low, high = min(values), max(values)
    least = max(LEAST_SPAN * max(abs(high), abs(low)), 1e-6)
    reach = BEYOND * max(high - low, least)
    low = min(low, max(min([low, *ends]), low - reach, bounds[0]))
    high = max(high, min(max([high, *ends]), high + reach, bounds[1]))
    room = max(0.05 * (high - low), (least - (high - low)) / 2)
    return low - room, high + room


def bounds_of(metric: str) -> tuple[float, float]:
    """Return between which values a metric can lie.

    >>> bounds_of("accuracy"), bounds_of("bias_amplification"), bounds_of("rare_value_ratio")
    ((0.0, 1.0), (-1.0, 1.0), (0.0, inf))
    """
    if metric.endswith("bias_amplification"):
        return -1.0, 1.0
    return 0.0, math.inf if metric == "rare_value_ratio" else 1.0


def labelled(metric: str, low: float, high: float, about: int = 4) -> list[tuple[float, str]]:
    """Return the ticks of a metric between two ends, where values are possible, with their words.

    >>> labelled("accuracy", 0.95, 1.02, 2), labelled("bias_amplification", -0.01, 0.01, 2)
    ([(0.95, '95%'), (1.0, '100%')], [(-0.01, '−1'), (0.0, '0'), (0.01, '1')])
    """
    unit, (least, most) = unit_of(metric), bounds_of(metric)
    percent = "%" if unit.suffix == "%" else ""
    found = (
        (tick / unit.scale, tick) for tick in ticks(low * unit.scale, high * unit.scale, about)
    )
    return [
        (value, f"{tick:g}".replace("-", MINUS) + percent)
        for value, tick in found
        if least <= value <= most
    ]
