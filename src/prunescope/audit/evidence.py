"""What an audit rests on: the statistics of each model and of each pair of models.

`Evidence` is what the estimates ask for, however it was collected: `InMemory` counts samples when
asked; `prunescope.audit.large_files.tally.Tally` is the sum of what was counted of each part of
larger files.
All of it adds up over samples; what does not is `prunescope.audit.sample_answers`.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from prunescope.audit.affected import Affected, most_affected
from prunescope.audit.subject import Subject
from prunescope.metrics import Counter, Labels, Ranking, Statistics, Transitions
from prunescope.metrics.ranking import Ranker
from prunescope.metrics.topone import as_attribute, changes
from prunescope.metrics.units import UnitCounts, held
from prunescope.predictions.batch import Batch


class Evidence(Protocol):
    """Statistics of models, which are numbered from 0; the leading axis is the block."""

    def labels(self) -> Labels:
        """Return the moments of the labels."""

    def units(self) -> UnitCounts | None:
        """Return how many clusters estimates rest on; None where samples come in none."""

    def statistics(self, model: int) -> Statistics:
        """Return what one model's answers add up to."""

    def transitions(self, before: int, after: int) -> Transitions:
        """Return which answers change from one model to another."""

    def ranking(self, model: int) -> Ranking:
        """Return the ranking metrics of one model."""

    def affected(self, before: int, after: int, limit: int) -> list[Affected]:
        """Return the images whose answers changed most."""

    def exemplars(self, members: Sequence[int]) -> Transitions:
        """Return where the commonest answer of a population differs from the dense models'.

        As `prunescope.metrics.Counter.exemplars` has it.
        """

    def top_one(self, model: int) -> Statistics:
        """Return what the top answers of a multi-class model add up to."""

    def top_one_changes(self, before: int, after: int) -> Transitions:
        """Return which top answers change from one multi-class model to another."""


class InMemory:
    """Evidence from samples that are held in memory, counted when asked for.

    Parameters
    ----------
    subject : Subject
    batch : Batch
        n samples with the answers of the subject's models.
    blocks : array (n,) of int
        The block of each sample.
    units : array (n,), optional
        What tells the cluster of each sample, where they come in clusters.
    """

    def __init__(
        self,
        subject: Subject,
        batch: Batch,
        blocks: NDArray[np.int64],
        units: NDArray[np.uint64] | None = None,
    ) -> None:
        self._subject, self._batch = subject, batch
        self._blocks, self._units = blocks, units

    def _counter(self, batch: Batch) -> Counter:
        """Return one that counts; each thread needs its own."""
        return Counter(batch, self._subject.layout, self._blocks)

    def labels(self) -> Labels:
        """Count the moments of the labels."""
        return self._counter(self._batch).labels()

    def units(self) -> UnitCounts | None:
        """Count the clusters behind each kind of support, exactly."""
        if self._units is None:
            return None
        names, numbers = np.unique(self._units, return_inverse=True)
        return UnitCounts.of(held(self._batch, self._subject.layout.slices, numbers, len(names)))

    def statistics(self, model: int) -> Statistics:
        """Count what one model's answers add up to."""
        return self._counter(self._batch).statistics(self._batch.models[model])

    def transitions(self, before: int, after: int) -> Transitions:
        """Count which answers change from one model to another."""
        models = self._batch.models
        return self._counter(self._batch).transitions(models[before], models[after])

    def ranking(self, model: int) -> Ranking:
        """Rank the samples by one model's scores, exactly."""
        models = self._batch.models
        threads = max(1, (os.cpu_count() or 1) // len(models))  # models have theirs
        return self._ranker.rank(models[model].log_odds, threads)

    @functools.cached_property
    def _ranker(self) -> Ranker:
        batch, layout = self._batch, self._subject.layout
        return Ranker(batch.labels, self._blocks, layout.n_blocks, layout.slices, batch.groups)

    def affected(self, before: int, after: int, limit: int) -> list[Affected]:
        """Return the images whose answers changed most."""
        name, attributes = str(self._subject.models[after].name), self._subject.attributes
        return most_affected(self._batch, attributes, before, after, name, limit)

    def exemplars(self, members: Sequence[int]) -> Transitions:
        """Count where the commonest answer of a population differs from the dense models'."""
        models = self._batch.models
        dense = models[: self._subject.n_dense]
        return self._counter(self._batch).exemplars(dense, [models[i] for i in members])

    def top_one(self, model: int) -> Statistics:
        """Count what the top answers of a multi-class model add up to."""
        right = as_attribute(self._batch, model)
        return self._counter(right).statistics(right.models[0])

    def top_one_changes(self, before: int, after: int) -> Transitions:
        """Count which top answers change from one multi-class model to another."""
        moved = changes(self._batch, before, after)
        return self._counter(moved).transitions(*moved.models)
