"""What is settled before an audit counts anything: settings, slices, how many blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prunescope.audit.result import Settings
from prunescope.audit.subject import UNTOLD, Subject
from prunescope.data.backdoors import TRIGGER
from prunescope.data.samples import GroupValue, Task, TrainRates, check_crossing
from prunescope.errors import ConfigError, one_of, settings_of, shorten
from prunescope.metrics import Layout, Slices
from prunescope.metrics.statistics import pairs_kept
from prunescope.predictions import Compression, Metadata

MAX_GROUP_VALUES = 64
"""A group with more values is rather an identifier or a number to be cut into bands."""

MOST_BYTES = 512 * 2**20
"""What the statistics of all models may take; beyond, samples are dealt into fewer blocks."""

FEWEST_BLOCKS = 64


@dataclass(frozen=True)
class Setup:
    """What an audit in memory and one a part at a time settle alike before they count.

    Parameters
    ----------
    models : list of Metadata
        Dense models first.
    n_dense : int
    attributes : tuple of str
    settings : Settings
        With the cluster and the trigger that they leave open.
    slices : Slices
    n_blocks : int
        How many blocks the statistics may have.
    warnings : list of str
    """

    models: list[Metadata]
    n_dense: int
    attributes: tuple[str, ...]
    settings: Settings
    slices: Slices
    n_blocks: int
    warnings: list[str]

    @classmethod
    def of(
        cls,
        models: list[Metadata],
        n_dense: int,
        attributes: tuple[str, ...],
        groups: Mapping[str, tuple[tuple[GroupValue, ...], bool]],
        settings: Settings,
    ) -> Setup:
        """Settle it, given each group to slice by: its values, and whether some samples have none.

        Raises
        ------
        ConfigError
            A group has too many values, or the trigger is no boolean group.
        """
        values = {name: of_group for name, (of_group, _) in groups.items()}
        settings = with_trigger(settings, values)
        warnings = [*swapped(models, n_dense), *check_groups(values, settings.trigger)]
        slices = Slices.of_values(values, frozenset(name for name in groups if groups[name][1]))
        n_blocks = most_blocks(settings, len(slices), len(attributes), len(models), models[0].task)
        return cls(models, n_dense, attributes, settings, slices, n_blocks, warnings)

    def subject(self, n_blocks: int) -> Subject:
        """Return what is audited, its samples being dealt into some blocks."""
        layout = Layout(self.slices, n_blocks, self.settings.n_bins, self.settings.band)
        return Subject(self.models, self.n_dense, self.attributes, layout, self.settings)

    def fewer_blocks(self) -> list[str]:
        """Say that samples are dealt into fewer blocks than the settings ask for, if they are."""
        asked = self.settings.replicates
        if self.n_blocks >= asked:
            return []
        return [
            f"Samples were dealt into {self.n_blocks} blocks instead of {asked}, for memory: "
            "intervals are by chance a little wider or narrower."
        ]


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


def swapped(models: Sequence[Metadata], n_dense: int) -> list[str]:
    """Ask whether dense and compressed were given the wrong way round, as their files tell it.

    `models` are as `told` returns them. The warning is given where a dense one's file says how it
    was compressed and a compressed one's says nothing of the kind.
    """
    small = [
        f"{model.name} ({how.method}, {100 * how.removed:.4g}% of the weights removed)"
        for model in models[:n_dense]
        if (how := model.compression) != Compression()
    ]
    whole = [m.name for m in models[n_dense:] if m.compression == Compression(method=UNTOLD)]
    if not small or not whole:
        return []
    return [
        f"Are dense and compressed swapped? Given as dense: {shorten(small)}. Given as compressed, "
        f"though its file tells of no compression: {shorten(whole)}. Dense models come first, "
        "compressed ones after --compressed (in Python: compressed)."
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
