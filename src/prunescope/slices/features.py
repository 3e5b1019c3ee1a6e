"""What slices can be made of: the columns that are there already, and where an embedding lies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import polars as pl

from prunescope.data.columns import UNKNOWN, whole
from prunescope.data.samples import Group
from prunescope.errors import ConfigError, DataError, shorten
from prunescope.predictions import Predictions
from prunescope.predictions.given import table_of_columns
from prunescope.predictions.ids import ABSENT, explain, places_of
from prunescope.predictions.reading import read_table
from prunescope.predictions.scores import sigmoid
from prunescope.slices.rules import CLASS, OF_ALL, Column, Feature, Flags

MOST_COLUMNS = 200
"""Columns of metadata that are searched at most."""

FEW = 12
"""Whole numbers of so many values at most are categories."""

DATE = r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}.*)?$"

OFTEN, MORE, BEYOND_CHANCE = 0.05, 1.2, 3.0
"""A trait of a slice: its share there at least, in shares elsewhere at least, and by how many
standard errors it is larger."""


def known_columns(
    dense: Predictions, metadata: pl.DataFrame | None, features: Iterable[Feature] | None = None
) -> dict[Feature, Column]:
    """Return what is known of the samples without an embedding.

    Parameters
    ----------
    dense : Predictions
        N samples.
    metadata : polars.DataFrame, optional
        Columns beside ``id``, of N rows in the order of the samples; see `read_metadata`.
    features : iterable of Feature, optional
        Only these; by default all.

    Raises
    ------
    DataError
        A feature that is asked for is not there.
    """
    found = _answers_of(dense)
    cluster = dense.samples.cluster
    for name, group in dense.samples.groups.items():
        if name != cluster:
            found[Feature(kind="group", name=name)] = group
    for column in () if metadata is None else metadata.drop("id").iter_columns():
        found[Feature(kind="metadata", name=column.name)] = _column_of(column)
    if features is None:
        return found
    asked = [one for one in features if not one.of_embedding]
    if lacking := [str(one) for one in asked if one not in found]:
        raise DataError(
            f"{dense.name} and its metadata do not tell {shorten(lacking)}, which the slices ask "
            "for: expected the attributes, groups and columns that they were found with"
        )
    return {one: found[one] for one in asked}


def _answers_of(dense: Predictions) -> dict[Feature, Column]:
    """Return labels, the dense model's answers, and how sure it is of them."""
    found: dict[Feature, Column] = {}
    labels = dense.samples.labels
    if dense.samples.task == "multiclass":
        names = dense.attributes
        labelled = (labels == 1).any(axis=1)
        codes = np.where(labelled, labels.argmax(axis=1), UNKNOWN).astype(np.int32)
        found[Feature(kind="label", name=CLASS)] = Group(codes, names)
        answers = dense.logits.argmax(axis=1).astype(np.int32)
        found[Feature(kind="answer", name=CLASS)] = Group(answers, names)
        found[Feature(kind="sure", name=OF_ALL)] = dense.probabilities.max(axis=1)
        return found
    limits = 0.0 if dense.thresholds is None else dense.thresholds
    sure = sigmoid(np.abs(dense.logits - limits))
    for number, name in enumerate(dense.attributes):
        label = Group(labels[:, number].astype(np.int32), (False, True))
        found[Feature(kind="label", name=name)] = label
        answer = Group(dense.decisions[:, number].astype(np.int32), (False, True))
        found[Feature(kind="answer", name=name)] = answer
        found[Feature(kind="sure", name=name)] = sure[:, number]
    if len(dense.attributes) > 1:
        found[Feature(kind="sure", name=OF_ALL)] = sure.mean(axis=1)
    return found


def _column_of(column: pl.Series) -> Column:
    """Read a column: fractions and many whole numbers are numbers, the rest are categories."""
    column = whole(column)
    if column.dtype.is_float() or (column.dtype.is_integer() and column.n_unique() > FEW):
        numbers = column.cast(pl.Float64).fill_null(np.nan).to_numpy().astype(np.float64)
        return np.where(np.isfinite(numbers), numbers, np.nan)
    return Group.from_series(column, "metadata")


