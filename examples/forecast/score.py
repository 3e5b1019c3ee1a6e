"""Judge forecasts by what pruning did: every scorer, on samples and data that chose no number.

    python examples/forecast/score.py out/forecast/celeba64 docs/results/forecast/celeba64
    python examples/forecast/score.py out/forecast/synthetic docs/results/forecast/synthetic

Reads what models.py wrote, forecasts the split test from the first dense model, and writes tables
and plots, no image: figures.csv (every figure of every scorer), levels.csv, routing.csv,
reliability.csv, gap.svg, routing.svg, reliability.svg and README.md. The scorers of tiers B and C
take about twenty minutes with one thread of a CPU.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import altair as alt
import polars as pl
import typer

from prunescope.cli.console import progress, say
from prunescope.data import load_dataset
from prunescope.files import replacing
from prunescope.forecast import SCORERS, Score, forecast, score
from prunescope.models import load_checkpoint
from prunescope.predictions import Predictions
from prunescope.training import Recipe

TIER_A = ("band", "temperature", "prior-shrink", "group-prior", "spectral-shrink")
TRIALS = ("augmentation", "weight-noise", "random-pruning", "one-shot", "reconstruction")
BEST = ("spectral-shrink", "ensemble", "probe")
POPULATIONS = {
    0.8: ("gmp-pt-80", "gmp-ri-80"),
    0.9: ("gmp-pt-90", "gmp-ri-90"),
    0.95: ("gmp-pt-95", "gmp-ri-95", "one-shot-95"),
    0.98: ("gmp-pt-98", "gmp-ri-98"),
    0.99: ("gmp-pt-99", "gmp-ri-99"),
    0.75: ("gmp-pt-1:4-75",),
}
"""Sparsity → what is pruned to it. one-shot and 1:4 are left out of all choices. Those are judged
that are there."""

EVERY_SCORER = (0.8, 0.95)
"""Sparsities at which every scorer is judged; at the others the best of each tier."""

SEEDS = (0, 1, 2)
TABLES = {
    "figures": "table",
    "levels": "levels",
    "routing": "routing",
    "reliability": "reliability",
}
GOALS = {0.95: {"A": 0.65, "B": 0.8, "C": 0.92}, 0.8: {"A": 0.35, "B": 0.55, "C": 0.65}}


def main(
    folder: Annotated[Path, typer.Argument(help="What models.py wrote.")],
    out: Annotated[Path, typer.Argument(help="Where tables and plots go.")],
    replicates: int = 1000,
) -> None:
    """Forecast, score, write."""
    test, val = (
        [Predictions.load(folder / split / f"dense-seed{seed}.parquet") for seed in SEEDS]
        for split in ("test", "val")
    )
    checkpoint = load_checkpoint(folder / "models" / "dense-seed0")
    dataset = load_dataset(checkpoint.provenance.data)
    pruned = load_checkpoint(folder / "models" / "gmp-pt-95-seed0").provenance
    found: dict[tuple[float, str], Score] = {}
    for sparsity, names in POPULATIONS.items():
        runs = [run for name in names for run in runs_of(folder, name)]
        if not runs:
            continue
        scorers = (*TIER_A, *TRIALS, *BEST[1:]) if sparsity in EVERY_SCORER else BEST
        for scorer in scorers:
            asks = SCORERS[scorer].tier != "A"
            with progress(f"{scorer} at {sparsity:.0%}") as update:
                told = forecast(
                    test[0],
                    sparsity=sparsity,
                    scorer=scorer,
                    model=checkpoint.model if asks else None,
                    dataset=dataset if asks else None,
                    recipe=Recipe.model_validate(pruned.recipe),
                    validation=val[0],
                    seed=100,
                    progress=update,
                )
            found[sparsity, scorer] = score(told, runs, dense_seeds=test[1:], replicates=replicates)
    one = next(iter(found.values())).info
    told = [
        "Made by `python examples/forecast/score.py`; the models by `models.py`, the rule of the "
        "scorers by `rule.py`, on other images (celeba64's split val).",
        "",
        f"{one.n_samples:,} test images, {len(one.forecast.attributes)} attributes, three pruned "
        f"seeds of each kind, {len(one.seeds)} other dense seeds. {one.confidence:.0%} intervals "
        f"from {one.replicates:,} resamples of images (by person where the data name them); they "
        "do not hold the choice of seeds.",
        "",
        *band_table(folder, test[0]),
    ]
    write(collect(found), told, out)


def runs_of(folder: Path, name: str) -> list[Predictions]:
    """Return what the seeds of a population answered, none where not all are there."""
    paths = [folder / "test" / f"{name}-seed{seed}.parquet" for seed in SEEDS]
    return [Predictions.load(path) for path in paths] if all(map(Path.exists, paths)) else []


def band_table(folder: Path, dense: Predictions) -> list[str]:
    """Lay out which share of the flips lies in the dense model's uncertain band, 0.1 < p < 0.9."""
    uncertain = (dense.probabilities > 0.1) & (dense.probabilities < 0.9)
    lines = head("models", "flips", "of them in the band", f"answers in it: {uncertain.mean():.1%}")
    for name in sorted(name for names in POPULATIONS.values() for name in names):
        runs = runs_of(folder, name)
        if not runs:
            continue
        flips = [run.decisions != dense.decisions for run in runs]
        rate = sum(one.mean() for one in flips) / len(flips)
        inside = sum(one[uncertain].sum() for one in flips) / sum(one.sum() for one in flips)
        lines.append(f"| {name} | {rate:.1%} | {inside:.1%} | |")
    return ["## The uncertain band", "", *lines, ""]


