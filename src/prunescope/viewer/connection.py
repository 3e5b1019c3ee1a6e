"""`Impatient`: a connection on which nobody can keep the viewer waiting for ever."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

LONGEST_WAIT = 30.0
"""Seconds within which a request must come in whole, and `LEAST_READ` of an answer be read."""

LEAST_READ = 64 * 1024
"""Bytes."""


class Impatient(H11Protocol):
    """HTTP on one connection, which is closed when the other side keeps it waiting for too long.

    A request must have come in whole `LONGEST_WAIT` after its first byte, the first one after the
    connection was made, however slowly it drips in. Of an answer at least `LEAST_READ` must be read
    in that time.
    """

    def __init__(self, *given: Any, **told: Any) -> None:  # noqa: ANN401 - uvicorn's own
        super().__init__(*given, **told)
        self._request: asyncio.TimerHandle | None = None
        self._answer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._request = self.loop.call_later(LONGEST_WAIT, self.transport.abort)

    def data_received(self, data: bytes) -> None:
        """Take a part of a request; wait for the rest of it, but no longer than since it began."""
        super().data_received(data)
        cycle: RequestResponseCycle | None = self.cycle
        whole = cycle is not None and not cycle.more_body and not cycle.response_complete
        if whole and self._request is not None:
            self._request.cancel()
            self._request = None
        elif not whole and self._request is None:
            self._request = self.loop.call_later(LONGEST_WAIT, self.transport.abort)

    def pause_writing(self) -> None:
        """Begin to wait for what was sent to be read."""
        super().pause_writing()
        self._wait_for_reader()

    def resume_writing(self) -> None:
        """Go on to send."""
        super().resume_writing()
        if self._answer is not None:
            self._answer.cancel()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        super().connection_lost(exc)
        for timer in (self._request, self._answer):
            if timer is not None:
                timer.cancel()

    def _wait_for_reader(self) -> None:
        left = self.transport.get_write_buffer_size()

        def look() -> None:
            if self.transport.get_write_buffer_size() > left - LEAST_READ:
                self.transport.abort()
            else:
                self._wait_for_reader()

        self._answer = self.loop.call_later(LONGEST_WAIT, look)
