"""The command `prunescope audit` with its page: time and memory, beside another version.

    python benchmarks/command.py --against ../before/src DENSE --compressed FILE FILE

Audits three files of predictions (or, with `--drawn 22`, as many drawn ones as benchmarks/audit.py
draws), each time in a process of its own. `--against` names the source tree of another version,
whose runs alternate with ours; ratios are taken pair by pair, so that whatever else the machine
does weighs on both alike. Told are seconds on the clock and of the processors, and the most memory.
Then what both wrote is compared: tables and audit.json byte by byte, the page but for its pictures.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from audit import draw

HERE = Path(__file__).resolve().parent.parent / "src"
COLUMNS = ("seconds", "processor seconds", "MiB")
TABLES = ("audit.parquet", "cies.parquet", "confusions.parquet", "correlations.parquet")


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("dense", nargs="*", help="predictions of dense models")
    arguments.add_argument("--compressed", nargs="*", default=[])
    arguments.add_argument("--drawn", type=int, default=0, help="draw so many models instead")
    arguments.add_argument("--replicates", type=int, default=512)
    arguments.add_argument("--against", type=Path, required=True, help="src of another version")
    arguments.add_argument("--repeats", type=int, default=7)
    arguments.add_argument("--out", type=Path, help="add a Markdown table to this file")
    chosen = arguments.parse_args()
    trees = {"this version": HERE, "before": chosen.against.resolve()}
    with tempfile.TemporaryDirectory() as folder:
        dense, compressed = chosen.dense, chosen.compressed
        if chosen.drawn:
            dense, compressed = write_drawn(Path(folder), chosen.drawn)
        command = ["audit", *dense, *(word for one in compressed for word in ("--compressed", one))]
        command += ["--replicates", str(chosen.replicates)]
        folders = {name: Path(folder) / name.replace(" ", "-") for name in trees}
        found = {name: [] for name in trees}
        for name, tree in trees.items():
            run(tree, command, folders[name])  # what Python compiles is kept
        for _ in range(chosen.repeats):
            for name, tree in trees.items():
                found[name].append(run(tree, command, folders[name]))
        same = alike(*folders.values())
    text = "\n".join(table(found, len(dense) + len(compressed), chosen.replicates, same))
    print(text)
    if chosen.out:
        with chosen.out.open("a", encoding="utf-8") as file:
            file.write(text + "\n\n")


def write_drawn(folder, n):
    """Write predictions of drawn models; return the files of dense ones and of compressed ones."""
    sides = [side[: n if i else None] for i, side in enumerate(draw(np.random.default_rng(0)))]
    sides[1] = sides[1][: n - len(sides[0])]
    for model in (model for side in sides for model in side):
        model.save(folder / f"{model.metadata.name}.parquet")
    return [[str(folder / f"{model.metadata.name}.parquet") for model in side] for side in sides]


def run(tree, command, out):
    """Run the command of one version; return what it took."""
    environment = {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": ""}
    whole = [sys.executable, "-m", "prunescope", *command, "-o", str(out)]
    start = time.perf_counter()
    with subprocess.Popen(whole, env=environment, stdout=subprocess.DEVNULL) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    seconds = time.perf_counter() - start
    return seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def alike(one, other):
    """Tell what two versions wrote alike."""
    names = [name for name in (*TABLES, "audit.json") if (one / name).exists()]
    same = [(one / name).read_bytes() == (other / name).read_bytes() for name in names]
    pages = [
        re.sub(
            r"<svg viewBox.*?</svg>", "", (folder / "report.html").read_text("utf-8"), flags=re.S
        )
        for folder in (one, other)
    ]
    return f"{sum(same)} of {len(names)} tables and JSON files", pages[0] == pages[1]


def table(found, n_models, replicates, same):
    """Yield the lines of the table."""
    yield f"{n_models} models, {replicates:,} replicates, {len(found['before'])} pairs of runs:"
    yield ""
    yield f"| version | {' | '.join(COLUMNS)} |"
    yield "|---|---|---|---|"
    for name, runs in found.items():
        middle = [statistics.median(column) for column in zip(*runs, strict=True)]
        yield f"| {name} | {middle[0]:.1f} | {middle[1]:.2f} | {middle[2]:.0f} |"
    ratios = [
        statistics.median(mine[i] / other[i] for mine, other in zip(*found.values(), strict=True))
        for i in range(len(COLUMNS))
    ]
    yield f"| ratio, pair by pair | {' | '.join(f'{ratio:.2f}' for ratio in ratios)} |"
    yield ""
    pages = "are the same" if same[1] else "differ"
    yield f"Of what both wrote, {same[0]} are the same; pages, but for pictures, {pages}."


if __name__ == "__main__":
    main()
