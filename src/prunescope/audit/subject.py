"""What is audited: models, slices, settings; and the checks that they make sense."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from prunescope.audit.result import ModelInfo, Settings
from prunescope.data.backdoors import TRIGGER
from prunescope.data.samples import GroupValue, Task, TrainRates, check_crossing
from prunescope.errors import ConfigError, one_of, settings_of, shorten
from prunescope.metrics import Layout
from prunescope.metrics.statistics import pairs_kept
from prunescope.predictions import Compression, Metadata

UNTOLD = "compressed"
"""The method of a compressed model whose file does not say how it was made."""

MAX_GROUP_VALUES = 64
"""A group with more values is rather an identifier or a number to be cut into bands."""

MOST_BYTES = 512 * 2**20
"""What the statistics of all models may take; beyond, samples are dealt into fewer blocks."""

FEWEST_BLOCKS = 64


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
    train : TrainRates
    settings : Settings
    """

    models: Sequence[Metadata]
    n_dense: int
    attributes: tuple[str, ...]
    layout: Layout
    train: TrainRates
    settings: Settings

    def baseline(self, model: int) -> int:
        """Return the dense model of the same seed, or the first."""
        return baseline_of(self.models, self.n_dense, model)

    def with_rates(self, train: TrainRates) -> Subject:
        """Return the same with the rates of the training split."""
        return replace(self, train=train)

    def changes(self) -> tuple[tuple[int, int], ...]:
        """Return the pairs of models whose answers are compared."""
        dense = range(self.n_dense)
        churn = [(first, second) for second in dense for first in range(second)]
        compressed = range(self.n_dense, len(self.models))
        return (*churn, *((self.baseline(model), model) for model in compressed))

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


def chosen_settings(identity: Sequence[str] | None, settings: Mapping[str, Any]) -> Settings:
    """Check the settings of an audit.

    Raises
    ------
    ConfigError
        One makes no sense.
    """
    with settings_of("audit settings"):
        return Settings.model_validate({"groups": identity, **settings})


def check_names(dense: Sequence[str], compressed: Sequence[str]) -> None:
    """Raise a `ConfigError` where a model is missing or two have one name."""
    if not dense or not compressed:
        raise ConfigError("an audit needs at least one dense and one compressed model")
    names = [*dense, *compressed]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError(
            f"two models are called {shorten(twice)}: expected a name of its own for each; it "
            "comes from the file's metadata, else from the file's name"
        )


def told(models: Sequence[Metadata], n_dense: int) -> tuple[list[Metadata], list[str]]:
    """Call no compressed model dense, though its file may not say what was done to it.

    Returns
    -------
    models : list of Metadata
    notes : list of str
    """
    untold = Compression().method
    named = [
        model.model_copy(
            update={"compression": model.compression.model_copy(update={"method": UNTOLD})}
        )
        if index >= n_dense and model.compression.method == untold
        else model
        for index, model in enumerate(models)
    ]
    silent = [model for model in named[n_dense:] if model.compression.method == UNTOLD]
    if not silent:
        return named, []
    unknown = (
        "" if any(model.compression.sparsity for model in silent) else ", and the sparsity as 0"
    )
    return named, [
        f"{shorten(model.name for model in silent)}: the file does not tell how the model was "
        f"compressed, so the method is given as {UNTOLD!r}{unknown}."
    ]


def rates_of(
    models: Iterable[Metadata], given: TrainRates | None, stand_in: Callable[[], TrainRates]
) -> tuple[TrainRates, list[str]]:
    """Find the rates of the training split, or let those of the labels at hand stand in.

    Returns
    -------
    rates : TrainRates
    warnings : list of str
    """
    if given is not None:
        return given, []
    for model in models:
        rates = model.train_rates()
        if rates is not None:
            return rates, []
    return stand_in(), [
        "No file tells the rates of the training split, so the rates of the evaluated labels stand "
        "in for them: which value is rare, and to which side an attribute leans, is read off the "
        "very labels that are scored. Pass the training labels (--train-labels FILE; in Python "
        "train_rates) to mend this."
    ]


def groups_of(known: Iterable[str], settings: Settings) -> list[str]:
    """Return the groups to slice by: those asked for, else all but the cluster, and the trigger.

    Raises
    ------
    ConfigError
        A name is no group.
    """
    known = list(known)
    names = settings.groups
    if names is None:
        names = tuple(name for name in known if name != settings.cluster)
    names = (*names, *(check_crossing(crossed, known) for crossed in settings.intersect))
    if settings.trigger is not None:
        names = (*names, settings.trigger)
    for name in names:
        if name not in known:
            raise ConfigError(one_of("group", name, known))
    return list(dict.fromkeys(names))


def with_trigger(settings: Settings, values: Mapping[str, tuple[GroupValue, ...]]) -> Settings:
    """Let the group ``backdoor`` of a planted data set, if it is sliced by, be the trigger.

    Unless another is named.
    """
    if settings.trigger is None and values.get(TRIGGER) == (False, True):
        return settings.model_copy(update={"trigger": TRIGGER})
    return settings


def check_groups(values: Mapping[str, tuple[GroupValue, ...]], trigger: str | None) -> list[str]:
    """Check that groups are groups; return warnings about empty ones.

    Raises
    ------
    ConfigError
        A group has too many values, or the trigger is no boolean group.
    """
    for name, of_group in values.items():
        if len(of_group) > MAX_GROUP_VALUES:
            raise ConfigError(
                f"group {name!r} has {len(of_group):,} values, more than {MAX_GROUP_VALUES}: name "
                "the groups to use, name this one as the cluster, or cut it into bands"
            )
        if name == trigger and of_group != (False, True):
            raise ConfigError(f"trigger {name!r} must be a group of booleans; it has {of_group}")
    empty = [name for name, of_group in values.items() if not of_group]
    if not empty:
        return []
    return [f"No value of {shorten(empty)} is known, so nothing is measured by it."]


def most_blocks(
    settings: Settings, n_slices: int, n_attributes: int, n_models: int, task: Task
) -> int:
    """Return how many blocks the statistics may have, whether files are read at once or in parts.

    A block holds of every model, slice and attribute 7 counts, the gaps of the calibration bins,
    and 12 counts of changes; and the pairs of attributes, where those are counted.
    """
    if not settings.replicates:
        return 1
    per_model = n_slices * n_attributes * (7 + settings.n_bins + 12)
    if pairs_kept(n_attributes, task):
        per_model += n_attributes**2
    affordable = MOST_BYTES // (8 * per_model * n_models)
    return int(max(min(settings.replicates, affordable), min(settings.replicates, FEWEST_BLOCKS)))


def fewer_blocks(settings: Settings, n_blocks: int) -> list[str]:
    """Say that samples were dealt into fewer blocks than the settings ask for, if they were."""
    if not settings.replicates or n_blocks >= settings.replicates:
        return []
    return [
        f"Samples were dealt into {n_blocks} blocks instead of {settings.replicates}, for memory: "
        "intervals are by chance a little wider or narrower."
    ]
