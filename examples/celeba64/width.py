"""What a study of a wide network saw so far: a table of its finished runs, as Markdown.

    prunescope study run studies/celeba64-width.yaml -o out/celeba64-width --processes 2
    python examples/celeba64/width.py out/celeba64-width

A study goes on where it was stopped, and this tells what is there: each compressed model beside the
dense one of its seed, with intervals over persons. `prunescope study report` judges the claims.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import polars as pl
import typer

from prunescope.audit import audit
from prunescope.study.plan import DENSE
from prunescope.study.running.store import Store

METRICS = {
    "accuracy": 100,
    "uncertainty": 100,
    "rare_value_ratio": 1,
    "interdependence": 1,
    "harmful_flip_rate": 100,
}
"""Metric over all attributes → by what it is multiplied."""


def main(folder: Annotated[Path, typer.Argument(help="Of the study.")]) -> None:
    """Audit, print."""
    store, plan = Store.open(folder)
    split = plan.study.audit.split
    runs = sorted(plan.runs, key=lambda run: (run.method, run.sparsity, run.seed))
    finished = [run for run in runs if store.finished(run)]
    dense = [store.predictions(run, split) for run in finished if run.method == DENSE]
    others = [store.predictions(run, split) for run in finished if run.method != DENSE]
    found = audit(dense, others, replicates=plan.study.audit.replicates)
    groups = plan.study.data.groups or ()
    heads = [*METRICS, *(f"bias amplification by {group}" for group in groups)]
    print("| model | " + " | ".join(head.replace("_", " ") for head in heads) + " |")
    print("|---" * (1 + len(heads)) + "|")
    overall = found.table.filter(pl.col("attribute").is_null())
    for name in [model.name for model in (*dense, *others)]:
        mine = overall.filter(model=name)
        cells = [
            cell(mine.filter(pl.col("group").is_null(), metric=metric).to_dicts(), scale)
            for metric, scale in METRICS.items()
        ]
        cells += [
            cell(mine.filter(metric="bias_amplification", group=group).to_dicts(), 100)
            for group in groups
        ]
        print(f"| {name} | " + " | ".join(cells) + " |")


def cell(rows: list[dict[str, float | None]], scale: int) -> str:
    """Write a value, and its change with the interval."""
    if not rows or rows[0]["value"] is None:
        return "–"
    row, digits = rows[0], 1 if scale == 100 else 3
    text = f"{scale * row['value']:.{digits}f}"
    if row["delta"] is None:
        return text
    change, low, high = (scale * row[name] for name in ("delta", "delta_low", "delta_high"))
    told = f"{text}, {change:+.{digits}f} ({low:+.{digits}f} to {high:+.{digits}f})"
    return told.replace("-", "−")


if __name__ == "__main__":
    typer.run(main)
