"""`serve`: run the viewer until it is stopped."""

from __future__ import annotations

import contextlib
import ipaddress
import secrets
import socket
import webbrowser
from collections.abc import Callable

import uvicorn
from fastapi import FastAPI

from prunescope.errors import ConfigError
from prunescope.viewer.connection import Impatient

FIRST_PORT = 8760
PORTS_TRIED = 50

BACKLOG = 2048
"""Connections that may wait to be taken up."""

IDLE = 60
"""Seconds for which a connection is kept between two requests."""

LAST = 5
"""Seconds that what is under way has to end in when the viewer is stopped."""


def is_loopback(host: str) -> bool:
    """Tell whether an address can be reached from this machine alone.

    Examples
    --------
    >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def new_token() -> str:
    """Draw the token of one run of the viewer."""
    return secrets.token_urlsafe(24)


def bind(host: str, port: int | None) -> socket.socket:
    """Take a port: the one that is named, or the first free one from `FIRST_PORT` on.

    Raises
    ------
    ConfigError
        The host is none of this machine's, or the port is taken.
    """
    if not host.strip():  # which would mean every address
        raise ConfigError("--host is empty: expected an address of this machine, such as 127.0.0.1")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    wanted = range(FIRST_PORT, FIRST_PORT + PORTS_TRIED) if port is None else (port,)
    problem: OSError | None = None
    for number in wanted:
        taken = socket.socket(family)
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind((host, number))
            taken.listen(BACKLOG)  # from here on nobody else can take it
        except (OSError, OverflowError) as error:
            taken.close()
            problem = error if isinstance(error, OSError) else OSError(str(error))
        else:
            return taken
    raise ConfigError(
        f"{host} port {port if port is not None else f'{wanted[0]} to {wanted[-1]}'} cannot be "
        f"served: {problem}; choose another --port or --host"
    )


def serve(
    app: FastAPI,
    taken: socket.socket,
    *,
    url: str,
    open_browser: bool,
    tell: Callable[[str], None],
) -> None:
    """Serve an application until Ctrl-C.

    Parameters
    ----------
    app : FastAPI
    taken : socket
        From `bind`.
    url : str
        Where a browser finds it.
    open_browser : bool
    tell : callable
        Takes a line for the person who started it.
    """

    def started() -> None:
        tell(f"viewer: {url}  (Ctrl-C stops it)")
        if open_browser:
            with contextlib.suppress(webbrowser.Error):
                webbrowser.open(url)

    with taken, contextlib.suppress(KeyboardInterrupt):
        Server(app, started).run(sockets=[taken])


class Server(uvicorn.Server):
    """A server that tells when it has started, and waits for nobody for ever.

    Parameters
    ----------
    app : FastAPI
    started : callable
    """

    def __init__(self, app: FastAPI, started: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=Impatient,
                ws="none",
                log_level="warning",
                lifespan="off",
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=IDLE,
                timeout_graceful_shutdown=LAST,
            )
        )
        self._told = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to listen."""
        await super().startup(sockets)
        self._told()


def url_of(host: str, port: int, token: str | None, root: str = "") -> str:
    """Write the address, with the token where one is needed to open it.

    Examples
    --------
    >>> url_of("::1", 8760, None), url_of("0.0.0.0", 80, "t")
    ('http://[::1]:8760/', 'http://0.0.0.0:80/?token=t')
    """
    name = f"[{host}]" if ":" in host else host
    return f"http://{name}:{port}{root}/" + (f"?token={token}" if token else "")
