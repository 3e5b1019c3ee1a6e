"""Does `find_slices` find what was planted, and nothing where nothing is? Beside what others do.

    OMP_NUM_THREADS=1 python benchmarks/slices.py [--audits 20] [--nulls 100] [--kept DIR]
    python benchmarks/slices.py --speed

The worlds are in `slice_worlds.py`, the peers (Domino's method, a regression tree) in
`slice_peers.py`. Seeded. What the columns mean stands above the tables that it writes.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import re
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

from prunescope.predictions import Predictions
from prunescope.predictions.embeddings import Embeddings
from prunescope.slices import find_slices
from prunescope.slices.groups import SliceRules
from seen import write_page
from slice_peers import ALPHA, PEERS, Candidate, as_used, held_out
from slice_tables import markdown
from slice_worlds import Setting, world

RESULTS = Path(__file__).parent / "results"
HIT = {"precision": 0.5, "recall": 0.3}
LIFT = 1.5


def given_of(drawn):
    """Return what an auditor is given: answers, embeddings, metadata."""
    rows = np.flatnonzero(drawn.given)
    parts = [
        Predictions(model.samples.take(rows), model.logits[rows], model.metadata)
        for model in (drawn.dense, drawn.compressed)
    ]
    embeddings = Embeddings(parts[0].samples.ids, drawn.embedding[rows])
    return *parts, embeddings, drawn.metadata[rows]


def ours(drawn):
    """Return what `find_slices` tests, and tells."""
    found = find_slices(*given_of(drawn))
    every = Embeddings(drawn.dense.samples.ids, drawn.embedding)
    rules = {str(one.slice): one.rule for one in found.info.slices}
    rules = SliceRules(dense="dense", rules=rules, space=found.info.space)
    groups = rules.groups(drawn.dense, every, drawn.metadata)
    return [
        Candidate(
            groups[str(row["slice"])].codes == 1,
            row["damage_search"],
            row["q_value"] <= ALPHA,
            row["damage"],
            row["low"],
            row["high"],
            row["attribute"],
        )
        for row in found.table.filter(pl.col("status") == "ok").iter_rows(named=True)
    ]


def score(drawn, candidates):
    """Return what is counted of one audit by one method."""
    told = [one for one in candidates if one.told]
    planted = drawn.planted
    inside = [(one.members & planted).sum() for one in told]
    precision = np.array([k / one.members.sum() for k, one in zip(inside, told, strict=True)])
    recall = np.array([k / max(planted.sum(), 1) for k in inside])
    outside = np.array([planted[~one.members].mean() for one in told])
    hits = (precision >= HIT["precision"]) & (recall >= HIT["recall"])
    both = [k / (one.members | planted).sum() for k, one in zip(inside, told, strict=True)]
    truth = np.array([drawn.excess(one.members, one.attribute) for one in candidates])
    ends = [(one.low, one.high) for one in candidates]
    cover = [low <= t <= high for (low, high), t in zip(ends, truth, strict=True) if low == low]
    return {
        "told": len(told),
        "recall": float(hits.any()),
        "jaccard": max(both, default=0.0),
        "first": float(precision[0] >= HIT["precision"]) if told else None,
        "first5": float((precision[:5] >= HIT["precision"]).mean()) if told else None,
        "false": int((precision <= LIFT * outside).sum()),
        "covered": int(sum(cover)),
        "intervals": len(cover),
        "search": mean([one.search for one in candidates]),
        "test": mean([one.test for one in candidates]),
        "true": mean(truth),
        "search_told": mean([one.search for one in told]),
        "test_told": mean([one.test for one in told]),
        "true_told": mean([drawn.excess(one.members, one.attribute) for one in told]),
    }


def mean(values):
    """Return the mean of what there is, or None."""
    values = [value for value in values if value == value]
    return float(np.mean(values)) if values else None


METHODS = {"find_slices": ours}
for _name, _peer in PEERS.items():
    METHODS[f"{_name}, as used"] = lambda drawn, of=_peer: as_used(drawn, of)
    METHODS[f"{_name}, held out"] = lambda drawn, of=_peer: held_out(drawn, of)


def audits(setting, numbers, methods):
    """Return a row per audit and method."""
    rows = []
    for number in numbers:
        drawn = world(setting, number)
        for name in methods:
            start = time.perf_counter()
            scored = score(drawn, METHODS[name](drawn))
            seconds = time.perf_counter() - start
            rows.append({"audit": number, "method": name, **scored, "seconds": seconds})
    return pl.DataFrame(rows, infer_schema_length=None)


def kept(setting, n, methods, folder):
    """Return the rows of n audits or more by all methods; what a file has is not done again."""
    name = re.sub(r"[^0-9a-z]+", "-", f"{setting.planted} {setting.size}".lower())
    path = folder / f"{name}.parquet"
    rows = pl.read_parquet(path) if path.exists() else None
    for method in methods:
        has = set() if rows is None else set(rows.filter(method=method)["audit"])
        lacking = [number for number in range(n) if number not in has]
        for start in range(0, len(lacking), 10):
            more = audits(setting, lacking[start : start + 10], [method])
            rows = more if rows is None else pl.concat([rows, more], how="vertical_relaxed")
            rows.write_parquet(path)
    rows = rows.filter(pl.col("method").is_in(methods))
    return rows.filter(pl.len().over("audit") == len(methods))


NULLS = [
    Setting(),
    Setting(persons=True),
    Setting(attributes=40),
    Setting(n=20_000),
    Setting(n=20_000, shape="other"),
]
SEEN = ("embedding", "conjunction")
PLANTED = [
    *(
        Setting(seen, share, damage, on)
        for seen in SEEN
        for on in ("all", "one")
        for share in (0.05, 0.02)
        for damage in (20, 10, 5)
    ),
    *(Setting(seen, 0.01, damage, n=20_000) for seen in SEEN for damage in (20, 10)),
    *(Setting(seen, 0.1, 20, n=10_000, persons=True) for seen in SEEN),
    Setting("embedding", 0.05, 20, persons=True),
    *(Setting("embedding", 0.05, damage, apart=2.0) for damage in (20, 10)),
    Setting("nowhere", 0.05, 20),
]
COMPARED = [Setting(seen, *planted) for seen in SEEN for planted in ((0.05, 10), (0.02, 20))]


def speed(n, attributes, features):
    """Return seconds, processor seconds, peak of MiB, and slices told, of a search alone."""
    with tempfile.TemporaryDirectory() as folder:
        work = Setting("embedding", 0.02, 10, "all", n, attributes, features, times=1)
        told = []
        for task in (write_files, search_files):
            context = multiprocessing.get_context("spawn")
            queue = context.Queue()
            child = context.Process(target=task, args=(work, Path(folder), queue))
            child.start()
            told.append(queue.get())
            child.join()
    return told[1]


def write_files(setting, folder, queue):
    """Write a world into a folder."""
    dense, compressed, embeddings, metadata = given_of(world(setting, 0))
    dense.save(folder / "dense.parquet")
    compressed.save(folder / "compressed.parquet")
    embeddings.save(folder / "embeddings.parquet")
    metadata.write_parquet(folder / "metadata.parquet")
    queue.put(None)


def search_files(setting, folder, queue):
    """Search it."""
    start = time.perf_counter()
    found = find_slices(
        folder / "dense.parquet",
        folder / "compressed.parquet",
        folder / "embeddings.parquet",
        pl.read_parquet(folder / "metadata.parquet"),
    )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    told = found.found.height
    queue.put((time.perf_counter() - start, time.process_time(), peak, told))


SPEED = """
## Speed

