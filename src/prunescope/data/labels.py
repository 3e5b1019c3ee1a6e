"""The columns of a table ↔ samples, with their labels, groups and splits."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import numpy as np
import polars as pl
from numpy.typing import NDArray

from prunescope.data.columns import UNKNOWN, check_ids, read_labels, whole
from prunescope.data.config import Columns
from prunescope.data.samples import Group, Samples, Task
from prunescope.errors import DataError, one_of, shorten

_BINARY_WORDS = ("0", "1", "false", "true")
_SPLITS = {
    **{name: name for name in ("train", "val", "test")},
    **dict.fromkeys(("valid", "validation", "dev"), "val"),
}
_CODED_SPLITS = {"0": "train", "1": "val", "2": "test"}


def read_samples(
    frame: pl.DataFrame, columns: Columns, source: str
) -> tuple[Samples, NDArray[np.str_]]:
    """Read the N samples of a table and the split of each, as an array (N,).

    A column of text is read as what all of it spells: truth values, whole numbers, numbers, or
    text. An id is kept as it is written.

    Raises
    ------
    DataError
        A column does not exist, a label is not 0, 1, true, false or empty, an id is repeated, a
        group holds fractions, or there is no row or no attribute; with the row where it has one.
    """
    if frame.is_empty():
        raise DataError(f"{source} has no row: expected at least one sample")
    groups = columns.groups or ()
    attributes = () if columns.label else columns.attributes or ()
    for name in (*attributes, *groups, columns.cluster, columns.label, id_column(frame, columns)):
        if name is not None:
            _check_column(name, frame, source)
    splits = read_splits(frame, columns.split_column, source)
    ids, images = _read_ids(frame, columns, source)
    read = {name: read_group(frame[name], source) for name in groups}
    if columns.cluster is not None:
        read[columns.cluster] = Group.from_series(typed(frame[columns.cluster]), source)
    task: Task = "multilabel"
    if columns.label is not None:
        task = "multiclass"
        attributes, labels = read_classes(frame[columns.label], columns.attributes, source)
    else:
        attributes = columns.attributes or find_attributes(frame, columns, source)
        labels = np.stack([read_labels(typed(frame[name]), source) for name in attributes], axis=1)
    samples = Samples(ids, attributes, labels, read, columns.cluster, images, task)
    return samples, splits


def id_column(frame: pl.DataFrame, columns: Columns) -> str | None:
    """Return the column of ids, or None where the image's path stands for it."""
    if columns.id_column == columns.image_column:
        return None
    return columns.id_column or ("id" if "id" in frame.columns else None)


def typed(column: pl.Series) -> pl.Series:
    """Turn a column of text into the booleans, integers or floats that all of it spells, if any.

    Empty cells and NaN become null, and floats become integers if all are whole. Numbers with
    leading zeros stay text: they are names.

    Examples
    --------
    >>> typed(pl.Series(["3", "", "12"])).to_list()
    [3, None, 12]
    >>> typed(pl.Series(["03", "12"])).to_list()
    ['03', '12']
    """
    if column.dtype != pl.String:
        return whole(column)
    column = column.set(column == "", None)
    known = column.drop_nulls()
    integers = known.cast(pl.Int64, strict=False)
    if not integers.has_nulls():
        same = bool((integers.cast(pl.String) == known).all())
        return column.cast(pl.Int64) if same else column
    if not known.cast(pl.Float64, strict=False).has_nulls():
        return whole(column.cast(pl.Float64))
    if known.str.to_lowercase().is_in(("false", "true")).all():
        return column.str.to_lowercase() == "true"
    return column


def read_group(column: pl.Series, source: str) -> Group:
    """Read a group; a column of 0 and 1, or of true and false, has the values False and True.

    Raises
    ------
    DataError
        The column holds fractions, dates or other things that are no categories.

    Examples
    --------
    >>> read_group(pl.Series("Male", ["0", "1", ""]), "faces.csv")
    Group(codes=array([ 0,  1, -1], dtype=int32), values=(False, True))
    """
    column = typed(column)
    if _share_binary(column) == 1:
        codes = pl.Series(column.name, read_labels(column, source))
        column = codes.replace(UNKNOWN, None).cast(pl.Boolean)
    return Group.from_series(column, source)


