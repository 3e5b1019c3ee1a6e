"""Turn a folder that run.py left into docs/results: a table, plots, no image.

    python examples/celeba64/tables.py out/celeba64 docs/results/celeba64

Writes overall.csv and attributes.csv (figures of the audit), curves.svg and bias.svg, and README.md
with the main table in it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import altair as alt
import polars as pl
import typer

from prunescope.audit import Audit
from prunescope.files import replacing

OVERALL = {
    "accuracy": "accuracy",
    "auc": "AUC",
    "rare_value_ratio": "rare-value ratio",
    "uncertainty": "uncertainty",
    "interdependence": "interdependence",
    "flip_rate": "flips",
    "harmful_flip_rate": "harmful flips",
    "bias_amplification": "bias amplification",
}
NONE = "–"
EVERYTHING = pl.col("attribute").is_null() & pl.col("group_value").is_null()


def main(
    folder: Annotated[Path, typer.Argument(help="What run.py wrote.")],
    out: Annotated[Path, typer.Argument(help="Where the tables and plots go.")],
) -> None:
    """Write tables and plots."""
    found = Audit.load(folder)
    overall = found.table.filter(
        EVERYTHING, pl.col("metric").is_in([*OVERALL, "churn"]), pl.col("status") == "ok"
    )
    attributes = found.table.filter(
        pl.col("attribute").is_not_null(),
        pl.col("metric").is_in(list(OVERALL)),
        (pl.col("metric") == "bias_amplification") | pl.col("group").is_null(),
    )
    write(out / "overall.csv", overall.write_csv(float_precision=5))
    write(out / "attributes.csv", attributes.write_csv(float_precision=5))
    of_model = overall.filter(pl.col("group").is_null(), pl.col("metric") != "churn")
    draw(of_model, "metric", out / "curves.svg")
    leaning = found.table.filter(EVERYTHING, pl.col("metric") == "bias_amplification")
    draw(leaning, "group", out / "bias.svg")
    write(out / "README.md", page(found, overall))


def page(found: Audit, overall: pl.DataFrame) -> str:
    """Lay out the figures over all attributes, a row per model."""
    groups = overall["group"].drop_nulls().unique(maintain_order=True).to_list()
    columns = [(m, None) for m in OVERALL if m != "bias_amplification"]
    columns += [("bias_amplification", group) for group in groups]
    values = table(found, overall, columns, ("value", "low", "high"), ".3f")
    changes = table(found, overall, columns, ("delta", "delta_low", "delta_high"), "+.3f")
    churn = overall.filter(pl.col("metric") == "churn")
    told = f"\nTwo dense seeds disagree on {churn['value'][0]:.2%} of the answers (churn).\n"
    settings = found.info.settings
    return "\n".join(
        [
            "# Real faces",
            "",
            f"{found.info.n_samples:,} test images, {len(found.info.attributes)} attributes; means "
            f"over attributes with {settings.confidence:.0%} bootstrap intervals "
            f"({settings.replicates:,} replicates, resampled by {settings.cluster}).",
            "",
            *values,
            told if churn.height else "",
            "## Change from dense",
            "",
            "On the same images and over the attributes that both models have a value of: fewer,",
            "for very sparse models, than the dense model has. So these are not the differences of",
            "the values above.",
            "",
            *changes,
            "",
            "![Metrics against sparsity](curves.svg)",
            "",
            "![Bias amplification against sparsity](bias.svg)",
            "",
        ]
    )


def table(
    found: Audit,
    overall: pl.DataFrame,
    columns: list[tuple[str, str | None]],
    figures: tuple[str, str, str],
    form: str,
) -> list[str]:
    """Lay out a figure and its interval, a row per model and a column per metric."""
    shown = [c for c in columns if overall.filter(of(*c))[figures[0]].drop_nulls().len()]
    heads = [OVERALL[m] if g is None else f"{OVERALL[m]} by {g}" for m, g in shown]
    lines = ["| model | " + " | ".join(heads) + " |", "|---" * (len(heads) + 1) + "|"]
    for model in found.info.models:
        rows = overall.filter(pl.col("model") == model.name)
        cells = [cell(rows.filter(of(*c)).select(figures).rows(), form) for c in shown]
        if set(cells) != {NONE}:
            lines.append(f"| {model.name} | " + " | ".join(cells) + " |")
    return lines


def of(metric: str, group: str | None) -> pl.Expr:
    """Choose the rows of one metric, by a group or by none."""
    return (pl.col("metric") == metric) & pl.col("group").eq_missing(pl.lit(group))


def cell(rows: list[tuple[float | None, ...]], form: str) -> str:
    """Format one figure with its interval."""
    if not rows or rows[0][0] is None:
        return NONE
    value, low, high = (format(number, form) for number in rows[0])
    return f"{value} [{low}, {high}]"


def draw(rows: pl.DataFrame, facet: str, path: Path) -> None:
    """Draw values with intervals against sparsity, a panel per metric or group."""
    step = pl.col("sparsity").map_elements(lambda x: f"{100 * x:g}%" if x else "dense", pl.String)
    rows = rows.with_columns(step=step)
    steps = rows.sort("sparsity")["step"].unique(maintain_order=True).to_list()
    base = alt.Chart(rows).encode(
        x=alt.X("step:N", sort=steps, title=None, axis=alt.Axis(labelAngle=0))
    )
    scale = alt.Scale(zero=False)
    bars = base.mark_rule().encode(y=alt.Y("low:Q", title=None, scale=scale), y2="high:Q")
    dots = base.mark_circle(size=50, opacity=1).encode(y="value:Q")
    chart = (
        alt.layer(bars, dots)
        .properties(width=220, height=130)
        .facet(facet=alt.Facet(f"{facet}:N", title=None), columns=3)
        .resolve_scale(y="independent", x="independent")
    )
    with replacing(path) as beside:
        chart.save(str(beside), format="svg")


def write(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    with replacing(path) as beside:
        beside.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
