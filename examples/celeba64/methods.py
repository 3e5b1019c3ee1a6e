"""Prune a small network on real faces by every method, and set its gain beside its bias.

    python examples/celeba64/methods.py PATH/TO/celeba64.parquet -o out/methods

One dense model and one seed; every pruned model is trained on, as long as it says below. Stopped,
the same command goes on where it was: a model that is there is not made again. Writes
docs/results/methods: a table, no image.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import polars as pl
import typer

from prunescope.audit import Audit, audit
from prunescope.cli.console import progress, say
from prunescope.data import DataConfig, Dataset, load_dataset
from prunescope.files import replacing
from prunescope.models import Checkpoint, load_checkpoint
from prunescope.pruning import METHODS, gains
from prunescope.study import note_steps, predict_split, prune_model, quantize_model, train_model
from prunescope.training import Recipe

SCRATCH = Recipe(epochs=6, learning_rate=1.0, nesterov=True, weight_decay=5e-5, warmup=0.1)
TRAINED = Recipe(epochs=3, optimizer="adam", learning_rate=1e-3, warmup=0.1)
ROUND = SCRATCH.replace(epochs=2)
"""Of the many rounds of iterative pruning, each."""


@dataclass(frozen=True)
class Run:
    """One pruned model."""

    method: str
    sparsity: float
    choices: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Such as ``gmp-pt-2:4-50``."""
        told = [str(v) for k, v in self.choices.items() if k in ("score", "pattern")]
        return "-".join([self.method.replace("/", ""), *told, f"{100 * self.sparsity:g}"])

    @property
    def recipe(self) -> Recipe:
        """How it trains."""
        if self.method == "imp":
            return ROUND
        return SCRATCH if METHODS[self.method].starts_from == "random" else TRAINED


STEM = "network.resnet.embedder.embedder.convolution"
RUNS = [
    *(
        Run(method, sparsity)
        for method in ("one-shot", "gmp-pt", "linear-pt", "gmp-ri", "ac/dc", "rigl", "snip")
        for sparsity in (0.9, 0.95)
    ),
    Run("imp", 0.9),
    Run("one-shot", 0.9, {"score": "taylor"}),
    Run("one-shot", 0.9, {"score": "fisher"}),
    Run("gmp-pt", 0.5, {"pattern": "2:4", "ignore": [STEM]}),
    Run("gmp-pt", 0.75, {"pattern": "1:4", "ignore": [STEM]}),
    Run("gmp-pt", 0.9, {"pattern": "block-1x4", "ignore": [STEM]}),
    Run("structured", 0.3),
    Run("structured", 0.5),
]
QUANTIZED = ("dense", "gmp-pt-90")


def main(
    source: Annotated[Path, typer.Argument(help="celeba64.parquet")],
    out: Annotated[Path, typer.Option("-o", "--out")] = Path("out/methods"),
    results: Annotated[Path, typer.Option(help="Where the table goes.")] = Path(
        "docs/results/methods"
    ),
) -> None:
    """Make the models, ask them, and lay out what they gain and lose."""
    config = DataConfig(source=str(source), groups=("Male", "Young"), cluster="identity")
    with progress("images") as update:
        dataset = load_dataset(config, update)
    models = make(dataset, config, out / "models")
    answers = [
        predict_split(model, dataset, "test", out / f"{name}.parquet", name=name)
        for name, model in models.items()
    ]
    with progress("audit") as update:
        found = audit(answers[:1], answers[1:], progress=update)
    with progress("gain") as update:
        gained = gains(list(models.values()), list(models), progress=update)
    table = lay_out(found, gained)
    results.mkdir(parents=True, exist_ok=True)
    with replacing(results / "methods.csv") as beside:
        table.write_csv(beside, float_precision=5)
    with replacing(results / "README.md") as beside:
        beside.write_text(page(found, table), encoding="utf-8")
    say(f"table: {results / 'README.md'}")


