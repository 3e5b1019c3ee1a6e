"""Classes that a compressed model loses: how many are found, and how many are found wrongly.

    OMP_NUM_THREADS=1 python benchmarks/losses.py [--audits 40]

A seeded simulation. A dense and a compressed model choose one of C classes for N images. They see
the same noise in part; on one class in ten the compressed model sees less, so that its recall
falls. Found is a class whose recall (`tpr`) has q ≤ 0.05 and fell. Other classes are answered a
little more often, as the lost ones' images go somewhere, and better than before if anything: a
found fall of theirs is false. Told are the share of findings that are false, as a mean over audits
(the false discovery rate), and the share of the losses that are found, by size of the class.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import polars as pl

from prunescope.audit import audit
from prunescope.data.samples import Samples
from prunescope.predictions import Metadata, Predictions
from seen import write_page

RESULTS = Path(__file__).parent / "results"
WORLDS = ((20, 2_000), (200, 5_000), (1_000, 50_000))
LOST, SIGNAL, LESS = 10, 3.5, 1.0


def one_audit(n_classes, n, number):
    """Draw a world and audit it: whether each class was lost, and whether that was found."""
    rng = np.random.default_rng([2026, n_classes, number])
    shares = rng.dirichlet(np.full(n_classes, 5.0))
    truth = rng.choice(n_classes, size=n, p=shares)
    lost = np.arange(n_classes) % LOST == 0
    names = tuple(f"c{k}" for k in range(n_classes))
    labels = np.zeros((n, n_classes), np.int8)
    labels[np.arange(n), truth] = 1
    samples = Samples(pl.int_range(n, eager=True).cast(pl.String), names, labels, task="multiclass")
    shared = rng.standard_normal((n, n_classes), np.float32)
    models = []
    for name in ("dense", "sparse"):
        z = 0.8 * shared + 0.6 * rng.standard_normal((n, n_classes), np.float32)
        signal = np.where(lost & (name == "sparse"), SIGNAL - LESS, SIGNAL)
        z[np.arange(n), truth] += signal[truth].astype(np.float32)
        models.append(Predictions(samples, z, Metadata(name=name, task="multiclass")))
    table = audit(*models, replicates=100, n_affected=0).table
    rows = table.filter(
        pl.col("model") == "sparse",
        pl.col("metric") == "tpr",
        pl.col("attribute").is_not_null(),
        pl.col("status") == "ok",
    ).select("attribute", "n", found=(pl.col("q_value") <= 0.05) & (pl.col("delta") < 0))
    of = pl.DataFrame({"attribute": names, "lost": lost})
    return rows.join(of, on="attribute").with_columns(audit=pl.lit(number))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--audits", type=int, default=40)
    parser.add_argument("-o", type=Path, default=RESULTS / "losses.md")
    options = parser.parse_args()
    lines = [
        "# Classes that are lost",
        "",
        f"`benchmarks/losses.py`, {options.audits} audits of each world (5 of 1,000 classes). One",
        "class in ten loses recall.",
        "",
        "| classes | images | false discovery rate | losses found | of 10 to 29 images | of more |",
        "|---|---|---|---|---|---|",
    ]
    for n_classes, n in WORLDS:
        n_audits = 5 if n_classes == 1_000 else options.audits
        rows = pl.concat([one_audit(n_classes, n, k) for k in range(n_audits)])
        by = rows.group_by("audit").agg(
            false=(pl.col("found") & ~pl.col("lost")).sum(), found=pl.col("found").sum()
        )
        rate = (by["false"] / by["found"].clip(1)).mean()
        power = [
            rows.filter(pl.col("lost"), where)["found"].mean()
            for where in (pl.lit(value=True), pl.col("n") < 30, pl.col("n") >= 30)
        ]
        told = ["" if share is None else f"{share:.1%}" for share in (rate, *power)]
        lines.append("| " + " | ".join([f"{n_classes:,}", f"{n:,}", *told]) + " |")
        print(lines[-1], flush=True)
    write_page(options.o, "\n".join(lines))


if __name__ == "__main__":
    main()
