"""`to_markdown`: a verdict as Markdown, for a pull request or a job's summary."""

from __future__ import annotations

from collections.abc import Iterable

from prunescope.gate.verdict import Checked, ModelVerdict, Verdict, shown
from prunescope.report.markdown import escape
from prunescope.report.numbers import counted

SIGNS = {"pass": "✅ pass", "warn": "⚠️ warn", "fail": "❌ fail", "skip": "➖ skip"}

MOST = 120
"""Conditions that are shown, those that fail first: a comment on GitHub holds 65,536 characters."""


def to_markdown(verdict: Verdict) -> str:
    """Render a verdict: one line for all, then by model what does not pass, and what does, folded.

    Names are escaped: they can neither break a table nor add markup, mentions or links.
    """
    lines = [
        f"## {SIGNS[verdict.status]}: prunescope gate",
        "",
        f"**Gate {escape(verdict.text)}**",
        "",
    ]
    order = sorted(verdict.models, key=lambda one: ("fail", "warn", "pass").index(one.status))
    room = MOST
    for model in order:
        lines += _model(model, room)
        room = max(room - len(model.checks), 0)
    return "\n".join(lines)


def _model(model: ModelVerdict, room: int) -> list[str]:
    bad = [check for check in model.checks if check.status in ("fail", "warn")]
    bad.sort(key=lambda check: check.status != "fail")
    rest = [check for check in model.checks if check.status in ("pass", "skip")]
    lines = [f"### {SIGNS[model.status]}: {escape(shown(model.model))}", ""]
    lines += [f"{model.text}.", ""]
    if bad[:room]:
        lines += _table(bad[:room])
    if rest[: room - len(bad)] and room > len(bad):
        folded = _table(rest[: room - len(bad)])
        summary = f"<summary>{counted(len(rest), 'condition')} in order</summary>"
        lines += ["<details>", summary, "", *folded, "</details>", ""]
    hidden = len(model.checks) - room
    if hidden > 0:
        lines += [f"{counted(hidden, 'condition')} more: see the JUnit or JSON output.", ""]
    return lines


def _table(checks: Iterable[Checked]) -> list[str]:
    rows = [
        f"| {SIGNS[check.status]} | {escape(shown(check.name))} | {escape(check.text)} |"
        for check in checks
    ]
    return ["| | condition | what decides it |", "|---|---|---|", *rows, ""]
