"""How many independent units, such as persons, have samples in a slice, with a label.

A unit may have samples in several slices and with both labels, so its numbers do not add up: they
are counted as sets. Units have numbers below some B. Where these are theirs alone, counts are
exact; where they are hashes, sets of B bits tell how many they hold to within a percent or two, as
long as there are no more units than about five times B (linear counting: Whang et al., 1990).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from prunescope.metrics.slices import Slices
from prunescope.metrics.statistics import Additive, Floats
from prunescope.predictions.batch import Batch

N_LABELS = 3


@dataclass(frozen=True)
class Held(Additive):
    """Which units have samples: (A, S, 3, B) of bool, by label (0, 1, 2 = unlabelled).

    Held of two batches adds up to their union.
    """

    held: NDArray[np.bool_]


def held(
    batch: Batch, slices: Slices, units: NDArray[np.int64], n_units: int
) -> Iterator[NDArray[np.bool_]]:
    """Yield which units have samples in each slice, by label, attribute by attribute: (S, 3, B).

    Parameters
    ----------
    batch : Batch
        n samples.
    slices : Slices
    units : array (n,) of int
        The number of each sample's unit, below `n_units`.
    n_units : int
    """
    numbers = slices.numbers(batch.groups, batch.n)
    rows = [np.flatnonzero(of_group >= 0) for of_group in numbers]
    for labels in batch.labels:
        found = np.zeros((len(slices), N_LABELS, n_units), bool)
        for of_group, known in zip(numbers, rows, strict=True):
            found[of_group[known], labels[known], units[known]] = True
        yield found


@dataclass(frozen=True)
class UnitCounts:
    """Distinct units behind each kind of support: (S, A) each."""

    samples: Floats
    labelled: Floats
    positives: Floats
    negatives: Floats

    @classmethod
    def of(cls, by_attribute: Iterator[NDArray[np.bool_]], *, hashed: bool = False) -> UnitCounts:
        """Count what `held` yields.

        Examples
        --------
        >>> one = np.array([[[1, 0, 0], [1, 1, 0], [0, 0, 1]]], bool)
        >>> found = UnitCounts.of(iter([one]))
        >>> found.samples.item(), found.labelled.item(), found.negatives.item()
        (3.0, 2.0, 1.0)
        """
        sides = [
            (
                one.any(axis=1),
                one[:, :2].any(axis=1),
                one[:, 1],
                one[:, 0],
            )
            for one in by_attribute
        ]
        counts = (
            np.stack([_size(side, hashed=hashed) for side in of], axis=-1)
            for of in zip(*sides, strict=True)
        )
        return cls(*counts)


def _size(sets: NDArray[np.bool_], *, hashed: bool) -> Floats:
    """Return how many units sets of bits (S, B) hold."""
    full: Floats = sets.sum(axis=-1).astype(np.float64)
    n = sets.shape[-1]
    if not hashed:
        return np.asarray(full)
    return np.asarray(np.round(n * np.log(n / np.maximum(n - full, 0.5))))
