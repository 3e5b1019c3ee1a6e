"""What an audit rests on: the statistics of each model and of each pair of models.

`Evidence` is what the estimates ask for, however it was collected: `InMemory` counts aligned
predictions when asked; `prunescope.audit.tally.Tally` was counted batch by batch.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from prunescope.audit.affected import Affected, most_affected
from prunescope.audit.cies import find_cies, list_cies
from prunescope.audit.enrichment import over_representation, rare_label_representation
from prunescope.metrics import Counter, Labels, Layout, Ranking, Statistics, Transitions
from prunescope.metrics.agreement import Population
from prunescope.metrics.ranking import Ranker
from prunescope.metrics.statistics import Floats
from prunescope.metrics.topone import as_attribute, changes, top_answers, true_classes
from prunescope.metrics.units import UnitCounts, held
from prunescope.predictions import Predictions
from prunescope.predictions.batch import Batch


class Evidence(Protocol):
    """Statistics of models, which are numbered from 0; the leading axis is the block."""

    def sizes(self) -> NDArray[np.int64]:
        """Return the number of samples in each slice: (S,)."""

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

    def exemplars(self, dense: Sequence[int], compressed: Sequence[int]) -> Transitions:
        """Return where the commonest answers of two populations differ (`Counter.exemplars`)."""

    def listed(
        self,
        dense: Sequence[int],
        compressed: Sequence[int],
        name: str,
        prevalence: Floats,
        min_support: int,
        confidence: float,
    ) -> Exemplars:
        """Return the compression-identified exemplars between two populations, one by one."""

    def top_one(self, model: int) -> Statistics:
        """Return what the top answers of a multi-class model add up to."""

    def top_one_changes(self, before: int, after: int) -> Transitions:
        """Return which top answers change from one multi-class model to another."""

    def confusions(self, before: int, after: int) -> pl.DataFrame:
        """Return which class became which, of a multi-class task."""


class Exemplars(NamedTuple):
    """Compression-identified exemplars: a list of them, and whom they gather in.

    `cies` as in `CIE_SCHEMA`, `gathered` as in `ENRICHMENT_SCHEMA`; both are empty where samples
    are not kept.
    """

    cies: pl.DataFrame
    gathered: pl.DataFrame


class InMemory:
    """Evidence from aligned predictions, counted model by model when asked for.

    Parameters
    ----------
    models : sequence of Predictions
        On the same samples.
    layout : Layout
    blocks : array (N,) of int
        The block of each sample.
    units : array (N,), optional
        What tells the cluster of each sample, where they come in clusters.
    """

    def __init__(
        self,
        models: Sequence[Predictions],
        layout: Layout,
        blocks: NDArray[np.int64],
        units: NDArray[np.uint64] | None = None,
    ) -> None:
        self._units = units
        self._models, self._batch = models, Batch.of(models)
        self._layout, self._blocks = layout, blocks
        self._dense_population = functools.cache(self._population)  # one, asked for many times

    @property
    def _counter(self) -> Counter:
        """One that counts; each thread needs its own."""
        return Counter(self._batch, self._layout, self._blocks)

    def sizes(self) -> NDArray[np.int64]:
        """Count the samples in each slice."""
        return self._counter.sizes()

    def labels(self) -> Labels:
        """Count the moments of the labels."""
        return self._counter.labels()

    def units(self) -> UnitCounts | None:
        """Count the clusters behind each kind of support, exactly."""
        if self._units is None:
            return None
        names, numbers = np.unique(self._units, return_inverse=True)
        return UnitCounts.of(held(self._batch, self._layout.slices, numbers, len(names)))

    def statistics(self, model: int) -> Statistics:
        """Count what one model's answers add up to."""
        return self._counter.statistics(self._batch.models[model])

    def transitions(self, before: int, after: int) -> Transitions:
        """Count which answers change from one model to another."""
        models = self._batch.models
        return self._counter.transitions(models[before], models[after])

    def ranking(self, model: int) -> Ranking:
        """Rank the samples by one model's scores, exactly."""
        threads = max(1, (os.cpu_count() or 1) // len(self._models))  # models have theirs
        return self._ranker.rank(self._batch.models[model].log_odds, threads)

    @functools.cached_property
    def _ranker(self) -> Ranker:
        batch, layout = self._batch, self._layout
        return Ranker(batch.labels, self._blocks, layout.n_blocks, layout.slices, batch.groups)

    def affected(self, before: int, after: int, limit: int) -> list[Affected]:
        """Return the images whose answers changed most."""
        name, attributes = self._models[after].name, self._models[after].attributes
        return most_affected(self._batch, attributes, before, after, name, limit)

    def exemplars(self, dense: Sequence[int], compressed: Sequence[int]) -> Transitions:
        """Count where the commonest answers of two populations differ."""
        models = self._batch.models
        sides = ([models[i] for i in side] for side in (dense, compressed))
        return self._counter.exemplars(*sides)

    def listed(
        self,
        dense: Sequence[int],
        compressed: Sequence[int],
        name: str,
        prevalence: Floats,
        min_support: int,
        confidence: float,
    ) -> Exemplars:
        """List the compression-identified exemplars between two populations."""
        sides = self._dense_population(tuple(dense)), self._population(compressed)
        samples, slices = self._models[0].samples, self._layout.slices
        found = find_cies(*sides)
        arrays = found.cie, found.compared
        gathered = (
            over_representation(
                *arrays, slices, samples, min_support=min_support, confidence=confidence
            ),
            rare_label_representation(
                *arrays, samples, prevalence, min_support=min_support, confidence=confidence
            ),
        )
        return Exemplars(list_cies(*sides, name=name), pl.concat(gathered))

    def _population(self, models: Sequence[int]) -> Population:
        return Population([self._models[i] for i in models])

    def _top_one(self, batch: Batch) -> Counter:
        return Counter(batch, self._layout, self._blocks)

    def top_one(self, model: int) -> Statistics:
        """Count what the top answers of a multi-class model add up to."""
        batch = as_attribute(self._batch, model)
        return self._top_one(batch).statistics(batch.models[0])

    def top_one_changes(self, before: int, after: int) -> Transitions:
        """Count which top answers change from one multi-class model to another."""
        batch = changes(self._batch, before, after)
        return self._top_one(batch).transitions(*batch.models)

    def confusions(self, before: int, after: int) -> pl.DataFrame:
        """Count which class became which."""
        names = [*self._models[before].attributes, None]
        first, second = (top_answers(self._batch.models[i]) for i in (before, after))
        truth = true_classes(self._batch)
        moved = first != second
        counted = (
            pl.DataFrame(
                {"label": truth[moved], "dense": first[moved], "compressed": second[moved]}
            )
            .group_by("label", "dense", "compressed")
            .len("n")
            .sort("n", "label", "dense", "compressed", descending=[True, False, False, False])
        )
        return counted.with_columns(
            pl.col("n").cast(pl.Int64),
            *(
                pl.Series(column, [names[code] for code in counted[column]], dtype=pl.String)
                for column in ("label", "dense", "compressed")
            ),
        )