def collect(found: dict[tuple[float, str], Score]) -> dict[str, pl.DataFrame]:
    """Put the tables of all scores together, without what is the same beside every scorer."""
    tables = {
        name: pl.concat(
            getattr(one, attribute).with_columns(
                forecast=pl.lit(scorer), tier=pl.lit(SCORERS[scorer].tier), planned=pl.lit(sparsity)
            )
            for (sparsity, scorer), one in found.items()
        )
        for name, attribute in TABLES.items()
    }
    key = ["planned", "population", "target", "measure", "average", "scorer"]
    tables["figures"] = tables["figures"].unique(key, maintain_order=True)
    own = (pl.col("order") == "forecast") & pl.col("forecast").is_in(BEST)
    tables["routing"] = tables["routing"].filter(own | (pl.col("forecast") == BEST[0]))
    return tables


def write(tables: dict[str, pl.DataFrame], told: list[str], out: Path) -> None:
    """Write tables, plots and the page."""
    for name, table in tables.items():
        with replacing(out / f"{name}.csv") as beside:
            table.write_csv(beside, float_precision=4)
    with replacing(out / "README.md") as beside:
        beside.write_text(page(tables, told), encoding="utf-8")
    draw_gaps(tables["figures"], out / "gap.svg")
    draw_routing(tables["routing"], out / "routing.svg")
    draw_reliability(tables["reliability"], out / "reliability.svg")
    say(f"wrote {out}")


def page(written: dict[str, pl.DataFrame], told: list[str]) -> str:
    """Lay out the main figures below what is told of the data."""
    lines = ["# Forecasts against what happened", "", *told]
    for target, title in (("flips", "Flips"), ("harmful_flips", "Harmful flips")):
        lines += [f"## {title}: average precision, pooled", ""]
        lines += precision_table(written["figures"], target)
    lines += ["## Share of the gap between margin and ceiling that is closed", ""]
    lines += gap_table(written["figures"])
    lines += ["![gap closed](gap.svg)", "", "## Mean over methods against the goals", ""]
    lines += goal_table(written["figures"])
    lines += ["## AUROC for flips less AUROC for churn, pooled", ""]
    lines += churn_table(written["figures"])
    lines += ["## Attributes and groups", ""]
    lines += level_table(written["levels"])
    lines += ["## What it is worth", "", "![flips left](routing.svg)", ""]
    lines += ["![reliability](reliability.svg)", ""]
    return "\n".join(lines)


def cell(rows: pl.DataFrame, form: str = ".3f", interval: bool = False) -> str:
    """Format one figure."""
    if not rows.height or rows["value"][0] is None:
        return "–"
    value, low, high = rows.select("value", "low", "high").row(0)
    text = format(value, form)
    return f"{text} [{format(low, form)}, {format(high, form)}]" if interval else text


def names_of(figures: pl.DataFrame) -> list[tuple[float, str]]:
    """Return planned sparsity and population, in order."""
    return sorted(figures.select("planned", "population").unique().rows())


def head(*names: str) -> list[str]:
    """Begin a table."""
    return ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]


