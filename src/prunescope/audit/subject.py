"""What is audited: models, attributes, slices, settings; which models are compared or pooled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from prunescope.audit.result import ModelInfo, PopulationInfo, Settings
from prunescope.metrics import Layout
from prunescope.predictions import Metadata

UNTOLD = "compressed"
"""The method of a compressed model whose file does not say how it was made."""


@dataclass(frozen=True)
class Subject:
    """What is audited.

    Parameters
    ----------
    models : sequence of Metadata
        Dense models first; each has a name of its own.
    n_dense : int
    attributes : tuple of str
    layout : Layout
    settings : Settings
    """

    models: Sequence[Metadata]
    n_dense: int
    attributes: tuple[str, ...]
    layout: Layout
    settings: Settings

    def baseline(self, model: int) -> int:
        """Return the dense model of the same seed, or the first."""
        return baseline_of(self.models, self.n_dense, model)

    @property
    def multiclass(self) -> bool:
        """Whether models choose one class."""
        return self.models[0].task == "multiclass"

    def changes(self) -> tuple[tuple[int, int], ...]:
        """Return the pairs of models whose answers are compared."""
        compressed = range(self.n_dense, len(self.models))
        return (*self.dense_pairs(), *((self.baseline(model), model) for model in compressed))

    def dense_pairs(self) -> list[tuple[int, int]]:
        """Return each pair of dense models once."""
        return [(first, second) for second in range(self.n_dense) for first in range(second)]

    def rivals(self) -> tuple[tuple[int, ...], ...]:
        """Return the populations whose commonest answers are compared with those of dense."""
        if self.n_dense < 2:
            return ()
        return tuple(tuple(members) for members in self.populations() if members[0] >= self.n_dense)

    def infos(self) -> list[ModelInfo]:
        """Describe each model."""
        return [
            ModelInfo(
                name=model.name or "",
                baseline=None if i < self.n_dense else self.models[self.baseline(i)].name,
                metadata=model,
            )
            for i, model in enumerate(self.models)
        ]

    def populations(self) -> list[list[int]]:
        """Return the models that differ by their seed alone, where there are several."""
        return populations_of(self.models, self.n_dense)

    def population_name(self, members: Sequence[int]) -> str:
        """Name a population after what was done to its models."""
        how = self.models[members[0]].compression
        share = f" {how.sparsity:.6g}" if how.sparsity else ""
        return f"{how.method}{share} ({len(members)} seeds)"

    def population_infos(self) -> list[PopulationInfo]:
        """Describe each population."""
        dense = str(self.models[0].name)
        if self.n_dense > 1:
            dense = self.population_name(range(self.n_dense))
        return [
            PopulationInfo(
                name=self.population_name(members),
                baseline=None if members[0] < self.n_dense else dense,
                members=[str(self.models[member].name) for member in members],
            )
            for members in self.populations()
        ]


def baseline_of(models: Sequence[Metadata], n_dense: int, model: int) -> int:
    """Return which dense model another one is compared with.

    That which it was made from, where the files tell; else that of its seed, else the first.
    """
    parent, seed = models[model].parent, models[model].seed
    dense = range(n_dense)
    made = [d for d in dense if models[d].weights == parent is not None]
    same = [d for d in dense if models[d].seed == seed is not None]
    return (made or same or [0])[0]


def populations_of(models: Sequence[Metadata], n_dense: int) -> list[list[int]]:
    """Return the models that differ by their seed alone, where there are several; dense first."""
    kinds: dict[tuple[str, float], list[int]] = {}
    for index, model in enumerate(models[n_dense:], n_dense):
        how = model.compression
        if model.seed is not None and how.method != UNTOLD:
            kinds.setdefault((how.method, how.sparsity), []).append(index)
    of_seeds = [
        members
        for members in kinds.values()
        if len({models[member].seed for member in members}) == len(members)
    ]
    return [found for found in (list(range(n_dense)), *of_seeds) if len(found) > 1]
