"""The review queue: which answer a reviewer is asked about next."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from itertools import chain

from prunescope.viewer.decisions import Decisions, Key
from prunescope.viewer.select import Selection, Selector
from prunescope.viewer.view import View

HELD = 120.0
"""Seconds for which an item that is looked at in one session is not given to another."""


class Queue:
    """Hands the answers of a view out, each to one session at a time.

    Parameters
    ----------
    selector : Selector
    decisions : Decisions
    clock : callable
        Seconds.
    """

    def __init__(
        self,
        selector: Selector,
        decisions: Decisions,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._selector, self._decisions, self._clock = selector, decisions, clock
        self._held: dict[Key, tuple[str, float]] = {}
        self._lock = threading.Lock()

    def next(self, view: View, session: str, after: int = -1) -> int | None:
        """Return the position in the queue of the first undecided item behind `after`.

        Items before it are looked at again when there are none behind. What is looked at in another
        session, a browser's window say, is passed over; None: nothing is left.
        """
        chosen = self._selector.queue(view.unpaged)
        decided = self._decisions.decided
        with self._lock:
            now = self._clock()
            self._held = {k: held for k, held in self._held.items() if held[1] > now}
            n = len(chosen)
            for position in chain(range(after + 1, n), range(min(after + 1, n))):
                key = self.key(chosen, position)
                holder = self._held.get(key)
                if key not in decided and (holder is None or holder[0] == session):
                    self._held = {k: held for k, held in self._held.items() if held[0] != session}
                    self._held[key] = session, now + HELD
                    return position
        return None

    def key(self, chosen: Selection, position: int) -> Key:
        """Return the item at a position of a queue."""
        samples = self._selector.collection.samples
        row, column = int(chosen.rows[position]), int(chosen.columns[position])
        return str(samples.ids[row]), samples.attributes[column]

    def progress(self, view: View) -> tuple[int, int]:
        """Return how many items of a view are decided on, and of how many."""
        chosen = self._selector.queue(view.unpaged)
        decided = self._decisions.decided
        if not decided:
            return 0, len(chosen)
        collection = self._selector.collection
        places = {
            (collection.rows[key], collection.columns[attribute])
            for key, attribute in decided
            if key in collection.rows and attribute in collection.columns
        }
        pairs = zip(chosen.rows.tolist(), chosen.columns.tolist(), strict=True)
        return sum(pair in places for pair in pairs), len(chosen)