def precision_table(figures: pl.DataFrame, target: str) -> list[str]:
    """Lay out average precision: a row per population, a column per scorer."""
    rows = figures.filter(target=target, measure="average_precision", average="pooled")
    every = ("margin", *TIER_A, *TRIALS, *BEST[1:])
    shown = [name for name in every if name in set(rows["scorer"])]
    last = [name for name in ("ceiling", "another training") if name in set(rows["scorer"])]
    lines = head("models", "floor", *shown, *last)
    for planned, population in names_of(rows):
        mine = rows.filter(planned=planned, population=population)
        cells = [cell(mine.filter(scorer=name)) for name in ("floor", *shown, *last)]
        lines.append(f"| {population} | " + " | ".join(cells) + " |")
    return [*lines, ""]


def gap_table(figures: pl.DataFrame) -> list[str]:
    """Lay out the gap closed by the best scorer of each tier, with intervals."""
    rows = figures.filter(measure="gap_closed")
    lines = head(
        "models",
        "target",
        *(f"{name}, {average}" for average in ("pooled", "macro") for name in BEST),
    )
    for planned, population in names_of(rows):
        for target in ("flips", "harmful_flips"):
            mine = rows.filter(planned=planned, population=population, target=target)
            cells = [
                cell(mine.filter(scorer=name, average=average), ".2f", interval=True)
                for average in ("pooled", "macro")
                for name in BEST
            ]
            lines.append(
                f"| {population} | {target.replace('_', ' ')} | " + " | ".join(cells) + " |"
            )
    return [*lines, ""]


def goal_table(figures: pl.DataFrame) -> list[str]:
    """Set the way from the margin to other runs, of each method and on the mean, beside goals."""
    lines = [
        "Of `gmp-pt` this is the gap closed. Runs of `gmp-ri` start from fresh weights: the others "
        "are another training and no ceiling, and here is how far a forecast goes towards them.",
        "",
        *head("sparsity", "models", *(f"{name} (goal of the mean)" for name in BEST)),
    ]
    rows = figures.filter(target="flips", measure="average_precision", average="pooled")
    for sparsity, goals in GOALS.items():
        ways = {
            method: [way(rows.filter(planned=sparsity, method=method), name) for name in BEST]
            for method in ("gmp-pt", "gmp-ri")
        }
        for method, found in ways.items():
            cells = ["–" if one is None else f"{one:.2f}" for one in found]
            lines.append(f"| {sparsity:.0%} | {method} | " + " | ".join(cells) + " |")
        both = [
            None if None in pair else sum(pair) / 2 for pair in zip(*ways.values(), strict=True)
        ]
        cells = [
            f"{'–' if mean is None else format(mean, '.2f')} ({goals[SCORERS[name].tier]:.2f})"
            for name, mean in zip(BEST, both, strict=True)
        ]
        lines.append(f"| {sparsity:.0%} | mean | " + " | ".join(cells) + " |")
    return [*lines, ""]


def way(rows: pl.DataFrame, scorer: str) -> float | None:
    """Return the share of the way from the margin to the mean of the other runs."""
    found = dict(rows.select("scorer", "value").rows())
    end = found.get("ceiling", found.get("another training"))
    if end is None or scorer not in found:
        return None
    return (found[scorer] - found["margin"]) / (end - found["margin"])


def churn_table(figures: pl.DataFrame) -> list[str]:
    """Lay out by how much flips are foretold better than churn."""
    rows = figures.filter(measure="auroc_over_churn", average="pooled")
    lines = head("models", "margin", *BEST)
    for planned, population in names_of(rows):
        mine = rows.filter(planned=planned, population=population)
        cells = [
            cell(mine.filter(scorer=name), "+.3f", interval=True) for name in ("margin", *BEST)
        ]
        lines.append(f"| {population} | " + " | ".join(cells) + " |")
    return [*lines, ""]


