"""A study's folder: where everything lies, who works on what, and what is finished.

::

    study.yaml              as it was given
    plan.json               every run, with its settings
    data.json               the fingerprints of the data
    runs/<key>/run.json     what the run is
               model/       the checkpoint
               predictions/<split>.parquet
               log.jsonl    the training, pass by pass
               failure.json why it failed, until it is tried again
    audits/<setting>/       the audit of one setting, its report, and what it is made of
    locks/<key>.lock        held by the process that works on a run

A run is finished when its answers to every split are there: each appears whole or not at all, and
the model before them. So nothing needs to be repaired after a process was killed. A lock is the
operating system's, and falls with the process.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from prunescope import inputs
from prunescope.errors import ConfigError, DataError
from prunescope.files import leftovers, remove_leftovers, replacing
from prunescope.predictions import Predictions
from prunescope.study.plan import Plan, Run, Setting
from prunescope.study.stages import state_folder

STUDY, PLAN, DATA = "study.yaml", "plan.json", "data.json"
RUNS, AUDITS, LOCKS = "runs", "audits", "locks"
OURS = {STUDY, PLAN, DATA, RUNS, AUDITS, LOCKS}
SPEC, MODEL, ANSWERS, LOG, FAILURE = (
    "run.json", "model", "predictions", "log.jsonl", "failure.json"
)  # fmt: skip


class Status(StrEnum):
    """How far a run is.

    ``waiting`` for its turn or its parent, ``running`` in some process, ``stopped`` half-way,
    ``finished``, ``failed``, or ``blocked`` by a parent that failed.
    """

    WAITING = "waiting"
    RUNNING = "running"
    STOPPED = "stopped"
    FINISHED = "finished"
    FAILED = "failed"
    BLOCKED = "blocked"


@dataclass(frozen=True)
class Failure:
    """Why a run failed.

    Parameters
    ----------
    error : str
    session : str
        Of the call of `run_study` that it failed in; another one tries again.
    trace : str, optional
        Where it was raised, of an error that was not foreseen.
    """

    error: str
    session: str
    trace: str | None = None


@dataclass(frozen=True)
class Store:
    """The folder of one study.

    Parameters
    ----------
    folder : Path
    splits : tuple of str
        What each run answers.
    """

    folder: Path
    splits: tuple[str, ...]

    @classmethod
    def create(cls, folder: Path, plan: Plan, text: str) -> Store:
        """Begin or go on with a study in a folder.

        Runs that the folder has and the plan does not ask for stay.

        Raises
        ------
        ConfigError
            The folder holds something else, or another study.
        """
        store = cls(folder, plan.study.asked)
        known = folder / PLAN
        others = {path.name for path in folder.glob("[!.]*")} - OURS
        if others and not known.exists():
            raise ConfigError(f"{folder} exists and holds no study: choose another with -o")
        with suppress(DataError):  # one that is absent or damaged is written anew
            name = load_plan(folder).study.name
            if name != plan.study.name:
                raise ConfigError(
                    f"{folder} holds the study {name!r}, not {plan.study.name!r}: choose another "
                    "with -o"
                )
        with store.lock(STUDY, wait=True):
            remove_leftovers(leftovers(folder, STUDY, PLAN, DATA))
            with replacing(folder / STUDY) as beside:
                beside.write_text(text, encoding="utf-8")
            with replacing(known) as beside:
                beside.write_text(plan.model_dump_json(indent=1, exclude_defaults=True), "utf-8")
        return store

    @classmethod
    def open(cls, folder: Path) -> tuple[Store, Plan]:
        """Open the folder of a study that was begun.

        Raises
        ------
        DataError
            It holds no study, or a damaged one.
        """
        plan = load_plan(folder)
        return cls(folder, plan.study.asked), plan

    def run(self, run: Run) -> Path:
        """Return the folder of a run."""
        return self.folder / RUNS / run.key

    def model(self, run: Run) -> Path:
        """Return the folder of a run's checkpoint."""
        return self.run(run) / MODEL

    def answers(self, run: Run, split: str) -> Path:
        """Return the file of a run's answers to a split."""
        return self.run(run) / ANSWERS / f"{split}.parquet"

    def log(self, run: Run) -> Path:
        """Return the file of a run's training log."""
        return self.run(run) / LOG

    def audit(self, setting: Setting) -> Path:
        """Return the folder of a setting's audit."""
        return self.folder / AUDITS / setting.name

    def predictions(self, run: Run, split: str) -> Predictions:
        """Load a run's answers."""
        return Predictions.load(self.answers(run, split))

    def finished(self, run: Run) -> bool:
        """Tell whether all of a run is there."""
        return all(self.answers(run, split).exists() for split in self.splits)

    def has_model(self, run: Run) -> bool:
        """Tell whether a run's model is there."""
        return self.model(run).exists()

    def status(self, run: Run) -> Status:
        """Tell how far a run is."""
        if self.finished(run):
            return Status.FINISHED
        if self.held(run.key):
            return Status.RUNNING
        if self.failure(run) is not None:
            return Status.FAILED
        if run.parent is not None and self.status(run.parent) in (Status.FAILED, Status.BLOCKED):
            return Status.BLOCKED
        begun = self.has_model(run) or state_folder(self.model(run)).exists()
        return Status.STOPPED if begun else Status.WAITING

    def progress(self, run: Run) -> float | None:
        """Return the share of an unfinished run's training that is done; None if none is."""
        log = None if self.finished(run) else read_log(self.log(run))
        return log[-1]["step"] / log[-1]["of"] if log else None

    def failure(self, run: Run) -> Failure | None:
        """Return why a run failed, if it did."""
        try:
            return Failure(**inputs.read_json(self.run(run) / FAILURE))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, OSError) as error:
            return Failure(f"{self.run(run) / FAILURE} cannot be read: {error}", "")

    def fail(self, run: Run, failure: Failure) -> None:
        """Note why a run failed; on a full disk even that may fail, and is left."""
        with suppress(DataError):
            write_json(self.run(run) / FAILURE, vars(failure))

    def begin(self, run: Run) -> None:
        """Prepare the folder of a run that is locked: say what it is, remove what was left."""
        folder = self.run(run)
        remove_leftovers((*folder.rglob(".*.part"), folder / FAILURE))
        if self.has_model(run):  # a kill may fall between keeping it and this
            remove_leftovers([state_folder(self.model(run))])
        if not (folder / SPEC).exists():
            write_json(folder / SPEC, run.model_dump(mode="json", exclude_defaults=True))

    @contextmanager
    def lock(self, name: str, *, wait: bool = False) -> Iterator[bool]:
        """Hold the lock of a run, or of something else by name; gives whether it could be had."""
        from filelock import FileLock, Timeout

        path = self.folder / LOCKS / f"{name}.lock"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(path, timeout=-1 if wait else 0)
            lock.acquire()
        except Timeout:
            yield False
            return
        except OSError as error:
            raise DataError(f"cannot write {path}: {error.strerror}") from error
        try:
            yield True
        finally:
            lock.release()

    def held(self, name: str) -> bool:
        """Tell whether some process holds a lock."""
        if not (self.folder / LOCKS / f"{name}.lock").exists():
            return False
        with self.lock(name) as free:
            return not free

    def settle_data(self, fingerprints: dict[str, str]) -> None:
        """Note what the data are, or raise where they are no longer what they were.

        Raises
        ------
        DataError
            The data have changed since the study was begun.
        """
        file = self.folder / DATA
        with self.lock(STUDY, wait=True):
            known = read_json(file) if file.exists() else {}
            for name, fingerprint in fingerprints.items():
                if known.get(name, fingerprint) != fingerprint:
                    raise DataError(
                        f"the data ({name}) are not those that {self.folder} was begun with: its "
                        "runs would not be comparable; choose another folder with -o, or bring the "
                        "data back"
                    )
            if known != known | fingerprints:
                write_json(file, known | fingerprints)


