"""What estimates rest on: samples, and independent units, which clusters are one each of.

Labels alone decide: support belongs to the data, and no model changes it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunescope.metrics.statistics import Floats, divide
from prunescope.metrics.units import UnitCounts

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
    def of(cls, weights: Floats, units: Floats | None = None) -> Support:
        """Tell what samples rest on that were counted by block.

        Parameters
        ----------
        weights : array (K, ...)
            Samples in each block.
        units : array (...), optional
            Clusters that they come from; without, each sample is a unit. Where there are more
            than K, some share a block by chance.

        Examples
        --------
        >>> found = Support.of(np.array([200.0, 2, 2, 0]), np.array(3))
        >>> found.units.item(), found.effective.round(2).item(), found.blocks.item()
        (3, 1.04, 3)
        """
        total, filled = weights.sum(axis=0), (weights > 0).sum(axis=0)
        if units is None:
            return cls(total, total, filled)
        k, square = len(weights), (weights * weights).sum(axis=0)
        if k > 1:  # squares of blocks include products of units that share one by chance
            shared = np.where(units > filled, total**2 / k, 0)
            square = (square - shared) / np.where(units > filled, 1 - 1 / k, 1)
        square = np.maximum(square, divide(total**2, units))
        return cls(units, divide(total**2, square), filled, clustered=True)

    def smaller(self, other: Support) -> Support:
        """Return the side that has fewer units, cell by cell."""
        return self.where(self.units <= other.units, other)

    def where(self, mine: NDArray[np.bool_], other: Support) -> Support:
        """Return this side where `mine`, the other elsewhere."""
        return self._map(lambda ours, theirs: np.asarray(np.where(mine, ours, theirs)), other)

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
    units : UnitCounts, optional
        Where samples come in clusters.
    """

    def __init__(self, counts: Floats, units: UnitCounts | None = None) -> None:
        self._labels, self._units = counts.sum(axis=-1), units
        self._known: dict[str, Support] = {}

    @cached_property
    def sizes(self) -> NDArray[np.int64]:
        """Samples in each slice: (S,)."""
        return np.asarray(self._labels[:, :, 0].sum(axis=(0, -1)), np.int64)

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
            SAMPLES: labels.sum(axis=-1),
            LABELLED: labels[..., :2].sum(axis=-1),
            POSITIVES: labels[..., 1],
            NEGATIVES: labels[..., 0],
        }[basis]
        if self._units is None:
            return Support.of(weights)
        units = {
            SAMPLES: self._units.samples,
            LABELLED: self._units.labelled,
            POSITIVES: self._units.positives,
            NEGATIVES: self._units.negatives,
        }[basis]
        return Support.of(weights, units)

    def of_rarer_value(self, prevalence: Floats) -> Support:
        """Return what estimates rest on the value that is rarer in training, (A,) shares."""
        positives, negatives = self.of(POSITIVES), self.of(NEGATIVES)
        return positives.where(np.asarray(prevalence <= 0.5), negatives)

    def of_sides(self, rows: slice, side: NDArray[np.intp]) -> Support:
        """Return what rests on the positives inside and outside one value of a group: (A,).

        Clusters are taken to lie inside or outside; one that does both counts on both sides.
        """
        true = self._labels[:, rows, :, 1]
        column = np.arange(true.shape[-1])
        inside, everyone = true[:, side, column], true.sum(axis=1)
        if self._units is None:
            return Support.of(inside).smaller(Support.of(everyone - inside))
        units = self._units.positives[rows]
        within = units[side, column]
        found = Support.of(inside, within)
        return found.smaller(Support.of(everyone - inside, units.sum(axis=0) - within))
