"""The map: every image a point. What its page tells, and what the page's script asks for."""

from __future__ import annotations

import json
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Path, Query
from fastapi.responses import Response
from numpy.typing import NDArray
from pydantic import BaseModel

from prunescope.errors import ConfigError
from prunescope.viewer import shown
from prunescope.viewer.api import NOT_FOUND
from prunescope.viewer.area import Area
from prunescope.viewer.colours import Codes, by_image, coloured, flips
from prunescope.viewer.layouts import Places
from prunescope.viewer.select import Selection, Selector
from prunescope.viewer.similar import columns_of
from prunescope.viewer.site import TheSite, TheView
from prunescope.viewer.view import View

router = APIRouter()

TILES = 6
"""The table of the map tells of so many tiles in each direction."""

MOST_TILES = 8
"""Lines of that table."""

CLOSE = 8
"""How many times nearer than the whole map an image is looked at."""

FADED = 128
"""Added to the category of an image that a view does not show."""

MADE: dict[int | str, dict[str, Any]] = NOT_FOUND | {
    200: {"content": {"application/octet-stream": {"schema": {"type": "string"}}}},
    503: {"description": "The layout is not ready yet."},
}

LayoutName = Annotated[str | None, Query(max_length=16, description="A layout of the map.")]
Colour = Annotated[str, Query(max_length=1010, description="What images are coloured by.")]


class States(BaseModel):
    """The layouts of the map: name → ``ready``, ``waiting``, ``under way`` or ``failed``."""

    layouts: dict[str, str]
    problem: str | None


class Selected(BaseModel):
    """Images of an area of the map, and the others: how many, and which share flipped of what."""

    n: int
    flipped: float
    others: int
    others_flipped: float
    what: str


class Tile(BaseModel):
    """A part of the map: its images, the share that flipped, and the grid that shows them."""

    x: int
    y: int
    n: int
    flipped: float
    query: str


@router.get("/api/map", responses=MADE, response_class=Response)
def points(
    site: TheSite, view: TheView, layout: LayoutName = None, colour: Colour = "flip"
) -> Response:
    """Return where all images lie, and their colours: binary.

    A little-endian uint32 with the length of what follows it, JSON in UTF-8 with spaces behind it;
    then x and y of each image in turn as uint16, and its category as uint8, of which the highest
    bit is set where the view does not show it. The JSON holds their number `n`, the `layout`'s name
    and `digest`, and the `categories`, in the order of drawing.
    """
    found = site.selector.layouts.get(layout or site.selector.layouts.best)
    colouring = coloured(site.selector, view, colour)
    header = {
        "n": len(found.places),
        "layout": found.name,
        "digest": found.digest,
        "categories": [one.model_dump() for one in colouring.categories],
    }
    codes = colouring.codes + np.where(colouring.shown, 0, FADED).astype(np.uint8)
    return Response(packed(header, found.places, codes), media_type="application/octet-stream")


def packed(header: dict[str, Any], places: Places, codes: Codes) -> bytes:
    """Write a map as bytes: see `points`."""
    told = json.dumps(header).encode()
    told += b" " * (-len(told) % 4)
    parts = (places.astype("<u2").tobytes(), codes.astype("u1").tobytes())
    return len(told).to_bytes(4, "little") + told + b"".join(parts)


@router.get("/api/map/layouts")
def layouts(site: TheSite) -> States:
    """Return which layouts of the map are ready."""
    known = site.selector.layouts
    return States(layouts={name: known.state(name) for name in known.names}, problem=known.problem)


@router.get("/api/map/image/{row}", responses=NOT_FOUND)
def image(site: TheSite, view: TheView, row: Annotated[int, Path(ge=0, le=2**31)]) -> shown.Card:
    """Return what a point of the map is, by its place among the points."""
    if row >= len(site.collection.samples):
        raise ConfigError(f"no image has the number {row}")
    site.selector.check(view)
    rows = np.array([row])
    chosen = Selection(rows.astype(np.int32), columns_of(site.selector, view, rows))
    [card] = shown.cards(site.collection, site.selector.pair(view), chosen)
    return card


def link(selector: Selector, view: View, row: int) -> str:
    """Return the query of the map that shows where an image lies, from nearby."""
    found = selector.layouts.get(selector.layouts.best)
    x, y = found.places[row].tolist()
    query = "&".join(filter(None, [view.query(page=1), f"layout={found.name}"]))
    return f"{query}#at={x}.{y}.{CLOSE}"


def selected(selector: Selector, view: View) -> Selected | None:
    """Count flips within a view's area and elsewhere, among the images of its groups and id."""
    if view.area is None:
        return None
    flipped = flips(selector, view)
    within = selector.members(view)
    among = selector.members(view.model_copy(update={"area": None}))
    assert within is not None
    others = ~within if among is None else among & ~within
    return Selected(
        n=int(within.sum()),
        flipped=_mean(flipped[within]),
        others=int(others.sum()),
        others_flipped=_mean(flipped[others]),
        what="" if by_image(selector, view) else " of answers",
    )


def _mean(shares: NDArray[np.float64]) -> float:
    return float(shares.mean()) if len(shares) else 0.0


def tiles(selector: Selector, view: View, layout: str) -> list[Tile]:
    """Return the tiles of a map whose images flipped most often, among those with images enough.

    An image stands in one tile. Tiles with less than a hundredth of the images are left out.
    """
    found = selector.layouts.get(layout)
    flipped = flips(selector, view)
    low, high = (edge(found.places, axis=0).astype(int) for edge in (np.min, np.max))
    edges = low + ((high + 1 - low) * np.arange(TILES + 1)[:, None]) // TILES
    x, y = (
        np.searchsorted(ends, axis, side="right") - 1
        for ends, axis in zip(edges.T, found.places.T, strict=True)
    )
    number = x + TILES * y
    members = selector.members(view.model_copy(update={"area": None}))
    kept = np.ones(len(number), bool) if members is None else members
    counts = np.bincount(number[kept], minlength=TILES**2)
    share = np.bincount(number[kept], flipped[kept], TILES**2) / np.maximum(counts, 1)
    enough = np.flatnonzero((counts >= kept.sum() / 100) & (share > 0))
    order = enough[np.argsort(-share[enough], kind="stable")][:MOST_TILES]
    told = []
    for one in order.tolist():
        row, column = divmod(one, TILES)
        corner = int(edges[column, 0]), int(edges[row, 1])
        opposite = int(edges[column + 1, 0]) - 1, int(edges[row + 1, 1]) - 1
        area = Area(found.name, found.digest, (corner, opposite))
        told.append(
            Tile(
                x=column + 1,
                y=row + 1,
                n=int(counts[one]),
                flipped=float(share[one]),
                query=view.query(area=str(area), page=1),
            )
        )
    return told
