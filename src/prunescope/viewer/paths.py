"""The path that the viewer is served under, behind a proxy, and where a request is in it.

Pages link to each other relatively, so they work under any path that a proxy takes away before it
asks. A proxy that leaves it there takes `root_path`.
"""

from __future__ import annotations

import re

from starlette.types import Scope

from prunescope.errors import ConfigError

TAKEN = (
    "api", "attribute", "compare", "group", "image", "layers", "map", "report", "review", "sample",
    "samples", "static",
)  # fmt: skip
"""What paths of the viewer's own begin with."""


def root_path(text: str) -> str:
    """Read the path that the viewer is served under: empty, or with a slash before it alone.

    Raises
    ------
    ConfigError
        It is no path, or one of the viewer's own.

    Examples
    --------
    >>> root_path("/tools/faces/"), root_path("faces"), root_path("/")
    ('/tools/faces', '/faces', '')
    """
    parts = text.strip("/").split("/")
    if parts == [""]:
        return ""
    if any(part in (".", "..") or not re.fullmatch(r"[A-Za-z0-9_.~@+-]+", part) for part in parts):
        raise ConfigError(
            f"--root-path {text!r}: expected the path that a proxy serves the viewer under, such "
            "as /faces"
        )
    if parts[0] in TAKEN:
        raise ConfigError(
            f"--root-path {text!r}: /{parts[0]} is a page of the viewer's own: choose another"
        )
    return "/" + "/".join(parts)


def within(scope: Scope) -> str:
    """Return what a request asks for, from the viewer's address on."""
    root, path = scope.get("root_path", ""), str(scope["path"])
    return path.removeprefix(root) if path.startswith(f"{root}/") else path


def depth_of(scope: Scope) -> int:
    """Count the folders between the viewer's address and what a request asks for."""
    taken = str(scope["path"]).count("/") - within(scope).count("/")
    raw: bytes = scope["raw_path"]  # in which an escaped slash is none
    return raw.count(b"/") - 1 - taken


def is_api(scope: Scope) -> bool:
    """Tell whether a program is answered, not a person."""
    return within(scope).startswith("/api/")
