"""Evidence that was counted part by part, of files that need not fit into memory.

Tallies of two parts of the data add up to that of both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from prunescope.audit.affected import Affected, worst_first
from prunescope.data.samples import TrainRates
from prunescope.metrics import (
    Histogram,
    Labels,
    Ranking,
    Slices,
    Statistics,
    Transitions,
    rank_histogram,
)
from prunescope.metrics.statistics import Additive, Floats, Sum, divide
from prunescope.metrics.units import Held, UnitCounts

N_UNIT_BITS = 1 << 14
"""Bits of a set of clusters: sizes up to some 80,000 are told to within two percent."""


Key = tuple[str | int, ...]
"""What a sum is of, and the numbers of the models."""


@dataclass(frozen=True)
class Tally:
    """What some rows of several models add up to: `Evidence` once all rows are counted.

    Parameters
    ----------
    sums : dict
        What is summed block by block: ``("labels",)``, ``("model", 0)``, ``("histogram", 0)``,
        ``("change", 0, 1)`` from model 0 to 1, ``("exemplars", 1, 2)`` of a population; of a
        multi-class task also ``("top", 0)`` and ``("top change", 0, 1)``; where samples come in
        clusters also ``("units",)``.
    worst : dict
        Two models → the images that answers changed most on from the first to the second.
    n_worst : int
        How many of them to keep.
    """

    sums: Mapping[Key, Additive]
    worst: Mapping[tuple[int, int], list[Affected]]
    n_worst: int

    def __add__(self, other: Tally) -> Tally:
        """Return the tally of both parts of the data."""
        return Tally(
            {name: mine + other.sums[name] for name, mine in self.sums.items()},
            {
                pair: worst_first(mine + other.worst[pair])[: self.n_worst]
                for pair, mine in self.worst.items()
            },
            self.n_worst,
        )

    def labels(self) -> Labels:
        """Return the moments of the labels."""
        return self._sum(Labels, "labels")

    def units(self) -> UnitCounts | None:
        """Return about how many clusters estimates rest on."""
        if ("units",) not in self.sums:
            return None
        sets = self._sum(Held, "units").held
        return UnitCounts.of(iter(sets), hashed=sets.shape[-1] == N_UNIT_BITS)

    def statistics(self, model: int) -> Statistics:
        """Return what one model's answers add up to."""
        return self._sum(Statistics, "model", model)

    def transitions(self, before: int, after: int) -> Transitions:
        """Return which answers change from one model to another."""
        return self._sum(Transitions, "change", before, after)

    def ranking(self, model: int) -> Ranking:
        """Rank the samples by one model's scores, from their histogram."""
        return rank_histogram(self._sum(Histogram, "histogram", model))

    def affected(self, before: int, after: int, limit: int) -> list[Affected]:
        """Return the images whose answers changed most."""
        return self.worst[before, after][:limit]

    def exemplars(self, members: Sequence[int]) -> Transitions:
        """Return where the commonest answer of a population differs from the dense models'."""
        return self._sum(Transitions, "exemplars", *members)

    def top_one(self, model: int) -> Statistics:
        """Return what the top answers of a multi-class model add up to."""
        return self._sum(Statistics, "top", model)

    def top_one_changes(self, before: int, after: int) -> Transitions:
        """Return which top answers change from one multi-class model to another."""
        return self._sum(Transitions, "top change", before, after)

    def _sum(self, kind: type[Sum], what: str, *models: int) -> Sum:
        found = self.sums[what, *models]
        assert isinstance(found, kind)
        return found

    def rates(self, attributes: tuple[str, ...], slices: Slices) -> TrainRates:
        """Return how often each attribute is true, overall and per group value."""
        counts = self.statistics(0).total().counts.sum(axis=-1)
        shares = divide(counts[..., 1], counts[..., :2].sum(axis=-1))

        def told(row: Floats) -> dict[str, float]:
            return {a: float(x) for a, x in zip(attributes, row, strict=True) if not np.isnan(x)}

        rates: dict[str, dict[str, dict[str, float]]] = {}
        for group, value, row in zip(slices.groups[1:], slices.values[1:], shares[1:], strict=True):
            rates.setdefault(str(group), {})[str(value)] = told(row)
        return TrainRates(told(shares[0]), rates)
