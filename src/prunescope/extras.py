"""How to install an optional part, from where prunescope itself came."""

from __future__ import annotations

import json
import os
import shlex
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

__all__ = ["install_command"]

NAME = "prunescope"


def install_command(extra: str) -> str:
    """Return the command that installs an extra and works from where prunescope was installed.

    That is the folder or file that it was installed from, where it still is there; the repository;
    or else the package's name.

    Examples
    --------
    >>> install_command("train").startswith("pip install ")
    True
    """
    try:
        told = distribution(NAME).read_text("direct_url.json")
        origin = json.loads(told or "{}")
    except PackageNotFoundError:  # run from its source
        origin = {"url": Path(__file__).parents[2].as_uri(), "dir_info": {"editable": True}}
    except ValueError:
        origin = {}
    return f"pip install {_what(origin, extra)}"


def _what(origin: dict[str, Any], extra: str) -> str:
    """Word what pip is given, by what it noted when it installed (PEP 610)."""
    url = str(origin.get("url", ""))
    if "vcs_info" in origin:
        vcs, commit = (origin["vcs_info"].get(key, "") for key in ("vcs", "commit_id"))
        return _quoted(f"{NAME}[{extra}] @ {vcs}+{url}@{commit}")
    if url.startswith("file:"):
        path = Path(url2pathname(urlsplit(url).path))
        if path.is_file() or (path / "pyproject.toml").is_file():
            editable = origin.get("dir_info", {}).get("editable")
            return f"{'-e ' if editable else ''}{_quoted(f'{path}[{extra}]')}"
    return _quoted(f"{NAME}[{extra}]")


def _quoted(text: str) -> str:
    return f'"{text}"' if os.name == "nt" else shlex.quote(text)
