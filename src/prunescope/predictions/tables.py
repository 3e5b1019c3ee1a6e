"""Prediction files as tables: checking and laying out their columns."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from prunescope.data.columns import check_ids, read_labels, read_text, whole
from prunescope.data.labels import label_columns, read_classes
from prunescope.data.samples import Group, Samples, Task, TrainRates
from prunescope.errors import DataError, shorten
from prunescope.predictions.advice import advise
from prunescope.predictions.metadata import Metadata
from prunescope.predictions.reading import read_table

_EXPECTED = (
    "Expected the columns id, y__<attribute> (or y, the class), logit__<attribute> and optionally "
    "group__<name>, image"
)
MISSING = {"id": "'id'", "y": "y__<attribute> or y", "logit": "logit__<attribute>"}


def samples_from(frame: pl.DataFrame, metadata: Metadata, path: str | Path) -> Samples:
    """Read ids, labels and groups from the columns."""
    if frame.is_empty():
        raise DataError(f"{path}: no samples; expected at least one row")
    require_columns(frame, path, MISSING)
    ids = read_text(frame["id"], str(path))
    check_ids(ids, str(path))
    attributes = _names(frame, "logit__")
    labelled = set(_names(frame, "y__"))
    task: Task = "multiclass" if "y" in frame.columns and not labelled else "multilabel"
    if task == "multiclass":
        labels = read_classes(class_names(frame["y"], attributes), attributes, str(path))[1]
    else:
        check_matched(labelled, attributes, path)
        labels = _labels(frame, attributes, path)
    groups = _groups(frame, path)
    cluster = metadata.dataset.cluster
    return Samples(
        ids=ids,
        attributes=attributes,
        labels=labels,
        groups=groups,
        cluster=cluster if cluster in groups else None,
        images=read_text(frame["image"], str(path)) if "image" in frame.columns else None,
        task=task,
    )


def table_of(samples: Samples, logits: NDArray[np.floating[Any]]) -> pl.DataFrame:
    """Lay out samples and logits in the columns of a prediction file."""
    truth = label_columns(samples)
    names = ["y"] if samples.task == "multiclass" else [f"y__{name}" for name in samples.attributes]
    columns = [samples.ids.alias("id")]
    columns += [column.alias(name) for column, name in zip(truth, names, strict=True)]
    columns += [
        pl.Series(f"logit__{attribute}", logits[:, column])
        for column, attribute in enumerate(samples.attributes)
    ]
    columns += [
        group.to_series(f"group__{group_name}") for group_name, group in samples.groups.items()
    ]
    if samples.images is not None:
        columns.append(samples.images.alias("image"))
    return pl.DataFrame(columns)


def train_rates_from(
    path: str | Path,
    columns: Mapping[str, str] | None = None,
    intersect: Sequence[Sequence[str]] = (),
) -> TrainRates:
    """Read the rates of the training split off its labels.

    Parameters
    ----------
    path : path
        Parquet or CSV with ``y__<attribute>`` (or ``y``) and ``group__<name>`` columns: the
        predictions of any model on the training split, or the same without logits.
    columns : dict, optional
        Our name of a column → the name that it has in the file, as for `Predictions.load`. What
        is no label may be absent.
    intersect : sequence of sequences of str
        Groups to cross, whose rates are told too.

    Raises
    ------
    DataError
        The file is absent or damaged, has no labels, or a label makes no sense.
    """
    path = Path(path)
    frame, metadata = read_table(path, columns, optional=("id", "image", "logit__", "group__"))
    if frame.is_empty():
        raise DataError(f"{path}: no samples; expected at least one row")
    require_columns(frame, path, ("y",))
    if "y" in frame.columns:
        classes = _names(frame, "logit__")
        given = class_names(frame["y"], classes)
        attributes, labels = read_classes(given, classes or None, str(path))
    else:
        attributes = _names(frame, "y__")
        labels = _labels(frame, attributes, path)
    ids = pl.Series([str(row) for row in range(frame.height)], dtype=pl.String)
    groups = _groups(frame, path)
    cluster = metadata.dataset.cluster
    cluster = cluster if cluster in groups else None
    samples = Samples(ids, attributes, labels, groups, cluster=cluster)
    return samples.crossed(intersect).rates()


def check_matched(labelled: Collection[str], attributes: Collection[str], path: str | Path) -> None:
    """Raise a `DataError` where an attribute has labels and no scores, or the reverse."""
    if unmatched := sorted(set(labelled).symmetric_difference(attributes)):
        raise DataError(
            f"{path}: {shorten(unmatched)} stand only as y__ or only as logit__ columns: "
            "expected both of every attribute. Add what is missing, or leave these columns out "
            "(of the file, or of a mapping with *)"
        )


def require_columns(frame: pl.DataFrame, path: str | Path, needed: Collection[str]) -> None:
    """Raise a `DataError` with a suggestion where columns are missing.

    Parameters
    ----------
    frame : polars.DataFrame
        The table or, for the sake of its names, its first rows.
    path : path
    needed : collection of {"id", "y", "logit"}
    """
    there = {
        "id": "id" in frame.columns,
        "y": "y" in frame.columns or bool(_names(frame, "y__")),
        "logit": bool(_names(frame, "logit__")),
    }
    missing = [role for role in needed if not there[role]]
    if missing:
        raise DataError(
            f"{path}: no column {', '.join(MISSING[role] for role in missing)}. {_EXPECTED}; "
            f"found {shorten((name or repr(name) for name in frame.columns), 12)}.\n"
            f"{advise(frame, missing)}"
        )


def _names(frame: pl.DataFrame, family: str) -> tuple[str, ...]:
    """Return the attributes of the columns that start so."""
    return tuple(
        name.removeprefix(family)
        for name in frame.columns
        if name.startswith(family) and name != family
    )


def _labels(frame: pl.DataFrame, attributes: tuple[str, ...], path: str | Path) -> NDArray[np.int8]:
    """Read the columns ``y__*``."""
    return np.stack([label_codes(frame[f"y__{name}"], str(path)) for name in attributes], axis=1)


def label_codes(column: pl.Series, source: str) -> NDArray[np.int8]:
    """Read one column of labels; NaN means unlabelled."""
    column = whole(column)
    if column.dtype.is_nested():
        raise DataError(
            f"{source}: column {column.name!r} holds {column.dtype}: expected labels (0, 1, true, "
            "false), in one column per attribute"
        )
    if column.dtype.is_signed_integer() and (negative := (column == -1).arg_true()).len():
        raise DataError(
            f"{source}: row {negative[0] + 1} of column {column.name!r} is -1: expected a label "
            "(0, 1, true, false) or nothing. Write 0 if -1 means false, nothing if it means unknown"
        )
    return read_labels(column, source)


def class_names(column: pl.Series, classes: Collection[str]) -> pl.Series:
    """Return a column of class names, as they are written; 3.0 means 3 where there is no 3.0."""
    column = whole(column)
    if column.dtype != pl.String:
        return column
    short = column.str.replace(r"^(\d+)\.0$", "$1")
    if not set(column.filter(column != short)) & set(classes):
        column = short
    return column.set(column == "", None).cast(pl.Categorical)


def _groups(frame: pl.DataFrame, path: str | Path) -> dict[str, Group]:
    """Read the columns ``group__*``."""
    return {
        name: Group.from_series(frame[f"group__{name}"], str(path))
        for name in _names(frame, "group__")
    }
