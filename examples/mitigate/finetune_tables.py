"""Tell what fine-tuning did, from the answers that finetune.py left.

    python examples/mitigate/finetune_tables.py out/mitigate/celeba64 docs/results/mitigate/finetune

Writes figures.csv (every figure with its interval, against the dense model and against the control)
and README.md.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import polars as pl
import typer

from finetune import GROUP, MEASURES, ON_TRAIN, SPARSITIES
from prunescope.audit import audit
from prunescope.files import replacing
from prunescope.predictions import Predictions

OVERALL = {
    "accuracy": "accuracy",
    "auc": "AUC",
    "rare_value_ratio": "rare-value ratio",
    "bias_amplification": f"bias amplification by {GROUP}",
    "flip_rate": "flips",
    "harmful_flip_rate": "harmful flips",
}
TOLERANCE = 0.01
KEPT = ["model", "against", "metric", "group", "value", "low", "high", "delta", "delta_low",
        "delta_high", "p_value"]  # fmt: skip


def main(
    folder: Annotated[Path, typer.Argument(help="What finetune.py wrote.")],
    out: Annotated[Path, typer.Argument(help="Where the tables go.")],
    replicates: int = 1000,
) -> None:
    """Compare with the dense model, and with the control."""
    tables, pages = [], []
    for sparsity in SPARSITIES:
        parent = f"gmp-pt-{100 * sparsity:g}-seed0"
        control = f"{parent}+none"
        made = [f"{parent}+{name}" for name in MEASURES if name != "none"]
        made.append(f"fairgrape-{100 * sparsity:g}-seed0")
        against_dense = compare(folder, "dense-seed0", [parent, control, *made], replicates)
        against_control = compare(folder, control, made, replicates)
        tables += [against_dense, against_control]
        pages += [f"## {sparsity:.0%} of the weights pruned", ""]
        pages += table(against_dense, ["dense-seed0", parent, control, *made], "value")
        pages += ["", "Difference from the control:", ""]
        pages += table(against_control, made, "delta")
        pages += ["", f"Excess accuracy gaps by {GROUP}, over all attributes:", ""]
        pages += gaps(folder, parent)
    figures = pl.concat(tables)
    write(out / "figures.csv", figures.write_csv(float_precision=5))
    write(out / "README.md", "\n".join([*INTRODUCTION, *pages, ""]))


INTRODUCTION = [
    "# Fine-tuning and FairGRAPE on real faces",
    "",
    "Made by `python examples/mitigate/finetune.py` and `finetune_tables.py`. One seed: intervals",
    "(95%, resampled by person) cover the choice of test images, not that of a training seed. The",
    "control `none` trains as long as the measures without one; what they are worth is their",
    "difference from it. FairGRAPE prunes anew, by the recipe of the pruned model, which `none`",
    "trains further: compare it with the pruned model. Bias amplification is a mean over the",
    "attributes that a model tells apart, at 99% others for each model: only its differences, over",
    "those that both tell, compare.",
    "",
]


def compare(folder: Path, baseline: str, names: list[str], replicates: int) -> pl.DataFrame:
    """Audit models on the test images against one of them."""
    base, *others = (
        Predictions.load(folder / "test" / f"{name}.parquet") for name in (baseline, *names)
    )
    found = audit(base, others, identity=[GROUP], replicates=replicates).table
    return found.filter(
        pl.col("attribute").is_null(), pl.col("group_value").is_null(),
        pl.col("metric").is_in(list(OVERALL)),
        pl.col("group").is_null() | (pl.col("metric") == "bias_amplification"),
    ).with_columns(against=pl.lit(baseline)).select(KEPT)  # fmt: skip


def table(found: pl.DataFrame, names: list[str], figure: str) -> list[str]:
    """Lay out one figure with its interval, a row per model."""
    low, high = ("low", "high") if figure == "value" else ("delta_low", "delta_high")
    form = ".3f" if figure == "value" else "+.3f"
    shown = [m for m in OVERALL if found.filter(metric=m)[figure].drop_nulls().len()]
    lines = ["| model | " + " | ".join(OVERALL[m] for m in shown) + " |"]
    lines.append("|---" * (len(shown) + 1) + "|")
    for name in names:
        cells = []
        for metric in shown:
            rows = found.filter(model=name, metric=metric).select(figure, low, high).rows()
            told = bool(rows) and None not in rows[0]
            cells.append("{} [{}, {}]".format(*(format(x, form) for x in rows[0])) if told else "–")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines


def gaps(folder: Path, parent: str) -> list[str]:
    """Tell where constraints hold: on the images they were trained on, and on others."""
    lines = [f"| model | images | largest | above {TOLERANCE:g} |", "|---|---|---|---|"]
    for measure in ON_TRAIN:
        for split in ("train", "test"):
            dense, sparse = (
                Predictions.load(folder / split / f"{name}.parquet")
                for name in ("dense-seed0", f"{parent}+{measure}")
            )
            rows = audit(dense, sparse, identity=[GROUP], replicates=0).table.filter(
                pl.col("metric") == "excess_accuracy_gap",
                pl.col("attribute").is_not_null(),
                pl.col("status") == "ok",
            )
            values = rows["value"]
            above = f"{(values > TOLERANCE).sum()} of {len(values)}"
            lines.append(f"| {parent}+{measure} | {split} | {values.max():+.3f} | {above} |")
    return [*lines, ""]


def write(path: Path, text: str) -> None:
    """Write a file beside, then rename it."""
    with replacing(path) as beside:
        beside.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
