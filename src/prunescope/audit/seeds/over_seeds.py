"""What an audit tells of models that differ by their training seed alone: their means."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

import polars as pl

from prunescope.audit.changes import Churn
from prunescope.audit.given import TABLE, Given, Part
from prunescope.audit.models import NO_EXEMPLARS, Outcome
from prunescope.audit.seeds.populations import Pooled, means_of
from prunescope.audit.table import Columns
from prunescope.audit.verdicts import agreement

Exemplars = Mapping[int, Future[tuple[list[Columns], dict[str, pl.DataFrame]]]]
"""First member of a compressed population → its exemplars, being looked for."""


@dataclass
class Seeds:
    """The members of a population that were seen so far: their estimates pooled, their tables."""

    pooled: list[Pooled] = field(default_factory=list)
    tables: list[pl.DataFrame] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        """Take another member in."""
        self.pooled = self.pooled or [Pooled(estimates) for estimates, _ in outcome.found]
        for one, (estimates, comparison) in zip(self.pooled, outcome.found, strict=True):
            one.add(estimates, comparison)
        self.tables.append(outcome.part.tables[TABLE])


def with_means(
    given: Given, churn: Churn, exemplars: Exemplars, outcomes: Iterable[Outcome]
) -> Iterator[Part]:
    """Yield the part of each model and, after a population's last member, that of its mean.

    Parameters
    ----------
    given : Given
    churn : Churn
    exemplars : Exemplars
    outcomes : iterable of Outcome
        Of all models, in order. None is kept once it is pooled.
    """
    population = {one: members for members in given.subject.populations() for one in members}
    seen: dict[int, Seeds] = {}
    for model, outcome in enumerate(outcomes):
        yield outcome.part
        members = population.get(model)
        if members is None:
            continue
        seeds = seen.setdefault(members[0], Seeds())
        seeds.add(outcome)
        if model == members[-1]:
            yield _mean(given, members, seen.pop(members[0]), churn, exemplars)


def _mean(
    given: Given, members: Sequence[int], seeds: Seeds, churn: Churn, exemplars: Exemplars
) -> Part:
    """Tell of a population's mean, beside which stand churn and, if compressed, exemplars."""
    beside: list[Columns] = []
    more: dict[str, pl.DataFrame] = {}
    if members[0] >= given.subject.n_dense:
        counted = [given.row_without_value("cie_rate", NO_EXEMPLARS)]
        if members[0] in exemplars:
            counted, more = exemplars[members[0]].result()
        beside = [*churn.columns, *counted]
    metadata = given.subject.models[members[0]].model_copy(update={"seed": None})
    name = given.subject.population_name(members)
    table = given.table(name, metadata, means_of(seeds.pooled), beside)
    return Part({TABLE: agreement(table, seeds.tables), **more})
