"""Evidence that was counted batch by batch, of files that need not fit into memory.

Tallies of two parts of the data add up to that of both. Parts are cut by row, and added in order,
so that it makes no difference where each was counted.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from safetensors.numpy import save_file
from scipy.special import logit

from prunescope.audit.affected import Affected, most_affected, worst_first
from prunescope.audit.bootstrap import deal, number_units
from prunescope.audit.cies import CIE_SCHEMA
from prunescope.audit.enrichment import ENRICHMENT_SCHEMA, GROUP_METRIC, RARE_METRIC
from prunescope.audit.estimates import UNDEFINED
from prunescope.audit.evidence import Exemplars
from prunescope.audit.result import CONFUSION_SCHEMA
from prunescope.data.samples import Group, GroupValue, TrainRates
from prunescope.errors import DataError
from prunescope.files import replacing
from prunescope.inputs import parse_json, read_safetensors
from prunescope.metrics import (
    Counter,
    Histogram,
    Labels,
    Layout,
    Ranking,
    Slices,
    Statistics,
    Transitions,
    rank_histogram,
)
from prunescope.metrics.histogram import bucket
from prunescope.metrics.statistics import (
    PIECE,
    Additive,
    Floats,
    Sum,
    divide,
    on_one_thread,
)
from prunescope.metrics.topone import as_attribute, changes
from prunescope.metrics.units import Held, UnitCounts, held
from prunescope.predictions.batch import Answers, Batch
from prunescope.predictions.shard_batches import batch_of
from prunescope.predictions.shards import Shards

N_RANK_BLOCKS = 32
"""Blocks of a score histogram, which is large."""

N_UNIT_BITS = 1 << 14
"""Bits of a set of clusters: sizes up to some 80,000 are told to within two percent."""

NOT_LISTED = (
    "files were read a part at a time, so that exemplars are counted but not kept: read them at "
    "once to see whom they gather in"
)

ROWS = 1 << 18
"""Rows that are read at once."""


Pair = tuple[int, int]


@dataclass(frozen=True)
class Plan:
    """What to count of which files: all that a worker needs to know.

    Parameters
    ----------
    models : tuple of Shards
        Their samples stand in one order.
    layout : Layout
    groups : dict
        Groups to read, and their values.
    crossed : dict
        Name of an intersection → the groups that it crosses.
    changes : tuple of pairs
        Of models whose answers are compared.
    rivals : tuple of tuples
        Populations whose commonest answers are compared with those of the dense models.
    n_dense : int
        The first models are dense.
    cluster : str, optional
    seed : int
        Deals units into blocks.
    units : array (K,), optional
        The numbers of all units, in order, where each has a block of its own.
    n_affected : int
        Most affected images to keep of each change.
    rows : int
        Rows that are read at once. Sums depend on it in their last digit.
    """

    models: tuple[Shards, ...]
    layout: Layout
    groups: Mapping[str, tuple[GroupValue, ...]]
    crossed: Mapping[str, tuple[str, ...]]
    changes: tuple[Pair, ...]
    rivals: tuple[tuple[int, ...], ...] = ()
    n_dense: int = 1
    cluster: str | None = None
    seed: int = 0
    units: NDArray[np.uint64] | None = None
    n_affected: int = 24
    rows: int = ROWS

    def parts(self) -> list[int]:
        """Return the first row of each part that is read at once."""
        return list(range(0, self.models[0].n, self.rows))


@dataclass(frozen=True)
class Tally:
    """What some rows of several models add up to: `Evidence` once all rows are counted.

    Parameters
    ----------
    slice_sizes : array (S,)
        Samples in each slice.
    sums : dict
        Name → what is summed block by block: ``labels``, and by their models' numbers ``model 0``,
        ``histogram 0``, ``change 0 1``, ``exemplars 1 2``; of a multi-class task also ``top 0``
        and ``top change 0 1``.
    worst : dict
        ``0 1`` → the images that answers changed most on from model 0 to model 1.
    n_worst : int
        How many of them to keep.
    """

    slice_sizes: NDArray[np.int64]
    sums: Mapping[str, Additive]
    worst: Mapping[str, list[Affected]]
    n_worst: int

    def __add__(self, other: Tally) -> Tally:
        """Return the tally of both parts of the data."""
        return Tally(
            self.slice_sizes + other.slice_sizes,
            {name: mine + other.sums[name] for name, mine in self.sums.items()},
            {
                pair: worst_first(mine + other.worst[pair])[: self.n_worst]
                for pair, mine in self.worst.items()
            },
            self.n_worst,
        )

    def sizes(self) -> NDArray[np.int64]:
        """Return the number of samples in each slice."""
        return self.slice_sizes

    def labels(self) -> Labels:
        """Return the moments of the labels."""
        return self._sum(Labels, "labels")

    def units(self) -> UnitCounts | None:
        """Return about how many clusters estimates rest on."""
        if "units" not in self.sums:
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
        return self.worst[_name("", before, after)][:limit]

    def exemplars(self, dense: Sequence[int], compressed: Sequence[int]) -> Transitions:
        """Return where the commonest answers of two populations differ."""
        del dense  # there is one dense population
        return self._sum(Transitions, "exemplars", *compressed)

    def listed(
        self,
        dense: Sequence[int],
        compressed: Sequence[int],
        name: str,
        prevalence: Floats,
        min_support: int,
        confidence: float,
    ) -> Exemplars:
        """Say that exemplars are not listed: samples are not kept."""
        about = {"n": int(self.slice_sizes[0]), "status": UNDEFINED, "reason": NOT_LISTED}
        gathered = [{"metric": metric, **about} for metric in (GROUP_METRIC, RARE_METRIC)]
        return Exemplars(
            pl.DataFrame(schema=CIE_SCHEMA), pl.DataFrame(gathered, schema=ENRICHMENT_SCHEMA)
        )

    def top_one(self, model: int) -> Statistics:
        """Return what the top answers of a multi-class model add up to."""
        return self._sum(Statistics, "top", model)

    def top_one_changes(self, before: int, after: int) -> Transitions:
        """Return which top answers change from one multi-class model to another."""
        return self._sum(Transitions, "top change", before, after)

    def confusions(self, before: int, after: int) -> pl.DataFrame:
        """Return an empty table: which class became which is not counted."""
        return pl.DataFrame(schema=CONFUSION_SCHEMA).drop("model")

    def _sum(self, kind: type[Sum], what: str, *models: int) -> Sum:
        found = self.sums[_name(what, *models)]
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

    def save(self, path: str | Path) -> None:
        """Write the tally to a safetensors file; `load` reads it back."""
        arrays = {
            f"{name}.{field.name}": np.ascontiguousarray(getattr(part, field.name))
            for name, part in self.sums.items()
            for field in fields(part)
        }
        worst = {pair: [image.model_dump() for image in of] for pair, of in self.worst.items()}
        with replacing(Path(path)) as beside:
            told = {"worst": json.dumps(worst), "n_worst": str(self.n_worst)}
            save_file(arrays | {"sizes": self.slice_sizes}, beside, told)

    @classmethod
    def load(cls, path: str | Path) -> Tally:
        """Read what `save` wrote.

        Raises
        ------
        DataError
            The file is absent or damaged.
        """
        try:
            arrays, told = read_safetensors(Path(path), "np")
            worst = parse_json(told["worst"])
            names = dict.fromkeys(name.rpartition(".")[0] for name in arrays if "." in name)
            sums: dict[str, Additive] = {}
            for name in names:
                kind = KINDS[name.rstrip(" 0123456789")]
                sums[name] = kind(*(arrays[f"{name}.{field.name}"] for field in fields(kind)))
            return cls(
                arrays["sizes"],
                sums,
                {pair: [Affected(**image) for image in of] for pair, of in worst.items()},
                int(told["n_worst"]),
            )
        except (OSError, AttributeError, KeyError, TypeError, ValueError) as error:
            raise DataError(f"{path}: not a tally: {error}") from error


KINDS: dict[str, type[Additive]] = {
    "labels": Labels,
    "units": Held,
    "model": Statistics,
    "histogram": Histogram,
    "change": Transitions,
    "exemplars": Transitions,
    "top": Statistics,
    "top change": Transitions,
}
"""What the sums of a tally are."""


def _name(what: str, *models: int) -> str:
    return " ".join([what, *map(str, models)]).strip()


Part = tuple[Batch, pl.DataFrame]


def read_part(plan: Plan, start: int) -> Part:
    """Read the rows from `start` on that are counted at once, and the column of clusters."""
    n = min(plan.rows, plan.models[0].n - start)
    extra = [] if plan.cluster is None else [f"group__{plan.cluster}"]
    batch, rest = batch_of(plan.models, plan.groups, extra, start, n)
    groups = {
        title: Group.cross({name: batch.groups[name] for name in names})
        for title, names in plan.crossed.items()
    }
    return replace(batch, groups={**batch.groups, **groups}), rest


@on_one_thread
def count_part(plan: Plan, start: int, part: Part | None = None) -> Tally:
    """Count one part of the data: the rows from `start` on, read here unless they are given."""
    first, layout = plan.models[0], plan.layout
    batch, rest = read_part(plan, start) if part is None else part
    units = number_units(batch.ids, clusters_of(rest, plan.cluster, first))
    if plan.units is None:
        blocks = deal(units, layout.n_blocks, plan.seed)
    else:
        blocks = np.searchsorted(plan.units, units)
    counter, models = Counter(batch, layout, blocks), batch.models

    def of_model(i: int) -> dict[str, Additive]:
        mine = Counter(batch, layout, blocks)  # a thread of its own asks it
        found: dict[str, Additive] = {_name("model", i): mine.statistics(models[i])}
        return found | {_name("histogram", i): _histogram(batch, models[i], layout.slices, blocks)}

    sums: dict[str, Additive] = {"labels": counter.labels()}
    if plan.cluster is not None:
        bits, n_bits = blocks, layout.n_blocks
        if plan.units is None:
            bits, n_bits = deal(units, N_UNIT_BITS, plan.seed + 1), N_UNIT_BITS
        sums["units"] = Held(np.stack(list(held(batch, layout.slices, bits, n_bits))))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for found in pool.map(of_model, range(len(models))):
            sums |= found
    for i, j in plan.changes:
        sums[_name("change", i, j)] = counter.transitions(models[i], models[j])
    for members in plan.rivals:
        differs = counter.exemplars(models[: plan.n_dense], [models[i] for i in members])
        sums[_name("exemplars", *members)] = differs
    if first.task == "multiclass":
        sums |= _top_ones(plan, batch, blocks)
    worst = {
        _name("", i, j): most_affected(
            batch, first.attributes, i, j, plan.models[j].name, plan.n_affected
        )
        for i, j in plan.changes
    }
    return Tally(counter.sizes(), sums, worst, plan.n_affected)


def _top_ones(plan: Plan, batch: Batch, blocks: NDArray[np.int64]) -> dict[str, Additive]:
    """Count the top answers of multi-class models, and how they change."""
    sums: dict[str, Additive] = {}
    for i in range(len(batch.models)):
        top = as_attribute(batch, i)
        sums[_name("top", i)] = Counter(top, plan.layout, blocks).statistics(top.models[0])
    for i, j in plan.changes:
        moved = changes(batch, i, j)
        counter = Counter(moved, plan.layout, blocks)
        sums[_name("top change", i, j)] = counter.transitions(*moved.models)
    return sums


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
