"""`Selector`: the answers that a view is about, in its order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from prunescope.audit import Where
from prunescope.data.columns import UNKNOWN
from prunescope.errors import ConfigError, one_of
from prunescope.viewer.area import Area
from prunescope.viewer.collection import Collection, Flags, Model
from prunescope.viewer.layouts import Layouts
from prunescope.viewer.view import View

LONGEST_QUEUE = 10_000
"""Answers in a queue; more than a person looks at."""

REMEMBERED = 32
"""Selections that are kept, for the next page of them."""

LABELS = {"yes": 1, "no": 0, "unlabelled": UNKNOWN}
NOTHING = np.float32(-np.inf)
"""Score of an answer that a view leaves out."""

Scores = NDArray[np.float32]
Places = NDArray[np.int32]


@dataclass(frozen=True)
class Selection:
    """Answers in order: row and column of each, in two arrays of one length."""

    rows: Places
    columns: Places

    def __len__(self) -> int:
        return len(self.rows)

    def part(self, page: int, size: int) -> Selection:
        """Return one page; empty beyond the last."""
        start = (page - 1) * size
        return Selection(self.rows[start : start + size], self.columns[start : start + size])


class Selector:
    """Finds the answers that a view is about.

    Parameters
    ----------
    collection : Collection
    """

    def __init__(self, collection: Collection) -> None:
        self.collection, self.layouts = collection, Layouts.of(collection)
        self.samples = lru_cache(maxsize=REMEMBERED)(self._samples)
        self.queue = lru_cache(maxsize=REMEMBERED)(self._queue)
        self._flips = lru_cache(maxsize=REMEMBERED)(self._count_flips)
        self._least = lru_cache(maxsize=REMEMBERED)(self._least_risk)
        self._exemplars = lru_cache(maxsize=REMEMBERED)(self._find_exemplars)
        self._area = lru_cache(maxsize=REMEMBERED)(self._find_area)

    def pair(self, view: View) -> tuple[Model, Model]:
        """Return what is compared with what: the dense model, the compressed one.

        Raises
        ------
        ConfigError
            There is no such model.
        """
        model = self.collection.model(view.model)
        return self.collection.against(model, view.against), model

    def check(self, view: View) -> None:
        """Raise a `ConfigError` where a view asks for what is not there."""
        self.pair(view)
        if view.attribute is not None:
            self.collection.column(view.attribute)
        self.members(view)
        if self.collection.risk is None and (view.riskiest is not None or view.sort == "risk"):
            raise ConfigError(
                "no forecast was given to rank answers by risk: open it by --forecast"
            )

    def _samples(self, view: View) -> Selection:
        """Return one answer of each sample that has any: the first in order.

        The view should be `unpaged`.
        """
        n = len(self.collection.samples)
        best = np.full(n, NOTHING, np.float32)
        columns = np.zeros(n, np.int32)
        for column, scores in self._columns(view):
            better = scores > best
            np.copyto(best, scores, where=better)
            columns[better] = column
        rows = np.flatnonzero(best > NOTHING)
        order = rows[np.argsort(-best[rows], kind="stable")]
        return Selection(order.astype(np.int32), columns[order])

    def _queue(self, view: View) -> Selection:
        """Return all answers, the first `LONGEST_QUEUE` of them; the view should be `unpaged`."""
        parts = []
        for column, scores in self._columns(view):
            rows = np.flatnonzero(scores > NOTHING)
            if len(rows) > LONGEST_QUEUE:
                rows = rows[_first(scores[rows], LONGEST_QUEUE)]
            parts.append((rows, np.full(len(rows), column), scores[rows]))
        rows, columns, scores = (np.concatenate(part) for part in zip(*parts, strict=True))
        order = np.lexsort((columns, rows, -scores))[:LONGEST_QUEUE]
        return Selection(rows[order].astype(np.int32), columns[order].astype(np.int32))

    def _columns(self, view: View) -> Iterator[tuple[int, Scores]]:
        """Yield, column by column, a score (N,) of each answer: higher comes first."""
        self.check(view)
        collection = self.collection
        dense, compressed = self.pair(view)
        wanted = range(len(collection.samples.attributes))
        if view.attribute is not None:
            wanted = range(column := collection.column(view.attribute), column + 1)
        members = self.members(view)
        least = None if view.riskiest is None else self._least(view.riskiest)
        exemplars = self._exemplars(compressed.name) if view.cie else None
        for column in wanted:
            keep = self._kept(view, dense, compressed, column)
            if members is not None:
                keep &= members
            if least is not None and collection.risk is not None:
                keep &= collection.risk.risk[:, column] >= least
            if exemplars is not None:
                keep &= exemplars[:, column]
            scores = self._scores(view, dense, compressed, column)
            if view.order == "asc":
                scores = -scores
            if view.sort == "risk":  # what the forecast does not tell of
                keep &= ~np.isnan(scores)
            yield column, np.where(keep, scores, NOTHING)

    def _kept(self, view: View, dense: Model, compressed: Model, column: int) -> Flags:
        """Return which answers (N,) of an attribute a view is about, by what models answer."""
        before, after = dense.yes[:, column], compressed.yes[:, column]
        labels = self.collection.labels[:, column]
        keep = np.ones(len(labels), bool)
        if view.label is not None:
            keep &= labels == LABELS[view.label]
        if view.dense is not None:
            keep &= before == (view.dense == "yes")
        if view.compressed is not None:
            keep &= after == (view.compressed == "yes")
        if view.flip == "none":
            keep &= before == after
        elif view.flip is not None:
            keep &= before != after
        if view.flip == "harmful":
            keep &= labels == before
        elif view.flip == "helpful":
            keep &= labels == after
        if view.p_min > 0 or view.p_max < 1:
            probability = dense.probability[:, column]
            keep &= (probability >= view.p_min) & (probability <= view.p_max)
        return keep

    def _scores(self, view: View, dense: Model, compressed: Model, column: int) -> Scores:
        """Return what the answers (N,) of an attribute are sorted by."""
        before, after = dense.probability[:, column], compressed.probability[:, column]
        if view.sort == "change":
            change: Scores = np.abs(after - before)
            return change
        if view.sort == "flips":
            moved: Scores = self._flips(dense.name, compressed.name) + np.abs(after - before) / 2
            return moved
        if view.sort == "risk":
            assert self.collection.risk is not None
            return self.collection.risk.risk[:, column]
        if view.sort == "margin":
            return dense.doubt[:, column]
        if view.sort == "file":
            return -np.arange(len(before), dtype=np.float32)
        return before if view.sort == "dense" else after

    def members(self, view: View) -> Flags | None:
        """Return which samples (N,) are of a view's groups, id and area; None: all of them."""
        samples = self.collection.samples
        keep: Flags | None = None
        seen: set[str] = set()
        for text in view.group:
            name, value = self._place(text)
            if name in seen:
                raise ConfigError(f"group {name} twice: a sample has one value of it, ask for one")
            seen.add(name)
            found = samples.groups[name].codes == value
            keep = found if keep is None else keep & found
        if view.id is not None:
            found = samples.ids.str.contains(view.id, literal=True).to_numpy()
            keep = found if keep is None else keep & found
        if view.area is not None:
            found = self._area(view.area)
            keep = found if keep is None else keep & found
        return keep

    def _place(self, text: str) -> tuple[str, int]:
        """Read a value of a group: the group's name, and the value's code."""
        where, groups = Where.parse(text), self.collection.samples.groups
        if where.group is None or where.group_value is None or where.attribute is not None:
            raise ConfigError(f"group {text!r}: expected GROUP=VALUE, such as Male=True")
        if where.group not in groups:
            raise ConfigError(one_of("group", where.group, groups))
        values = [str(value) for value in groups[where.group].values]
        if where.group_value not in values:
            raise ConfigError(one_of(f"value of {where.group}", where.group_value, values))
        return where.group, values.index(where.group_value)

    def _find_area(self, text: str) -> Flags:
        """Return which samples (N,) lie in a part of the map."""
        area = Area.parse(text)
        return area.holds(self.layouts.get(area.layout))

    def _count_flips(self, dense: str, compressed: str) -> Scores:
        """Count the answers of each sample (N,) in which two models differ."""
        models = self.collection.models
        differ = models[dense].yes != models[compressed].yes
        counts: Scores = differ.sum(axis=1, dtype=np.float32)
        return counts

    def _least_risk(self, share: float) -> float:
        assert self.collection.risk is not None
        return self.collection.risk.least_of(share)

    def _find_exemplars(self, model: str) -> Flags:
        return np.asfortranarray(self.collection.exemplars(self.collection.models[model]))


def _first(scores: Scores, n: int) -> NDArray[np.intp]:
    """Return the places of the n highest scores, whatever their order; of equal ones the first."""
    least = np.partition(scores, len(scores) - n)[len(scores) - n]
    above = np.flatnonzero(scores > least)
    return np.concatenate([above, np.flatnonzero(scores == least)[: n - len(above)]])
