"""Would a compiled kernel count a part of streamed files faster? Beside numpy, in one run.

    OMP_NUM_THREADS=1 POLARS_MAX_THREADS=1 python benchmarks/kernel.py

Draws 262,144 rows × 40 of two models with 4 groups, as streaming.py does, and times, on one thread,
the best of five of each step of what `prunescope.audit.large_files.counting` does to them. Then the
same counts of one model by numba: labels, decisions, bands, bins and gaps in one loop, into the
same tables, which are compared. Numba comes with umap-learn, of the extra `map`.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np

from streaming import draw

sys.path.remove(str(Path(__file__).resolve().parent))  # whose coverage.py numba would take
import numba

from prunescope.audit.intervals.bootstrap import deal, number_units
from prunescope.audit.large_files import counting
from prunescope.audit.large_files.streaming import audit_files
from prunescope.metrics import Counter
from prunescope.predictions.shards import Shards
from seen import write_page

N = 1 << 18
OUT = Path(__file__).resolve().parent / "results" / "kernel.md"


@numba.njit
def count(labels, logits, p, cells, blocks, band, counts, gaps):
    """Count one attribute into tables of cells × codes × blocks, and of cells × bins × blocks."""
    n_bins = gaps.shape[1]
    for i in range(len(labels)):
        q, y = p[i], labels[i]
        code = 4 * y + 2 * (logits[i] > 0) + (band[0] < q < band[1])
        counts[cells[i], code, blocks[i]] += 1
        if y != 2:
            gaps[cells[i], min(int(q * n_bins), n_bins - 1), blocks[i]] += q - y


@numba.njit
def count_all(labels, logits, cells, blocks, band, counts, gaps):
    """Count all attributes, with their probabilities in the loop."""
    n_bins = gaps.shape[2]
    for a in range(len(labels)):
        for i in range(len(cells)):
            y, z = labels[a, i], np.float64(logits[a, i])
            q = 1 / (1 + np.exp(-z))
            code = 4 * y + 2 * (z > 0) + (band[0] < q < band[1])
            counts[a, cells[i], code, blocks[i]] += 1
            if y != 2:
                gaps[a, cells[i], min(int(q * n_bins), n_bins - 1), blocks[i]] += q - y


def main():
    """Draw, time, compare, write."""
    plan, part = one_part()
    batch, layout = part[0], plan.subject.layout
    blocks = deal(number_units(batch.ids, None), layout.n_blocks, 0)
    counter, (first, second) = Counter(batch, layout, blocks), batch.models
    n_attributes = len(batch.labels)
    [(partition, cells)] = counter._partitions
    logits = np.ascontiguousarray(np.stack(first.logits))

    def tables():
        shape = n_attributes, partition.membership.shape[1]
        return [np.zeros((*shape, k, layout.n_blocks)) for k in (12, layout.n_bins)]

    def by_loop():
        counts, gaps = tables()
        count_all(batch.labels, logits, cells, blocks, layout.band, counts, gaps)
        return counts, gaps

    def by_numpy_and_loop():
        counts, gaps = tables()
        for a in range(n_attributes):
            p = first.probabilities(a)
            count(batch.labels[a], logits[a], p, cells, blocks, layout.band, counts[a], gaps[a])
        return counts, gaps

    steps = {
        "a whole part, two models": lambda: counting.count_part(plan, 0, part),
        "counts of one model, numpy": lambda: counter.statistics(first),
        "counts of one model, numba": by_loop,
        "counts of one model, numpy's exponential and numba": by_numpy_and_loop,
        "ranking of one model": lambda: counting._histogram(batch, first, layout.slices, blocks),
        "what changes between two": lambda: counter.transitions(first, second),
        "labels": counter.labels,
        "probabilities of one model": lambda: [first.probabilities(a) for a in range(n_attributes)],
    }
    statistics = counter.statistics(first)
    for made in (by_loop(), by_numpy_and_loop()):  # compiled here, before the clock runs
        check(partition.membership, statistics, *made)
    lines = [
        f"{N:,} rows × {n_attributes}, 4 groups, {layout.n_blocks} blocks, one thread, best of 5; "
        f"numba {numba.__version__}, numpy {np.__version__}",
        "",
        "| what | ns an answer |",
        "|---|---|",
    ]
    lines += [
        f"| {name} | {1e9 * best_of(step) / (N * n_attributes):.1f} |"
        for name, step in steps.items()
    ]
    print("\n".join(lines))
    write_page(OUT, "\n".join(lines))


def one_part():
    """Return the plan of an audit of drawn files, and their only part."""
    folder = draw(Path("local/streaming"), N)
    models = [Shards.scan(folder / name, name=name) for name in ("dense", "compressed")]
    plans = []

    def engine(plan, progress):
        plans.append(plan)
        return counting.count_all(plan, progress)

    audit_files(models[:1], models[1:], engine=engine)
    return plans[0], counting.read_part(plans[0], 0)


def best_of(step, n=5):
    """Return the seconds of the fastest of n."""
    found = []
    for _ in range(n):
        began = time.perf_counter()
        step()
        found.append(time.perf_counter() - began)
    return min(found)


def check(membership, statistics, counts, gaps):
    """Compare the kernel's tables with numpy's."""
    mine = np.einsum("sc,ackb->bsak", membership, counts)
    mine = mine.reshape(*mine.shape[:3], 3, 2, 2).sum(axis=-1)
    assert np.array_equal(mine, statistics.counts)
    gaps = np.einsum("sc,ackb->bsak", membership.astype(np.float64), gaps)
    assert np.abs(gaps - statistics.gaps).max() < 1e-9


if __name__ == "__main__":
    main()
