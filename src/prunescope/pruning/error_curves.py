"""Which layer can spare how much: curves of layers' errors, and the shares that follow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

LEVELS = (0.3, 0.5, 0.65, 0.75, 0.82, 0.88, 0.92, 0.95, 0.97, 0.98, 0.99)
"""Sparsities at which a curve is measured; at 0 nothing is lost, at 1 all is."""


@dataclass(frozen=True)
class Curve:
    """How much the model's answers change as a layer loses weights.

    Parameters
    ----------
    units : int
        How many units of the pattern the layer has.
    errors : tuple of float
        For each of `LEVELS`, the change of the layer's output, as a share of the output, squared.
    weight : float
        The change of the model's answers, squared, by such a share.
    """

    units: int
    errors: tuple[float, ...]
    weight: float


def share_out(curves: Mapping[str, Curve], n_kept: int) -> dict[str, int]:
    """Share out what is kept so that the weighted errors add up to least.

    Of each curve what lies below it and is convex counts. Then the cheapest piece of all curves
    goes first, the last one in part; so the total is exact.

    Examples
    --------
    >>> dear, cheap = Curve(100, LEVELS, weight=9.0), Curve(100, LEVELS, weight=1.0)
    >>> share_out({"a": dear, "b": cheap}, 120)
    {'a': 100, 'b': 20}
    """
    pieces = []
    for place, (name, curve) in enumerate(curves.items()):
        shares = (0.0, *LEVELS, 1.0)
        points = list(zip(shares, (0.0, *curve.errors, 1.0), strict=True))
        for (start, low), (end, high) in pairwise(_below(points)):
            slope = curve.weight * (high - low) / (end - start) / curve.units
            pieces.append(
                (slope, place, name, round(end * curve.units) - round(start * curve.units))
            )
    kept = {name: curve.units for name, curve in curves.items()}
    left = sum(kept.values()) - n_kept
    for _, _, name, units in sorted(pieces, key=lambda piece: piece[:2]):
        gone = min(units, left)
        kept[name] -= gone
        left -= gone
    return kept


def _below(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the corners of the convex curve below some points, which are in order."""
    hull: list[tuple[float, float]] = []
    for point in points:
        while len(hull) > 1 and _above(hull[-2], hull[-1], point):
            hull.pop()
        hull.append(point)
    return hull


def _above(
    start: tuple[float, float], middle: tuple[float, float], end: tuple[float, float]
) -> bool:
    rise = (end[1] - start[1]) * (middle[0] - start[0])
    return (middle[1] - start[1]) * (end[0] - start[0]) >= rise
