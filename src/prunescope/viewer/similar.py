"""Images that lie near another, and whose answers did not flip."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from prunescope.viewer.colours import by_image, flips
from prunescope.viewer.layouts import AT_ONCE, Values
from prunescope.viewer.select import Selection, Selector
from prunescope.viewer.view import View

MOST_SIMILAR = 8


def similar(selector: Selector, view: View, row: int) -> Selection:
    """Return the images nearest to one among those that did not flip, at most `MOST_SIMILAR`.

    Nearest in what the map is made of, by Euclidean distance. It is one answer that did not flip,
    see `columns_of`: the view's attribute, or the one that changed most in the image itself.
    """
    [column] = columns_of(selector, view, np.array([row]))
    asked = view
    if not by_image(selector, view):
        asked = view.model_copy(
            update={"attribute": selector.collection.samples.attributes[column]}
        )
    rows = nearest(selector.layouts.values, row, flips(selector, asked) == 0, MOST_SIMILAR)
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


def nearest(values: Values, row: int, among: NDArray[np.bool_], n: int) -> NDArray[np.int64]:
    """Return the n rows that lie nearest to one, the nearest first; of equals the first.

    Parameters
    ----------
    values : array (N, D) of float32
    row : int
        Itself not returned.
    among : array (N,) of bool
        Which rows may be returned.
    n : int

    Examples
    --------
    >>> line = np.array([[0], [5], [1], [2]], np.float32)
    >>> nearest(line, 0, np.array([True, True, True, False]), 2).tolist()
    [2, 1]
    """
    distances = np.empty(len(values), np.float64)
    for start in range(0, len(values), AT_ONCE):
        away = values[start : start + AT_ONCE] - values[row]
        distances[start : start + AT_ONCE] = np.einsum("nd,nd->n", away, away, dtype=np.float64)
    among = among.copy()
    among[row] = False
    rows = np.flatnonzero(among)
    order: NDArray[np.int64] = rows[np.argsort(distances[rows], kind="stable")[:n]]
    return order
