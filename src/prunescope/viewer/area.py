"""`Area`: a part of the map, as a view's URL holds it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from prunescope.errors import ConfigError

if TYPE_CHECKING:
    from prunescope.viewer.layouts import Layout, Places

MOST_CORNERS = 32
PATTERN = rf"^[a-z]{{1,16}}\.[0-9a-f]{{8}}(_[0-9]{{1,5}}\.[0-9]{{1,5}}){{2,{MOST_CORNERS}}}$"
"""How an area is written, as a regular expression."""

LONGEST = 16 + 9 + 12 * MOST_CORNERS
"""Characters that an area is written in, at most."""


@dataclass(frozen=True)
class Area:
    """A rectangle or a polygon on a layout of the map.

    Written as ``LAYOUT.DIGEST_X.Y_X.Y``: the map's name, what tells it from other maps of that
    name, and two opposite corners of a rectangle; or, of a polygon, all of its 3 to `MOST_CORNERS`.

    Parameters
    ----------
    layout : str
    digest : str
        The layout's.
    corners : tuple of (int, int)
        In whole numbers, as places are.

    Examples
    --------
    >>> area = Area.parse("pca.0a1b2c3d_0.0_200.100")
    >>> area.corners, str(area)
    (((0, 0), (200, 100)), 'pca.0a1b2c3d_0.0_200.100')
    """

    layout: str
    digest: str
    corners: tuple[tuple[int, int], ...]

    @classmethod
    def parse(cls, text: str) -> Area:
        """Read an area.

        Raises
        ------
        ConfigError
            It is none.
        """
        if len(text) > LONGEST or not re.fullmatch(PATTERN, text):
            raise ConfigError(
                f"area {text[:40]!r}: expected LAYOUT.DIGEST_X.Y_X.Y with 2 to {MOST_CORNERS} "
                "corners in whole numbers: draw it on the map"
            )
        head, *corners = text.split("_")
        layout, digest = head.split(".")
        pairs = [corner.split(".") for corner in corners]
        return cls(layout, digest, tuple((int(x), int(y)) for x, y in pairs))

    def __str__(self) -> str:
        corners = "".join(f"_{x}.{y}" for x, y in self.corners)
        return f"{self.layout}.{self.digest}{corners}"

    def holds(self, layout: Layout) -> NDArray[np.bool_]:
        """Return which images (N,) of a layout lie within.

        A rectangle's edges belong to it. A polygon holds what a line to the right leaves through an
        odd number of its sides; so what it runs around twice is outside.

        Raises
        ------
        ConfigError
            It was drawn on another map.
        """
        if layout.digest != self.digest:
            raise ConfigError(
                f"the area was drawn on another map ({self.layout}.{self.digest}) than this one "
                f"({layout.name}.{layout.digest}): open the viewer with the same --embeddings, or "
                "draw it again"
            )
        corners = np.array(self.corners)
        low, high = corners.min(axis=0), corners.max(axis=0)
        inside: NDArray[np.bool_] = ((layout.places >= low) & (layout.places <= high)).all(axis=1)
        if len(corners) > 2:  # two are those of a rectangle
            inside[inside] = _in_polygon(layout.places[inside], corners)
        return inside


def _in_polygon(places: Places, corners: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tell which places lie in a polygon, in whole numbers: exactly, on every machine."""
    x, y = places.astype(np.int64).T
    inside = np.zeros(len(places), bool)
    for (x1, y1), (x2, y2) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        crosses = (y1 > y) != (y2 > y)
        left = (x2 - x1) * (y - y1) - (x - x1) * (y2 - y1)
        inside ^= crosses & ((left > 0) if y2 > y1 else (left < 0))
    return inside
