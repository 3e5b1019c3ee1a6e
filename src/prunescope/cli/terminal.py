"""`Terminal`: what results are shown on, of any width."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.console import Console, RenderableType
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from prunescope.cli.console import colourless

UNBOUNDED = 100_000
"""Columns, for a table to tell how many it needs."""


class Terminal(Console):
    """Standard output, on which nothing is cut off: a table too wide for it becomes a list."""

    def __init__(self) -> None:
        super().__init__(highlight=False, color_system=None if colourless() else "auto")

    def print(self, *shown: Any, **how: Any) -> None:  # noqa: ANN401 - as in rich
        """Print what rich can, in order."""
        for one in shown:
            if isinstance(one, Table) and not self._fits(one):
                for line in _listed(one):
                    super().print(line)
                continue
            for column in one.columns if isinstance(one, Table) else ():
                column.overflow = "fold"
            super().print(one, **how)
        if not shown:
            super().print()

    def _fits(self, table: Table) -> bool:
        """Tell whether the longest words of a table's columns fit beside each other."""
        unbounded = self.options.update(width=UNBOUNDED)
        return Measurement.get(self, unbounded, table).minimum <= self.width


def _listed(table: Table) -> Iterator[RenderableType]:
    """Yield, line by line, the rows of a table: the first cell, below it the others, all named."""
    if table.title:
        yield _text(table.title)
    heads = [_text(column.header) for column in table.columns]
    for cells in zip(*(map(_text, column.cells) for column in table.columns), strict=True):
        for number, (head, cell) in enumerate(zip(heads, cells, strict=True)):
            if cell.plain:
                told = Text.assemble(head, ": ", cell) if head.plain else cell
                yield Padding(told, (0, 0, 0, 2 if number else 0))


def _text(cell: RenderableType) -> Text:
    return cell if isinstance(cell, Text) else Text.from_markup(str(cell))
