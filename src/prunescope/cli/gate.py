"""`prunescope gate` and `prunescope policy init`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from prunescope.cli import options, output
from prunescope.cli.console import OF_ANSWERS, result, say
from prunescope.errors import ConfigError

if TYPE_CHECKING:
    from prunescope.cli.terminal import Terminal
    from prunescope.verdict import Judged, ModelVerdict, Policy, Verdict
    from prunescope.verdict.judgement import State

SHIPPED = "the criteria that prunescope ships with"


def gate(
    audits: Annotated[
        list[Path],
        typer.Argument(metavar="AUDIT...", help="Folders that 'prunescope audit' wrote."),
    ],
    policy: Annotated[
        Path | None,
        typer.Option(
            help="The criteria: docs/gate.md; 'policy init' writes some to change.",
            show_default=SHIPPED,
        ),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(help="Compressed model to judge. Repeat for several.", show_default="all"),
    ] = None,
    junit: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write JUnit XML, for CI.", callback=output.file),
    ] = None,
    markdown: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write Markdown, for a pull request or a job's summary.",
            callback=output.file,
        ),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Say whether the compressed models of audits may be shipped, and why.

    Exit code 0: all of them, if with care; 1: not all, or nobody can tell; 2: bad usage or data.
    """
    from prunescope.files import write_text
    from prunescope.verdict import Policy, shipped, to_junit, to_markdown, together

    criteria = shipped() if policy is None else Policy.load(policy)
    for text in criteria.notes:
        say(f"note: {text}")
    folders = list(dict.fromkeys(map(str, audits)))
    verdict = together({one: _judged(criteria, one, model, len(folders) > 1) for one in folders})
    for path, render in ((junit, to_junit), (markdown, to_markdown)):
        if path is not None:
            say(f"wrote {write_text(path, render(verdict))}")
    told = None if policy is None else str(policy)
    about = {"audits": folders, "policy": told, "passed": verdict.passed}
    result(as_json, {**about, **verdict.model_dump(mode="json")}, lambda: _print(verdict, told))
    if not verdict.passed:
        raise typer.Exit(1)


def _judged(policy: Policy, folder: str, models: list[str] | None, several: bool) -> Verdict:
    """Judge one audit; of several, errors tell which one they are about."""
    from prunescope.audit import Audit

    audit = Audit.load(folder)
    for text in audit.info.warnings:
        say(f"warning: {text}")
    try:
        return policy.judge(audit, models)
    except ConfigError as error:
        if not several:
            raise
        raise ConfigError(f"{error}\nso in {folder}") from error


STATES: dict[State, str] = {
    "broken": "red",
    "open": "yellow",
    "not judged": "yellow",
    "held": "green",
    "absent": "dim",
}
"""States of criteria, in the order in which they are told."""


def _print(verdict: Verdict, policy: str | None) -> None:
    """Print the answer, why each model gets which, and what the gate says in one line."""
    from prunescope.cli.terminal import Terminal

    console = Terminal()
    by = policy or f"{SHIPPED} ('prunescope policy init' writes them, to be changed)"
    console.print(f"Judged by {by}, at {verdict.confidence:.5g} confidence.", markup=False)
    for model in verdict.models:
        _print_model(model, console)
    console.print()
    console.print(verdict.text, style=f"bold {OF_ANSWERS[verdict.answer]}", markup=False)
    for told in verdict.seeds_disagree:
        console.print(told, markup=False)
    style = f"bold {OF_ANSWERS['ship' if verdict.passed else 'stop']}"
    console.print(f"gate {verdict.gate}", style=style, markup=False)


def _print_model(model: ModelVerdict, console: Terminal) -> None:
    from rich.table import Table
    from rich.text import Text

    from prunescope.verdict import WORDS
    from prunescope.verdict.judgement import shown

    title = Text(f"\n{shown(model.model)}: ")
    title.append(WORDS[model.answer], style=f"bold {OF_ANSWERS[model.answer]}")
    console.print(title.append(f" ({model.text})"))
    lines = Table.grid(padding=(0, 0, 0, 2))
    for state, style in STATES.items():
        for one in model.having(state):
            told = Text(shown(one.criterion), style="bold").append(f": {one.text}", "not bold")
            lines.add_row(Text(_state(one, model), style), told)
    console.print(lines)


def _state(judged: Judged, model: ModelVerdict) -> str:
    """Say what a criterion comes to, and whether the answer hangs on it."""
    decides = judged.severity is None and judged in model.blocking
    return judged.outcome + (", decides" if decides else "")


def init(
    audit: Annotated[
        Path | None,
        typer.Argument(
            metavar="[AUDIT]",
            help="Folder that 'prunescope audit' wrote: write what fits it alone.",
            show_default="all criteria",
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option("-o", "--out", help="File to write.", callback=output.file)
    ] = Path("policy.yaml"),
    as_json: options.Json = False,
) -> None:
    """Write a commented policy to start from: all criteria, or those that fit an audit."""
    from prunescope.audit import Audit
    from prunescope.files import write_new
    from prunescope.verdict import template

    if audit is not None and audit.suffix in (".yaml", ".yml") and not audit.is_dir():
        raise ConfigError(
            f"{audit} is no audit: to write a policy there, 'prunescope policy init -o {audit}'"
        )
    write_new(out, template(None if audit is None else Audit.load(audit)))
    told = f"{out}: change it, then 'prunescope gate {audit or 'AUDIT'} --policy {out}'"
    result(as_json, {"policy": str(out), "audit": None if audit is None else str(audit)}, told)
