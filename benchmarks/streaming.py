"""Audit prediction files that need not fit into memory, beside merely reading them.

    python benchmarks/streaming.py --rows 10000000

Draws a dense and a compressed model with 40 attributes and 4 groups as shards of a million rows,
then, each in a process of its own: reads the files with polars, shard by shard; audits them without
intervals; audits them with 1,000 replicates. Prints seconds, rows per second, the share of the
reading speed, and peak memory. Ten different shards are drawn, once; beyond ten million rows they
are linked again under further names. Ids then repeat, so that the audits do not look for that.

    python benchmarks/streaming.py --ids --rows 100000000

Looks for ids that repeat, in as many rows of one attribute whose ids are all different, and again
where the last id is the first one. Prints seconds and peak memory, beside merely reading the ids.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from seen import write_page

N_ATTRIBUTES = 40
SHARD, DIFFERENT = 1_000_000, 10
A_NAME = "face-{:09d}.png"
GROUPS = ("Male", "Young", "Chubby", "Pale_Skin")


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("--rows", type=int, default=10_000_000)
    arguments.add_argument("--folder", type=Path, default=Path("local/streaming"))
    arguments.add_argument("--out", type=Path, help="write a Markdown table here")
    arguments.add_argument("--ids", action="store_true", help="look for ids that repeat")
    arguments.add_argument("--task", choices=sorted(TASKS), help=argparse.SUPPRESS)
    chosen = arguments.parse_args()
    if chosen.task:
        TASKS[chosen.task](chosen.folder, chosen.rows)
        return
    if chosen.ids:
        chosen.folder = draw_ids(chosen.folder, chosen.rows)
        found = {task: measure(task, chosen) for task in OF_IDS}
        lines = ["| what | seconds | peak memory, GiB |", "|---|---|---|"]
        lines += [f"| {task} | {took:.1f} | {gib:.2f} |" for task, (took, gib) in found.items()]
        print("\n".join([f"{chosen.rows:,} ids such as {A_NAME.format(0)}", "", *lines]))
        return
    chosen.folder = draw(chosen.folder, chosen.rows)
    found = {task: measure(task, chosen) for task in OF_AUDITS}
    lines = [
        "| what | seconds | million rows per second | share of reading | peak memory, GiB |",
        "|---|---|---|---|---|",
    ]
    for task, (seconds, memory) in found.items():
        speed = chosen.rows / seconds / 1e6
        share = found["read"][0] / seconds
        lines.append(f"| {task} | {seconds:.1f} | {speed:.2f} | {share:.2f} | {memory:.2f} |")
    text = "\n".join([f"{chosen.rows:,} rows × {N_ATTRIBUTES}, 2 models, 4 groups", "", *lines])
    print(text)
    if chosen.out:
        write_page(chosen.out, text)


def measure(task, chosen):
    """Run one task in a process of its own: seconds and peak memory in GiB."""
    command = [sys.executable, __file__, "--task", task, "--rows", str(chosen.rows)]
    ran = subprocess.run(
        [*command, "--folder", str(chosen.folder)], check=True, capture_output=True, text=True
    )
    told = json.loads(ran.stdout.splitlines()[-1])
    return told["seconds"], told["gib"]


def draw(folder, rows):
    """Write the shards that are not there yet; return a folder of links to as many as asked for."""
    linked = folder / f"rows-{rows}"
    for number in range(-(-rows // SHARD)):
        drawn = write_shard(folder, number % DIFFERENT, min(SHARD, rows))
        for path in drawn:
            link = linked / path.parent.name / f"{number:04d}.parquet"
            link.parent.mkdir(parents=True, exist_ok=True)
            if not link.exists():
                link.hardlink_to(path)
    return linked


def write_shard(folder, number, n):
    """Write one shard of both models."""
    paths = [folder / f"{n}" / name / f"{number}.parquet" for name in ("dense", "compressed")]
    if not all(path.exists() for path in paths):
        rng = np.random.default_rng(number)
        labels = rng.random((N_ATTRIBUTES, n), dtype=np.float32) < 0.25
        ids = pl.Series("id", np.arange(number * SHARD, number * SHARD + n)).cast(pl.String)
        truth = [pl.Series(f"y__a{a}", labels[a]) for a in range(N_ATTRIBUTES)]
        groups = [pl.Series(f"group__{name}", rng.random(n) < 0.4) for name in GROUPS]
        for path, noise in zip(paths, (1.0, 1.5), strict=True):
            path.parent.mkdir(parents=True, exist_ok=True)
            logits = (labels * np.float32(3) - np.float32(1.5)) + np.float32(noise) * (
                rng.standard_normal((N_ATTRIBUTES, n), dtype=np.float32)
            )
            scores = [pl.Series(f"logit__a{a}", logits[a]) for a in range(N_ATTRIBUTES)]
            pl.DataFrame([ids, *truth, *scores, *groups]).write_parquet(path)
    return paths


def report(start):
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(json.dumps({"seconds": time.perf_counter() - start, "gib": peak}))


def read(folder, rows):
    """Read every shard of both models, one after the other."""
    start = time.perf_counter()
    n = sum(
        pl.read_parquet(path).height
        for name in ("dense", "compressed")
        for path in sorted((folder / name).glob("*.parquet"))
    )
    assert n == 2 * rows
    report(start)


def audit(folder, rows, replicates=1000):
    """Audit the first shards of both models."""
    from prunescope.audit.large_files import streaming
    from prunescope.audit.large_files.streaming import audit_files
    from prunescope.predictions.shards import Shards

    if rows > DIFFERENT * SHARD:
        streaming.check_unique = lambda model: None
    start = time.perf_counter()
    models = [Shards.scan(folder / name, name=name) for name in ("dense", "compressed")]
    audit_files(models[:1], models[1:], replicates=replicates)
    report(start)


def audit_without_intervals(folder, rows):
    audit(folder, rows, 0)


def draw_ids(folder, rows):
    """Write files of different ids, and beside them one more row whose id is the first one."""
    home = folder / f"ids-{rows}"
    for number in range(-(-rows // SHARD)):
        path = home / "different" / f"{number:04d}.parquet"
        if not path.exists():
            first = number * SHARD
            write_ids(path, map(A_NAME.format, range(first, min(first + SHARD, rows))))
    write_ids(home / "again.parquet", [A_NAME.format(0)])
    return home


def write_ids(path, ids):
    path.parent.mkdir(parents=True, exist_ok=True)
    frame = pl.DataFrame({"id": ids}).with_columns(y__a=pl.lit(True), logit__a=pl.lit(0.5))
    frame.write_parquet(path)


def shards_of_ids(folder, *, again=False):
    from prunescope.predictions.shards import Shards

    found = Shards.scan(folder / "different", name="m")
    if not again:
        return found
    return replace(found, paths=(*found.paths, folder / "again.parquet"), n=found.n + 1)


def read_ids(folder, rows):
    """Read the ids alone."""
    start = time.perf_counter()
    assert sum(len(ids) for _, ids in shards_of_ids(folder).ids()) == rows
    report(start)


def look(folder, rows):
    """Look for ids that repeat, where none does."""
    from prunescope.predictions.repeats import check_unique

    start = time.perf_counter()
    check_unique(shards_of_ids(folder))
    report(start)


def find(folder, rows):
    """Find the id that stands in the first row and in the last."""
    from prunescope.errors import DataError
    from prunescope.predictions.repeats import check_unique

    start = time.perf_counter()
    told = ""
    try:
        check_unique(shards_of_ids(folder, again=True))
    except DataError as error:
        told = str(error)
    assert f"rows 1 and {rows + 1}" in told
    report(start)


OF_AUDITS = {
    "read": read,
    "audit without intervals": audit_without_intervals,
    "audit with 1,000 replicates": audit,
}
OF_IDS = {
    "read the ids": read_ids,
    "look for repeated ids, and find none": look,
    "find that the last row has the id of the first": find,
}
TASKS = OF_AUDITS | OF_IDS

if __name__ == "__main__":
    main()
