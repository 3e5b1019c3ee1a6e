"""The engine for a Ray cluster: a task for each run, with the processors and GPUs that it takes.

The machines must have prunescope installed and see the data under the same paths, or draw them.
Runs lie in the study's folder where every machine sees it. Where they share none, each machine
works in a folder of its own, and runs go from one to another by a `Mirror`.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prunescope.audit.large_files.cluster import RETRIES, connected
from prunescope.study.plan import Plan, Run
from prunescope.study.running.mirror import Mirror
from prunescope.study.running.store import Failure, Store
from prunescope.study.running.worker import attempt
from prunescope.study.sweep import ShowProgress

if TYPE_CHECKING:
    from prunescope.training import Progress

BLOCKED = "what it starts from is not there"


def on_cluster(
    address: str | None,
    store: Store,
    plan: Plan,
    session: str,
    *,
    mirror: Mirror | None = None,
    device: str | None,
    show: ShowProgress,
    tell: Callable[[str], None],
) -> None:
    """Make the runs of a plan on a Ray cluster.

    A run whose machine dies is made again elsewhere, from its last epoch where the folder is
    shared.

    Parameters
    ----------
    address : str or None
        As for `prunescope.audit.large_files.cluster.on_ray`.
    store, plan, session
        As for `work`.
    mirror : Mirror, optional
        Where runs are exchanged if the machines share no folder; what is made is copied to `store`.
    """
    if mirror is not None:
        mirror.check()
        for run in plan.runs:
            if not store.finished(run) and mirror.finished(run, store.splits):
                mirror.pull(store, run)
    left = [run for run in plan.runs if not store.finished(run)]
    if not left:
        return
    with connected(address) as ray, show(f"{plan.study.name}: runs") as update:
        task = ray.remote(max_retries=RETRIES)(_task)
        made: dict[str, Any] = {}
        for run in left:
            needs = [made[run.parent.key]] if run.parent and run.parent.key in made else []
            demands = {"num_cpus": run.threads, "num_gpus": plan.study.gpus}
            made[run.key] = task.options(**demands).remote(
                store, mirror, run, session, device, *needs
            )
        runs = {reference: run for run, reference in zip(left, made.values(), strict=True)}
        waiting = list(runs)
        while waiting:
            [reference], waiting = ray.wait(waiting, num_returns=1)
            run = runs[reference]
            try:
                error = ray.get(reference)
            except ray.exceptions.RayError as problem:
                error = f"its task was lost: {type(problem).__name__}"
            if error is None and mirror is not None:
                mirror.pull(store, run)
            if error not in (None, BLOCKED):
                store.fail(run, Failure(error, session))
                tell(f"failed: {run.key}: {error}")
            update(len(plan.runs) - len(waiting), len(plan.runs))


class Quiet:
    """Hears of a run's progress and says nothing."""

    def begin(self, run: Run) -> None:
        """Say nothing."""

    def step(self, run: Run, progress: Progress) -> None:
        """Say nothing."""

    def end(self, run: Run, error: str | None) -> None:
        """Say nothing."""


def _task(
    store: Store,
    mirror: Mirror | None,
    run: Run,
    session: str,
    device: str | None,
    *_needs: str | None,
) -> str | None:
    """Make a run on some machine; return why it failed, if it did."""
    if mirror is not None:
        store = Store(_scratch(mirror.url), store.splits)
        if run.parent is not None and not store.finished(run.parent):
            if not mirror.finished(run.parent, store.splits):
                return BLOCKED
            with store.lock(run.parent.key, wait=True):
                mirror.pull(store, run.parent)
    if run.parent is not None and not store.finished(run.parent):
        return BLOCKED
    with store.lock(run.key, wait=True):
        error = None
        if not store.finished(run):
            error = attempt(store, run, session, Quiet(), device=device)
        if error is None and mirror is not None:
            mirror.push(store, run)
        return error


def _scratch(url: str) -> Path:
    """Return this machine's folder for runs that belong to a URL."""
    name = hashlib.blake2b(url.encode(), digest_size=8).hexdigest()
    return Path(tempfile.gettempdir()) / f"prunescope-study-{name}"
