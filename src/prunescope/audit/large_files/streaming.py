"""`audit_files`: the audit of prediction files that need not fit into memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from prunescope.audit.conclude import conclude
from prunescope.audit.intervals.bootstrap import count_units, number_units
from prunescope.audit.large_files.counting import ROWS, Plan, clusters_of, count_all
from prunescope.audit.large_files.tally import Tally
from prunescope.audit.result import Audit, Settings
from prunescope.audit.setup import (
    Setup,
    check_names,
    chosen_settings,
    groups_of,
    rates_of,
    told,
)
from prunescope.data.samples import Group, GroupValue, TrainRates, check_crossing
from prunescope.errors import ConfigError, DataError, one_of
from prunescope.predictions.repeats import check_unique
from prunescope.predictions.scores import odd
from prunescope.predictions.shards import Shards

Source = str | Path | Shards

FIRST = 1000
"""Samples whose scores are looked at before all are counted."""

Engine = Callable[[Plan, Callable[[int, int], None] | None], Tally]
"""Counts all parts of a plan, here or elsewhere, and adds them up in order."""


def audit_files(
    dense: Sequence[Source],
    compressed: Sequence[Source],
    *,
    identity: Sequence[str] | None = None,
    train_rates: TrainRates | None = None,
    progress: Callable[[int, int], None] | None = None,
    engine: Engine = count_all,
    rows: int = ROWS,
    **settings: Any,  # noqa: ANN401 - checked by Settings
) -> Audit:
    """Compare compressed models with dense ones, reading a part of their files at a time.

    The same as `audit`, but for what the result says of itself: AUC and average precision come from
    a fine histogram of the scores, and their rows say by how much they may be off; exemplars are
    counted, not listed, nor is which class became which; where statistics would take too much
    memory, samples are dealt into fewer blocks, and a note says so. Samples must stand in the same
    order in every file; labels and groups are taken from the first.

    Parameters
    ----------
    dense, compressed : sequence of paths or Shards
        A path is one file, a folder of Parquet files, or a pattern; `Shards.scan` takes options.
    identity, train_rates, **settings
        As for `audit`.
    progress : callable, optional
        Called with the number of parts done and of all.
    engine : callable
        What counts the parts: `count_all`, here, or `prunescope.audit.large_files.cluster.on_ray`.
    rows : int
        Rows that are read at once.

    Raises
    ------
    DataError
        Files do not fit together, or hold what they may not: an id twice, for example.
    ConfigError
        A setting makes no sense.
    """
    chosen = chosen_settings(identity, settings)
    models = tuple(
        source if isinstance(source, Shards) else Shards.scan(source)
        for source in (*dense, *compressed)
    )
    names = [model.name for model in models]
    check_names(names[: len(dense)], names[len(dense) :])
    first = models[0]
    _check_alike(models)
    metadata, notes = told([model.metadata for model in models], len(dense))
    chosen = chosen.model_copy(update={"cluster": _cluster(first, chosen)})
    crossed = {check_crossing(parts, first.groups): parts for parts in chosen.intersect}
    groups = _Groups.of(first, groups_of([*first.groups, *crossed], chosen), crossed)
    setup = Setup.of(metadata, len(dense), first.attributes, groups.sliced, chosen)
    warnings = [*setup.warnings, *_odd_scores(models)]

    check_unique(first)
    units = _units(first, setup.settings.cluster, setup.n_blocks)
    subject = setup.subject(setup.n_blocks if units is None else len(units))
    tally = engine(Plan(models, subject, groups.read, crossed, units, rows), progress)
    rates = partial(tally.rates, first.attributes, setup.slices)
    train, of_rates = rates_of(metadata, train_rates, rates)
    notes.append(
        f"The {first.n:,} rows were read {min(rows, first.n):,} at a time: AUC and average "
        "precision come from a histogram of the scores; exemplars, and which class became which, "
        "are not listed."
    )
    if units is None:
        notes += setup.fewer_blocks()
    return conclude(subject, tally, train, notes, [*warnings, *of_rates])


class _Groups(NamedTuple):
    """Groups of files: the values of those to `read`; and of those to be `sliced` by.

    Of the latter also whether some samples have none.
    """

    read: dict[str, tuple[GroupValue, ...]]
    sliced: dict[str, tuple[tuple[GroupValue, ...], bool]]

    @classmethod
    def of(
        cls, first: Shards, names: Sequence[str], crossed: Mapping[str, tuple[str, ...]]
    ) -> _Groups:
        """Look at the groups named, and at those that intersections cross."""
        parts = {part for of in crossed.values() for part in of}
        found = first.group_values([name for name in first.groups if name in {*names, *parts}])
        read = {name: values for name, (values, _) in found.items()}
        for title, of in crossed.items():
            known = {name: Group(np.zeros(0, np.int32), read[name]) for name in of}
            found[title] = (Group.cross(known).values, any(found[name][1] for name in of))
        return cls(read, {name: found[name] for name in names})


def _odd_scores(models: Sequence[Shards]) -> list[str]:
    """Say what is odd about the scores of models' first samples."""
    return [f"{model.name}: {text}" for model in models for text in odd(_some(model))]


def _some(model: Shards) -> NDArray[np.floating[Any]]:
    """Return the scores of a model's first samples, (n, A)."""
    frame = model.rows(0, FIRST, model.answer_columns())
    return np.stack(list(model.answers(frame, 0).logits), axis=1)


def _check_alike(models: Sequence[Shards]) -> None:
    """Raise where files do not hold the same attributes and number of rows."""
    first = models[0]
    if not first.n:
        raise DataError(f"{first.name}: no samples; expected at least one row")
    for other in models[1:]:
        if other.task != first.task or set(other.attributes) != set(first.attributes):
            raise DataError(
                f"the attributes of {first.name} and {other.name} differ: expected the same y__ "
                "and logit__ columns in every file"
            )
        if other.n != first.n:
            raise DataError(
                f"{first.name} has {first.n:,} rows and {other.name} {other.n:,}: to be read a "
                "part at a time, files must hold the same samples in the same order"
            )


def _cluster(first: Shards, settings: Settings) -> str | None:
    """Return the group to resample as a whole."""
    named = settings.cluster
    if named is not None and named not in first.groups:
        raise ConfigError(one_of("cluster column", named, first.groups))
    own = first.metadata.dataset.cluster
    return named or (own if own in first.groups else None)


def _units(first: Shards, cluster: str | None, most: int) -> NDArray[np.uint64] | None:
    """Return the numbers of all units, in order; None where they are more than `most`."""
    if cluster is None and first.n > most:
        return None
    columns = ["id"] if cluster is None else ["id", f"group__{cluster}"]
    numbers = (
        number_units(part["id"], clusters_of(part, cluster, first))
        for _, part in first.parts(columns)
    )
    return count_units(numbers, most)[1]
