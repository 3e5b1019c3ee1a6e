"""`Holds`: who looks at what, in a small file that all viewers of one review share."""

from __future__ import annotations

import time
from collections.abc import Callable

from pydantic import TypeAdapter, ValidationError

from prunescope.files import replacing
from prunescope.inputs import read_bytes
from prunescope.viewer.decisions import Decisions, Key

HELD = 120.0
"""Seconds for which an item that is looked at in one session is not given to another."""

_HOLDS = TypeAdapter(dict[str, tuple[Key, float]])
"""Session → the item that it looks at, and until when, in seconds since 1970."""


class Holds:
    """The items that are looked at, each in one session, and one for each session.

    They lie beside the decisions, and are read and written while these are locked: so they hold
    between processes, and nobody decides meanwhile.

    Parameters
    ----------
    decisions : Decisions
    clock : callable
        Seconds since 1970, as all processes that share a review know them.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> holds = Holds(Decisions(Path(tempfile.mkdtemp()) / "decisions.jsonl"))
    >>> holds.take("ada", lambda others: ("face-1", "Bald"))
    ('face-1', 'Bald')
    >>> holds.of_others("bob"), holds.of_others("ada")
    ({('face-1', 'Bald')}, set())
    """

    def __init__(self, decisions: Decisions, clock: Callable[[], float] = time.time) -> None:
        self._decisions, self._clock = decisions, clock
        self.path = decisions.path.with_name(decisions.path.name + ".held")

    def of_others(self, session: str) -> set[Key]:
        """Return what is looked at in other sessions."""
        return {key for key, _ in self._others(session).values()}

    def take(self, session: str, choose: Callable[[set[Key]], Key | None]) -> Key | None:
        """Hold for a session what `choose` makes of what others hold, and no longer what it held.

        The newest decisions have been read when `choose` is called.

        Raises
        ------
        DataError
            The files cannot be written.
        """
        with self._decisions.locked():
            others = self._others(session)
            chosen = choose({key for key, _ in others.values()})
            mine = {} if chosen is None else {session: (chosen, self._clock() + HELD)}
            with replacing(self.path) as beside:
                beside.write_bytes(_HOLDS.dump_json(others | mine))
            return chosen

    def _others(self, session: str) -> dict[str, tuple[Key, float]]:
        """Read what is held in other sessions; a file that is no such one holds nothing."""
        try:
            held = _HOLDS.validate_json(read_bytes(self.path))
        except (OSError, ValidationError):
            return {}
        now = self._clock()
        return {who: one for who, one in held.items() if who != session and one[1] > now}
