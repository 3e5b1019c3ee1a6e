"""Prediction files as tables: reading, checking and laying out their columns."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import ValidationError
from scipy.special import logit

from prunescope.data.labels import label_columns, read_classes
from prunescope.data.samples import (
    Group,
    Samples,
    Task,
    TrainRates,
    check_ids,
    read_labels,
    read_text,
)
from prunescope.errors import DataError, shorten
from prunescope.predictions.metadata import Metadata

KEY = "prunescope"
"""Key of the Parquet file's metadata under which the provenance stands."""


def read_table(path: Path) -> tuple[pl.DataFrame, Metadata]:
    """Read the table and its provenance."""
    if not path.is_file():
        raise DataError(f"{path}: no such file; expected predictions as .parquet or .csv")
    try:
        if path.suffix == ".csv":
            return _read_csv(path), Metadata()
        if path.suffix != ".parquet":
            raise DataError(f"{path}: expected a file that ends in .parquet or .csv")
        text = pl.read_parquet_metadata(path).get(KEY)
        frame = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{path}: cannot be read as {path.suffix[1:]}: {reason}") from error
    try:
        return frame, Metadata.model_validate(json.loads(text)) if text else Metadata()
    except (ValidationError, json.JSONDecodeError) as error:
        raise DataError(
            f"{path}: its metadata {KEY!r} is not what format version 1 asks for: {error}"
        ) from error


def _read_csv(path: Path) -> pl.DataFrame:
    """Read CSV: names stay text (007 is no number), groups of True/False or 0/1 become booleans."""
    texts = dict.fromkeys(("id", "y", "image"), pl.String)
    frame = pl.read_csv(path, infer_schema_length=None, schema_overrides=texts)
    frame.columns = [name.replace('""', '"') for name in frame.columns]  # polars leaves them so
    booleans = [
        column.name
        for column in frame
        if column.name.startswith("group__")
        and column.dtype == pl.String
        and set(column.drop_nulls().unique()) in ({"True"}, {"False"}, {"True", "False"})
    ]
    binary = [
        column.name
        for column in frame
        if column.name.startswith("group__")
        and column.dtype.is_integer()
        and set(column.drop_nulls().unique()) <= {0, 1}
    ]
    return frame.with_columns(pl.col(booleans) == "True", pl.col(binary).cast(pl.Boolean))


def samples_from(frame: pl.DataFrame, metadata: Metadata, path: Path) -> Samples:
    """Read ids, labels and groups from the columns."""
    if "id" not in frame.columns:
        raise DataError(
            f"{path}: no column 'id'. Expected the columns id, y__<attribute>, logit__<attribute> "
            f"and optionally group__<name>, image; found {shorten(frame.columns)}"
        )
    if frame.is_empty():
        raise DataError(f"{path}: no samples; expected at least one row")
    ids = read_text(frame["id"], str(path))
    check_ids(ids, str(path))
    attributes = tuple(
        column.removeprefix("logit__") for column in frame.columns if column.startswith("logit__")
    )
    if not attributes:
        raise DataError(f"{path}: no column logit__<attribute>; found {shorten(frame.columns)}")
    labelled = {name.removeprefix("y__") for name in frame.columns if name.startswith("y__")}
    task: Task = "multiclass" if "y" in frame.columns and not labelled else "multilabel"
    if task == "multiclass":
        labels = read_classes(frame["y"], attributes, str(path))[1]
    else:
        if unmatched := sorted(labelled.symmetric_difference(attributes)):
            raise DataError(
                f"{path}: {shorten(unmatched)} stand only as y__ or only as logit__ columns: "
                "expected both of every attribute"
            )
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


def scores_from(
    frame: pl.DataFrame, attributes: tuple[str, ...], path: Path
) -> NDArray[np.floating[Any]]:
    """Read the columns ``logit__*``: numbers, none missing."""
    columns = frame.select(f"logit__{attribute}" for attribute in attributes)
    for column in columns:
        if not column.dtype.is_numeric():
            raise DataError(
                f"{path}: column {column.name!r} holds {column.dtype}: expected numbers"
            )
        if column.null_count():
            row = int(column.is_null().arg_true()[0]) + 1
            raise DataError(f"{path}: row {row} of column {column.name!r} is empty")
    single = all(dtype == pl.Float32 for dtype in columns.dtypes)
    kind = pl.Float32 if single else pl.Float64
    return np.ascontiguousarray(columns.cast(kind).to_numpy())


def logits_of(
    probabilities: NDArray[np.floating[Any]], samples: Samples, path: Path
) -> NDArray[np.float64]:
    """Turn probabilities into logits."""
    outside = ~((probabilities >= 0) & (probabilities <= 1))
    if outside.any():
        row, column = np.argwhere(outside)[0]
        raise DataError(
            f"{path}: row {row + 1} of column 'logit__{samples.attributes[column]}' is "
            f"{probabilities[row, column]}: expected probabilities in [0, 1]. If these are logits, "
            "leave out the option for probabilities"
        )
    p = np.clip(probabilities.astype(np.float64), 1e-12, 1 - 1e-12)
    return np.asarray(np.log(p) if samples.task == "multiclass" else logit(p))


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


def train_rates_from(path: str | Path) -> TrainRates:
    """Read the rates of the training split off its labels.

    Parameters
    ----------
    path : path
        Parquet or CSV with ``y__<attribute>`` (or ``y``) and ``group__<name>`` columns: the
        predictions of any model on the training split, or the same without logits.

    Raises
    ------
    DataError
        The file is absent or damaged, has no labels, or a label makes no sense.
    """
    path = Path(path)
    frame, metadata = read_table(path)
    columns = frame.columns
    if "y" in columns:
        names = tuple(c.removeprefix("logit__") for c in columns if c.startswith("logit__"))
        attributes, labels = read_classes(frame["y"], names or None, str(path))
    else:
        attributes = tuple(c.removeprefix("y__") for c in columns if c.startswith("y__"))
        if not attributes:
            raise DataError(f"{path}: no column y__<attribute> or y; found {shorten(columns)}")
        labels = _labels(frame, attributes, path)
    ids = pl.Series([str(row) for row in range(frame.height)], dtype=pl.String)
    groups = _groups(frame, path)
    cluster = metadata.dataset.cluster
    return Samples(
        ids, attributes, labels, groups, cluster=cluster if cluster in groups else None
    ).rates()


def _labels(frame: pl.DataFrame, attributes: tuple[str, ...], path: Path) -> NDArray[np.int8]:
    """Read the columns ``y__*``."""
    return np.stack([read_labels(frame[f"y__{name}"], str(path)) for name in attributes], axis=1)


def _groups(frame: pl.DataFrame, path: Path) -> dict[str, Group]:
    """Read the columns ``group__*``."""
    return {
        column.removeprefix("group__"): Group.from_series(frame[column], str(path))
        for column in frame.columns
        if column.startswith("group__")
    }
