"""What reviewers decided: a plain file of JSON lines that only ever grows.

A decision is confirmed when its line, with the newline at its end, is on the disk. Several
processes may write to one file: each locks it, and reads what others added. A line that was cut
off, because its writer was killed, was never confirmed, and goes when the next one is written.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import polars as pl
from filelock import FileLock
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from prunescope.errors import DataError, reasons

Answer = Literal["yes", "no", "unsure", "label_wrong"]
"""What a person says of an answer: the attribute is there, is not, cannot be told; or the label
given is wrong."""

Key = tuple[str, str]
"""An item of a review: the id of a sample, and an attribute."""

EXPORT_SCHEMA: dict[str, pl.DataType] = {
    "id": pl.String(),
    "attribute": pl.String(),
    "answer": pl.String(),
    "label": pl.Boolean(),
    "by": pl.String(),
    "at": pl.Datetime("us", "UTC"),
    "note": pl.String(),
}
"""Columns of the exported decisions, one row per item. `by` names the reviewers, `at` is when the
last of them decided, `note` says what each said where they disagree."""


class Decision(BaseModel):
    """One line of the file.

    Parameters
    ----------
    id, attribute : str
    answer : {"yes", "no", "unsure", "label_wrong"}, optional
        None: nothing is decided any more.
    by : str
        Who decided.
    at : datetime
        When, in UTC.
    label : bool, optional
        The label that the reviewer was shown.
    undo : bool
        Whether the line takes the reviewer's decision before it back, and restores `answer`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(max_length=1000)
    attribute: str = Field(max_length=1000)
    answer: Answer | None
    by: str = Field(min_length=1, max_length=100)
    at: datetime
    label: bool | None = None
    undo: bool = False

    @property
    def key(self) -> Key:
        """The item that it is about."""
        return self.id, self.attribute


