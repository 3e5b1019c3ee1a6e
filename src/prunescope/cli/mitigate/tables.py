"""Tables of the measures, on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
from rich.markup import escape
from rich.table import Column, Table

from prunescope.cli.terminal import Terminal
from prunescope.errors import shorten

if TYPE_CHECKING:
    from prunescope.mitigate import Comparison, FittedAdjustment, Route, Search

SHOWN = {
    "accuracy": "accuracy",
    "top1_accuracy": "top-1 accuracy",
    "balanced_accuracy": "balanced",
    "rare_value_ratio": "rare values",
    "bias_amplification": "BA by",
    "flip_rate": "flips",
    "top1_flip_rate": "top-1 flips",
}
"""Metrics to print of a comparison; the page has them all."""

MARKS = {"better": "+", "worse": "−"}

N_THRESHOLDS = 12
"""Thresholds or offsets to list."""

HEADS = {
    "thresholds": {
        "attribute": "attribute", "group": "group", "threshold_before": "old threshold",
        "threshold": "new threshold", "before": "reached before", "value": "reached now",
        "target": "aimed at",
    },
    "offsets": {
        "attribute": "class", "group": "group", "offset": "offset", "before": "reached before",
        "value": "reached now", "target": "aimed at",
    },
}  # fmt: skip
"""Columns to print of each kind of adjustment, and their heads."""

KINDS = {"thresholds": "attributes", "offsets": "classes"}
"""What each kind of adjustment is of."""


def print_comparison(found: Comparison) -> None:
    """Print a line per measure, by rank: key metrics, and whether they got better or worse."""
    table, columns = found.table, _columns(found.table)
    heads = [f"{SHOWN[metric]} {group}" if group else SHOWN[metric] for metric, group in columns]
    title = f"{escape(found.info.pruned)} on {found.info.n_samples:,} samples (+ better, − worse)"
    names = table["measure"].unique(maintain_order=True).to_list()
    shown = Table(Column("measure", no_wrap=True), *map(escape, heads), "+/−", title=title)
    dense = ["–" if (x := _dense(table, *column)) is None else f"{x:.3f}" for column in columns]
    shown.add_row("dense", *dense, "")
    counts = {one.name: f"{one.better}/{one.worse}" for one in found.info.measures}
    for name in names:
        rows = table.filter(measure=name)
        shown.add_row(
            escape(name), *(_figure(rows, *column) for column in columns), counts.get(name, "")
        )
    console = Terminal()
    console.print(shown)
    prices: dict[tuple[str, str], list[str]] = {}
    for one in found.info.measures:
        prices.setdefault((one.needs, one.cost), []).append(one.name)
    for (needs, cost), names in prices.items():
        console.print(f"{', '.join(names)}: needs {needs}; costs {cost}", markup=False)


def _columns(table: pl.DataFrame) -> list[tuple[str, str | None]]:
    """Return the metrics that are shown; about groups, that which pruning changed most."""
    moved = (pl.col("nothing") - pl.col("dense")).abs()
    ordered = table.sort(moved, descending=True, nulls_last=True, maintain_order=True)
    groups = dict(ordered.unique("metric", maintain_order=True).select("metric", "group").rows())
    return [(metric, groups[metric]) for metric in SHOWN if metric in groups]


def _of(rows: pl.DataFrame, metric: str, group: str | None) -> dict[str, Any]:
    wanted = pl.col("group").is_null() if group is None else pl.col("group") == group
    found = rows.filter(wanted, metric=metric).to_dicts()
    return found[0] if found else {}


def _dense(table: pl.DataFrame, metric: str, group: str | None) -> float | None:
    value: float | None = _of(table, metric, group).get("dense")
    return value


def _figure(rows: pl.DataFrame, metric: str, group: str | None) -> str:
    row = _of(rows, metric, group)
    if row.get("value") is None:
        return "–"
    return f"{row['value']:.3f} {MARKS.get(row['verdict'], '')}".rstrip()


def comparison_data(found: Comparison) -> dict[str, Any]:
    """Return the same as plain values, for JSON."""
    return {**found.info.model_dump(mode="json"), "effects": found.table.to_dicts()}


def print_adjustment(fitted: FittedAdjustment) -> None:
    """Print the thresholds or offsets that moved most, and what must be known to apply them."""
    console, adjustment = Terminal(), fitted.adjustment
    moved = pl.coalesce("offset", pl.col("threshold") - pl.col("threshold_before")).abs()
    everyone = pl.col("attribute").is_null()  # a row over all classes, which stays on top
    rows = fitted.table.sort(everyone, moved, descending=True, nulls_last=True, maintain_order=True)
    if rows.height:
        heads = HEADS[adjustment.kind]
        title = f"{escape(fitted.model)}: {adjustment.criterion}, {adjustment.kind} that move most"
        table = Table(*heads.values(), title=title)
        for row in rows.head(N_THRESHOLDS).to_dicts():
            told = row | {"attribute": row["attribute"] or "all", "group": _of_whom(row)}
            table.add_row(*map(_cell, (told[name] for name in heads)))
        console.print(table)
    if adjustment.calibration is not None:
        text = f"{fitted.model}: {adjustment.calibration} curves for {len(adjustment.curves)}"
        console.print(f"{text} {KINDS[adjustment.kind]}", markup=False)
    for row in rows.filter(everyone, pl.col("reason") != "").to_dicts():
        console.print(f"offsets of {_of_whom(row)}: {row['reason']}", markup=False)
    kept = [
        row["attribute"] + (f" of {_of_whom(row)}" if row["group"] else "") + f" ({row['reason']})"
        for row in fitted.table.filter(~everyone, pl.col("status") != "ok").to_dicts()
    ]
    if kept:
        console.print(f"not fitted: {shorten(kept)}", markup=False)
    console.print(f"needs {adjustment.needs} when it answers", markup=False)


def _cell(content: str | float | None) -> str:
    if isinstance(content, str):
        return escape(content)
    return "–" if content is None else f"{content:.3f}"


def _of_whom(row: dict[str, Any]) -> str:
    return "all" if row["group"] is None else f"{row['group']}={row['group_value']}"


def print_route(found: Route) -> None:
    """Print the curve of the last split beside random and oracle, certificates and the choice."""
    info, console = found.info, Terminal()
    split = found.curve["split"][-1]
    rows = found.curve.filter(split=split).unique(["order", "sent"], maintain_order=True)
    table = Table(
        "sent", "samples", "cost", "flips", "random", "oracle", "errors", "rare-value ratio",
        title=f"{escape(info.model)}, riskiest answers to {info.to}, {split} split",
    )  # fmt: skip
    beside = {(row["order"], row["sent"]): row["flip_rate"] for row in rows.to_dicts()}
    orders = ["risk", "chosen"] if info.sends else ["risk"]
    for row in rows.filter(pl.col("order").is_in(orders)).sort("sent").to_dicts():
        names = ("samples", "cost", "flip_rate", "error_rate", "rare_value_ratio")
        figures: dict[str, str] = {n: "–" if row[n] is None else f"{row[n]:.3f}" for n in names}
        others = (beside.get((order, row["sent"])) for order in ("random", "oracle"))
        rivals = ["" if x is None else f"{x:.3f}" for x in others]
        mark = "  ← the cut" if row["order"] == "chosen" else ""
        table.add_row(
            f"{row['sent']:.3f}{mark}", figures["samples"], figures["cost"], figures["flip_rate"],
            *rivals, figures["error_rate"], figures["rare_value_ratio"],
        )  # fmt: skip
    console.print(table)
    for one in info.certificates:
        claim = f"P({one.loss} ≤ {one.alpha:g}) ≥ {1 - one.delta:g} for {one.who}"
        if one.cut is None:
            console.print(f"cannot certify {claim}: {one.reason}", markup=False)
        else:
            told = f"{one.observed:.4f} observed on {one.n:,} independent units"
            console.print(f"certified: {claim} ({told})", markup=False)
    if info.overrides is not None:
        console.print(info.overrides.told(), markup=False)
    if info.cut is None:
        console.print(f"no cut: {info.reason}", markup=False)
    elif info.sends:
        told = f"chosen by {info.chosen_by}: send answers whose risk is at least {info.cut:.6g}"
        console.print(told, markup=False)
        console.print(f"{found.price()}; needs {info.needs}", markup=False)


def print_search(found: Search) -> None:
    """Print each trial with its answer and what is not held, and what was found."""
    from prunescope.verdict import WORDS
    from prunescope.verdict.judgement import shown

    table = Table("trial", "answer", "criterion", "state", "what decides it", title="Trials")
    for method, sparsity, split, answer in found.answers():
        rows = found.trials.filter(method=method, sparsity=sparsity, split=split)
        counts = rows.group_by("state", maintain_order=True).len().rows()
        told = [f"{n:,} {state if state != 'absent' else 'not asked'}" for state, n in counts]
        name = f"{method} at {sparsity:.1%} on {split}"
        table.add_row(escape(name), WORDS[answer], "", "", ", ".join(told))
        for row in rows.filter(pl.col("state").is_in(["broken", "open", "not judged"])).to_dicts():
            state = ", ".join(filter(None, (row["state"], row["severity"])))
            table.add_row("", "", escape(shown(row["criterion"])), state, escape(row["text"]))
    console = Terminal()
    console.print(table)
    console.print(found.info.reason, markup=False)


def search_data(found: Search) -> dict[str, Any]:
    """Return the same as plain values, for JSON."""
    about = found.info.model_dump(mode="json", exclude={"format_version"})
    return {**about, "trials": found.trials.to_dicts()}
