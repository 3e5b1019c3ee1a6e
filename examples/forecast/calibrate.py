"""Whether a probability of flipping is what it says: the shipped rule, and one small prune.

    python examples/forecast/calibrate.py out/forecast/celeba64 docs/results/forecast/celeba64

Reads what models.py wrote. `spectral-shrink` forecasts the split test at each sparsity, with its
own probabilities and with risks calibrated on the split val, on the flips of a single model: gmp-pt
to 80%. Writes calibration.csv (predicted and observed share of flips, by bins of probability), and
CALIBRATION.md: their calibration error, the mean gap over ten bins that share out the answers with
a probability above 1% evenly, and the Brier score.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import polars as pl
import typer

from models import SEEDS
from prunescope.files import replacing
from prunescope.forecast import Forecast, forecast
from prunescope.forecast.happened import Happened
from prunescope.forecast.reliability import reliability_rows
from prunescope.predictions import Predictions

POPULATIONS = ("gmp-pt", "gmp-ri")
SPARSITIES = (0.8, 0.9, 0.95, 0.98, 0.99)
WORTH, N_BINS = 0.01, 10
SMALL = "gmp-pt-80-seed0"


def main(
    folder: Annotated[Path, typer.Argument(help="What models.py wrote.")],
    out: Annotated[Path, typer.Argument(help="Where the tables go.")],
) -> None:
    """Calibrate, compare, write."""

    def load(split: str, name: str) -> Predictions:
        return Predictions.load(folder / split / f"{name}.parquet")

    dense, small = load("test", "dense-seed0"), load("val", SMALL)
    parts = []
    lines = [
        "| models | error, own | error, calibrated | Brier, own | Brier, calibrated |",
        "|---|---|---|---|---|",
    ]
    for sparsity in SPARSITIES:
        own = forecast(dense, sparsity=sparsity)
        validation = load("val", "dense-seed0")
        calibrated = forecast(
            dense, sparsity=sparsity, validation=validation, pruned_validation=[small]
        )
        for method in POPULATIONS:
            runs = [load("test", f"{method}-{100 * sparsity:g}-seed{seed}") for seed in SEEDS]
            errors, briers = [], []
            for told in (own, calibrated):
                happened = Happened.of(told, runs, [])
                kind = pl.lit(told.info.probabilities)
                parts.append(reliability_rows(happened).with_columns(probabilities=kind))
                error, brier = judged(told, happened)
                errors.append(f"{error:.3f}")
                briers.append(f"{brier:.4f}")
            lines.append(f"| {method} {sparsity:.0%} | " + " | ".join([*errors, *briers]) + " |")
    with replacing(out / "calibration.csv") as beside:
        pl.concat(parts).write_csv(beside, float_precision=5)
    with replacing(out / "CALIBRATION.md") as beside:
        beside.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


def judged(told: Forecast, happened: Happened) -> tuple[float, float]:
    """Return calibration error and Brier score, means over the runs."""
    assert told.probability is not None
    p = told.probability.ravel().astype(np.float64)
    flips = np.mean([run.flips.ravel() for run in happened.populations[0].runs], axis=0)
    brier = np.mean(flips * (1 - p) ** 2 + (1 - flips) * p**2)
    worth = np.flatnonzero(p > WORTH)
    bins = np.array_split(worth[np.argsort(p[worth])], N_BINS)
    return float(np.mean([abs(p[b].mean() - flips[b].mean()) for b in bins])), float(brier)


if __name__ == "__main__":
    typer.run(main)
