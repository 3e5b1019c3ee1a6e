"""The page of Python's public names, from their docstrings."""

from __future__ import annotations

from itertools import groupby

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

import prunescope as ps

PAGE = "reference/python.md"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages, one for the names of each package, and one that lists them."""
    home = ps._HOME.__getitem__
    top = [
        "# Python",
        "",
        "`import prunescope as ps` is fast and needs no torch: a name is loaded when it is used.",
        "",
    ]
    for package, group in groupby(sorted(ps.__all__, key=home), home):
        names = list(group)
        page = PAGE.replace("python", f"python-{package}")
        text = "\n".join(
            [f"# {package}", "", *(f"::: prunescope.{package}.{name}\n" for name in names)]
        )
        files.append(File.generated(config, page, content=text))
        links = ", ".join(
            f"[{name}](python-{package}.md#prunescope.{package}.{name})" for name in names
        )
        top.append(f"- **{package}**: {links}")
    files.append(File.generated(config, PAGE, content="\n".join(top)))
    return files
