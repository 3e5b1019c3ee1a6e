"""Engines on this machine: one run after the other, or several processes side by side."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from multiprocessing import forkserver
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import TYPE_CHECKING, Any

from prunescope.study.plan import Plan, Run
from prunescope.study.running.store import Failure, Store
from prunescope.study.running.worker import work
from prunescope.study.sweep import ShowProgress

if TYPE_CHECKING:
    from prunescope.training import Progress

Tell = Callable[[str], None]


@dataclass
class InTurn:
    """Shows each run with a progress of its own.

    Parameters
    ----------
    show : callable
        Given a label, returns a context whose value takes steps done, of all, and a note.
    tell : callable
        Takes a line.
    """

    show: ShowProgress
    tell: Tell
    _stack: ExitStack = field(default_factory=ExitStack)
    _update: Callable[..., None] = lambda *_: None

    def begin(self, run: Run) -> None:
        """Open the progress of a run."""
        self._update = self._stack.enter_context(self.show(run.key))

    def step(self, run: Run, progress: Progress) -> None:
        """Move it on."""
        self._update(progress.step, progress.total_steps, f"loss {progress.loss:.3f}")

    def end(self, run: Run, error: str | None) -> None:
        """Close it, and say what went wrong."""
        self._stack.close()
        if error is not None:
            self.tell(f"failed: {run.key}: {error}")


@dataclass(frozen=True)
class OverPipe:
    """Reports from a process to the one that started it; ends where that one is gone."""

    pipe: Connection

    def begin(self, run: Run) -> None:
        """Report that a run begins."""
        self._send(("begin", run.key, None))

    def step(self, run: Run, progress: Progress) -> None:
        """Report how far it is."""
        self._send(("step", run.key, progress.step / progress.total_steps))

    def end(self, run: Run, error: str | None) -> None:
        """Report how it ended."""
        self._send(("end", run.key, error))

    def _send(self, report: tuple[str, str, object]) -> None:
        try:
            self.pipe.send(report)
        except OSError:
            os._exit(1)  # nobody reads


def in_turn(
    store: Store, plan: Plan, session: str, *, device: str | None, show: ShowProgress, tell: Tell
) -> None:
    """Make the runs of a plan in this process."""
    work(store, plan, session, InTurn(show, tell), device=device)


def in_processes(
    n: int,
    store: Store,
    plan: Plan,
    session: str,
    *,
    device: str | None,
    show: ShowProgress,
    tell: Tell,
) -> None:
    """Make the runs of a plan in `n` processes that share the folder and the decoded images.

    A process that dies takes its run with it, which is noted; another takes its place.
    """
    context = _context()
    by_key = {run.key: run for run in plan.runs}
    workers: dict[Connection, _Worker] = {}

    def start() -> None:
        mine, theirs = context.Pipe(duplex=False)
        process = context.Process(
            target=_work_in_process, args=(store, plan, session, device, theirs)
        )
        process.start()
        theirs.close()
        workers[mine] = _Worker(process)

    with show(f"{plan.study.name}: runs") as update:
        try:
            for _ in range(min(n, len(by_key))):
                start()
            while workers:
                for pipe in wait(list(workers), timeout=1.0):
                    assert isinstance(pipe, Connection)
                    worker = workers[pipe]
                    try:
                        kind, key, detail = pipe.recv()
                    except (EOFError, OSError):
                        del workers[pipe]
                        worker.process.join()
                        if worker.at is not None:  # it died at work
                            _bury(store, by_key[worker.at], session, worker.process, tell)
                            start()
                        elif worker.process.exitcode:
                            tell(f"a process ended with exit code {worker.process.exitcode}")
                        continue
                    worker.at = None if kind == "end" else key
                    worker.share = detail if kind == "step" else 0.0
                    if kind == "end" and detail is not None:
                        tell(f"failed: {key}: {detail}")
                done = sum(store.finished(run) for run in by_key.values())
                update(done, len(by_key), ", ".join(str(w) for w in workers.values() if w.at))
        finally:
            for worker in workers.values():
                worker.process.terminate()
                worker.process.join()


@contextmanager
def _deaf_to_ctrl_c() -> Iterator[None]:
    """Start a process that, and whose forks, do not hear Ctrl-C: this one does, and ends them."""
    if threading.current_thread() is not threading.main_thread():
        yield  # handlers can be set in the main thread alone
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _context() -> Any:  # noqa: ANN401 - contexts have no common public type
    """Return how processes are started: as forks of one that has imported what takes long."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["prunescope.pruning", __name__])
    with _deaf_to_ctrl_c():
        forkserver.ensure_running()
    return context


@dataclass
class _Worker:
    """A process, the key of the run that it makes, and how far that is."""

    process: BaseProcess
    at: str | None = None
    share: float = 0.0

    def __str__(self) -> str:
        return f"{self.at} {self.share:.0%}"


def _bury(store: Store, run: Run, session: str, process: BaseProcess, tell: Tell) -> None:
    """Note that the process that made a run has died."""
    code = process.exitcode or 0
    how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
    hint = " (out of memory?)" if code == -9 else ""
    error = f"the process that made it ended {how}{hint}"
    with store.lock(run.key, wait=True):
        store.fail(run, Failure(error, session))
    tell(f"failed: {run.key}: {error}")


def _work_in_process(
    store: Store, plan: Plan, session: str, device: str | None, pipe: Connection
) -> None:
    work(store, plan, session, OverPipe(pipe), device=device)
