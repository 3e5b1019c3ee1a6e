"""Samples and logits out of what a caller holds in memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from prunescope.data.columns import UNKNOWN, check_ids, read_text, whole
from prunescope.data.labels import read_classes
from prunescope.data.samples import Group, Samples, Task
from prunescope.errors import ConfigError, DataError, shorten
from prunescope.predictions.given import (
    Matrix,
    column_of,
    columns_of,
    index_of,
    only_counts,
    table_of_columns,
)
from prunescope.predictions.scores import check_scores, logits_of, warn_of_scores
from prunescope.predictions.tables import class_names, label_codes

ONE = "positive"
"""What the one attribute is called that has no name."""


def logits_in(matrix: Matrix, samples: Samples, scores: str) -> NDArray[np.floating[Any]]:
    """Return the logits (N, A) that scores are, in the order of the samples' attributes.

    Raises
    ------
    DataError
        They have other rows or columns than the samples.
    ConfigError
        There is no such kind of scores.
    """
    check_scores(scores)
    n, width = matrix.values.shape
    noun = "class" if samples.task == "multiclass" else "attribute"
    if n != len(samples):
        raise DataError(f"{matrix.argument} has {n:,} rows: expected {len(samples):,} samples")
    values = matrix.values
    told = samples.attributes != (ONE,)
    if told and matrix.names is not None and set(matrix.names) != set(samples.attributes):
        raise DataError(
            f"the columns of {matrix.argument} are {shorten(matrix.names)}: expected one per "
            f"{noun}, {shorten(samples.attributes)}"
        )
    if width != len(samples.attributes):
        raise DataError(
            f"{matrix.argument} has {width} columns: expected {len(samples.attributes)}, one per "
            f"{noun} ({shorten(samples.attributes)})"
        )
    if width > 1 and matrix.names is not None and matrix.names != samples.attributes:
        values = values[:, [matrix.names.index(name) for name in samples.attributes]]
    warn_of_scores(values, scores, matrix.argument)
    if scores == "probability":
        return logits_of(values, samples, matrix.argument)
    return values


def samples_of(
    matrices: Sequence[Matrix],
    labels: object | None,
    *,
    attributes: Iterable[str] | None = None,
    classes: Iterable[object] | None = None,
    groups: object | None = None,
    ids: object | None = None,
    cluster: str | None = None,
) -> Samples:
    """Make the samples that scores of one or several models are about; see `Predictions.of`.

    Without `labels` nothing is known of them.
    """
    first = matrices[0]
    n, width = first.values.shape
    if attributes is not None and classes is not None:
        raise ConfigError(
            "attributes and classes are both given: attributes are true or false each, and of "
            "classes one is chosen"
        )
    columns, named = ([], False) if labels is None else columns_of(labels, "labels")
    read = read_groups(groups)
    read_ids = None if ids is None else read_text(whole(column_of(ids, "ids")), "ids")
    lengths = [(one.argument, len(one.values)) for one in matrices]
    lengths += [("labels", len(columns[0]))] if columns else []
    lengths += [(f'groups["{name}"]', len(column)) for name, column in read.items()]
    lengths += [] if read_ids is None else [("ids", len(read_ids))]
    _check_lengths(lengths, first)
    index = common_index(
        [
            *((one.argument, one.index) for one in matrices),
            ("labels", index_of(labels)),
            *_indexes_of(groups),
            ("ids", index_of(ids)),
        ]
    )
    one_class = classes is not None or (attributes is None and len(columns) == 1 and width > 1)
    task: Task = "multiclass" if one_class else "multilabel"
    if named and attributes is not None and len(columns) == 1:
        named = table_of_columns(labels, "labels") is not None  # the name of a column gives way
    if one_class:
        names, codes = _classes(columns, classes, first)
    else:
        names, codes = _attributes(columns, named, attributes, first)
    if read_ids is None:
        read_ids = index if index is not None else pl.Series(range(n)).cast(pl.String)
    check_ids(read_ids, "ids")
    coded = {name: Group.from_series(column, f'groups["{name}"]') for name, column in read.items()}
    return Samples(read_ids.alias("id"), names, codes, coded, cluster, task=task)


def read_groups(groups: object | None) -> dict[str, pl.Series]:
    """Read groups: a mapping of names to columns, or a frame."""
    if groups is None:
        return {}
    if isinstance(groups, Mapping):
        return {
            str(name): column_of(column, f'groups["{name}"]', str(name))
            for name, column in groups.items()
        }
    frame = table_of_columns(groups, "groups")
    if frame is None:
        raise ConfigError(
            f"groups ({type(groups).__name__}): expected {{name: values}}, or a frame with a "
            "column for each"
        )
    return {column.name: column for column in frame}


def common_index(indexes: Iterable[tuple[str, object | None]]) -> pl.Series | None:
    """Return the index of pandas objects as ids, None where there is none that names rows.

    Raises
    ------
    DataError
        Two of them differ: their rows may not be those of the same samples. One that only counts
        the rows differs from one in another order, too.
    """
    told = [(argument, index) for argument, index in indexes if index is not None]
    if all(only_counts(index) for _, index in told):
        return None
    for (one, mine), (other, theirs) in pairwise(told):
        if not mine.equals(theirs):  # type: ignore[attr-defined]
            raise DataError(
                f"{one} and {other} have different indexes, so their rows may belong to different "
                "samples: bring both in one order (.loc), or drop the index "
                "(.reset_index(drop=True))"
            )
    index: Any = told[0][1]
    if index.nlevels > 1 or not index.is_unique or index.hasnans:
        return None
    return whole(column_of(index.to_numpy(), told[0][0])).cast(pl.String)


def _indexes_of(groups: object | None) -> list[tuple[str, object | None]]:
    if isinstance(groups, Mapping):
        return [(f'groups["{name}"]', index_of(column)) for name, column in groups.items()]
    return [("groups", index_of(groups))]


def _check_lengths(lengths: Sequence[tuple[str, int]], first: Matrix) -> None:
    """Raise where an argument has not as many rows as the first."""
    n, width = first.values.shape
    for argument, length in lengths:
        if length != n:
            turned = length == width and argument != first.argument
            hint = ": is one of the two transposed?" if turned else ""
            raise DataError(
                f"{argument} has {length:,} rows; {first.argument} has {n:,}: expected one row "
                f"per sample in each{hint}"
            )


def _attributes(
    columns: Sequence[pl.Series],
    named: bool,
    attributes: Iterable[str] | None,
    first: Matrix,
) -> tuple[tuple[str, ...], NDArray[np.int8]]:
    """Read the labels of attributes: their names, and codes (N, A)."""
    n, width = first.values.shape
    theirs = tuple(column.name for column in columns) if named else None
    given = _names("attributes", attributes)
    names = given or (theirs if width == 1 else None) or first.names or theirs
    if names is None:
        if width > 1:
            raise ConfigError(
                f"{first.argument} has {width} columns without names: say what they are by "
                "attributes=[...], or by classes=[...] where one of them is chosen"
            )
        names = (ONE,)
    if len(names) != width:
        raise DataError(
            f"{first.argument} has {width} columns: expected {len(names)}, one per attribute "
            f"({shorten(names)})"
        )
    if not columns:
        return names, np.full((n, width), UNKNOWN, np.int8)
    if len(columns) != width:
        raise DataError(
            f"labels has {len(columns)} columns; {first.argument} has {width}: expected one per "
            "attribute in each. If one of several classes is chosen, leave out attributes, or say "
            "classes=[...]"
        )
    if theirs is not None:
        if set(theirs) != set(names):
            raise DataError(
                f"the columns of labels are {shorten(theirs)}: expected one per attribute, "
                f"{shorten(names)}"
            )
        columns = [columns[theirs.index(name)] for name in names]
    codes = [
        label_codes(column.alias(name), "labels")
        for column, name in zip(columns, names, strict=True)
    ]
    return names, np.stack(codes, axis=1)


def _classes(
    columns: Sequence[pl.Series], classes: Iterable[object] | None, first: Matrix
) -> tuple[tuple[str, ...], NDArray[np.int8]]:
    """Read labels that name one of the classes, or count its place: names, one-hot rows (N, K)."""
    n, width = first.values.shape
    given = None if classes is None else list(classes)
    counted = given is not None and all(
        isinstance(one, int | np.integer) and not isinstance(one, bool) for one in given
    )
    told = _names("classes", None if given is None else map(str, given)) or first.names
    names = told or tuple(map(str, range(width)))
    if len(names) != width:
        raise DataError(
            f"{first.argument} has {width} columns: expected {len(names)}, one per class "
            f"({shorten(names)})"
        )
    if not columns:
        return names, np.full((n, width), UNKNOWN, np.int8)
    if len(columns) > 1:
        raise DataError(
            f"labels has {len(columns)} columns: expected one class per sample, (N,). Rows with a "
            "single 1 become classes by labels.argmax(axis=1)"
        )
    column = whole(columns[0])
    if column.dtype == pl.Boolean:
        column = column.cast(pl.Int8)
    if column.dtype.is_integer() and not counted:
        column = _named(column, names)
    elif not column.dtype.is_integer() and told is None:
        raise ConfigError(
            f"labels hold {column.dtype}, and nothing tells which column of {first.argument} is "
            "which class: say the classes in the order of the columns by classes=[...]"
        )
    column = class_names(column.cast(pl.String), names).alias("labels")
    return names, read_classes(column, names, "labels")[1]


def _named(places: pl.Series, names: tuple[str, ...]) -> pl.Series:
    """Turn places of classes, from 0 on, into their names."""
    numbered = all(name.isdecimal() for name in names)
    if numbered and names != tuple(map(str, range(len(names)))):
        raise ConfigError(
            f"labels are whole numbers, and the classes are called {shorten(names)}: are labels "
            "their places or their names? For names give classes as numbers, for places give "
            "classes other names"
        )
    wrong = (places < 0) | (places >= len(names))
    if wrong.any():
        row = int(wrong.arg_true()[0])
        raise DataError(
            f"labels: row {row + 1} (counted from 1) is {places[row]}: expected the place of a "
            f"class, 0 to {len(names) - 1}, or NaN where it is not known"
        )
    return pl.Series(names, dtype=pl.String).gather(places.cast(pl.Int64))


def _names(argument: str, names: Iterable[object] | None) -> tuple[str, ...] | None:
    """Check names that a caller gives."""
    if names is None:
        return None
    if isinstance(names, str):
        raise ConfigError(f"{argument} is {names!r}: expected a list of names")
    found = tuple(map(str, names))
    if len(set(found)) < len(found):
        raise ConfigError(f"{argument}: two have one name: {shorten(found)}")
    return found
