"""The page of all commands, as their --help tells them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import typer.main
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from prunescope.cli.app import app

PAGE = "reference/commands.md"
TOP = """# Commands

What `prunescope COMMAND --help` tells, of every command. [On one page](../tour.md) says what they
are for.
"""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the page."""
    command = typer.main.get_command(app)
    text = "\n".join([TOP, *commands("prunescope", command)])
    files.append(File.generated(config, PAGE, content=text))
    return files


def commands(name: str, command: Any) -> Iterator[str]:  # noqa: ANN401 - Typer's own copy of click
    """Tell of a command, or of those in a group."""
    if inside := getattr(command, "commands", None):
        for word, one in inside.items():
            yield from commands(f"{name} {word}", one)
        return
    context = command.context_class(command, info_name=name)
    usage = " ".join([name, *command.collect_usage_pieces(context)])
    yield f"## {name.removeprefix('prunescope ')}\n\n```sh\n{usage}\n```\n\n{command.help}\n"
    panels: dict[str, list[str]] = {}
    for option in command.get_params(context):
        if record := option.get_help_record(context):
            first, said = record
            panel = panels.setdefault(getattr(option, "rich_help_panel", None) or "", [])
            panel.append(f"`{first}`\n:   {plain(said)}\n")
    for panel, told in sorted(panels.items(), key=lambda one: one[0] != ""):
        yield from [f"**{panel}**\n", *told] if panel else told


def plain(text: str) -> str:
    """Keep signs from meaning something in Markdown."""
    return re.sub(r"([*_<\[])", r"\\\1", text)
