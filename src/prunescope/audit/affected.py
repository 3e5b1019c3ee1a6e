"""Which images a compressed model answers differently, the most changed first."""

from __future__ import annotations

import numpy as np
from pydantic import BaseModel

from prunescope.predictions import Predictions


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
    """One image whose answers changed, with its changed answers, the largest change first."""

    model: str
    id: str
    image: str | None
    flips: list[Flip]


def most_affected(baseline: Predictions, other: Predictions, limit: int) -> list[Affected]:
    """Return the images whose changed answers moved most, at most `limit` of them.

    Images are ordered by the sum, over harmful flips, of how far the probability moved; then by
    the same sum over all flips.

    Parameters
    ----------
    baseline, other : Predictions
        On the same samples.
    limit : int
    """
    flipped = baseline.decisions != other.decisions
    harmful = flipped & (baseline.samples.labels == baseline.decisions)
    moved = np.where(flipped, np.abs(other.probabilities - baseline.probabilities), 0.0)
    changed = np.flatnonzero(flipped.any(axis=1))
    total, of_harmful = moved.sum(axis=1), np.where(harmful, moved, 0.0).sum(axis=1)
    order = changed[np.lexsort((-total[changed], -of_harmful[changed]))]
    samples = baseline.samples
    result = []
    for row in order[:limit].tolist():
        columns = np.flatnonzero(flipped[row])
        flips = [
            Flip(
                attribute=samples.attributes[column],
                label=None
                if samples.labels[row, column] < 0
                else bool(samples.labels[row, column]),
                harmful=bool(harmful[row, column]),
                dense=round(float(baseline.probabilities[row, column]), 4),
                compressed=round(float(other.probabilities[row, column]), 4),
            )
            for column in columns[np.argsort(-moved[row, columns])]
        ]
        image = None if samples.images is None else samples.images[row]
        result.append(Affected(model=other.name, id=samples.ids[row], image=image, flips=flips))
    return result
