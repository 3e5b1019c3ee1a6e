"""Cells: group values × units, who is in them, and how many of their labels are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from prunescope.data.samples import Samples
from prunescope.errors import ConfigError, DataError, one_of
from prunescope.mitigate.finetune.units import known


@dataclass(frozen=True)
class Cells:
    """The G values of some groups × the U units of a task, on N training samples.

    Parameters
    ----------
    values : tuple of (str, str)
        Group and value of each of the G rows.
    units : tuple of str
        The attributes; or ``class``.
    codes : tensor (N, C) of int64
        For each of the C groups, in which row a sample is; -1 where its value is unknown.
    group_of : tensor (G,) of int64
        To which of the C groups a row belongs.
    support : tensor (G, U) of int64
        Labels that are known.

    Examples
    --------
    >>> import numpy as np
    >>> import polars as pl
    >>> from prunescope.data.samples import Group
    >>> samples = Samples(
    ...     pl.Series(["a", "b", "c"]), ("Bald",), np.array([[1], [0], [-1]], np.int8),
    ...     groups={"Male": Group.from_series(pl.Series([True, False, False]))},
    ... )
    >>> cells = Cells.of(samples, ["Male"])
    >>> cells.values, cells.codes.T.tolist(), cells.support.tolist()
    ((('Male', 'False'), ('Male', 'True')), [[1, 0, 0]], [[1], [1]])
    """

    values: tuple[tuple[str, str], ...]
    units: tuple[str, ...]
    codes: Tensor
    group_of: Tensor
    support: Tensor

    @classmethod
    def of(cls, samples: Samples, groups: Sequence[str]) -> Cells:
        """Find the cells of some groups.

        Raises
        ------
        ConfigError
            No group is given, or one is not there or is the cluster.
        DataError
            A group has fewer than two values.
        """
        columns, values, group_of = [], list[tuple[str, str]](), list[int]()
        for number, name in enumerate(check_groups(samples, groups)):
            group = samples.groups[name]
            codes = torch.from_numpy(group.codes).long()
            columns.append(torch.where(codes < 0, -1, codes + len(values)))
            values += [(name, str(value)) for value in group.values]
            group_of += [number] * len(group.values)
        codes = torch.stack(columns, dim=1)
        labelled = known(torch.from_numpy(samples.labels), samples.task)
        support = torch.zeros(len(values) + 1, labelled.shape[1], dtype=torch.int64)
        for column in columns:  # the last row takes those whose value is unknown
            support.index_add_(0, column % len(support), labelled.long())
        units = ("class",) if samples.task == "multiclass" else samples.attributes
        return cls(tuple(values), units, codes, torch.tensor(group_of), support[:-1])

    @property
    def shares(self) -> Tensor:
        """Of the labels of a unit whose group value is known, how many each row has: (G, U)."""
        return self.support / self.within(self.support)[self.group_of].clamp(min=1)

    def within(self, amounts: Tensor) -> Tensor:
        """Sum amounts (G, U) over the values of each group: (C, U)."""
        total = amounts.new_zeros((self.codes.shape[1], amounts.shape[1]))
        return total.index_add_(0, self.group_of.to(amounts.device), amounts)

    def name(self, row: int, unit: int) -> str:
        """Name a cell, such as ``Bald, Male=True``."""
        group, value = self.values[row]
        return f"{self.units[unit]}, {group}={value}"


def check_groups(samples: Samples, groups: Sequence[str]) -> list[str]:
    """Return the names of groups, each once, if all can be told apart by.

    Raises
    ------
    ConfigError
        None is given, or one is not there or is the cluster.
    DataError
        One has fewer than two values.
    """
    usable = [name for name in samples.groups if name != samples.cluster]
    if not groups:
        raise ConfigError(
            "this measure looks at groups, and none is named: give one or more of "
            f"{', '.join(usable) or 'the groups of the data set, which has none'}"
        )
    for name in groups:
        if name not in usable:
            raise ConfigError(one_of("group", name, usable))
        if len(samples.groups[name].values) < 2:
            raise DataError(
                f"group {name!r} has {len(samples.groups[name].values)} value in the training "
                "split: expected two or more to compare"
            )
    return list(dict.fromkeys(groups))