def read_log(log: Path) -> list[dict[str, Any]]:
    """Return a training log, a dictionary for each pass over the data, repeated ones once.

    What an interruption cut off is left out.
    """
    found: dict[int, dict[str, Any]] = {}
    if log.exists():
        for line in log.read_text("utf-8").splitlines():
            try:
                told = json.loads(line)
                found[int(told["epoch"])] = told
            except (ValueError, KeyError, TypeError):
                continue
    return [found[epoch] for epoch in sorted(found)]


def load_plan(folder: Path) -> Plan:
    """Read the plan in a study's folder.

    Raises
    ------
    DataError
        There is none, or it is damaged.
    """
    file = folder / PLAN
    try:
        return Plan.model_validate_json(inputs.read_text(file))
    except FileNotFoundError as error:
        raise DataError(
            f"{folder} holds no study: expected {PLAN}, as 'prunescope study run' writes it"
        ) from error
    except (ValueError, OSError) as error:
        raise DataError(f"{file} is damaged: {error!s:.200}; run the study again") from error


def read_json(path: Path) -> Any:  # noqa: ANN401 - whatever it holds
    """Read a JSON file of a study."""
    try:
        return inputs.read_json(path)
    except (ValueError, OSError) as error:
        raise DataError(f"{path} is damaged: {error}; remove it and run the study again") from error


def write_json(path: Path, content: object) -> None:
    """Write a JSON file of a study, whole or not at all."""
    with replacing(path) as beside:
        beside.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", "utf-8")
