"""Tables on the terminal."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

import polars as pl
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from prunescope.cli.console import OF_ANSWERS
from prunescope.cli.terminal import Terminal

if TYPE_CHECKING:
    from prunescope.audit import Audit
    from prunescope.data import Description
    from prunescope.forecast import Forecast, Score
    from prunescope.report import Report
    from prunescope.sensitivity import Plan, Sensitivity
    from prunescope.slices import Slices

KEY_METRICS = {
    "accuracy": "accuracy",
    "auc": "AUC",
    "rare_value_ratio": "rare-value ratio",
    "uncertainty": "uncertain",
    "interdependence": "interdependence",
    "flip_rate": "flips",
}
CLASS_KEY_METRICS = {
    "top1_accuracy": "top-1 accuracy",
    "macro_recall": "macro-recall",
    "top_label_ece": "top-label ECE",
    "top1_flip_rate": "changed",
    "top1_harmful_flip_rate": "right to wrong",
}

N_TOLD = 3
"""Things to tell of a kind, such as criteria that are open; the report has them all."""

N_GAPS = 10
"""Gaps between groups to list."""


def print_overall(found: Audit) -> None:
    """Print the key figures over everything, a line per model, with their intervals."""
    classes = any(model.metadata.task == "multiclass" for model in found.info.models)
    metrics = CLASS_KEY_METRICS if classes else KEY_METRICS
    about = "Of the one answer" if classes else "Means over attributes"
    title = f"{about} [{100 * found.info.settings.confidence:g}% interval]"
    table = Table("model", *metrics.values(), title=title)
    rows = found.overall.filter(pl.col("metric").is_in(list(metrics)))
    for model in found.info.models:
        cells = []
        for metric in metrics:
            row = rows.filter(model=model.name, metric=metric).to_dicts()
            cells.append(_cell(row[0]) if row and row[0]["status"] == "ok" else "–")
        table.add_row(escape(model.name), *cells)
    Terminal().print(table)


def print_slices(found: Slices) -> None:
    """Print the sub-populations that were found, a line each, the worst first."""
    from prunescope.report import build_hurt
    from prunescope.verdict.judgement import shown
    from prunescope.verdict.numbers import SHARE

    told = build_hurt(found)
    Terminal().print(shown(told.headline, len(told.headline)), style="bold", markup=False)
    if not told.found:
        return
    several = len(told.models) > 1
    headings = "loses", "images", "searched", "judged", "interval", "q"
    table = Table("slice", *(["model"] if several else []), *headings)
    for one in told.found:
        damage, low, high = one.damage or 0.0, one.low or 0.0, one.high or 0.0
        table.add_row(
            escape(shown(one.rule, len(one.rule))),
            *([escape(shown(one.model))] if several else []),
            escape(shown(one.attribute or "all answers")),
            f"{one.n_search:,} + {one.n_test:,}",
            "–" if one.damage_search is None else SHARE.bare_change(one.damage_search),
            SHARE.bare_change(damage),
            f"{SHARE.bare_change(low)} to {SHARE.bare_change(high)}",
            one.q,
        )
    Terminal().print(table)
    Terminal().print("Damage in points, beyond that of comparable answers elsewhere.", markup=False)


def print_sensitivity(found: Sensitivity, plan: Plan | None) -> None:
    """Print the harm of each layer at each level, and the plan's level of each."""
    from prunescope.report.sensitivity_page import level_of, short
    from prunescope.verdict.numbers import SHARE

    levels = found.info.levels
    table = Table(
        "layer", *(level_of(found, level) for level in levels), "hurts most",
        *(["plan"] if plan else []),
    )  # fmt: skip
    measured = found.measured
    for layer in measured["layer"].unique(maintain_order=True):
        own = measured.filter(layer=layer)
        harms = dict(own.select("level", "harm").rows())
        worst = own.sort("harm", descending=True).row(0, named=True)
        whom = f"{worst['worst_group']} = {worst['worst_value']}" if worst["worst_group"] else "–"
        table.add_row(
            escape(short(layer)),
            *(SHARE.bare(harms[level]) if level in harms else "–" for level in levels),
            escape(whom),
            *([level_of(found, plan.layers[layer])] if plan else []),
        )
    Terminal().print(table)
    Terminal().print(
        "Harm in points: harmful flips of the group that has most, and rare answers lost.",
        markup=False,
    )


