"""Do intervals of the correlation shift hold a norm of 0, a small one, a large one? A simulation.

    OMP_NUM_THREADS=1 python benchmarks/shift.py [--audits 300]

Traits are normal and correlated by 0.3; labels are traits above a threshold. An answer is a trait
of the same mean and variance above the same threshold, correlated by 0.9 with the label's on the
same attribute. Its correlation with other answers is 0.3, as that of the labels, so that the true
norm is 0; or it is 0.35 ("small") or 0.7 ("large"). Changes are from a model of norm 0; another one
of norm 0 ("0 again") has no change. With clusters, a person has ten images that share half of every
latent's variance. The truth is in closed form: orthants of bivariate normal distributions.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import polars as pl
from scipy.stats import multivariate_normal, norm

from prunescope.audit import audit
from prunescope.data.samples import Group, Samples
from prunescope.predictions import Metadata, Predictions
from seen import write_page

RESULTS = Path(__file__).parent / "results"
OF_LABELS = 0.3
OF_ANSWERS = {"0": 0.3, "small": 0.35, "large": 0.7}
LIKE = 0.9
OF_PERSON, IMAGES = 0.5, 10
CONDITIONS = [(n, n) for n in (300, 2_000)] + [(IMAGES * k, k) for k in (30, 80, 300)]
SIZES = (3, 6, 12)


def thresholds(size):
    """Return the thresholds of attributes that 10 to 50% of the samples have."""
    return norm.isf(np.linspace(0.1, 0.5, size))


def of_binary(threshold, rho):
    """Return the correlations of what is above its threshold, of traits correlated by rho."""
    p, size = norm.sf(threshold), len(threshold)
    found = np.eye(size)
    for i, j in zip(*np.triu_indices(size, 1), strict=True):
        both = multivariate_normal([0, 0], [[1, rho], [rho, 1]]).cdf([-threshold[i], -threshold[j]])
        scale = np.sqrt(p[i] * (1 - p[i]) * p[j] * (1 - p[j]))
        found[i, j] = found[j, i] = (both - p[i] * p[j]) / scale
    return found


def latents(rng, n, persons, rows):
    """Draw standard normal rows (R, n), which images of one person share by half."""
    own = rng.standard_normal((rows, n), np.float32)
    if persons == n:
        return own
    shared = np.repeat(rng.standard_normal((rows, persons), np.float32), n // persons, axis=1)
    return np.sqrt(1 - OF_PERSON) * own + np.sqrt(OF_PERSON) * shared


def world(rng, n, persons, size):
    """Draw the samples and the answers of all models."""
    threshold = thresholds(size)
    labels = np.full((size, size), OF_LABELS) + (1 - OF_LABELS) * np.eye(size)
    factor = np.linalg.cholesky(labels)
    white = latents(rng, n, persons, size)
    groups = {}
    if persons < n:
        person = np.repeat(np.arange(persons), n // persons).astype(np.int32)
        groups["person"] = Group(person, tuple(range(persons)))
    samples = Samples(
        pl.int_range(n, eager=True).cast(pl.String),
        tuple(f"a{i}" for i in range(size)),
        (threshold < (factor @ white).T).astype(np.int8),
        groups,
        cluster="person" if groups else None,
    )
    models = []
    for name, rho in {**OF_ANSWERS, "0 again": OF_ANSWERS["0"]}.items():
        answers = np.full((size, size), rho) + (1 - rho) * np.eye(size)
        like = LIKE * white + np.sqrt(1 - LIKE**2) * latents(rng, n, persons, size)
        seen = np.linalg.cholesky(answers) @ like
        models.append(Predictions(samples, seen.T - threshold, Metadata(name=name)))
    return models


def one_audit(n, persons, size, number):
    """Return the rows of the norm."""
    rng = np.random.default_rng([2026, n, persons, size, number])
    first, *others = world(rng, n, persons, size)
    table = audit(first, others, replicates=100, n_affected=0).table
    return table.filter(pl.col("metric") == "correlation_shift")


def run(n, persons, size, audits):
    """Return how often the intervals hold the truth, by model."""
    labels = of_binary(thresholds(size), OF_LABELS)
    true = {
        name: np.linalg.norm(of_binary(thresholds(size), rho) - labels)
        for name, rho in OF_ANSWERS.items()
    }
    true["0 again"] = 0.0
    rows = pl.concat(one_audit(n, persons, size, k) for k in range(audits))
    at = pl.col("model").replace_strict(true, return_dtype=pl.Float64)
    return (
        rows.with_columns(true=at)
        .group_by("model", maintain_order=True)
        .agg(
            pl.col("true").first(),
            inside=pl.col("true").is_between("low", "high").mean(),
            below=(pl.col("true") < pl.col("low")).mean(),
            width=(pl.col("high") - pl.col("low")).mean(),
            change=pl.col("true").is_between("delta_low", "delta_high").mean(),
            found=(pl.col("p_value") <= 0.05).mean(),
        )
    )


HEAD = """# The correlation shift: a norm of 0, a small one, a large one

`benchmarks/shift.py`, {audits} audits each; Monte Carlo error of a share near 95%: ±{error:.1%}.
*value*, *change* (from the model of norm 0): how often 95% intervals hold the truth; *below*: how
often it lies below the interval; *p ≤ 0.05*: of "no change".

| samples | attributes | model | true norm | value | below | mean width | change | p ≤ 0.05 |
|---|---|---|---|---|---|---|---|---|
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--audits", type=int, default=300)
    parser.add_argument("-o", type=Path, default=RESULTS / "shift.md")
    options = parser.parse_args()
    text = HEAD.format(audits=options.audits, error=np.sqrt(0.05 * 0.95 / options.audits))
    for n, persons in CONDITIONS:
        for size in SIZES:
            started = time.perf_counter()
            name = f"{n:,}" if n == persons else f"{n:,} of {persons} persons"
            for row in run(n, persons, size, options.audits).iter_rows(named=True):
                cells = [row["inside"], row["below"], row["change"], row["found"]]
                value, below, change, found = ("" if x is None else f"{x:.1%}" for x in cells)
                text += f"| {name} | {size} | {row['model']} | {row['true']:.3f} | "
                text += f"{value} | {below} | {row['width']:.3f} | {change} | {found} |\n"
            print(f"{name}, {size}: {time.perf_counter() - started:.0f} s", flush=True)
    write_page(options.o, text)
    print(text)


if __name__ == "__main__":
    main()
