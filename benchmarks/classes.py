"""The audit of a model that chooses one of 1,000 classes, for 50,000 images.

    python benchmarks/classes.py --against ../before/src

A dense and a compressed model, one group of two values, or of `--values`; 500 classes of which the
compressed model loses some. Drawn once, seed 0; then every audit is a process of its own, which
reads the predictions and audits them with 1,000 replicates. Told are its seconds, on the clock and
of the processors, and the most memory beyond what the predictions themselves take. `--against`
names the source tree of another version, whose runs alternate with ours.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from seen import write_page

N, CLASSES = 50_000, 1_000
HERE = Path(__file__).parent.parent / "src"
COLUMNS = ("seconds", "user", "system", "gib")


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("--against", type=Path, help="the src folder of another version")
    arguments.add_argument("--classes", type=int, default=CLASSES)
    arguments.add_argument("--images", type=int, default=N)
    arguments.add_argument("--values", type=int, default=2, help="of the group")
    arguments.add_argument("--repeats", type=int, default=3)
    arguments.add_argument("--out", type=Path, help="write a Markdown table here")
    arguments.add_argument("--audit", type=Path, help=argparse.SUPPRESS)
    chosen = arguments.parse_args()
    if chosen.audit:
        audit(chosen.audit)
        return
    trees = {"this version": HERE} | ({"before": chosen.against} if chosen.against else {})
    found = {name: [] for name in trees}
    with tempfile.TemporaryDirectory() as folder:
        draw(Path(folder), chosen.images, chosen.classes, chosen.values)
        for _ in range(chosen.repeats):
            for name, tree in trees.items():
                found[name].append(run(Path(folder), tree))
    middle = {
        name: {column: statistics.median(one[column] for one in runs) for column in COLUMNS}
        for name, runs in found.items()
    }
    lines = [
        f"{chosen.images:,} images × {chosen.classes:,} classes, 2 models, a group of "
        f"{chosen.values}; {os.cpu_count()} × {platform.processor() or platform.machine()}, seed "
        f"0, median of {chosen.repeats}",
        "",
        "| version | seconds | processor seconds | of them in the system | GiB beyond the files |",
        "|---|---|---|---|---|",
        *(
            f"| {name} | {one['seconds']:.1f} | {one['user'] + one['system']:.1f} "
            f"| {one['system']:.1f} | {one['gib']:.2f} |"
            for name, one in middle.items()
        ),
    ]
    if "before" in middle:
        ratios = [
            mine["seconds"] / other["seconds"] for mine, other in zip(*found.values(), strict=True)
        ]
        lines += [
            "",
            f"Seconds of this version by those of the one before: {statistics.median(ratios):.2f}",
        ]
    text = "\n".join(lines)
    print(text)
    if chosen.out:
        write_page(chosen.out, text)


def draw(folder, n, k, n_values):
    """Write the true classes, a group, and the logits of both models."""
    rng = np.random.default_rng(0)
    shares = rng.pareto(3, k) + 0.5
    truth = rng.choice(k, n, p=shares / shares.sum())
    np.save(folder / "truth.npy", truth)
    place = rng.random(n)
    np.save(folder / "group.npy", place < 0.4 if n_values == 2 else (place * n_values).astype(int))
    own = np.arange(n)
    hardness = rng.normal(0, 1.5, n).astype(np.float32)
    base = rng.standard_normal((n, k), dtype=np.float32)
    lost = rng.random(k) < 0.05
    for name, noise in (("dense", 0.3), ("compressed", 0.6)):
        logits = base + np.float32(noise) * rng.standard_normal((n, k), dtype=np.float32)
        logits[own, truth] += 4.5 + hardness - 1.5 * (lost[truth] & (name == "compressed"))
        np.save(folder / f"{name}.npy", logits)


def run(folder, tree):
    """Audit in a process of its own; return what it took."""
    command = [sys.executable, __file__, "--audit", str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(tree)}
    ran = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return json.loads(ran.stdout.splitlines()[-1])


def audit(folder):
    """Read the predictions, audit them, and print what that took."""
    import polars as pl

    from prunescope.audit import audit
    from prunescope.data.samples import Group, Samples
    from prunescope.predictions import Compression, Metadata, Predictions

    truth = np.load(folder / "truth.npy")
    logits = [np.load(folder / f"{name}.npy") for name in ("dense", "compressed")]
    n, k = logits[0].shape
    labels = np.zeros((n, k), np.int8)
    labels[np.arange(n), truth] = 1
    group = Group.from_series(pl.Series(np.load(folder / "group.npy")))
    names = tuple(f"class{c}" for c in range(k))
    ids = pl.Series([str(i) for i in range(n)])
    samples = Samples(ids, names, labels, {"night": group}, task="multiclass")
    models = [
        Predictions(samples, of_model, Metadata(name=name, compression=how, task="multiclass"))
        for of_model, name, how in zip(
            logits,
            ("dense", "compressed"),
            (Compression(), Compression(method="gmp", sparsity=0.9)),
            strict=True,
        )
    ]
    rates = samples.rates()
    before, held = resource.getrusage(resource.RUSAGE_SELF), resident()
    start = time.perf_counter()
    audit(models[:1], models[1:], train_rates=rates)
    seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF)
    told = {
        "seconds": seconds,
        "user": after.ru_utime - before.ru_utime,
        "system": after.ru_stime - before.ru_stime,
        "gib": after.ru_maxrss / 2**20 - held,
    }
    print(json.dumps(told))


def resident():
    """Return the memory of this process, in GiB."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 2**30


if __name__ == "__main__":
    main()