`python benchmarks/slices.py --speed`, {threads} threads, from files; memory: the process's peak.
Before it, {load:.0f} other processes wanted this machine's {cores} cores.

| images × features × attributes | seconds | asked | of a processor | MiB | slices told |
|---|---|---|---|---|---|
"""
SIZES = {(5_000, 512, 40): 60, (200_000, 512, 40): 600}


def speeds():
    """Lay out the table of speeds."""
    threads = os.environ.get("OMP_NUM_THREADS", os.cpu_count())
    text = SPEED.format(threads=threads, load=os.getloadavg()[0], cores=os.cpu_count())
    for (n, features, attributes), asked in SIZES.items():
        seconds, used, peak, told = speed(n, attributes, features)
        size = f"{n:,} × {features} × {attributes}"
        text += f"| {size} | {seconds:.0f} | {asked} | {used:.0f} | {peak:,.0f} | {told} |\n"
        print(text.splitlines()[-1], flush=True)
    return text


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--audits", type=int, default=20, help="of a world with damage")
    parser.add_argument("--nulls", type=int, default=100, help="audits of a world without")
    parser.add_argument("--speed", action="store_true", help="take the time, and nothing else")
    parser.add_argument(
        "--kept",
        type=Path,
        default=Path("out/slices"),
        help="audits done; remove it when code changed",
    )
    parser.add_argument("-o", type=Path, default=RESULTS / "slices.md")
    options = parser.parse_args()
    if options.speed:
        write_page(options.o.with_name("slices_speed.md"), speeds())
        return
    options.kept.mkdir(parents=True, exist_ok=True)
    held = ["find_slices", *(f"{name}, held out" for name in PEERS)]

    def run(settings, n, methods):
        found = []
        for setting in settings:
            start = time.perf_counter()
            found.append((setting, kept(setting, n, methods, options.kept)))
            took = time.perf_counter() - start
            print(f"{setting.planted}; {setting.size}: {took:.0f} s", flush=True)
        return found

    planted = run(PLANTED, options.audits, ["find_slices"])
    nulls = run(NULLS, options.nulls, ["find_slices"])
    nulls += run(NULLS[:1], options.nulls, held[1:])
    peers = run(COMPARED, options.audits, list(METHODS))
    text = markdown(nulls, planted, peers, options.audits, options.nulls, LIFT)
    write_page(options.o, text)
    print(text)


if __name__ == "__main__":
    main()
