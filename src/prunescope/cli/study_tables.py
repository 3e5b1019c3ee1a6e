"""Studies on the terminal: plans and statuses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from prunescope.cli.terminal import Terminal

if TYPE_CHECKING:
    from prunescope.data import Outline
    from prunescope.study.plan import Plan
    from prunescope.study.plan.estimate import Kind
    from prunescope.study.results import Claim
    from prunescope.study.running import Status


def plan_data(plan: Plan, labels: Outline, times: Mapping[Kind, float] | None) -> dict[str, Any]:
    """Return what a plan says, in plain values."""
    from prunescope.study.plan import work_of

    shared = Counter(run.parent.key for run in plan.runs if run.parent is not None)
    costs = [work_of(run, plan.study.asked, labels) for run in plan.runs]
    runs = []
    for run, work in zip(plan.runs, costs, strict=True):
        runs.append(
            {
                "key": run.key,
                "method": run.method,
                "sparsity": run.sparsity,
                "seed": run.seed,
                "starts_from": run.parent and run.parent.key,
                "used_by": shared[run.key],
                "steps": work.steps,
                "seconds": None if times is None else round(work.seconds(times), 1),
            }
        )
    settings = {setting.name: [run.key for run in setting.runs] for setting in plan.settings}
    return {
        "study": plan.study.name,
        "samples": labels.n_samples,
        "attributes": len(labels.attributes),
        "settings": settings,
        "runs": runs,
        "steps": sum(work.steps for work in costs),
        "seconds": None if times is None else round(sum(work.seconds(times) for work in costs), 1),
    }


def print_plan(told: Mapping[str, Any], processes: int) -> None:
    """Print a plan: a line per run, setting by setting, and what it comes to."""
    console = Terminal()
    runs = {run["key"]: run for run in told["runs"]}
    splits = ", ".join(f"{n:,} {split}" for split, n in told["samples"].items())
    console.print(
        f"{told['study']}: {splits} samples, {told['attributes']} attributes", markup=False
    )
    for name, keys in told["settings"].items():
        table = Table("run", "starts from", "shared by", "steps", "time", title=escape(name))
        for key in keys:
            run = runs[key]
            start, n = run["starts_from"], run["used_by"]
            table.add_row(
                escape(key),
                escape(start) if start else "random weights",
                f"{n} run{'s' * (n != 1)}" if n else "–",
                f"{run['steps']:,}",
                "–" if run["seconds"] is None else duration(run["seconds"]),
            )
        console.print(table)
    n_trained = sum(1 for run in runs.values() if run["method"] == "dense")
    line = f"{len(runs)} runs, {n_trained} of them dense; {told['steps']:,} training steps"
    if told["seconds"] is not None:
        line += f"; about {duration(told['seconds'])} of work here, by steps timed just now"
        if processes > 1:
            line += f", {duration(told['seconds'] / processes)} with {processes} at once"
    console.print(line, markup=False)


def status_data(statuses: Mapping[str, Status]) -> dict[str, Any]:
    """Return how a study stands, in plain values."""
    counts = Counter(statuses.values())
    return {
        "runs": len(statuses),
        "finished": counts["finished"],  # type: ignore[index]
        "counts": {str(status): n for status, n in counts.items()},
        "statuses": {key: str(status) for key, status in statuses.items()},
    }


def print_status(told: Mapping[str, Any]) -> None:
    """Print how a study stands: a line per run that is not finished, and the counts."""
    console = Terminal()
    rest = {key: status for key, status in told["statuses"].items() if status != "finished"}
    if rest:
        table = Table("run", "status", "")
        for key, status in rest.items():
            share = told["progress"].get(key)
            note = told["failures"].get(key) or ("" if share is None else f"{share:.0%} trained")
            table.add_row(escape(key), status, escape(note))
        console.print(table)
    counts = ", ".join(f"{n} {status}" for status, n in told["counts"].items())
    console.print(f"{told['folder']}: {told['runs']} runs: {counts}", markup=False)


VERDICTS = {"held": "green", "failed": "red", "undecided": "yellow"}


def print_claims(claims: Sequence[Claim], page: Path) -> None:
    """Print how the claims fared, and where the report is."""
    console = Terminal()
    table = Table("", "claim", "verdict", "evidence")
    for claim in claims:
        about = f"{claim.title} ({claim.setting})" if claim.setting else claim.title
        told = f"[{VERDICTS[claim.verdict]}]{claim.verdict}[/]"
        table.add_row(escape(claim.key), escape(about), told, escape(claim.evidence))
    console.print(table)
    console.print(str(page), markup=False, soft_wrap=True)


def duration(seconds: float) -> str:
    """Word a time.

    Examples
    --------
    >>> duration(42), duration(600), duration(5000)
    ('42 s', '10 min', '1 h 23 min')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
