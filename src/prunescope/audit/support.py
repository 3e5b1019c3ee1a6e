"""What estimates rest on: samples, and independent units, which clusters are one each of.

Labels alone decide: support belongs to the data, and no model changes it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunescope.metrics.statistics import Floats, divide

SAMPLES = "samples"
LABELLED = "labelled samples"
POSITIVES = "true positives"
NEGATIVES = "true negatives"
RARER = "samples of the rarer label"


@dataclass(frozen=True)
class Support:
    """What estimates of one shape rest on.

    Parameters
    ----------
    units : array
        Independent units: samples, or clusters where samples come in clusters.
    effective : array
        How many units of equal size would say as much: (Σn)² / Σn² over their samples.
    blocks : array
        Blocks of the jackknife that hold any of them.
    clustered : bool
        Whether samples come in clusters.
    """

    units: Floats
    effective: Floats
    blocks: Floats
    clustered: bool = False

    @property
    def limit(self) -> Floats:
        """Most degrees of freedom that a variance can have here."""
        if not self.clustered:
            return np.asarray(self.blocks - 1.0)
        return np.asarray(np.fmin(self.blocks, self.effective) - 1.0)

    @classmethod
    def of_samples(cls, n: Floats, n_blocks: int) -> Support:
        """Take n samples as units, each in one of some blocks."""
        return cls(n, n, np.minimum(n, n_blocks))

    @classmethod
    def of(cls, weights: Floats, n_units: int | None) -> Support:
        """Count the units behind samples that were counted by block: (K, ...).

        Parameters
        ----------
        weights : array (K, ...)
            Samples in each block.
        n_units : int or None
            Clusters in the data; None where every sample is a unit. Beyond K of them they were
            dealt into blocks by a hash, and how many have samples here is estimated from how many
            blocks have (linear counting: Whang et al., 1990).

        Examples
        --------
        >>> found = Support.of(np.array([200.0, 2, 2, 0]), 4)
        >>> found.units.item(), found.effective.round(2).item(), found.blocks.item()
        (3.0, 1.04, 3)
        """
        total, filled = weights.sum(axis=0), (weights > 0).sum(axis=0)
        k = len(weights)
        if n_units is None:
            return cls(total, total, filled)
        square = (weights * weights).sum(axis=0)
        if n_units <= k:
            return cls(filled.astype(np.float64), divide(total**2, square), filled, True)
        empty = np.maximum(k - filled, 0.5)
        units = np.minimum(np.minimum(np.round(k * np.log(k / empty)), n_units), total)
        units = np.maximum(units, filled)
        # squares of blocks include products of units that share one by chance
        alone = np.maximum((square - total**2 / k) / (1 - 1 / k), divide(total**2, units))
        return cls(units, divide(total**2, alone), filled, True)

    def smaller(self, other: Support) -> Support:
        """Return the side that has fewer units, cell by cell."""
        fewer = self.units <= other.units
        return self._map(lambda mine, theirs: np.asarray(np.where(fewer, mine, theirs)), other)

    def take(self, where: Any) -> Support:  # noqa: ANN401 - whatever NumPy indexes by
        """Return that of some cells."""
        return self._map(lambda mine: mine[where])

    def _map(self, function: Callable[..., Floats], *others: Support) -> Support:
        """Apply a function to each array."""
        sides = (self, *others)
        return Support(
            function(*(side.units for side in sides)),
            function(*(side.effective for side in sides)),
            function(*(side.blocks for side in sides)),
            self.clustered,
        )


class Supports:
    """What each kind of estimate rests on, by slice and attribute: (S, A).

    Parameters
    ----------
    counts : array (K, S, A, 3, 2)
        Of any model, by block, as in `prunescope.metrics.Statistics`.
    n_units : int or None
        As for `Support.of`.
    """

    def __init__(self, counts: Floats, n_units: int | None) -> None:
        self._labels = counts.sum(axis=-1)
        self._n_units = n_units
        self._known: dict[str, Support] = {}

    def of(self, basis: str) -> Support:
        """Return what estimates rest on that rest on `basis`."""
        if basis not in self._known:
            self._known[basis] = self._count(basis)
        return self._known[basis]

    def _count(self, basis: str) -> Support:
        if basis == RARER:
            return self.of(POSITIVES).smaller(self.of(NEGATIVES))
        labels = self._labels
        weights = {
            SAMPLES: lambda: labels.sum(axis=-1),
            LABELLED: lambda: labels[..., :2].sum(axis=-1),
            POSITIVES: lambda: labels[..., 1],
            NEGATIVES: lambda: labels[..., 0],
        }[basis]()
        return Support.of(weights, self._n_units)

    def of_rarer_value(self, prevalence: Floats) -> Support:
        """Return what estimates rest on the value that is rarer in training, (A,) shares."""
        rare = np.where(prevalence <= 0.5, self._labels[..., 1], self._labels[..., 0])
        return Support.of(rare, self._n_units)

    def of_sides(self, rows: slice, side: NDArray[np.intp]) -> Support:
        """Return what rests on the positives inside and outside one value of a group: (A,)."""
        true = self._labels[:, rows, :, 1]
        inside = true[:, side, np.arange(true.shape[-1])]
        outside = true.sum(axis=1) - inside
        return Support.of(inside, self._n_units).smaller(Support.of(outside, self._n_units))
