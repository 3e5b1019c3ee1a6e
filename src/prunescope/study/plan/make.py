"""From the file of a study to its plan: which runs, what they share, what is compared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from prunescope.data import DataConfig, Outline, outline
from prunescope.errors import ConfigError, PrunescopeError, one_of
from prunescope.study.plan.config import Grid, StudyConfig, to_recipe
from prunescope.study.plan.reading import BASE, VARY, open_study
from prunescope.study.plan.runs import DENSE, INT8, Run, Setting, where
from prunescope.yaml_source import Place, Source


class Plan(BaseModel):
    """All that a study will make.

    Parameters
    ----------
    study : StudyConfig
    settings : tuple of Setting
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    study: StudyConfig
    settings: tuple[Setting, ...]

    @property
    def runs(self) -> tuple[Run, ...]:
        """Every run once; what others start from comes before them."""
        found = {run.key: run for setting in self.settings for run in setting.runs}
        return tuple(found.values())

    @property
    def data_sets(self) -> tuple[DataConfig, ...]:
        """The data sets that are read or made, each once: clean, or with a backdoor."""
        planted = dict.fromkeys(setting.backdoor for setting in self.settings)
        return tuple(self.study.data.model_copy(update={"backdoor": name}) for name in planted)


def plan_study(path: str | Path) -> Plan:
    """Read the file of a study, look at its data's labels, and lay out its runs.

    Raises
    ------
    ConfigError
        A key, a value or a name in the file is not as expected, the data are not there, or two
        entries ask for one run; says file and line.
    """
    study, source = open_study(Path(path))
    try:
        data = outline(study.data)
        missing = [split for split in ("train", *study.asked) if split not in data.n_samples]
        if missing:
            raise ConfigError(one_of("split", missing[0], data.n_samples))
    except PrunescopeError as error:
        raise ConfigError(f"{source.at(('data',))}: {error}") from error
    return make_plan(study, data, source)


def make_plan(study: StudyConfig, data: Outline, source: Source | None = None) -> Plan:
    """Lay out the runs of a study.

    Parameters
    ----------
    study : StudyConfig
    data : Outline
        Of the data's labels.
    source : Source, optional
        Where the study stands, for errors.
    """
    made: dict[tuple[str, DataConfig, str], tuple[list[Run], list[Run]]] = {}
    asked: dict[str, int] = {}
    for number, grid in enumerate(study.grids):
        try:
            _check_names(grid, data)
        except _NameError as error:
            raise ConfigError(f"{_at(source, number, error.field)}: {error}") from error
        for arch in grid.architectures:
            for variant in _variants(study.data, grid, data):
                told = (arch, variant, repr((to_recipe(grid.recipe), to_recipe(grid.recipe_pt))))
                dense, compressed = made.setdefault(told, ([], []))
                for run in _runs(study, grid, arch, variant):
                    into = dense if run.method == DENSE else compressed
                    if run in into:
                        if run.method not in (DENSE, INT8):
                            raise _asked_twice(run, source, asked[run.key], number)
                        continue
                    into.append(run)
                    asked[run.key] = number
    names = Counter[str]()
    settings = []
    for (arch, variant, _), (dense, compressed) in made.items():
        name = where(arch, variant)
        names[name] += 1
        settings.append(
            Setting(
                name=name if names[name] == 1 else f"{name}-{names[name]}",
                dense=tuple(dense),
                compressed=tuple(compressed),
            )
        )
    return Plan(study=study, settings=tuple(settings))


def _variants(data: DataConfig, grid: Grid, known: Outline) -> Iterator[DataConfig]:
    """Yield the data sets of a grid: with each backdoor, and for each attribute that is alone."""
    single = known.attributes if grid.single == "all" else grid.single
    for backdoor in grid.backdoors or (None,):
        planted = data.model_copy(update={"backdoor": backdoor})
        for name in single or (None,):
            alone = {} if name is None else {"attributes": (name,)}
            yield planted.model_copy(update=alone)


def _runs(study: StudyConfig, grid: Grid, arch: str, data: DataConfig) -> Iterator[Run]:
    """Yield the runs of one architecture on one data set, parents before their children."""
    from prunescope.pruning import METHODS

    def recipe(told: str | dict[str, Any], seed: int) -> dict[str, Any]:
        chosen = to_recipe(told).replace(seed=seed, deterministic=study.deterministic)
        settings: dict[str, Any] = chosen.model_dump(mode="json", exclude_defaults=True)
        return settings

    for seed in grid.seeds:
        shared: dict[str, Any] = {
            "arch": arch,
            "data": data,
            "seed": seed,
            "threads": study.threads,
        }
        dense = Run(method=DENSE, sparsity=0.0, recipe=recipe(grid.recipe, seed), **shared)
        yield dense
        if grid.int8:
            yield Run(method=INT8, sparsity=0.0, recipe=None, parent=dense, **shared)
        for method in grid.methods:
            trained = METHODS[method].starts_from == "dense"
            how = None
            if METHODS[method].recipe is not None:
                how = recipe(grid.recipe_pt if trained else grid.recipe, seed)
            for sparsity in grid.sparsities:
                yield Run(
                    method=method,
                    sparsity=sparsity,
                    recipe=how,
                    parent=dense if trained else None,
                    **shared,
                )


class _NameError(ConfigError):
    """A name in a grid that the data do not know; `field` holds it."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def _check_names(grid: Grid, data: Outline) -> None:
    alone = () if grid.single == "all" else grid.single
    planted = tuple(backdoor.attribute for backdoor in grid.backdoors)
    for field, names in (("single", alone), ("backdoors", planted)):
        for name in names:
            if name not in data.attributes:
                raise _NameError(field, one_of("attribute", name, data.attributes))


def _at(source: Source | None, grid: int, field: str | None = None) -> str:
    """Say where a grid stands in the file, or the field of it, which it may have from the base."""
    if source is None:
        return f"grid {grid + 1}"
    place: Place = (VARY, grid) if field is None else (VARY, grid, field)
    if field is not None and not source.has(place):
        place = (BASE, field)
    return source.at(place)


def _asked_twice(run: Run, source: Source | None, first: int, second: int) -> ConfigError:
    return ConfigError(
        f"{_at(source, second)}: asks for {run.name} of {where(run.arch, run.data)}, as does "
        f"{_at(source, first)}: two runs with one key ({run.key}); leave it out of one of them"
    )