def level_table(levels: pl.DataFrame) -> list[str]:
    """Lay out how attributes fared, the forecast beside the best trivial predictor."""
    lines = head(
        "models", "metric", "scorer", "rank correlation (p)", "best trivial",
        "ahead of rarity and dense figure", "AUROC of rises (p)", "best trivial",
        "ahead of rarity and dense figure", "Brier", "points, rising",
    )  # fmt: skip
    key = levels.select("planned", "population", "metric", "forecast").unique(maintain_order=True)
    for planned, population, metric, name in sorted(key.rows()):
        if (
            name not in BEST
            or planned not in EVERY_SCORER
            or (metric == "flip_rate" and name != BEST[0])
        ):
            continue
        mine = levels.filter(planned=planned, population=population, metric=metric, forecast=name)
        [row] = mine.filter(predictor="forecast").to_dicts()
        trivial = mine.filter(pl.col("predictor") != "forecast")
        if row["rho"] is None:
            continue
        rho = trivial["rho"].abs().max()
        auroc = trivial["auroc"].max()
        told = "–" if row["auroc"] is None else f"{row['auroc']:.2f} ({row['auroc_p_value']:.2g})"
        lines.append(
            f"| {population} | {metric} | {name} | {row['rho']:+.2f} ({row['p_value']:.2g}) | "
            f"{rho:.2f} | {lead(row, 'rho')} | {told} | "
            f"{'–' if auroc is None else f'{auroc:.2f}'} | {lead(row, 'auroc')} | "
            f"{'–' if row['brier'] is None else format(row['brier'], '.3f')} | "
            f"{row['n']}{'' if row['n_rising'] is None else ', ' + str(row['n_rising'])} |"
        )
    return [*lines, ""]


def lead(row: dict[str, Any], figure: str) -> str:
    """Format by how much a forecast is ahead of the plainest rules."""
    value, low, high = (row[f"{figure}_{key}"] for key in ("lead", "low", "high"))
    return "–" if value is None else f"{value:+.2f} [{low:+.2f}, {high:+.2f}]"


def draw_gaps(figures: pl.DataFrame, path: Path) -> None:
    """Draw the gap closed for flips, by population and tier."""
    rows = figures.filter(
        pl.col("scorer").is_in(BEST), pl.col("value").is_not_null(),
        measure="gap_closed", average="pooled", target="flips",
    )  # fmt: skip
    order = [name for _, name in names_of(rows)]
    base = alt.Chart(rows).encode(
        y=alt.Y("population:N", sort=order, title=None),
        yOffset=alt.YOffset("scorer:N", sort=list(BEST)),
        color=alt.Color("scorer:N", sort=list(BEST), title=None),
    )
    x = alt.X("low:Q", title="share of the gap between margin and ceiling")
    chart = base.mark_rule(strokeWidth=2).encode(x=x, x2="high:Q") + base.mark_circle(
        size=60, opacity=1
    ).encode(x="value:Q")
    save(chart.properties(width=420), path)


def draw_routing(routing: pl.DataFrame, path: Path) -> None:
    """Draw flips left against answers routed: the best of tier A, margin, random, oracle."""
    rows = routing.filter(pl.col("planned") == 0.95, pl.col("forecast") == BEST[0]).unique(
        ["population", "order", "routed"], maintain_order=True
    )
    chart = (
        alt.Chart(rows)
        .mark_line(point=True)
        .encode(
            x=alt.X("routed:Q", title="answers sent to the dense model", axis=alt.Axis(format="%")),
            y=alt.Y("flip_rate:Q", title="flips left", axis=alt.Axis(format="%")),
            color=alt.Color("order:N", title=None),
            column=alt.Column("population:N", title=None),
        )
        .properties(width=220, height=180)
    )
    save(chart, path)


def draw_reliability(reliability: pl.DataFrame, path: Path) -> None:
    """Draw observed against predicted shares of flips, each scorer's own probabilities."""
    rows = reliability.filter(
        pl.col("bin") > 0, pl.col("predicted") > 1e-4, pl.col("observed") > 0,
        pl.col("forecast").is_in(BEST), pl.col("planned").is_in(EVERY_SCORER),
    )  # fmt: skip
    log = alt.Scale(type="log")
    line = (
        alt.Chart(rows)
        .mark_line(point=True)
        .encode(
            x=alt.X("predicted:Q", scale=log, axis=alt.Axis(format="%"), title="predicted"),
            y=alt.Y("observed:Q", scale=log, axis=alt.Axis(format="%"), title="observed"),
            color=alt.Color("forecast:N", sort=list(BEST), title=None),
        )
    )
    ends = pl.DataFrame({"x": [1e-3, 1.0], "y": [1e-3, 1.0]})
    ideal = alt.Chart(ends).mark_line(strokeDash=[3, 3], color="gray").encode(x="x:Q", y="y:Q")
    save(
        alt.layer(ideal, line, data=rows)
        .properties(width=200, height=180)
        .facet("population:N", columns=4),
        path,
    )


def save(chart: alt.TopLevelMixin, path: Path) -> None:
    """Write a plot whole or not at all."""
    with replacing(path) as beside:
        chart.save(str(beside), format="svg")


if __name__ == "__main__":
    typer.run(main)
