"""Slices: all samples together, and each value of each group."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from prunescope.data.samples import GroupValue, Samples
from prunescope.errors import ConfigError, one_of


@dataclass(frozen=True)
class Slices:
    """The S slices of N samples that every disaggregated metric is computed on.

    Slice 0 holds all samples; then come the values of each group, group by group. A sample is in
    at most one slice of a group, in none where its value is unknown.

    Parameters
    ----------
    groups : tuple of str or None, length S
        The group of each slice; None for slice 0.
    values : tuple, length S
        The group's value in each slice; None for slice 0.
    codes : array (G + 1, N) of int
        For all samples (row 0: zeros) and each group, the slice of each sample; -1 for none. A
        group of which no value is known has no slice and no row.

    Examples
    --------
    >>> import polars as pl
    >>> from prunescope.data.samples import Group
    >>> male = Group.from_series(pl.Series([True, False, None]))
    >>> samples = Samples(
    ...     pl.Series(["a", "b", "c"]), ("Bald",), np.zeros((3, 1), np.int8), {"Male": male}
    ... )
    >>> slices = Slices.of(samples, ["Male"])
    >>> slices.values, slices.codes.tolist()
    ((None, False, True), [[0, 0, 0], [2, 1, -1]])
    """

    groups: tuple[str | None, ...]
    values: tuple[GroupValue | None, ...]
    codes: NDArray[np.int32]

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
        names: list[str | None] = [None]
        values: list[GroupValue | None] = [None]
        codes = [np.zeros(len(samples), np.int32)]
        for name in dict.fromkeys(groups):
            if name not in samples.groups:
                raise ConfigError(one_of("group", name, samples.groups))
            group = samples.groups[name]
            if not group.values:
                continue
            codes.append(np.where(group.codes < 0, -1, group.codes + len(names)).astype(np.int32))
            names += [name] * len(group.values)
            values += group.values
        return cls(tuple(names), tuple(values), np.stack(codes))

    def __len__(self) -> int:
        return len(self.groups)

    def of_group(self, name: str) -> slice:
        """Return the range of slices that hold the values of one group."""
        first = self.groups.index(name)
        return slice(first, first + self.groups.count(name))

    def group_names(self) -> list[str]:
        """Return the groups, in order."""
        return list(dict.fromkeys(name for name in self.groups if name is not None))

    def sizes(self) -> NDArray[np.int64]:
        """Count the samples in each slice: (S,)."""
        known = self.codes[self.codes >= 0]
        return np.bincount(known, minlength=len(self)).astype(np.int64)

    def members(self) -> Iterator[NDArray[np.intp]]:
        """Yield the rows of the samples in each slice, S times."""
        row_of_slice = np.cumsum([0] + [a != b for a, b in itertools.pairwise(self.groups)])
        for index, row in enumerate(row_of_slice):
            yield np.flatnonzero(self.codes[row] == index)
