"""Ids that stand twice in files that are too large for memory.

Ids are held as hashes of eight bytes, sorted; ids of one hash are looked up again, so that ids that
share it by chance are told apart. Of more ids than can be held, each pass over the files looks at
some of the hashes.
"""

from __future__ import annotations

import numpy as np

from prunescope.data.columns import repeated_id
from prunescope.predictions.ids import Hashes, hash_texts
from prunescope.predictions.shards import Shards

HELD = 1 << 27
"""Hashes that are held at once: a gibibyte."""

PIECE = 1 << 20
"""Hashes that are compared at once, and repeated ones that are looked up at most."""


def check_unique(model: Shards) -> None:
    """Raise where an id stands twice, or a row has none, as for predictions in memory.

    Raises
    ------
    DataError
        That names the id, and the first two rows that it stands in.
    """
    n_passes = 1 if model.n <= HELD else -(-2 * model.n // HELD)
    for number in range(n_passes):
        repeated = _repeated(model, number, n_passes)
        if len(repeated):
            _confirm(model, repeated)


def _repeated(model: Shards, number: int, n_passes: int) -> Hashes:
    """Return hashes that several rows share, in order: of those that one pass looks at."""
    held, n = np.empty(min(model.n, HELD), np.uint64), 0
    for _, ids in model.ids():
        hashes = hash_texts(ids)
        if n_passes > 1:
            hashes = hashes[hashes % np.uint64(n_passes) == number]
        # A pass leaves room for twice as many as there should be: those that do not fit repeat.
        hashes = hashes[: len(held) - n]
        held[n : n + len(hashes)] = hashes
        n += len(hashes)
    held = held[:n]
    held.sort()
    found: list[Hashes] = []
    for at in range(0, n, PIECE):
        piece = held[at : at + PIECE + 1]
        found.append(piece[1:][piece[1:] == piece[:-1]])
        if sum(map(len, found)) >= PIECE:
            break
    return np.concatenate([np.zeros(0, np.uint64), *found])


def _confirm(model: Shards, repeated: Hashes) -> None:
    """Raise for the first row with one of the hashes whose id itself stands again."""
    for start, ids in model.ids():
        hashes = hash_texts(ids)
        places = np.searchsorted(repeated, hashes)
        places[places == len(repeated)] = 0
        for place in np.flatnonzero(repeated[places] == hashes).tolist():
            row = start + place
            again = _next(model, ids[place], row + 1)
            if again is not None:
                raise repeated_id(ids[place], row + 1, again + 1, model.name)


def _next(model: Shards, id_: str, start: int) -> int | None:
    """Return the first row from `start` on that has an id."""
    for first, ids in model.ids(start):
        same = (ids == id_).arg_true()
        if len(same):
            return first + int(same[0])
    return None