def read_classes(
    column: pl.Series, classes: tuple[str, ...] | None, source: str
) -> tuple[tuple[str, ...], NDArray[np.int8]]:
    """Read a column of class names as (the K classes, one-hot rows (N, K)).

    Without `classes` they are the column's values, sorted. A null gives a row of -1.

    Raises
    ------
    DataError
        A value is not among the `classes`, or there are neither values nor `classes`.

    Examples
    --------
    >>> read_classes(pl.Series(["b", "a", None]), None, "pets.csv")
    (('a', 'b'), array([[ 0,  1],
           [ 1,  0],
           [-1, -1]], dtype=int8))
    """
    group = Group.from_series(typed(column), source)
    found = tuple(str(value) for value in group.values)
    if not (found or classes):
        raise DataError(f"{source}: column {column.name!r} has no class: every cell is empty")
    classes = classes or found
    position = {name: code for code, name in enumerate(classes)}
    if strange := [name for name in found if name not in position]:
        row = int(np.flatnonzero(group.codes == found.index(strange[0]))[0])
        raise DataError(
            f"{source}: row {row + 1} of column {column.name!r}: "
            + one_of("class", strange[0], classes)
        )
    codes = np.array([*(position[name] for name in found), UNKNOWN])[group.codes]
    labels: NDArray[np.int8] = (codes[:, None] == np.arange(len(classes))).astype(np.int8)
    labels[codes == UNKNOWN] = UNKNOWN
    return classes, labels


def find_attributes(frame: pl.DataFrame, columns: Columns, source: str) -> tuple[str, ...]:
    """Return the columns of 0/1/true/false that have no role but, perhaps, that of a group.

    A column that is mostly, but not wholly, of that kind is taken for one with a mistake in it.
    """
    roles = (columns.split_column, columns.id_column, columns.image_column, columns.cluster, "id")
    found = []
    for column in frame:
        share = 0.0 if column.name in roles else _share_binary(typed(column))
        if 0.5 < share < 1 and column.name not in (columns.groups or ()):
            try:
                read_labels(typed(column), source)
            except DataError as error:
                raise DataError(f"{error}; if it is no attribute, name those that are") from None
        if share == 1 or (column.dtype == pl.Boolean and column.name not in roles):
            found.append(column.name)
    if not found:
        raise DataError(
            f"{source} has no column of 0/1/true/false to predict: its columns are "
            f"{shorten(frame.columns)}; for classes, name the label column"
        )
    return tuple(found)


def read_splits(frame: pl.DataFrame, name: str, source: str) -> NDArray[np.str_]:
    """Read the split of each sample.

    ``valid``, ``validation`` and ``dev`` mean ``val``, in any case, and so for ``train``, ``val``
    and ``test``; a column of nothing but 0, 1 and 2 means CelebA's train, val and test; any other
    name stays as it is. Without a column `name` = ``split`` all samples are in ``test``.

    Raises
    ------
    DataError
        A sample has no split, or there is no column of another `name`.

    Examples
    --------
    >>> read_splits(pl.DataFrame({"split": ["Train", "dev", "extra"]}), "split", "a.csv").tolist()
    ['train', 'val', 'extra']
    >>> read_splits(pl.DataFrame({"part": [0, 1, 2]}), "part", "a.csv").tolist()
    ['train', 'val', 'test']
    """
    if name == "split" and name not in frame.columns:
        return np.full(frame.height, "test")
    _check_column(name, frame, source)
    text = typed(frame[name]).cast(pl.String)
    if text.has_nulls():
        row = int(text.is_null().arg_true()[0]) + 1
        raise DataError(f"{source}: row {row} has no {name}: every sample needs one")
    coded = set(text.unique()) <= _CODED_SPLITS.keys()
    words = {
        value: _CODED_SPLITS[value] if coded else _SPLITS.get(value.lower(), value)
        for value in text.unique()
    }
    return np.array([words[value] for value in text], dtype=np.str_)


