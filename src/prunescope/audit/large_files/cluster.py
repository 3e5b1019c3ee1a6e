"""Counting on a Ray cluster: parts go to its machines, their tallies come back and are added up.

Every machine must see the files under the same paths and have prunescope installed. Tallies are
added in the order of the rows, so the result equals that of one machine to the last bit. A part
whose machine dies is counted again elsewhere.
"""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from prunescope.audit.large_files.counting import Plan, add_up, count_part
from prunescope.audit.large_files.streaming import Engine
from prunescope.audit.large_files.tally import Tally
from prunescope.errors import ConfigError, DataError, MissingExtraError, PrunescopeError

RETRIES = 5
"""Times that a part is counted again when its machine dies."""

SPARE = 2
"""Parts in hand per processor of the cluster: enough to keep it busy, few enough for memory."""


PATIENCE = 5.0
"""Seconds to wait for a cluster to answer."""


def on_ray(address: str | None = None) -> Engine:
    """Return an engine that counts on a Ray cluster.

    Parameters
    ----------
    address : str, optional
        Of a running cluster: ``auto``, ``host:port`` or ``ray://host:port``. Default: the cluster
        that this program is connected to, else one of this machine's processors, for the time of
        the audit.

    Raises
    ------
    MissingExtraError
        Ray is not installed.
    ConfigError
        No cluster answers at the address.
    """
    _import_ray()

    def engine(plan: Plan, progress: Callable[[int, int], None] | None) -> Tally:
        with connected(address) as ray:
            try:
                return add_up(_counted(ray, plan), len(plan.parts()), progress)
            except ray.exceptions.RayTaskError as error:
                cause = error.cause
                if isinstance(cause, PrunescopeError):
                    raise cause from error
                raise DataError(f"a part could not be counted: {error}") from error

    return engine


@contextmanager
def connected(address: str | None = None) -> Iterator[Any]:
    """Give the module of Ray, connected to a cluster for the time of the block.

    Parameters
    ----------
    address : str, optional
        As for `on_ray`. A connection that this program has already is used, and stays.

    Raises
    ------
    MissingExtraError
        Ray is not installed.
    ConfigError
        No cluster answers at the address.
    """
    ray = _import_ray()
    mine = not ray.is_initialized()
    if mine:
        _connect(ray, address)
    try:
        yield ray
    finally:
        if mine:
            ray.shutdown()


def _import_ray() -> Any:  # noqa: ANN401 - the module
    try:
        import ray
    except ImportError as error:
        raise MissingExtraError("work on a cluster", "ray") from error
    return ray


def _connect(ray: Any, address: str | None) -> None:  # noqa: ANN401 - the module
    """Join the cluster at an address, or start one on this machine alone."""
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "error"}
    if address is None:
        options |= {"include_dashboard": False, "_node_ip_address": "127.0.0.1"}
    else:
        host = _reach(address)
        options |= {"address": address}
        if host.startswith("127."):
            options |= {"_node_ip_address": host}  # it can be reached from nowhere else
    try:
        ray.init(**options)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise _unreachable(address, error) from error


def _reach(address: str) -> str:
    """Return the host of an address, or raise a `ConfigError` where nothing listens at its port."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon or not port.isdigit():
        return address
    try:
        socket.create_connection((host, int(port)), PATIENCE).close()
    except (OSError, OverflowError) as error:
        raise _unreachable(address, error) from error
    return host


def _unreachable(address: str | None, error: Exception) -> ConfigError:
    return ConfigError(
        f"no Ray cluster answers at {address!r}: {error}. Expected auto, host:port or "
        "ray://host:port of one that runs ('ray start --head' starts one)"
    )


def _counted(ray: Any, plan: Plan) -> Iterator[Tally]:  # noqa: ANN401 - the module
    """Yield the tally of each part in order, while the next ones are counted."""
    count = ray.remote(max_retries=RETRIES, num_cpus=1)(count_part)
    shared = ray.put(plan)
    at_once = SPARE * max(int(ray.cluster_resources().get("CPU", 1)), 1)
    waiting: deque[Any] = deque()
    for start in plan.parts():
        waiting.append(count.remote(shared, start))
        if len(waiting) > at_once:
            yield ray.get(waiting.popleft())
    while waiting:
        yield ray.get(waiting.popleft())
