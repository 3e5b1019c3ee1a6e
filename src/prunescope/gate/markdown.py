"""`to_markdown`: a verdict as Markdown, for a pull request or a job's summary."""

from __future__ import annotations

from collections.abc import Sequence

from prunescope.gate.verdict import Checked, ModelVerdict, Verdict, shown
from prunescope.report.markdown import escape
from prunescope.report.numbers import counted

SIGNS = {"pass": "✅ pass", "warn": "⚠️ warn", "fail": "❌ fail", "skip": "➖ skip"}

LONGEST = 60_000
"""Bytes of models and conditions: a comment on GitHub holds 65,536 characters."""


def to_markdown(verdict: Verdict) -> str:
    """Render a verdict: one line for all, then by model what does not pass, and what does, folded.

    Names are escaped: they can neither break a table nor add markup, mentions or links. What does
    not fit into a comment on GitHub is left out, the best first, and counted.
    """
    lines = [f"## {SIGNS[verdict.status]}: prunescope gate", ""]
    lines += [f"**Gate {escape(verdict.text)}**", ""]
    room = _Room(LONGEST)
    order = sorted(verdict.models, key=lambda one: ("fail", "warn", "pass").index(one.status))
    for number, model in enumerate(order):
        told = _model(model, room)
        if not told:
            lines += [f"{counted(len(order) - number, 'model')} more: {ELSEWHERE}.", ""]
            break
        lines += told
    return "\n".join(lines)


ELSEWHERE = "see the JUnit or JSON output"


class _Room:
    """How many bytes there still is room for."""

    def __init__(self, size: int) -> None:
        self.left = size

    def take(self, lines: Sequence[str]) -> list[str]:
        """Return the first lines, as many as there is room for."""
        taken = []
        for line in lines:
            self.left -= len(line.encode()) + 1
            if self.left < 0:
                break
            taken.append(line)
        return taken


def _model(model: ModelVerdict, room: _Room) -> list[str]:
    """Tell of one model; nothing where there is no room."""
    heading = [f"### {SIGNS[model.status]}: {escape(shown(model.model))}", "", f"{model.text}.", ""]
    if room.take(heading) != heading:
        return []
    bad = [check for status in ("fail", "warn") for check in model.checks if check.status == status]
    good = [check for check in model.checks if check.status in ("pass", "skip")]
    told, folded = room.take(_rows(bad)), room.take(_rows(good))
    lines = heading + _table(told)
    if folded:
        summary = f"<summary>{counted(len(good), 'condition')} in order</summary>"
        lines += ["<details>", summary, "", *_table(folded), "</details>", ""]
    hidden = len(model.checks) - len(told) - len(folded)
    return lines + ([f"{counted(hidden, 'condition')} more: {ELSEWHERE}.", ""] if hidden else [])


def _rows(checks: Sequence[Checked]) -> list[str]:
    return [
        f"| {SIGNS[check.status]} | {escape(shown(check.name))} | {escape(check.text)} |"
        for check in checks
    ]


def _table(rows: list[str]) -> list[str]:
    return ["| | condition | what decides it |", "|---|---|---|", *rows, ""] if rows else []
