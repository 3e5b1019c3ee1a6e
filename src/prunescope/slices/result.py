"""What a search for slices found, and how it is kept on disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import polars as pl
from pydantic import BaseModel

from prunescope.data.samples import Task
from prunescope.errors import ConfigError, DataError
from prunescope.notebook import rendered
from prunescope.result_folder import ResultFolder
from prunescope.slices.damage import Beyond, Measure
from prunescope.slices.groups import SliceRules
from prunescope.slices.rules import Rule
from prunescope.slices.space import Space

SCHEMA: dict[str, pl.DataType] = {
    "model": pl.String(),
    "slice": pl.Int64(),
    "rule": pl.String(),
    "attribute": pl.String(),
    "n": pl.Int64(),
    "n_search": pl.Int64(),
    "n_test": pl.Int64(),
    "units_test": pl.Int64(),
    "damage_search": pl.Float64(),
    "damage": pl.Float64(),
    "low": pl.Float64(),
    "high": pl.Float64(),
    "inside": pl.Float64(),
    "elsewhere": pl.Float64(),
    "p_value": pl.Float64(),
    "q_value": pl.Float64(),
    "status": pl.String(),
    "reason": pl.String(),
}
"""A row per slice that was tested: those found first, and first of these where an image loses most
answers. `attribute` is null where damage is of all answers; `n`, `n_search`,
`n_test` are samples, `units_test` independent units among the last. `damage` is the mean damage
of an answer in the slice, `inside`, less that of answers `elsewhere` that are as likely to be
damaged: on the test half, in [-1, 1], more is worse, with the interval `low` to `high`;
`damage_search` is the same on the half that the slice was found in. The p-value is one-sided,
the q-value over all slices of a model. Where units are single samples p is a share of 20,000 draws
and one more: where it is 1/20,001, both say "at most"."""

MEMBER_SCHEMA: dict[str, pl.DataType] = {"id": pl.String(), "slice": pl.Int64()}

ALPHA = 0.05
"""The q-value up to which a slice is told as found."""


class Share(BaseModel):
    """A trait that is over-represented in a slice: its share inside and outside."""

    words: str
    inside: float
    outside: float


class Loss(BaseModel):
    """What an attribute or class loses in a slice of the test half, and what elsewhere."""

    name: str
    inside: float
    elsewhere: float


class SliceInfo(BaseModel):
    """What is told of a slice beside its row.

    ``about`` are traits that are over-represented in it, ``losses`` the attributes that lose most,
    ``typical`` and ``hurt`` ids: of its most typical samples, and of those that lose most.
    """

    slice: int
    rule: Rule
    about: list[Share] = []
    losses: list[Loss] = []
    typical: list[str] = []
    hurt: list[str] = []


class SlicesInfo(BaseModel):
    """What a search for slices says beside its tables.

    ``dense`` is the model whose answers the rules ask for; ``compared_with`` tells of each of the
    ``models`` which dense model it was compared with: that of its seed, or the first.

    History of the format: 1 (0.2.0) first.
    """

    format_version: Literal[1] = 1
    dense: str
    models: tuple[str, ...]
    compared_with: tuple[str, ...]
    task: Task
    damage: Measure
    beyond: Beyond
    attributes: tuple[str, ...]
    n_samples: int
    n_search: int
    cluster: str | None
    min_support: int
    most: int
    confidence: float
    seed: int
    seconds: float
    n_features: int
    embeddings: int | None = None
    slices: list[SliceInfo] = []
    space: Space | None = None
    notes: list[str] = []


FILES = ResultFolder(
    "search for slices",
    "prunescope slices",
    "slices.json",
    SlicesInfo,
    {"slices.parquet": SCHEMA, "members.parquet": MEMBER_SCHEMA},
)


@dataclass(frozen=True, repr=False)
class Slices:
    """Sub-populations that compressed models hurt.

    Parameters
    ----------
    info : SlicesInfo
    table : polars.DataFrame
        Columns as in `SCHEMA`; also of slices whose damage the test half did not confirm.
    members : polars.DataFrame
        Which samples belong to which slice, of both halves: ``id``, ``slice``.
    """

    info: SlicesInfo
    table: pl.DataFrame
    members: pl.DataFrame

    @property
    def found(self) -> pl.DataFrame:
        """The rows of the slices that the test half confirms: q ≤ 0.05, and the damage is real."""
        return self.table.filter(pl.col("q_value") <= ALPHA)

    def of(self, number: int) -> SliceInfo:
        """Return what is told of a slice, by its number in the table.

        Raises
        ------
        ConfigError
            There is no such slice.
        """
        for one in self.info.slices:
            if one.slice == number:
                return one
        raise ConfigError(f"no slice {number}: expected 1 to {len(self.info.slices)}")

    @property
    def rules(self) -> SliceRules:
        """The slices that were found, as groups for other data; a rule of two models once.

        Names begin with the slice's number: a label and a group may be called alike.
        """
        numbers: dict[Rule, int] = {}
        for number in self.found["slice"]:
            numbers.setdefault(self.of(number).rule, number)
        rules = {
            f"slice {number}: {rule}".replace(",", ";"): rule for rule, number in numbers.items()
        }
        space = self.info.space
        asked = [one for rule in rules.values() for one in rule.features if one.of_embedding]
        kept = space.kept(asked) if space is not None and asked else None
        return SliceRules(dense=self.info.dense, rules=rules, space=kept)

    def save(self, folder: str | Path) -> None:
        """Write ``slices.parquet``, ``members.parquet`` and ``slices.json``."""
        FILES.save(folder, self.info, self.table, self.members)

    @classmethod
    def load(cls, folder: str | Path) -> Slices:
        """Read what `save` wrote.

        Raises
        ------
        DataError
            A file is absent, damaged or of another version.
        """
        info, [table, members] = FILES.load(folder)
        known = {one.slice for one in info.slices}
        if set(table["slice"]) != known or not set(members["slice"].unique()) <= known:
            raise DataError(
                f"{folder}: the tables are not those that {FILES.info_file} tells of: search again"
            )
        return cls(info, table, members)

    def __repr__(self) -> str:
        return (
            f"Slices({self.found.height} found of {self.table.height} tested, "
            f"{self.info.n_samples:,} samples, {', '.join(self.info.models)})"
        )

    def _repr_html_(self) -> str:
        """Show the slices in a notebook."""
        return rendered(repr(self), self.table)