def to_frame(samples: Samples, splits: NDArray[np.str_], images: Iterable[str]) -> pl.DataFrame:
    """Return the table that `read_samples` reads back, with the roles of `columns_of`.

    Raises
    ------
    DataError
        Two columns would have one name.
    """
    columns = [
        samples.ids.alias("id"),
        pl.Series("image", list(images), dtype=pl.String),
        pl.Series("split", splits.tolist(), dtype=pl.String),
        *label_columns(samples),
    ]
    named = {column.name: column for column in columns}
    for name, group in samples.groups.items():
        column = group.to_series(name)
        if not (name in samples.attributes and name in named and named[name].equals(column)):
            columns.append(column)
    _check_distinct([column.name for column in columns])
    return pl.DataFrame(columns)


def label_columns(samples: Samples) -> list[pl.Series]:
    """Return a boolean column per attribute, or one column ``label`` of class names.

    Examples
    --------
    >>> samples = Samples(pl.Series(["a", "b"]), ("Bald",), np.array([[1], [-1]], np.int8))
    >>> [(column.name, column.to_list()) for column in label_columns(samples)]
    [('Bald', [True, None])]
    """
    if samples.task == "multilabel":
        return [
            pl.Series(name, codes).replace(UNKNOWN, None).cast(pl.Boolean)
            for name, codes in zip(samples.attributes, samples.labels.T, strict=True)
        ]
    names = pl.Series(samples.attributes, dtype=pl.String).gather(samples.labels.argmax(axis=1))
    unknown = pl.Series((samples.labels == UNKNOWN).all(axis=1))
    return [names.set(unknown, None).alias("label")]


def columns_of(samples: Samples) -> Columns:
    """Return the roles of the columns that `to_frame` writes."""
    return Columns(
        attributes=samples.attributes,
        label="label" if samples.task == "multiclass" else None,
        groups=tuple(name for name in samples.groups if name != samples.cluster),
        cluster=samples.cluster,
        id_column="id",
    )


def _read_ids(
    frame: pl.DataFrame, columns: Columns, source: str
) -> tuple[pl.Series, pl.Series | None]:
    """Return ids and image names; where neither id nor path is there, ids are row numbers."""
    rows = pl.Series(range(1, frame.height + 1)).cast(pl.String)
    ids, images = rows, None
    if columns.image_column in frame.columns:
        paths = frame[columns.image_column].cast(pl.String)
        ids = images = paths.zip_with(paths.is_not_null(), rows)
    name = id_column(frame, columns)
    if name is not None:
        ids = frame[name].cast(pl.String)
    check_ids(ids, source)
    return ids.alias("id"), images


def _share_binary(column: pl.Series) -> float:
    """Return the share of 0, 1, true and false among the cells that are not null; 0 if none is."""
    known = column.drop_nulls()
    if known.is_empty() or known.dtype == pl.Boolean:
        return float(not known.is_empty())
    if known.dtype.is_numeric():
        hits = (known == 0) | (known == 1)
    else:
        hits = known.cast(pl.String).str.to_lowercase().is_in(_BINARY_WORDS)
    return int(hits.sum()) / len(known)


def _check_column(name: str, frame: pl.DataFrame, source: str) -> None:
    """Raise an error with the nearest names if a column does not exist."""
    if name not in frame.columns:
        raise DataError(f"{source}: {one_of('column', name, frame.columns)}")


def _check_distinct(names: Collection[str]) -> None:
    """Raise an error if two columns to be written have one name."""
    repeated = sorted({name for name in names if list(names).count(name) > 1})
    if repeated:
        raise DataError(
            f"cannot write one table with two columns {shorten(repeated)}: an attribute or group "
            "has the name of another column; rename it"
        )
