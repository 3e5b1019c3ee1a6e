"""A forecast of 200,000 samples × 40 attributes, and what tier B costs in passes over the images.

    python benchmarks/forecast.py

Tier A: every scorer, with expected attributes and groups and their curve, in memory; beside it, in
the same run, what anyone must do at least: probabilities and the order of all margins, by numpy.
Then writing the tables, beside polars writing the predictions. Tiers B and C: `resnet_small` on
drawn faces of 64 pixels, in units of one pass over the same images.
"""

from __future__ import annotations

import argparse
import platform
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

from prunescope.data.samples import Group, Samples
from prunescope.forecast import SCORERS, forecast
from prunescope.predictions import Metadata, Predictions
from seen import write_page

N, A = 200_000, 40
GROUPS = ("Male", "Young", "Chubby", "Pale_Skin")
N_IMAGES = 5000


def draw():
    """Return predictions whose attributes hang together."""
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=(N, 8)).astype(np.float32)
    logits = hidden @ rng.normal(size=(8, A)).astype(np.float32)
    logits += rng.normal(size=(N, A)).astype(np.float32) - rng.uniform(-1, 4, A).astype(np.float32)
    labels = (logits + rng.logistic(size=logits.shape) > 0).astype(np.int8)
    groups = {name: Group.from_series(pl.Series(rng.random(N) < 0.4)) for name in GROUPS}
    ids = pl.Series([f"{i:06d}.jpg" for i in range(N)])
    samples = Samples(ids, tuple(f"a{i}" for i in range(A)), labels, groups)
    rates = samples.rates()
    told = {"train_prevalence": rates.prevalence, "train_group_rates": rates.group_rates}
    return Predictions(samples, logits, Metadata(name="dense", **told))


def timed(work, times=1):
    """Return the shortest of several runs, in seconds, and the result."""
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        result = work()
        seconds.append(time.perf_counter() - start)
    return min(seconds), result


def at_least(logits):
    """Probabilities and the order of the margins."""
    return 1 / (1 + np.exp(-logits)), np.argsort(-abs(logits), axis=None)


def tier_a(rows):
    dense = draw()
    floor, _ = timed(lambda: at_least(dense.logits), 3)
    rows.append(("numpy: probabilities and order of margins", floor, None))
    for name, scorer in SCORERS.items():
        if scorer.tier == "A" and name != "temperature":
            seconds, found = timed(lambda name=name: forecast(dense, sparsity=0.95, scorer=name), 3)
            rows.append((f"forecast, {name}", seconds, seconds / floor))
    with tempfile.TemporaryDirectory() as folder:
        plain, _ = timed(lambda: dense.save(Path(folder) / "dense.parquet"))
        seconds, _ = timed(lambda: found.save(folder))
        rows.append(("polars: writing the predictions", plain, None))
        rows.append(("writing the forecast, 8 million rows", seconds, seconds / plain))


def tiers_b_and_c(rows):
    from prunescope.data import synthetic_faces
    from prunescope.models import build_model
    from prunescope.training import Recipe, infer

    faces = synthetic_faces(2000, 10, N_IMAGES, size=64)
    model = build_model("resnet_small", faces.samples.attributes, image_size=64).eval()
    test = faces.split("test")
    infer(model, test.take(np.arange(256)))
    one, logits = timed(lambda: infer(model, test), 2)
    rates = faces.split("train").samples.rates()
    told = Metadata(name="dense", train_prevalence=rates.prevalence)
    dense = Predictions(test.samples, logits, told)
    rows.append((f"one pass over {N_IMAGES:,} images", one, None))
    recipe = Recipe(epochs=3)
    for name, scorer in SCORERS.items():
        if scorer.tier != "A":
            settings = {"scorer": name, "model": model, "dataset": faces, "recipe": recipe}
            seconds, _ = timed(lambda s=settings: forecast(dense, sparsity=0.95, **s))
            rows.append((f"forecast, {name}", seconds, seconds / one))


def table(title, unit, rows):
    """Lay out rows as Markdown."""
    lines = [title, "", f"| what | seconds | times {unit} |", "|---|---|---|"]
    for what, seconds, ratio in rows:
        lines.append(f"| {what} | {seconds:.2f} | {'–' if ratio is None else f'{ratio:.1f}'} |")
    return [*lines, ""]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results/forecast.md")
    arguments = parser.parse_args()
    light, heavy = [], []
    tier_a(light)
    tiers_b_and_c(heavy)
    told = f"{N:,} samples × {A} attributes × {len(GROUPS)} groups; {platform.machine()}, seed 0"
    lines = table(told, "the peer above", light)
    lines += table(
        f"Tiers B and C, resnet_small, {N_IMAGES:,} faces of 64 pixels", "one pass", heavy
    )
    write_page(arguments.out, "\n".join(lines))
    print("\n".join(lines))


if __name__ == "__main__":
    main()
