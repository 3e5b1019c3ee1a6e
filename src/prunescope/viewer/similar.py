"""Images that lie near another, and whose answers did not flip."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from prunescope.slices.space import neighbours
from prunescope.viewer.colours import by_image, flips
from prunescope.viewer.select import Selection, Selector
from prunescope.viewer.view import View

MOST_SIMILAR = 8


def similar(selector: Selector, view: View, row: int) -> Selection:
    """Return the images nearest to one among those that did not flip, at most `MOST_SIMILAR`.

    Nearest in what the map is made of, see `neighbours`. It is one answer that did not flip,
    see `columns_of`: the view's attribute, or the one that changed most in the image itself.
    """
    [column] = columns_of(selector, view, np.array([row]))
    asked = view
    if not by_image(selector, view):
        asked = view.model_copy(
            update={"attribute": selector.collection.samples.attributes[column]}
        )
    among = np.flatnonzero(flips(selector, asked) == 0)
    rows = neighbours(selector.layouts.values, row, among, MOST_SIMILAR)
    return Selection(rows.astype(np.int32), columns_of(selector, asked, rows))


def columns_of(selector: Selector, view: View, rows: NDArray[np.int64]) -> NDArray[np.int32]:
    """Return by which of its answers each of some images is shown.

    That of the view's attribute; or else the one that flipped, and of several the one whose
    probability changed most.
    """
    if view.attribute is not None:
        return np.full(len(rows), selector.collection.column(view.attribute), np.int32)
    dense, compressed = selector.pair(view)
    moved = np.abs(compressed.probability[rows] - dense.probability[rows])
    moved += dense.yes[rows] != compressed.yes[rows]
    most: NDArray[np.int32] = moved.argmax(axis=1).astype(np.int32)
    return most
