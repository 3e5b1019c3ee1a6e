"""Rules: what samples belong to a slice, as a person reads it and as data.

A rule is a conjunction of few terms; a term asks one thing of one feature of a sample: what is
labelled, what the dense model answers and how sure it is, a group, a column of metadata, where its
embedding lies. A rule is plain data, so it can be kept in a file and asked of other samples.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Annotated, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from prunescope.data.columns import UNKNOWN
from prunescope.data.samples import Group, GroupValue
from prunescope.errors import DataError, shorten

Kind = Literal["label", "answer", "sure", "group", "metadata", "cluster", "direction"]
"""What a feature is of: a label, the dense model's answer and how sure it is of it, a group or a
column of metadata, and the embedding."""

Flags = NDArray[np.bool_]
Numbers = NDArray[np.float64]
Column: TypeAlias = Group | Numbers
"""A feature's values (N,): of a category codes, of a number floats with NaN where unknown."""

OF_ALL = "*"
"""In place of an attribute's name: of all of them together."""

CLASS = "class"
"""In place of an attribute's name: which class it is, or was answered."""


class Feature(BaseModel):
    """What is asked about.

    Parameters
    ----------
    kind : str
    name : str
        Of an attribute, group or column; of a cluster among how many, of a direction its number.

    Examples
    --------
    >>> str(Feature(kind="answer", name="Bald")), str(Feature(kind="direction", name="3"))
    ('dense answer to Bald', 'direction 3')
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Kind
    name: str

    def __str__(self) -> str:
        if self.kind == "sure":
            return "dense sure" if self.name == OF_ALL else f"dense sure of {self.name}"
        words = {"answer": "dense answer to ", "cluster": "cluster of ", "direction": "direction "}
        return f"{words.get(self.kind, '')}{self.name}"

    @property
    def of_embedding(self) -> bool:
        """Whether an embedding is needed to know it."""
        return self.kind in ("cluster", "direction")


class Term(BaseModel):
    """One condition: of a category that it has a value, of a number that it is on one side.

    Parameters
    ----------
    feature : Feature
    test : {"is", "below", "from"}
        ``from`` holds from `value` on, ``below`` below it.
    value : bool, int, float or str

    Examples
    --------
    >>> print(Term(feature=Feature(kind="label", name="Male"), test="is", value=False))
    not Male
    >>> print(Term(feature=Feature(kind="sure", name="*"), test="below", value=0.8))
    dense sure below 0.8
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    feature: Feature
    test: Literal["is", "below", "from"]
    value: bool | int | float | str

    @model_validator(mode="after")
    def _check_value(self) -> Term:
        value = self.value
        if self.test != "is" and (isinstance(value, bool | str) or not isfinite(value)):
            raise ValueError(f"{self.test!r} asks for a number: got {value!r}")
        return self

    def __str__(self) -> str:
        kind, name = self.feature.kind, self.feature.name
        if self.test != "is":
            words = {"below": "below", "from": "from"}[self.test]
            return f"{self.feature} {words} {_number(self.value)}"
        if kind == "cluster":
            return f"cluster {self.value} of {name}"
        if name == CLASS and kind in ("label", "answer"):
            return f"class {self.value}" if kind == "label" else f"dense says {self.value}"
        if not isinstance(self.value, bool):
            return f"{name} {self.value}"
        if kind == "answer":
            return f"dense says {'' if self.value else 'not '}{name}"
        return name if self.value else f"not {name}"

    def holds(self, column: Column) -> tuple[Flags, Flags]:
        """Return where it holds and where it is known whether: (N,) each.

        Raises
        ------
        DataError
            It asks for a value that a number, or for a side that a category, has not.
        """
        if isinstance(column, Group) and self.test != "is":
            column = self._numbers_of(column)
        if isinstance(column, Group):
            known = column.codes != UNKNOWN
            return known & (column.codes == _code_of(column, self.value)), known
        known = ~np.isnan(column)
        if self.test == "is":
            if type(self.value) is not int:
                raise self._odd("numbers")
            return column == self.value, known
        with np.errstate(invalid="ignore"):
            below = column < float(self.value)
        return (below if self.test == "below" else ~below) & known, known

    def _numbers_of(self, column: Group) -> Numbers:
        """Return whole numbers, which are a category where they are few, as numbers (N,)."""
        if not all(type(value) is int for value in column.values):
            raise self._odd("values")
        values = np.array([*map(float, column.values), np.nan])  # the last is that of UNKNOWN
        return np.asarray(values[column.codes])

    def _odd(self, other: str) -> DataError:
        return DataError(f"'{self}' cannot be asked of {self.feature}: it holds {other} here")


def _code_of(group: Group, value: GroupValue | float) -> int:
    """Return the code of a value; that of none where no sample has it."""
    for code, one in enumerate(group.values):
        if one == value and isinstance(one, bool) == isinstance(value, bool):
            return code
    return UNKNOWN


def _number(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


class Rule(BaseModel):
    """Terms that all hold, one at least.

    Examples
    --------
    >>> bald = Term(feature=Feature(kind="label", name="Bald"), test="is", value=True)
    >>> old = Term(feature=Feature(kind="metadata", name="age"), test="from", value=60.0)
    >>> print(Rule(terms=(bald, old)))
    Bald and age from 60
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    terms: Annotated[tuple[Term, ...], Field(min_length=1)]

    def __str__(self) -> str:
        return " and ".join(map(str, self.terms))

    @property
    def features(self) -> tuple[Feature, ...]:
        """What it asks about."""
        return tuple(term.feature for term in self.terms)

    def holds(self, columns: Mapping[Feature, Column]) -> tuple[Flags, Flags]:
        """Return which samples belong to the slice, and of which that is known: (N,) each.

        A sample of which one term is known not to hold does not belong, whatever else is unknown.

        Raises
        ------
        DataError
            A feature is not there.
        """
        if lacking := [str(one) for one in self.features if one not in columns]:
            raise DataError(f"the slice '{self}' asks for {shorten(lacking)}, which is not told")
        held, known = zip(*(term.holds(columns[term.feature]) for term in self.terms), strict=True)
        inside, all_known = np.logical_and.reduce(held), np.logical_and.reduce(known)
        denied = np.logical_or.reduce([k & ~h for h, k in zip(held, known, strict=True)])
        return inside & all_known, all_known | denied
