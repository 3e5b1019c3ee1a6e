"""`run_study`: from the file of a study to a folder with all of its runs and audits."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from prunescope.errors import ConfigError
from prunescope.study.plan import Plan, plan_study
from prunescope.study.running.audits import audit_setting
from prunescope.study.running.cluster import on_cluster
from prunescope.study.running.execute import load
from prunescope.study.running.local import in_processes, in_turn
from prunescope.study.running.mirror import Mirror
from prunescope.study.running.store import Status, Store
from prunescope.study.sweep import ShowProgress, silent


class Engine(Protocol):
    """What makes the runs of a plan that are not there yet."""

    def __call__(
        self,
        store: Store,
        plan: Plan,
        session: str,
        *,
        device: str | None,
        show: ShowProgress,
        tell: Callable[[str], None],
    ) -> None:
        """Make them; note those that fail."""


@dataclass(frozen=True)
class StudyOutcome:
    """How a study stands after it was run.

    Parameters
    ----------
    folder : Path
    plan : Plan
    statuses : dict
        Key of a run → its status.
    """

    folder: Path
    plan: Plan
    statuses: dict[str, Status]

    @property
    def complete(self) -> bool:
        """Whether every run is finished."""
        return set(self.statuses.values()) == {Status.FINISHED}


def run_study(
    path: Path,
    folder: Path,
    *,
    engine: Engine | None = None,
    device: str | None = None,
    tell: Callable[[str], None] = print,
    show: ShowProgress = silent,
) -> StudyOutcome:
    """Make what is not there yet of a study, and audit it.

    Parameters
    ----------
    path : path
        ``study.yaml``.
    folder : path
        Everything goes there. A folder of the same study is gone on with.
    engine : callable, optional
        What makes the runs: default, one after the other in this process; `processes` and
        `ray_cluster` return others.
    device : str, optional
    tell, show : callable
        Take lines about what fails, and show progress.

    Raises
    ------
    ConfigError
        The file of the study is not as expected, or the folder holds something else.
    DataError
        The data are not there, or have changed since the study was begun.
    """
    plan = plan_study(path)
    store = Store.create(folder.absolute(), plan, path.read_text("utf-8"))
    prepare(store, plan, show)
    session = uuid.uuid4().hex
    (engine or in_turn)(store, plan, session, device=device, show=show, tell=tell)
    for setting in plan.settings:
        audit_setting(store, plan.study, setting, show)
    return StudyOutcome(folder, plan, {run.key: store.status(run) for run in plan.runs})


def processes(n: int) -> Engine:
    """Return the engine that makes `n` runs at once in processes of this machine.

    Raises
    ------
    ConfigError
        There are none.
    """
    if n < 1:
        raise ConfigError(f"{n} processes: expected at least 1")
    return in_turn if n == 1 else partial(in_processes, n)


def ray_cluster(address: str | None = None, *, results: str | None = None) -> Engine:
    """Return the engine that makes runs on a Ray cluster.

    Parameters
    ----------
    address : str, optional
        ``auto``, ``host:port`` or ``ray://host:port``; default: a cluster of this machine alone.
    results : str, optional
        A URL of fsspec, where the machines share no folder.
    """
    return partial(on_cluster, address, mirror=None if results is None else Mirror(results))


def prepare(store: Store, plan: Plan, show: ShowProgress) -> None:
    """Have every data set of a study in the cache, and check that it is what it was."""
    fingerprints = {}
    for data in plan.data_sets:
        name = "clean" if data.backdoor is None else data.backdoor.model_dump_json()
        with show("images") as update:
            fingerprints[name] = load(data, update).fingerprint
    store.settle_data(fingerprints)