def make(dataset: Dataset, config: DataConfig, folder: Path) -> dict[str, Checkpoint]:
    """Train, prune and quantise what is not there yet."""
    train = dataset.split("train")
    models: dict[str, Checkpoint] = {}
    if not (folder / "dense").exists():
        with progress("dense") as update:
            train_model(
                train, "resnet_small", SCRATCH, folder / "dense", data=config,
                on_step=note_steps(update),
            )  # fmt: skip
    models["dense"] = load_checkpoint(folder / "dense")
    for run in RUNS:
        if not (folder / run.name).exists():
            with progress(run.name) as update:
                prune_model(
                    models["dense"], train, run.method, run.sparsity, folder / run.name,
                    recipe=run.recipe, data=config, on_step=note_steps(update), **run.choices,
                )  # fmt: skip
        models[run.name] = load_checkpoint(folder / run.name)
    for name in QUANTIZED:
        target = folder / f"{name}-int8"
        if not target.exists():
            quantize_model(models[name], train, target, data=config)
        models[target.name] = load_checkpoint(target)
    return models


OVERALL = ("accuracy", "auc", "uncertainty", "rare_value_ratio", "flip_rate")
GAINED = ("n_nonzero_parameters", "macs_effective", "bytes_zlib", "ms_batch_1", "ms_batch_32")


def lay_out(found: Audit, gained: pl.DataFrame) -> pl.DataFrame:
    """Put the means over attributes and the gain of each model into one row."""
    everything = found.table.filter(pl.col("attribute").is_null(), pl.col("group_value").is_null())
    plain = everything.filter(pl.col("group").is_null(), pl.col("metric").is_in(OVERALL))
    leaning = everything.filter(metric="bias_amplification", group="Male").with_columns(
        metric=pl.lit("bias_amplification_Male")
    )
    wide = pl.concat([plain, leaning]).pivot(
        "metric", index="model", values=["value", "low", "high", "delta"], maintain_order=True
    )
    return wide.join(
        gained.select("model", *GAINED, *(f"{name}_ratio" for name in GAINED), "note"),
        on="model",
        how="left",
        maintain_order="left",
    )


def page(found: Audit, table: pl.DataFrame) -> str:
    """Lay out the table for reading."""
    heads = [
        "model", "accuracy", "AUC", "uncertainty", "rare-value ratio", "BA by Male", "flips",
        "non-zero", "MACs, zeros skipped", "bytes, zlib", "ms × 1", "ms × 32",
    ]  # fmt: skip
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for row in table.iter_rows(named=True):
        cells = [
            interval(row, metric)
            for metric in (*OVERALL[:4], "bias_amplification_Male", OVERALL[4])
        ]
        cells += [times(row[f"{name}_ratio"]) for name in GAINED]
        lines.append(f"| {row['model']} | " + " | ".join(cells) + " |")
    settings = found.info.settings
    return "\n".join(
        [
            "# Methods",
            "",
            "Made by `python examples/celeba64/methods.py`: resnet_small, one seed, 64-pixel "
            "faces. "
            f"The dense model and those from random weights train for {SCRATCH.epochs:g} epochs, "
            f"those from the dense model for {TRAINED.epochs:g}, each round of imp for "
            f"{ROUND.epochs:g}.",
            "",
            f"{found.info.n_samples:,} test images, {len(found.info.attributes)} attributes; means "
            f"over attributes with {settings.confidence:.0%} intervals (resampled by "
            f"{settings.cluster}). Gains are times the dense model's, timed in one run with two "
            "threads of ONNX Runtime; int8 is not timed. Masked zeros give no speed on it: only "
            "`structured` can be faster. Its sparsity is the share of channels.",
            "",
            *lines,
            "",
        ]
    )


def interval(row: dict[str, Any], metric: str) -> str:
    """Format an estimate with its interval."""
    value, low, high = (row.get(f"{part}_{metric}") for part in ("value", "low", "high"))
    return "–" if value is None else f"{value:.3f} [{low:.3f}, {high:.3f}]"


def times(ratio: float | None) -> str:
    """Format a ratio to the dense model."""
    return "–" if ratio is None else f"×{ratio:.2f}"


if __name__ == "__main__":
    typer.run(main)
