"""Which images a compressed model answers differently, the most changed first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from pydantic import BaseModel

from prunescope.predictions.batch import Batch


class Flip(BaseModel):
    """One changed answer; `label` is null where unlabelled, probabilities are of "true".

    `harmful` says whether a right answer became wrong.
    """

    attribute: str
    label: bool | None
    harmful: bool
    dense: float
    compressed: float


class Affected(BaseModel):
    """One image whose answers changed, with its changed answers, the largest change first.

    `harm` sums, over harmful flips, how far the probability moved; `moved` does over all flips.
    """

    model: str
    id: str
    image: str | None
    flips: list[Flip]
    harm: float = 0.0
    moved: float = 0.0


def worst_first(images: Iterable[Affected]) -> list[Affected]:
    """Sort images by `harm`, then by `moved`, the largest first."""
    return sorted(images, key=lambda image: (-image.harm, -image.moved))


def most_affected(
    batch: Batch, attributes: Sequence[str], before: int, after: int, name: str, limit: int
) -> list[Affected]:
    """Return the images whose changed answers moved most, at most `limit` of them, worst first.

    Parameters
    ----------
    batch : Batch
        n samples.
    attributes : sequence of str
    before, after : int
        Models of the batch.
    name : str
        Of the second model.
    limit : int
    """
    if not limit:
        return []
    first, second = batch.models[before], batch.models[after]
    harm, moved, changed = np.zeros(batch.n), np.zeros(batch.n), np.zeros(batch.n, bool)
    flipped = first.decisions != second.decisions
    for a, row in enumerate(flipped):
        rows = np.flatnonzero(row)
        by = np.abs(second.probabilities(a, rows) - first.probabilities(a, rows))
        changed[rows] = True
        moved[rows] += by
        harm[rows] += by * (batch.labels[a][rows] == first.decisions[a][rows])
    found = np.flatnonzero(changed)
    if limit < len(found):
        least = np.partition(harm[found], len(found) - limit)[len(found) - limit]
        found = found[harm[found] >= least]
    order = found[np.lexsort((-moved[found], -harm[found]))][:limit]

    return [_image(batch, attributes, before, after, name, row, harm[row], moved[row])
            for row in order.tolist()]  # fmt: skip


def _image(
    batch: Batch,
    attributes: Sequence[str],
    before: int,
    after: int,
    name: str,
    row: int,
    harm: float,
    moved: float,
) -> Affected:
    """Describe the changed answers to one sample, the largest change first."""
    first, second = batch.models[before], batch.models[after]
    here = slice(row, row + 1)
    flips = []
    for a in np.flatnonzero(first.decisions[:, row] != second.decisions[:, row]).tolist():
        label = int(batch.labels[a, row])
        flips.append(
            Flip(
                attribute=attributes[a],
                label=None if label == 2 else bool(label),
                harmful=bool(label == first.decisions[a, row]),
                dense=round(float(first.probabilities(a, here)[0]), 4),
                compressed=round(float(second.probabilities(a, here)[0]), 4),
            )
        )
    flips.sort(key=lambda flip: -abs(flip.compressed - flip.dense))
    return Affected(
        model=name,
        id=str(batch.ids[row]),
        image=None if batch.images is None else batch.images[row],
        flips=flips,
        harm=float(harm),
        moved=float(moved),
    )
