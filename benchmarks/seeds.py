"""Do figures over two, three and five training seeds keep their promises? A seeded simulation.

    OMP_NUM_THREADS=1 python benchmarks/seeds.py [--audits 200] [--jobs 2]

Every truth has a closed form. A trait t ~ N(0, 1) is above a threshold for the label; a model's
logit is t plus noise that all models share, noise of its own and an offset that its training seed
draws for each attribute, so traits and logits are normal together and the mean over all training
seeds of a rate is an orthant of a bivariate normal distribution. Compression shifts the offsets: by
nothing ("null"), or by so much that the true positive rate falls by three times the standard
deviation over seeds of that change ("fallen", on every second attribute). Offsets have one standard
deviation for all attributes ("equal"), such that rise twofold from the first to the last
("unequal"), or eightfold ("very unequal").

Told: how often 95% intervals of values and changes hold the truth (mean over attributes and the
worst attribute), how often a family of tests finds anything in the null (any q ≤ 0.05), and how
often the planted falls are found.
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
from scipy.optimize import brentq
from scipy.stats import multivariate_normal, norm

from prunescope.audit import audit
from prunescope.data.samples import Samples, TrainRates
from prunescope.predictions import Compression, Metadata, Predictions
from seen import write_page

RESULTS = Path(__file__).parent / "results"
ATTRIBUTES = tuple(f"a{i:02d}" for i in range(20))
PREVALENCE = np.geomspace(0.05, 0.5, len(ATTRIBUTES))
THRESHOLD = norm.isf(PREVALENCE)
N, SHARED, OWN = 2_000, 0.5, 0.4
SPREADS = {
    "equal": np.full(20, 0.1),
    "unequal": np.geomspace(0.1 / np.sqrt(2), 0.1 * np.sqrt(2), 20),
    "very unequal": np.geomspace(0.04, 0.32, 20),
}
HANDED_DOWN = 0.6
"""Correlation of a compressed model's offset with its dense one's."""
METRICS = ("accuracy", "tpr", "fpr", "selection_rate", "rare_value_ratio")
POWER = 3.0


def rates(threshold, offset, spread):
    """Return the mean over seeds of each metric: logit = t - threshold + noise + N(offset, σ²)."""
    sd = np.sqrt(1 + SHARED**2 + OWN**2 + spread**2)
    mean = offset - threshold
    both = multivariate_normal([0, 0], [[1, 1 / sd], [1 / sd, 1]])
    prevalence, called = norm.sf(threshold), norm.sf(-mean / sd)
    found = both.cdf([-threshold, mean / sd])  # P(t > threshold, logit > 0), by symmetry
    tpr, fpr = found / prevalence, (called - found) / (1 - prevalence)
    right = found + 1 - prevalence - called + found
    return dict(zip(METRICS, (right, tpr, fpr, called, called / prevalence), strict=True))


def planted(spread, points=200):
    """Return the offset that lets the true positive rate fall by `POWER` deviations of it."""
    grid = norm.ppf((np.arange(points) + 0.5) / points)
    shifts = []
    for threshold, sigma in zip(THRESHOLD, spread, strict=True):
        of_change = sigma * np.sqrt(2 * (1 - HANDED_DOWN))
        here = [rates(threshold, of_change * x, 0.0)["tpr"] for x in grid[::10]]
        wanted = rates(threshold, 0.0, sigma)["tpr"] - POWER * np.std(here)
        fall = partial(_excess, threshold, sigma, wanted)
        shifts.append(brentq(fall, -4, 0) if fall(-4) < 0 else np.nan)
    return np.array(shifts)


def _excess(threshold, sigma, wanted, offset):
    return rates(threshold, offset, sigma)["tpr"] - wanted


def one_audit(kind, m, shifts, number):
    """Draw a world with m dense and m compressed seeds, and audit it."""
    rng = np.random.default_rng([2026, m, len(kind), number])
    traits = rng.standard_normal((N, len(ATTRIBUTES)))
    seen = traits + SHARED * rng.standard_normal(traits.shape)
    samples = Samples(
        pl.int_range(N, eager=True).cast(pl.String),
        ATTRIBUTES,
        (traits > THRESHOLD).astype(np.int8),
    )
    spread = SPREADS[kind]
    told = TrainRates(dict(zip(ATTRIBUTES, PREVALENCE.tolist(), strict=True)), {})
    dense, others = [], []
    for seed in range(m):
        normals = rng.standard_normal((2, len(ATTRIBUTES)))
        kept = HANDED_DOWN * normals[0] + np.sqrt(1 - HANDED_DOWN**2) * normals[1]
        for name, offset in (("dense", normals[0]), ("gmp", kept)):
            logits = seen + OWN * rng.standard_normal(traits.shape) - THRESHOLD + spread * offset
            how = Compression() if name == "dense" else Compression(method="gmp", sparsity=0.9)
            logits = logits + (0 if name == "dense" else shifts)
            metadata = Metadata(name=f"{name}{seed}", seed=seed, compression=how)
            (dense if name == "dense" else others).append(Predictions(samples, logits, metadata))
    table = audit(dense, others, train_rates=told, n_affected=0, replicates=100).table
    return table.filter(
        pl.col("model").str.ends_with("seeds)"),
        pl.col("metric").is_in(METRICS),
        pl.col("attribute").is_not_null(),
    ).select("model", "metric", "attribute", "value", "low", "high", "delta", "delta_low",
             "delta_high", "q_value").with_columns(audit=pl.lit(number))  # fmt: skip


def truth(spread, shifts):
    """Return the true values and changes by metric and attribute."""
    rows = []
    for i, name in enumerate(ATTRIBUTES):
        dense = rates(THRESHOLD[i], 0.0, spread[i])
        sparse = rates(THRESHOLD[i], shifts[i], spread[i])
        for metric in METRICS:
            row = {"metric": metric, "attribute": name, "dense": dense[metric]}
            rows.append({**row, "gmp": sparse[metric], "fell": bool(shifts[i] < 0)})
    return pl.DataFrame(rows)


def summarize(rows, truths):
    """Return a row per metric."""
    rows = rows.join(truths, on=["metric", "attribute"])
    compressed = pl.col("model").str.starts_with("gmp")
    true = pl.when(compressed).then("gmp").otherwise("dense")
    rows = rows.with_columns(
        inside=true.is_between("low", "high"),
        inside_change=(pl.col("gmp") - pl.col("dense")).is_between("delta_low", "delta_high"),
        found=pl.col("q_value") <= 0.05,
        compressed=compressed,
    )
    by = rows.group_by("metric", "attribute", "fell").agg(
        value=pl.col("inside").mean(), change=pl.col("inside_change").mean(),
        found=pl.col("found").filter("compressed").mean(),
    )  # fmt: skip
    families = rows.filter("compressed").group_by("metric", "audit").agg(pl.col("found").any())
    null = families.group_by("metric").agg(any_q=pl.col("found").mean())
    return by.group_by("metric").agg(
        pl.col("value").mean(), worst_value=pl.col("value").min(),
        change=pl.col("change").mean(), worst_change=pl.col("change").min(),
        power=pl.col("found").filter("fell").mean(),
    ).join(null, on="metric").sort("metric")  # fmt: skip


def run(options):
    """Simulate every condition."""
    parts = []
    spawn = multiprocessing.get_context("spawn")  # threads of polars do not survive a fork
    with ProcessPoolExecutor(options.jobs, spawn) as pool:
        for kind, spread in SPREADS.items():
            fallen = np.where(np.arange(len(ATTRIBUTES)) % 2, planted(spread), 0.0)
            for m in options.seeds:
                for change, shifts in (("null", np.zeros(len(ATTRIBUTES))), ("fallen", fallen)):
                    started = time.perf_counter()
                    work = partial(one_audit, kind, m, np.nan_to_num(shifts))
                    rows = pl.concat(pool.map(work, range(options.audits), chunksize=5))
                    found = summarize(rows, truth(spread, np.nan_to_num(shifts)))
                    told = pl.lit(kind).alias("spread"), pl.lit(m).alias("seeds")
                    parts.append(found.select(*told, pl.lit(change).alias("world"), pl.all()))
                    print(f"{kind} {m} {change}: {time.perf_counter() - started:.0f} s", flush=True)
    return pl.concat(parts)


HEAD = """# Several training seeds