class Decisions:
    """The decisions in a file, of all reviewers.

    Parameters
    ----------
    path : path
        Made with the first decision.
    now : callable
        The clock.

    Raises
    ------
    DataError
        The file cannot be read, or a line of it is no decision.

    Examples
    --------
    >>> import tempfile
    >>> decisions = Decisions(Path(tempfile.mkdtemp()) / "decisions.jsonl")
    >>> _ = decisions.add("face-1", "Bald", "yes", by="ada", label=False)
    >>> decisions.add("face-2", "Bald", "no", by="ada", label=False).answer
    'no'
    >>> decisions.undo("ada").key
    ('face-2', 'Bald')
    >>> decisions.table().select("id", "answer", "by").rows()
    [('face-1', 'yes', 'ada')]
    """

    def __init__(self, path: Path, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.path, self._now = path, now
        self._lock = FileLock(f"{path}.lock", thread_local=False)
        self._threads = threading.RLock()
        self._forget()
        self.refresh()

    def _forget(self) -> None:
        """Start reading from the beginning of the file."""
        self._read, self._lines, self._inode = 0, 0, 0
        self._said: dict[Key, dict[str, Decision]] = {}
        self._before: dict[str, list[tuple[Decision, Decision | None]]] = {}

    def refresh(self) -> None:
        """Read what was added to the file since, by this process or another."""
        with self._threads:
            try:
                found = self.path.stat()
            except FileNotFoundError:
                self._forget()
                return
            if found.st_ino != self._inode or found.st_size < self._read:
                self._forget()
                self._inode = found.st_ino
            if found.st_size == self._read:
                return
            try:
                with self.path.open("rb") as file:
                    file.seek(self._read)
                    text = file.read()
            except OSError as error:
                raise DataError(f"{self.path} cannot be read: {error.strerror}") from error
            for line in text[: text.rfind(b"\n") + 1].splitlines(keepends=True):
                self._take(self._parse(line))
                self._read += len(line)
                self._lines += 1

    def _parse(self, line: bytes) -> Decision:
        try:
            return Decision.model_validate_json(line.decode("utf-8", "replace"))
        except ValidationError as error:
            raise DataError(
                f"{self.path}: line {self._lines + 1} is no decision: {reasons(error, 'line')}; "
                "mend the line, or move the file away"
            ) from error

    def _take(self, decision: Decision) -> None:
        """Bring the state up to a line."""
        said = self._said.setdefault(decision.key, {})
        stack = self._before.setdefault(decision.by, [])
        if decision.undo:
            if stack:
                stack.pop()
        else:
            stack.append((decision, said.get(decision.by)))
        if decision.answer is None:
            said.pop(decision.by, None)
        else:
            said[decision.by] = decision
        if not said:
            del self._said[decision.key]

    def add(
        self, id: str, attribute: str, answer: Answer, *, by: str, label: bool | None
    ) -> Decision:
        """Append a decision; when this returns, it is on the disk.

        Raises
        ------
        DataError
            The file cannot be written.
        """
        decision = Decision(
            id=id, attribute=attribute, answer=answer, by=by, at=self._now(), label=label
        )
        return self._append(lambda: decision) or decision

    def undo(self, by: str) -> Decision | None:
        """Take the last decision of a reviewer back; once more: the one before that.

        Returns
        -------
        Decision or None
            What was taken back; None where there is nothing.
        """
        undone: list[Decision] = []

        def line() -> Decision | None:
            stack = self._before.get(by)
            if not stack:
                return None
            last, before = stack[-1]
            undone.append(last)
            answer = None if before is None else before.answer
            return last.model_copy(update={"answer": answer, "at": self._now(), "undo": True})

        self._append(line)
        return undone[0] if undone else None

    def _append(self, line: Callable[[], Decision | None]) -> Decision | None:
        """Write the line that is made of the newest state, and wait until it is on the disk."""
        with self.locked():
            decision = line()
            if decision is None:
                return None
            text = decision.model_dump_json(exclude_defaults=True).encode() + b"\n"
            with self.path.open("ab") as file:
                file.truncate(self._read)  # what is cut off was never confirmed
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            self.refresh()
            return decision

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep all others from deciding, in this process or another; the newest state is read.

        Raises
        ------
        DataError
            The file cannot be read, or nothing can be written beside it.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self._threads, self._lock:
                self.refresh()
                yield
        except OSError as error:
            raise DataError(f"cannot write {self.path}: {error.strerror or error}") from error

    def of(self, key: Key) -> dict[str, Decision]:
        """Return what each reviewer decided on an item."""
        with self._threads:
            return dict(self._said.get(key, {}))

    @property
    def decided(self) -> set[Key]:
        """The items that somebody decided on."""
        with self._threads:
            return set(self._said)

    @property
    def counts(self) -> dict[str, int]:
        """How many items each reviewer decided on."""
        with self._threads:
            counts: dict[str, int] = {}
            for said in self._said.values():
                for who in said:
                    counts[who] = counts.get(who, 0) + 1
            return counts

    def table(self) -> pl.DataFrame:
        """Return one row per item, with the answer that its reviewers agree on.

        Who is unsure leaves it to the others. Where those disagree the answer is ``unsure``, and
        `note` tells who said what. That the label is wrong agrees with the opposite of the label.

        Returns
        -------
        polars.DataFrame
            Columns as in `EXPORT_SCHEMA`, in the order of the first decision on each item.
        """
        with self._threads:
            rows = [_row(key, list(said.values())) for key, said in self._said.items()]
        return pl.DataFrame(rows, schema=EXPORT_SCHEMA, orient="row")


def _row(key: Key, said: list[Decision]) -> tuple[object, ...]:
    """Agree on one item."""
    label = next((one.label for one in said if one.label is not None), None)
    sure = {one.answer for one in said if one.answer not in (None, "unsure")}
    opposite = {True: "no", False: "yes"}.get(label) if label is not None else None
    if "label_wrong" in sure and opposite in sure:
        sure -= {opposite}
    answer = next(iter(sure)) if len(sure) == 1 else "unsure"
    note = "; ".join(f"{one.by}: {one.answer}" for one in said) if len(sure) > 1 else None
    who = ", ".join(one.by for one in said)
    return *key, answer, label, who, max(one.at for one in said), note
