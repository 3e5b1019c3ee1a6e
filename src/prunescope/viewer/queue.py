"""The review queue: which answer a reviewer is asked about next."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import chain

from prunescope.viewer.decisions import Decisions, Key
from prunescope.viewer.holds import Holds
from prunescope.viewer.select import Selection, Selector
from prunescope.viewer.view import View


class Queue:
    """Hands the answers of a view out, each to one session at a time.

    Parameters
    ----------
    selector : Selector
    decisions : Decisions
    clock : callable
        Seconds since 1970.
    """

    def __init__(
        self, selector: Selector, decisions: Decisions, clock: Callable[[], float] = time.time
    ) -> None:
        self._selector, self._decisions = selector, decisions
        self._holds = Holds(decisions, clock)

    def next(self, view: View, session: str, after: int = -1, *, hold: bool) -> int | None:
        """Return the position in the queue of the first undecided item behind `after`.

        Items before it are looked at again when there are none behind. What is looked at in another
        session, a browser's window say, is passed over; None: nothing is left. With `hold`, the
        session looks at it from now on.

        Raises
        ------
        DataError
            What is held cannot be written down.
        """
        chosen = self._selector.queue(view.unpaged)
        n = len(chosen)
        found: int | None = None

        def choose(held: set[Key]) -> Key | None:
            nonlocal found
            taken = self._decisions.decided | held
            for position in chain(range(after + 1, n), range(min(after + 1, n))):
                if (key := self.key(chosen, position)) not in taken:
                    found = position
                    return key
            return None

        if hold:
            self._holds.take(session, choose)
        else:
            choose(self._holds.of_others(session))
        return found

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
