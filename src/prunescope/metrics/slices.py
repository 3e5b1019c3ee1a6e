"""Slices: all samples together, and each value of each group."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunescope.data.columns import UNKNOWN
from prunescope.data.samples import Group, GroupValue, Samples
from prunescope.errors import ConfigError, one_of

MOST_CELLS = 128
"""Combinations of group values up to which all groups are counted in one pass over the samples."""


@dataclass(frozen=True)
class Partition:
    """A split of the samples into J cells, each of which lies wholly inside or outside a slice.

    Sums per cell add up to sums per slice, so that one pass over the samples serves every slice.

    Parameters
    ----------
    groups : tuple of str
        The groups whose values, or combinations of values, are the cells.
    shape : tuple of int
        Number of values of each of these groups, with "unknown" where it occurs; J is their
        product.
    membership : array (S, J) of bool
        Which cells make up a slice; of a slice of another group, none do.
    """

    groups: tuple[str, ...]
    shape: tuple[int, ...]
    membership: NDArray[np.bool_]

    def cells(self, groups: Mapping[str, Group], n: int) -> NDArray[np.int64]:
        """Return the cell of each of n samples: (n,)."""
        cells = np.zeros(n, np.int64)
        for name, size in zip(self.groups, self.shape, strict=True):
            codes = groups[name].codes
            cells = cells * size + np.where(codes == UNKNOWN, size - 1, codes)
        return cells


@dataclass(frozen=True)
class Slices:
    """The S slices that every disaggregated metric is computed on.

    Slice 0 holds all samples; then come the values of each group, group by group. A sample is in
    at most one slice of a group, in none where its value is unknown.

    Parameters
    ----------
    groups : tuple of str or None, length S
        The group of each slice; None for slice 0. A group of which no value is known has none.
    values : tuple, length S
        The group's value in each slice; None for slice 0.
    incomplete : frozenset of str
        Groups whose value is unknown for some samples.

    Examples
    --------
    >>> import polars as pl
    >>> from prunescope.data.samples import Group
    >>> male = Group.from_series(pl.Series([True, False, None]))
    >>> samples = Samples(
    ...     pl.Series(["a", "b", "c"]), ("Bald",), np.zeros((3, 1), np.int8), {"Male": male}
    ... )
    >>> slices = Slices.of(samples, ["Male"])
    >>> slices.values, [rows.tolist() for rows in slices.members(samples)]
    ((None, False, True), [[0, 1, 2], [1], [0]])
    """

    groups: tuple[str | None, ...]
    values: tuple[GroupValue | None, ...]
    incomplete: frozenset[str] = frozenset()

    @classmethod
    def of(cls, samples: Samples, groups: Sequence[str] | None = None) -> Slices:
        """Slice by the groups named; by default by every group but the cluster.

        Raises
        ------
        ConfigError
            A name is not a group of the samples.
        """
        if groups is None:
            groups = [name for name in samples.groups if name != samples.cluster]
        for name in groups:
            if name not in samples.groups:
                raise ConfigError(one_of("group", name, samples.groups))
        incomplete = (name for name in groups if (samples.groups[name].codes == UNKNOWN).any())
        values = {name: samples.groups[name].values for name in groups}
        return cls.of_values(values, frozenset(incomplete))

    @classmethod
    def of_values(
        cls, values: Mapping[str, tuple[GroupValue, ...]], incomplete: frozenset[str] = frozenset()
    ) -> Slices:
        """Slice by groups whose values are known."""
        names = [name for name, of_group in values.items() for _ in of_group]
        flat = [value for of_group in values.values() for value in of_group]
        return cls((None, *names), (None, *flat), incomplete)

    def __len__(self) -> int:
        return len(self.groups)

    def of_group(self, name: str) -> slice:
        """Return the range of slices that hold the values of one group."""
        first = self.groups.index(name)
        return slice(first, first + self.groups.count(name))

    def group_names(self) -> list[str]:
        """Return the groups, in order."""
        return list(dict.fromkeys(name for name in self.groups if name is not None))

    def members(self, samples: Samples) -> Iterator[NDArray[np.intp]]:
        """Yield the rows of the samples in each slice, S times."""
        yield np.arange(len(samples))
        for name in self.group_names():
            codes = samples.groups[name].codes
            for code in range(self.groups.count(name)):
                yield np.flatnonzero(codes == code)

    def numbers(self, groups: Mapping[str, Group], n: int) -> NDArray[np.signedinteger[Any]]:
        """Return the slices of each of n samples: (1 + groups, n), -1 where its value is unknown.

        The first row is slice 0, then comes a row for each group.

        Examples
        --------
        >>> import polars as pl
        >>> male = Group.from_series(pl.Series([True, False, None]))
        >>> Slices.of_values({"Male": male.values}).numbers({"Male": male}, 3).tolist()
        [[0, 0, 0], [2, 1, -1]]
        """
        rows = [np.zeros(n, np.int16)]
        for name in self.group_names():
            codes = groups[name].codes
            rows.append(np.where(codes == UNKNOWN, -1, codes + self.of_group(name).start))
        return np.stack(rows).astype(np.int16 if len(self) <= np.iinfo(np.int16).max else np.int32)

    def partitions(self) -> list[Partition]:
        """Return the partitions whose cells make up all slices.

        One of all combinations of group values where they are few, else one for each group.
        """
        names = self.group_names()
        sizes = [self.groups.count(name) + (name in self.incomplete) for name in names]
        if math.prod(sizes) <= MOST_CELLS:
            return [self._partition(names, sizes, whole=True)]
        return [
            self._partition([name], [size], whole=first)
            for name, size, first in zip(names, sizes, [True, *[False] * len(names)], strict=False)
        ]

    def _partition(self, names: list[str], sizes: list[int], *, whole: bool) -> Partition:
        cells: NDArray[Any] = np.indices(sizes).reshape(len(names), math.prod(sizes))
        membership = np.zeros((len(self), cells.shape[-1]), bool)
        membership[0] = whole
        for name, codes in zip(names, cells, strict=True):
            of_group = self.of_group(name)
            membership[of_group] = codes == np.arange(of_group.stop - of_group.start)[:, None]
        return Partition(tuple(names), tuple(sizes), membership)
