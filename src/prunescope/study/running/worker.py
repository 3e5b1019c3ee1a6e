"""One worker: takes a run that is ready, makes it, and looks for the next.

Any number of workers share a folder without knowing of each other. What keeps them apart is the
lock of each run; what brings them together is that a finished run is there for all to see.
"""

from __future__ import annotations

import traceback
from time import sleep
from typing import TYPE_CHECKING, Protocol

from prunescope.errors import PrunescopeError
from prunescope.study.plan import Plan, Run
from prunescope.study.running.execute import execute
from prunescope.study.running.store import Failure, Store

if TYPE_CHECKING:
    from prunescope.training import Progress

PATIENCE = 0.2
"""Seconds to wait where every run that is left is in other hands or waits for one that is."""


class Watch(Protocol):
    """What is told of a worker's progress."""

    def begin(self, run: Run) -> None:
        """Hear that a run begins."""

    def step(self, run: Run, progress: Progress) -> None:
        """Hear how far its training is."""

    def end(self, run: Run, error: str | None) -> None:
        """Hear that it is finished, or why it failed."""


def work(store: Store, plan: Plan, session: str, watch: Watch, *, device: str | None) -> None:
    """Make runs until none is left that can be made.

    A run that fails is noted, those that start from it are left out, and the others go on.

    Parameters
    ----------
    store : Store
    plan : Plan
    session : str
        What failed in it is not tried again.
    watch : Watch
    device : str or None
    """
    left = list(plan.runs)
    while left:
        n_before = len(left)
        for run in list(left):
            if _settled(store, run, session):
                left.remove(run)
            elif run.parent is None or store.finished(run.parent):
                with store.lock(run.key) as mine:
                    if mine and not _settled(store, run, session):
                        attempt(store, run, session, watch, device=device)
                        left.remove(run)
        if left and len(left) == n_before:
            sleep(PATIENCE)


def attempt(
    store: Store, run: Run, session: str, watch: Watch, *, device: str | None
) -> str | None:
    """Make a run that is locked; return why it failed, if it did."""
    watch.begin(run)
    error = None
    try:
        execute(store, run, device=device, on_step=lambda at: watch.step(run, at))
    except PrunescopeError as problem:
        error = str(problem)
        store.fail(run, Failure(error, session))
    except Exception as problem:  # a factory's, torch's: the other runs go on
        error = f"{type(problem).__name__}: {problem}"
        store.fail(run, Failure(error, session, traceback.format_exc()))
    watch.end(run, error)
    return error


def _settled(store: Store, run: Run, session: str) -> bool:
    """Tell whether a run is finished or cannot be any more in this session."""
    if store.finished(run):
        return True
    failure = store.failure(run)
    if failure is not None and failure.session == session:
        return True
    return run.parent is not None and not store.finished(run.parent) and _settled(
        store, run.parent, session
    )  # fmt: skip
