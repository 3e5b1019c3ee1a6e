"""Batches of files that are read a part at a time: the same rows of several models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from prunescope.data.columns import UNKNOWN
from prunescope.data.samples import Group, GroupValue
from prunescope.errors import DataError
from prunescope.predictions.batch import Batch
from prunescope.predictions.shards import Shards


def batch_of(
    models: Sequence[Shards],
    groups: Mapping[str, tuple[GroupValue, ...]],
    extra: Sequence[str],
    start: int,
    n: int,
) -> tuple[Batch, pl.DataFrame]:
    """Read some rows of all models, whose samples stand in one order.

    Labels and groups are those of the first model.

    Parameters
    ----------
    models : sequence of Shards
    groups : mapping
        Groups and their values.
    extra : sequence of str
        Other columns of the first model to return as they are.
    start, n : int

    Raises
    ------
    DataError
        Ids differ.
    """
    first, *others = models
    told = [f"group__{name}" for name in groups]
    wanted = ["id", *first.label_columns(), *told, *first.answer_columns(), *extra]
    frame = first.rows(start, n, list(dict.fromkeys(wanted)))
    answers = [first.answers(frame, start)]
    for other in others:
        part = other.rows(start, n, ["id", *other.answer_columns()])
        _check_order(frame["id"], part["id"], first, other, start)
        answers.append(other.answers(part, start))
    coded = {
        name: _group(frame[f"group__{name}"], values, first) for name, values in groups.items()
    }
    return Batch(frame["id"], first.labels(frame), coded, tuple(answers)), frame.select(extra)


def _group(column: pl.Series, values: tuple[GroupValue, ...], source: Shards) -> Group:
    """Code a column by values that are known beforehand."""
    own = Group.from_series(column, source.name)
    place = {value: code for code, value in enumerate(values)}
    codes = np.array([*(place[value] for value in own.values), UNKNOWN], np.int32)
    return Group(codes[own.codes], values)


def _check_order(
    ids: pl.Series, others: pl.Series, first: Shards, other: Shards, start: int
) -> None:
    if ids.equals(others):
        return
    if len(ids) == len(others):
        row = int((ids.cast(pl.String) != others.cast(pl.String)).fill_null(True).arg_true()[0])
        found = f"row {start + row + 1} is {ids[row]!r} and {others[row]!r}"
    else:
        found = f"there are {first.n:,} and {other.n:,} rows"
    raise DataError(
        f"{first.name} and {other.name} do not hold the same samples in the same order: {found}. "
        "To be read a part at a time, files must be sorted alike: sort them by id"
    )