def print_findings(page: Report) -> None:
    """Print the answer, the headline and, of each compressed model, what is broken, open, held."""
    from prunescope.verdict import WORDS

    console = Terminal()
    verdict = page.verdict
    console.print(verdict.text, style=f"bold {OF_ANSWERS[verdict.answer]}", markup=False)
    console.print(page.headline, markup=False)
    for told in verdict.seeds_disagree:
        console.print(told, markup=False)
    for model in page.compressed:
        judged = page.judged(model.name)
        seed = "" if judged.model == model.name else f", by its worst seed {judged.model}"
        heading = f"\n{model.name}: {WORDS[judged.answer]}{seed} ({judged.text})"
        console.print(heading, style=OF_ANSWERS[judged.answer], markup=False)
        bad = judged.having("broken"), judged.having("open", "not judged")
        for one in [one for kind in bad for one in kind[:N_TOLD]]:
            kind = f"{one.state}, {one.severity}" if one.severity else one.state
            line = Text(f"{kind}: {one.criterion}: {one.text}")
            console.print(Padding(line, (0, 0, 0, 2)))
        rest = sum(len(kind[N_TOLD:]) for kind in bad)
        if rest:
            console.print(f"  {rest} more in the report", style="dim")
        for one in judged.having("absent"):
            line = Text(f"not asked: {one.criterion}: {one.text}", style="dim")
            console.print(Padding(line, (0, 0, 0, 2)))
        held = [one.criterion for one in judged.having("held")]
        if held:
            console.print(Padding(Text(f"held, so ruled out: {'; '.join(held)}"), (0, 0, 0, 2)))


def print_layers(layers: list[dict[str, Any]]) -> None:
    """Print how sparse each layer is."""
    table = Table("layer", "shape", "kept", "of", "sparsity", title="Sparsity by layer")
    for layer in layers:
        shape = " × ".join(map(str, layer["shape"]))
        figures = (f"{layer['kept']:,}", f"{layer['weights']:,}", f"{layer['sparsity']:.2%}")
        table.add_row(escape(layer["layer"]), shape, *figures)
    Terminal().print(table)


def _cell(row: dict[str, Any]) -> str:
    if row["low"] is None:
        return f"{row['value']:.3f}"
    return f"{row['value']:.3f} \\[{row['low']:.3f}, {row['high']:.3f}]"


def print_description(found: Description) -> None:
    """Print what `prunescope data info` found: splits, a line per attribute, the widest gaps."""
    console = Terminal()
    people = f" of {found.n_clusters:,} clusters" if found.n_clusters is not None else ""
    console.print(f"{found.name}: {found.n:,} images of {found.size} pixels{people}", markup=False)
    console.print(", ".join(f"{split} {n:,}" for split, n in found.splits.rows()), markup=False)

    console.print(_attribute_table(found))
    gaps = found.gaps.filter(pl.col("gap").is_not_null()).head(N_GAPS)
    if gaps.height:
        table = Table("attribute", "group", "gap", "lowest in", "highest in", title="Widest gaps")
        for row in gaps.iter_rows(named=True):
            table.add_row(
                escape(row["attribute"]), escape(row["group"]), f"{row['gap']:.3f}",
                escape(row["low"]), escape(row["high"]),
            )  # fmt: skip
        console.print(table)
    if found.backdoor is not None:
        told = f"backdoor: {found.backdoor.kind} by {found.backdoor.attribute}"
        console.print(told, markup=False)
        console.print(_carrier_table(found))


def _attribute_table(found: Description) -> Table:
    """Lay out the rate of each attribute, overall and in each value of each group."""
    columns = found.groups.select("group", "group_value").unique(maintain_order=True).rows()
    rates = {
        (row["attribute"], row["group"], row["group_value"]): row["rate"]
        for row in found.groups.iter_rows(named=True)
    }
    heads = [escape(f"{group} = {value}") for group, value in columns]
    table = Table("attribute", "labelled", "rate", *heads, title="Share of positives")
    for row in found.attributes.iter_rows(named=True):
        name = row["attribute"]
        cells = [_rate(rates.get((name, *column))) for column in columns]
        table.add_row(escape(name), f"{row['n_known']:,}", _rate(row["rate"]), *cells)
    return table


def _carrier_table(found: Description) -> Table:
    """Lay out who carries the trigger of a backdoor, split by split and label by label."""
    table = Table("split", "label", "samples", "carriers", "share")
    for row in found.carriers.iter_rows(named=True):
        label = "not known" if row["label"] is None else str(row["label"])
        numbers = f"{row['n']:,}", f"{row['n_carriers']:,}", _rate(row["share"])
        table.add_row(escape(row["split"]), label, *numbers)
    return table


