"""Who a report is about: populations where seeds are pooled, and models that belong to none."""

from __future__ import annotations

from dataclasses import dataclass

from prunescope.audit import AuditInfo, ModelInfo


@dataclass(frozen=True)
class Roles:
    """Which models tell the story.

    Parameters
    ----------
    dense, compressed : list of ModelInfo
        Populations, in the place of their first member, and the models of none. The metadata of a
        population are those of its first member, without the seed.
    members : dict
        Name of a population → the models in it.
    """

    dense: list[ModelInfo]
    compressed: list[ModelInfo]
    members: dict[str, list[ModelInfo]]

    @property
    def population_of(self) -> dict[str, str]:
        """Name of a member → that of its population."""
        return {one.name: name for name, models in self.members.items() for one in models}

    def models_of(self, name: str) -> list[str]:
        """Return the names of the models that a name stands for: members, or itself."""
        return [model.name for model in self.members.get(name, [])] or [name]


def roles(info: AuditInfo) -> Roles:
    """Find out who tells the story of an audit."""
    by_name = {model.name: model for model in info.models}
    members = {one.name: [by_name[name] for name in one.members] for one in info.populations}
    leading: dict[str, ModelInfo] = {}
    for population in info.populations:
        first = by_name[population.members[0]]
        mine = {"name": population.name, "seed": None}
        leading[first.name] = ModelInfo(
            name=population.name,
            baseline=population.baseline,
            metadata=first.metadata.model_copy(update=mine),
        )
    inside = {model.name for models in members.values() for model in models}
    told = [
        leading.get(model.name, model)
        for model in info.models
        if model.name in leading or model.name not in inside
    ]
    return Roles(
        dense=[model for model in told if model.baseline is None],
        compressed=[model for model in told if model.baseline is not None],
        members=members,
    )