`benchmarks/seeds.py`, {audits} audits each, {n:,} samples × {attributes} attributes; Monte Carlo
error of a share near 95% of one attribute: ±{error:.1%}. *value*, *change*: how often 95% intervals
hold the mean over all training seeds; *any q*: how often a family holds q ≤ 0.05 (a promise in the
null alone); *power*: planted falls of the true positive rate by three deviations over seeds that
are found.

| spread | seeds | world | metric | value | worst | change | worst | any q ≤ 0.05 | power |
|---|---|---|---|---|---|---|---|---|---|
"""


def markdown(table, audits):
    """Lay the table out."""
    text = HEAD.format(
        audits=audits, n=N, attributes=len(ATTRIBUTES), error=np.sqrt(0.05 * 0.95 / audits)
    )
    for row in table.iter_rows(named=True):
        cells = [row["spread"], str(row["seeds"]), row["world"], row["metric"]]
        cells += [f"{row[k]:.1%}" for k in ("value", "worst_value", "change", "worst_change")]
        cells.append(f"{row['any_q']:.1%}" if row["world"] == "null" else "")
        shown = row["metric"] == "tpr" and row["world"] == "fallen"
        cells.append(f"{row['power']:.1%}" if shown else "")
        text += "| " + " | ".join(cells) + " |\n"
    return text


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--audits", type=int, default=200)
    parser.add_argument("--seeds", type=int, nargs="+", default=[2, 3, 5])
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("-o", type=Path, default=RESULTS / "seeds.md")
    options = parser.parse_args()
    text = markdown(run(options), options.audits)
    write_page(options.o, text)
    print(text)


if __name__ == "__main__":
    main()
