"""The page of Python's public names, from their docstrings."""

from __future__ import annotations

from itertools import groupby

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

import prunescope as ps

PAGE = "reference/python.md"
TOP = """# Python

`import prunescope as ps` is fast and needs no torch: a name is loaded when it is used.
"""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the page: the names by the package that defines them."""
    home = ps._HOME.__getitem__
    text = [TOP]
    for package, names in groupby(sorted(ps.__all__, key=home), home):
        text += [f"## {package}\n", *(f"::: prunescope.{package}.{name}\n" for name in names)]
    files.append(File.generated(config, PAGE, content="\n".join(text)))
    return files