def _rate(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def description_data(found: Description) -> dict[str, Any]:
    """Return the same as plain values, for JSON."""
    values = {field.name: getattr(found, field.name) for field in fields(found)}
    tables = {k: v.to_dicts() for k, v in values.items() if isinstance(v, pl.DataFrame)}
    backdoor = None if found.backdoor is None else found.backdoor.model_dump()
    return {**values, **tables, "backdoor": backdoor}


N_ATTRIBUTES = 12
"""Attributes of a forecast to list; the page has them all."""


def print_forecast(found: Forecast) -> None:
    """Print what attributes are in for, and the answers most at risk."""
    from prunescope.forecast.plain import agreements, rarities
    from prunescope.verdict.numbers import SHARE

    info, console = found.info, Terminal()
    console.print(
        f"{info.model} at {info.sparsity:.1%}: {info.scorer}, tier {info.tier} ({info.summary})",
        markup=False,
    )
    whole = found.at().filter(pl.col("group").is_null())
    flips = whole.filter(metric="flip_rate").sort("expected", descending=True, nulls_last=True)
    ratios = {row["attribute"]: row for row in whole.filter(metric="rare_value_ratio").to_dicts()}
    of_classes, rarity = info.task == "multiclass", rarities(found)
    what = (
        ("class", "images that leave or join") if of_classes else ("attribute", "answers that flip")
    )
    table = Table(
        *what,
        "rarer value in training",
        "rare-value ratio",
        "expected",
        title="Most flips expected",
    )
    for row in flips.head(N_ATTRIBUTES).to_dicts():
        ratio, rare = ratios.get(row["attribute"], {}), rarity.get(row["attribute"])
        figures = (row["expected"], rare, ratio.get("dense"), ratio.get("expected"))
        share, *others = ("–" if x is None else f"{x:.3f}" for x in figures)
        table.add_row(escape(row["attribute"]), share, *others)
    console.print(table)
    for row in whole.filter(pl.col("expected").is_not_null(), metric="top1_flip_rate").to_dicts():
        console.print(f"- {SHARE.value(row['expected'])} of the images will get another class")
    for text in agreements(found):
        console.print(f"- {text}", markup=False)
    for row in found.review(N_TOLD).to_dicts():
        chance = row["probability"]
        told = "" if chance is None else f", flips with probability {SHARE.value(chance)}"
        answer = "yes" if row["answer"] else "no"
        if of_classes:
            answer = f"rather {row['becomes']}"
        text = f"- {row['id']}, {row['attribute']}: {answer}{told} ({row['why']})"
        console.print(text, markup=False)


def forecast_data(found: Forecast) -> dict[str, Any]:
    """Return the same as plain values, for JSON."""
    from prunescope.forecast.plain import agreements

    about = found.info.model_dump(
        mode="json", include={"model", "sparsity", "scorer", "tier", "probabilities", "n_samples"}
    )
    return {
        **about,
        "attributes": found.at().filter(pl.col("group_value").is_null()).to_dicts(),
        "riskiest": found.riskiest(N_TOLD).to_dicts(),
        "plain": agreements(found),
    }


def print_score(judged: Score) -> None:
    """Print average precision of flips beside floor, margin and ceiling, and what it is worth."""
    from prunescope.forecast.happened import CEILING
    from prunescope.forecast.plain import findings
    from prunescope.forecast.score_result import beside

    scorer = judged.info.forecast.scorer
    named = set(judged.table["scorer"])
    columns = {name: ("average_precision", name) for name in beside(scorer) if name in named}
    if CEILING in named:
        columns["gap closed"] = ("gap_closed", scorer)
    table = Table(
        "pruned models",
        *columns,
        title=f"Average precision of flips [{judged.info.confidence:.0%} interval]",
    )
    rows = {
        (row["population"], row["measure"], row["scorer"]): row
        for row in judged.table.filter(target="flips", average="pooled").to_dicts()
    }
    for population in judged.info.runs:
        cells = [rows.get((population, *figure)) for figure in columns.values()]
        table.add_row(
            escape(population),
            *("–" if cell is None or cell["value"] is None else _cell(cell) for cell in cells),
        )
    console = Terminal()
    console.print(table)
    for text, _ in findings(judged):
        console.print(f"- {text}", markup=False)


def score_data(judged: Score) -> dict[str, Any]:
    """Return the figures as plain values, for JSON."""
    from prunescope.forecast.plain import findings

    return {
        "scorer": judged.info.forecast.scorer,
        "runs": judged.info.runs,
        "figures": judged.table.to_dicts(),
        "levels": judged.levels.to_dicts(),
        "findings": [finding._asdict() for finding in findings(judged)],
    }
