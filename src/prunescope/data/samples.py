"""The samples of a data set without their pixels: who they are and what is true of them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

from prunescope.data.columns import UNKNOWN, check_ids, whole
from prunescope.errors import ConfigError, DataError, one_of, shorten

GroupValue: TypeAlias = bool | int | str
Task: TypeAlias = Literal["multilabel", "multiclass"]


@dataclass(frozen=True)
class Group:
    """A categorical column that splits samples into groups, such as Male or an age band.

    Parameters
    ----------
    codes : array (N,) of int32
        Position in `values` of each sample's value; -1 where it is unknown.
    values : tuple
        The values, sorted; all booleans, all integers or all strings. A boolean column always has
        both values, so that an absent side stays visible.

    Examples
    --------
    >>> Group.from_series(pl.Series("Male", [True, None, True]))
    Group(codes=array([ 1, -1,  1], dtype=int32), values=(False, True))
    """

    codes: NDArray[np.int32]
    values: tuple[GroupValue, ...]

    @classmethod
    def from_series(cls, series: pl.Series, source: str = "") -> Group:
        """Read a column of booleans, integers, whole floats or strings; null and NaN are unknown.

        Raises
        ------
        DataError
            The column has another type, or fractions.
        """
        series = whole(series)
        if series.dtype == pl.Null:
            return cls(np.full(len(series), UNKNOWN, np.int32), ())
        if series.dtype == pl.Boolean:
            codes = series.cast(pl.Int32).fill_null(UNKNOWN)
            return cls(codes.to_numpy().astype(np.int32), (False, True))
        if not (series.dtype.is_integer() or series.dtype in (pl.String, pl.Categorical, pl.Enum)):
            where = f"{source}: " if source else ""
            raise DataError(
                f"{where}group column {series.name!r} holds {series.dtype}: expected booleans, "
                "integers or strings; cut a number into bands first"
            )
        column = series if series.dtype.is_integer() else series.cast(pl.String)
        values = column.drop_nulls().unique().sort()
        codes = column.replace_strict(
            values, pl.arange(len(values), eager=True), default=UNKNOWN, return_dtype=pl.Int32
        )
        return cls(codes.fill_null(UNKNOWN).to_numpy().astype(np.int32), tuple(values.to_list()))

    def to_series(self, name: str) -> pl.Series:
        """Return the column of values, null where unknown; `from_series` reads it back."""
        if not self.values:
            return pl.Series(name, [None] * len(self.codes), dtype=pl.Boolean)
        codes = pl.Series(self.codes, dtype=pl.Int64)
        known = pl.Series(name, list(self.values))
        return known.gather(codes.replace(UNKNOWN, None)).alias(name)

    @staticmethod
    def cross(groups: Mapping[str, Group]) -> Group:
        """Return the intersections of groups: one value per combination, absent ones too.

        Unknown where any of them is.

        Examples
        --------
        >>> male, young = (Group.from_series(pl.Series(c)) for c in ([True, False], [True, None]))
        >>> crossed = Group.cross({"Male": male, "Young": young})
        >>> crossed.codes.tolist(), crossed.values[3]
        ([3, -1], 'Male=True, Young=True')
        """
        codes: NDArray[np.int32] = np.zeros(1, np.int32)
        unknown: NDArray[np.bool_] = np.zeros(1, bool)
        for group in groups.values():
            codes = codes * np.int32(len(group.values)) + group.codes
            unknown = unknown | (group.codes == UNKNOWN)
        named = ([f"{name}={value}" for value in group.values] for name, group in groups.items())
        values = tuple(", ".join(parts) for parts in itertools.product(*named))
        return Group(np.where(unknown, np.int32(UNKNOWN), codes), values)

    def take(self, rows: NDArray[Any]) -> Group:
        """Return the same column for some rows (indices or a boolean mask)."""
        return replace(self, codes=self.codes[rows])


@dataclass(frozen=True)
class TrainRates:
    """How often each attribute is true in the training split, overall and within groups.

    Parameters
    ----------
    prevalence : dict
        Attribute → share of positives among the known labels, in [0, 1].
    group_rates : dict
        Group → value as a string (``"True"``, ``"False"``, ``"3"``) → attribute → share of
        positives. A share that no sample tells is left out.
    """

    prevalence: Mapping[str, float]
    group_rates: Mapping[str, Mapping[str, Mapping[str, float]]]


@dataclass(frozen=True)
class Samples:
    """Ids, labels and groups of N samples: no pixels, no answers.

    Parameters
    ----------
    ids : polars.Series (N,) of strings
        Unique, never null.
    attributes : tuple of str
        Names of the A binary attributes, or of the classes of a multi-class task.
    labels : array (N, A) of int8
        1 true, 0 false, -1 unlabelled. For a multi-class task one-hot rows; an unlabelled
        sample's row is all -1.
    groups : mapping of str to Group
    cluster : str or None
        The group whose samples depend on each other (the identity of a person, say): resampled
        together and not audited as a group.
    images : polars.Series (N,) of strings or None
        Path or id of each image within the data set.
    task : {"multilabel", "multiclass"}

    Raises
    ------
    DataError
        Shapes disagree, an id is repeated or null, or a label is not -1, 0 or 1.
    """

    ids: pl.Series
    attributes: tuple[str, ...]
    labels: NDArray[np.int8]
    groups: Mapping[str, Group] = field(default_factory=dict)
    cluster: str | None = None
    images: pl.Series | None = None
    task: Task = "multilabel"

    def __post_init__(self) -> None:
        n = len(self.ids)
        if self.labels.shape != (n, len(self.attributes)):
            raise DataError(
                f"labels have shape {self.labels.shape}: expected ({n}, {len(self.attributes)}), "
                "one row per id and one column per attribute"
            )
        for name, group in self.groups.items():
            if len(group.codes) != n:
                raise DataError(f"group {name!r} has {len(group.codes)} rows: expected {n}")
        if self.images is not None and len(self.images) != n:
            raise DataError(f"images have {len(self.images)} rows: expected {n}")
        if self.cluster is not None and self.cluster not in self.groups:
            raise DataError(f"cluster {self.cluster!r} is not a group: {shorten(self.groups)}")
        if not np.isin(self.labels, (UNKNOWN, 0, 1)).all():
            raise DataError("labels must be 1 (true), 0 (false) or -1 (unlabelled)")
        if len(set(self.attributes)) != len(self.attributes):
            raise DataError(f"attribute names repeat: {shorten(self.attributes)}")
        check_ids(self.ids)

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: NDArray[Any]) -> Samples:
        """Return some of the samples, in the order of `rows` (indices or a boolean mask)."""
        if rows.dtype == bool:
            rows = np.flatnonzero(rows)
        index = pl.Series(rows, dtype=pl.Int64)
        return replace(
            self,
            ids=self.ids.gather(index),
            labels=self.labels[rows],
            groups={name: group.take(rows) for name, group in self.groups.items()},
            images=None if self.images is None else self.images.gather(index),
        )

    def ordered(self, attributes: Sequence[str]) -> Samples:
        """Return the same samples with their attributes in another order.

        Raises
        ------
        DataError
            The names are others.
        """
        if sorted(attributes) != sorted(self.attributes):
            raise DataError(
                f"attributes {shorten(attributes)}: expected {shorten(self.attributes)}, in any "
                "order"
            )
        columns = [self.attributes.index(name) for name in attributes]
        return replace(self, attributes=tuple(attributes), labels=self.labels[:, columns])

    def crossed(self, intersections: Sequence[Sequence[str]]) -> Samples:
        """Return the same samples with groups for the intersections of others ("Male × Young").

        Raises
        ------
        ConfigError
            A name is no group, or an intersection has fewer than two.
        """
        groups = dict(self.groups)
        for names in intersections:
            title = check_crossing(names, self.groups)
            groups[title] = Group.cross({name: self.groups[name] for name in names})
        return replace(self, groups=groups)

    def rates(self) -> TrainRates:
        """Count how often each attribute is true, overall and per group value.

        The cluster is not counted. Unlabelled cells and unknown group values are left out.

        Examples
        --------
        >>> samples = Samples(
        ...     ids=pl.Series(["a", "b", "c"]),
        ...     attributes=("Bald",),
        ...     labels=np.array([[1], [0], [-1]], np.int8),
        ...     groups={"Male": Group.from_series(pl.Series([True, False, True]))},
        ... )
        >>> samples.rates().prevalence
        {'Bald': 0.5}
        >>> samples.rates().group_rates
        {'Male': {'False': {'Bald': 0.0}, 'True': {'Bald': 1.0}}}
        """

        def shares(rows: NDArray[Any]) -> dict[str, float]:
            labels = self.labels[rows]
            known = (labels != UNKNOWN).sum(axis=0)
            positive = (labels == 1).sum(axis=0)
            return {
                name: float(p / k)
                for name, p, k in zip(self.attributes, positive, known, strict=True)
                if k
            }

        return TrainRates(
            prevalence=shares(np.arange(len(self))),
            group_rates={
                name: {
                    str(value): shares(np.flatnonzero(group.codes == code))
                    for code, value in enumerate(group.values)
                }
                for name, group in self.groups.items()
                if name != self.cluster
            },
        )


def check_crossing(names: Sequence[str], known: Iterable[str]) -> str:
    """Return the name of an intersection of groups, or raise a `ConfigError`.

    Examples
    --------
    >>> check_crossing(["Male", "Young"], ["Male", "Young", "town"])
    'Male × Young'
    """
    known = list(known)
    for name in names:
        if name not in known:
            raise ConfigError(one_of("group", name, known))
    if len(set(names)) < 2:
        raise ConfigError(f"intersection of {shorten(names)}: expected two or more groups")
    return " × ".join(names)
