"""`to_markdown`: a verdict as Markdown, for a pull request or a job's summary."""

from __future__ import annotations

from collections.abc import Sequence

from prunescope.verdict.judgement import WORDS, WORST_FIRST, Judged, shown
from prunescope.verdict.numbers import counted, escape
from prunescope.verdict.of_models import ModelVerdict, Verdict

SIGNS = {"ship": "✅", "care": "⚠️", "unknown": "❔", "stop": "❌"}
STATES = {"broken": "❌", "open": "❔", "not judged": "❔", "held": "✅", "absent": "➖"}

LONGEST = 60_000
"""Bytes of models and criteria: a comment on GitHub holds 65,536 characters."""


def to_markdown(verdict: Verdict) -> str:
    """Render a verdict: one line for all, then by model what is broken, open and held.

    Names are escaped: they can neither break a table nor add markup, mentions or links. What does
    not fit into a comment on GitHub is left out, the best first, and counted.
    """
    sign = "✅ pass" if verdict.passed else "❌ fail"
    lines = [f"## {sign}: prunescope gate", ""]
    lines += [
        f"**{escape(verdict.text)}** Gate {escape(verdict.gate)}, at "
        f"{verdict.confidence:.5g} confidence.",
        "",
    ]
    lines += [line for text in verdict.seeds_disagree for line in (escape(text), "")]
    room = _Room(LONGEST)
    order = sorted(verdict.models, key=lambda one: WORST_FIRST.index(one.answer))
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
    title = f"{SIGNS[model.answer]} {WORDS[model.answer]}: {escape(shown(model.model))}"
    heading = [f"### {title}", "", f"{model.text}.", ""]
    if room.take(heading) != heading:
        return []
    bad, good = model.having("broken", "open", "not judged"), model.having("held", "absent")
    told, folded = room.take(_rows(bad, model.blocking)), room.take(_rows(good))
    lines = heading + _table(told)
    if folded:
        summary = f"<summary>{len(good):,} held, or not asked</summary>"
        lines += ["<details>", summary, "", *_table(folded), "</details>", ""]
    hidden = len(model.criteria) - len(told) - len(folded)
    return lines + ([f"{hidden:,} criteria more: {ELSEWHERE}.", ""] if hidden else [])


def _rows(judged: Sequence[Judged], blocking: Sequence[Judged] = ()) -> list[str]:
    """Write a row for each, in bold what keeps the model from being shipped."""
    rows = []
    for one in judged:
        sign = SIGNS["care"] if one.severity == "moderate" else STATES[one.state]
        name = escape(shown(one.criterion))
        name = f"**{name}**" if one in blocking else name
        rows.append(f"| {sign} {one.outcome} | {name} | {escape(one.text)} |")
    return rows


def _table(rows: list[str]) -> list[str]:
    return ["| | criterion | what decides it |", "|---|---|---|", *rows, ""] if rows else []
