"""`prunescope gate` and `prunescope policy init`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from prunescope.cli import options
from prunescope.cli.console import result, say


def gate(
    audit: Annotated[
        Path, typer.Argument(metavar="AUDIT", help="Folder that 'prunescope audit' wrote.")
    ],
    policy: Annotated[
        Path, typer.Option(help="The conditions: docs/gate.md; 'policy init' writes some.")
    ] = Path("policy.yaml"),
    model: Annotated[
        list[str] | None,
        typer.Option(
            help="Compressed model to judge. Repeat for several.",
            show_default="those that the policy says: all",
        ),
    ] = None,
    junit: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write JUnit XML, for CI.")
    ] = None,
    markdown: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write Markdown, for a pull request or a job's summary."),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Judge the compressed models of an audit by a policy.

    Exit code 0: passed, maybe with warnings; 1: a condition fails; 2: bad usage or data.
    """
    from prunescope.audit import Audit
    from prunescope.cli.tables import print_verdict
    from prunescope.files import replacing
    from prunescope.gate import Policy, to_junit, to_markdown

    verdict = Policy.load(policy).judge(Audit.load(audit), model)
    for path, render in ((junit, to_junit), (markdown, to_markdown)):
        if path is not None:
            with replacing(path) as beside:
                beside.write_text(render(verdict), encoding="utf-8")
            say(f"wrote {path}")
    about = {"audit": str(audit), "policy": str(policy), "passed": verdict.passed}
    result(as_json, {**about, **verdict.model_dump(mode="json")}, lambda: print_verdict(verdict))
    if not verdict.passed:
        raise typer.Exit(1)


def init(
    path: Annotated[Path, typer.Argument(help="Where to write it.")] = Path("policy.yaml"),
    as_json: options.Json = False,
) -> None:
    """Write a commented policy to start from."""
    from prunescope.files import write_new
    from prunescope.gate import template

    write_new(path, template())
    told = f"{path}: change it, then 'prunescope gate AUDIT --policy {path}'"
    result(as_json, {"policy": str(path)}, told)