def read_metadata(given: object, ids: pl.Series, source: str = "metadata") -> pl.DataFrame:
    """Bring a table of metadata onto the samples, by its column ``id``.

    Parameters
    ----------
    given : frame of polars or pandas, or path of a .csv or .parquet file
    ids : polars.Series of String (N,)
        Of the samples.
    source : str
        What messages call the table.

    Returns
    -------
    polars.DataFrame
        A row per sample; empty cells where the table lacks it.

    Raises
    ------
    DataError
        It is no table, there is no column ``id``, or no other, or an id repeats, or none is a
        sample's, or a column holds neither text nor numbers nor booleans.
    ConfigError
        There are too many columns.
    """
    frame = _table_of(given, source)
    if "id" not in frame.columns:
        raise DataError(f"{source}: no column 'id': got {shorten(frame.columns)}")
    if not 1 < len(frame.columns) <= MOST_COLUMNS + 1:
        raise ConfigError(
            f"{source} has {len(frame.columns) - 1:,} columns beside 'id': expected 1 to "
            f"{MOST_COLUMNS}; keep those that could matter"
        )
    for column in frame.drop("id").iter_columns():
        kind = "dates" if _is_dates(column) else column.dtype
        if (
            isinstance(kind, str)
            or kind.is_nested()
            or kind.is_temporal()
            or kind in (pl.Binary, pl.Object)
        ):
            raise DataError(
                f"{source}: column {column.name!r} holds {kind}: expected text, numbers or "
                "booleans; leave it out or turn it into one of these, such as a number of days"
            )
    own = frame["id"].cast(pl.String)
    if own.null_count() or own.n_unique() < len(own):
        wrong = own.filter(own.is_null() | own.is_duplicated())[0]
        raise DataError(f"{source}: id {wrong!r}: expected every id once, and none empty")
    places = places_of(ids, own)
    if not (places != ABSENT).any():
        raise DataError(
            f"{source} knows none of the samples: their ids look like {shorten(ids.head(1))}, its "
            f"own like {shorten(own.head(1))}{explain(ids, own, 'the samples', source)}"
        )
    rows = pl.Series(places).replace(ABSENT, None)
    return frame.select(pl.all().gather(rows)).with_columns(ids.alias("id"))


def _is_dates(column: pl.Series) -> bool:
    """Whether it is text that holds dates as ISO 8601 writes them, with or without a time."""
    told = column.drop_nulls() if column.dtype == pl.String else column.head(0)
    return bool(len(told)) and bool(told.str.contains(DATE).all())


def _table_of(given: object, source: str) -> pl.DataFrame:
    if isinstance(given, pl.DataFrame):
        return given
    if isinstance(given, str | Path):
        return read_table(Path(given), what=source)[0]
    frame = table_of_columns(given, source)
    if frame is None:
        raise DataError(
            f"{source} ({type(given).__name__}): expected a frame of polars or pandas, or the path "
            "of a .csv or .parquet file, with a column 'id'"
        )
    return frame


def levels_of(column: Column, seen: Flags, most: int) -> list[bool | int | str]:
    """Return the values of a category that are worth a look: the most frequent ones."""
    assert isinstance(column, Group)
    codes = column.codes[seen & (column.codes != UNKNOWN)]
    counts = np.bincount(codes, minlength=len(column.values))
    order = np.argsort(-counts, kind="stable")[:most]
    return [column.values[code] for code in order if counts[code]]


def shares_within(
    columns: Mapping[Feature, Column], members: Flags
) -> list[tuple[str, str, float, float]]:
    """Tell which labels, groups and values are over-represented among some samples.

    Returns
    -------
    list of (name of the feature, words, share inside, share outside)
        The largest ratio of shares first; without those that are seldom inside, hardly more
        frequent than outside, or no more so than chance would have it.
    """
    found = []
    for feature, column in columns.items():
        if feature.kind not in ("label", "group", "metadata") or not isinstance(column, Group):
            continue
        known = column.codes != UNKNOWN
        inside = np.bincount(column.codes[known & members], minlength=len(column.values))
        outside = np.bincount(column.codes[known & ~members], minlength=len(column.values))
        n_inside, n_outside = inside.sum(), outside.sum()
        if not n_inside or not n_outside:
            continue
        for code, value in enumerate(column.values):
            if len(column.values) == 2 and value is False:
                continue
            share, rest = inside[code] / n_inside, outside[code] / n_outside
            pooled = (inside[code] + outside[code]) / (n_inside + n_outside)
            error = np.sqrt(pooled * (1 - pooled) * (1 / n_inside + 1 / n_outside))
            if share >= OFTEN and share >= MORE * rest and share - rest > BEYOND_CHANCE * error:
                words = feature.name if value is True else f"{feature.name} {value}"
                ratio = share / max(rest, 1 / n_outside)
                found.append((ratio, feature.name, words, float(share), float(rest)))
    found.sort(key=lambda one: -one[0])
    return [(name, words, share, rest) for _, name, words, share, rest in found]
