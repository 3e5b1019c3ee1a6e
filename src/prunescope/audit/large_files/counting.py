"""Counting files a part at a time.

Parts are cut by row, and their tallies added in order, so that it makes no difference where each
was counted.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import logit

from prunescope.audit.evidence import InMemory
from prunescope.audit.intervals.bootstrap import deal, number_units
from prunescope.audit.large_files.tally import N_UNIT_BITS, Key, Tally
from prunescope.audit.subject import Subject
from prunescope.data.samples import Group, GroupValue
from prunescope.metrics import Histogram, Slices
from prunescope.metrics.histogram import bucket
from prunescope.metrics.statistics import PIECE, Additive, on_one_thread
from prunescope.metrics.units import Held, held
from prunescope.predictions.batch import Answers, Batch
from prunescope.predictions.shard_batches import batch_of
from prunescope.predictions.shards import Shards

N_RANK_BLOCKS = 32
"""Blocks of a score histogram, which is large."""

ROWS = 1 << 18
"""Rows that are read at once."""


@dataclass(frozen=True)
class Plan:
    """What to count of which files: all that a worker needs to know.

    Parameters
    ----------
    models : tuple of Shards
        Their samples stand in one order.
    subject : Subject
        The same models.
    groups : dict
        Groups to read, and their values.
    crossed : dict
        Name of an intersection → the groups that it crosses.
    units : array (K,), optional
        The numbers of all units, in order, where each has a block of its own.
    rows : int
        Rows that are read at once. Sums depend on it in their last digit.
    """

    models: tuple[Shards, ...]
    subject: Subject
    groups: Mapping[str, tuple[GroupValue, ...]]
    crossed: Mapping[str, tuple[str, ...]]
    units: NDArray[np.uint64] | None = None
    rows: int = ROWS

    def parts(self) -> list[int]:
        """Return the first row of each part that is read at once."""
        return list(range(0, self.models[0].n, self.rows))


Part = tuple[Batch, pl.DataFrame]
"""Samples, and their column of clusters."""


def read_part(plan: Plan, start: int) -> Part:
    """Read the rows from `start` on that are counted at once."""
    n, cluster = min(plan.rows, plan.models[0].n - start), plan.subject.settings.cluster
    extra = [] if cluster is None else [f"group__{cluster}"]
    batch, rest = batch_of(plan.models, plan.groups, extra, start, n)
    groups = {
        title: Group.cross({name: batch.groups[name] for name in names})
        for title, names in plan.crossed.items()
    }
    return replace(batch, groups={**batch.groups, **groups}), rest


@on_one_thread
def count_part(plan: Plan, start: int, part: Part | None = None) -> Tally:
    """Count one part of the data: the rows from `start` on, read here unless they are given."""
    subject, settings = plan.subject, plan.subject.settings
    batch, rest = read_part(plan, start) if part is None else part
    units = number_units(batch.ids, clusters_of(rest, settings.cluster, plan.models[0]))
    if plan.units is None:
        blocks = deal(units, subject.layout.n_blocks, settings.seed)
    else:
        blocks = np.searchsorted(plan.units, units)
    here, slices = InMemory(subject, batch, blocks), subject.layout.slices

    def of_model(i: int) -> dict[Key, Additive]:
        found: dict[Key, Additive] = {("model", i): here.statistics(i)}
        found["histogram", i] = _histogram(batch, batch.models[i], slices, blocks)
        if subject.multiclass:
            found["top", i] = here.top_one(i)
        return found

    sums: dict[Key, Additive] = {("labels",): here.labels()}
    if settings.cluster is not None:
        bits, n_bits = blocks, subject.layout.n_blocks
        if plan.units is None:
            bits, n_bits = deal(units, N_UNIT_BITS, settings.seed + 1), N_UNIT_BITS
        sums["units",] = Held(np.stack(list(held(batch, slices, bits, n_bits))))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for found in pool.map(of_model, range(len(batch.models))):
            sums |= found
    worst = {}
    for i, j in subject.changes():
        sums["change", i, j] = here.transitions(i, j)
        if subject.multiclass:
            sums["top change", i, j] = here.top_one_changes(i, j)
        if j >= subject.n_dense:
            worst[i, j] = here.affected(i, j, settings.n_affected)
    for members in subject.rivals():
        sums["exemplars", *members] = here.exemplars(members)
    return Tally(sums, worst, settings.n_affected)


def clusters_of(rows: pl.DataFrame, cluster: str | None, source: Shards) -> Group | None:
    """Return the clusters of some rows, if samples are resampled by any."""
    return None if cluster is None else Group.from_series(rows[f"group__{cluster}"], source.name)


def _histogram(
    batch: Batch, answers: Answers, slices: Slices, blocks: NDArray[np.int64]
) -> Histogram:
    """Count the scores of labelled samples."""
    found = Histogram.empty(N_RANK_BLOCKS, len(slices), len(batch.labels))
    parts = [(one, one.cells(batch.groups, batch.n)) for one in slices.partitions()]
    blocks = blocks % N_RANK_BLOCKS
    buckets = np.empty(batch.n, np.int64)
    for a, labels in enumerate(batch.labels):
        for start in range(0, batch.n, PIECE):
            rows = slice(start, start + PIECE)
            scores = answers.logits[a][rows]
            if answers.task == "multiclass":
                scores = logit(np.clip(answers.probabilities(a, rows), 1e-300, 1 - 1e-16))
            buckets[rows] = bucket(scores)
        found.count(a, buckets, labels, blocks, parts)
    return found


def count_all(plan: Plan, progress: Callable[[int, int], None] | None = None) -> Tally:
    """Count all parts, and add them up in order; the next is read while one is counted."""
    return add_up(_counted(plan), len(plan.parts()), progress)


def _counted(plan: Plan) -> Iterator[Tally]:
    """Yield the tally of each part."""
    starts = plan.parts()
    with ThreadPoolExecutor(1) as reader:
        coming = reader.submit(read_part, plan, starts[0])
        for start, following in zip(starts, [*starts[1:], None], strict=True):
            part = coming.result()
            if following is not None:
                coming = reader.submit(read_part, plan, following)
            yield count_part(plan, start, part)


def add_up(tallies: Iterable[Tally], n: int, progress: Callable[[int, int], None] | None) -> Tally:
    """Add n tallies up in the order in which they come."""
    total: Tally | None = None
    for done, tally in enumerate(tallies, 1):
        total = tally if total is None else total + tally
        if progress:
            progress(done, n)
    assert total is not None
    return total
