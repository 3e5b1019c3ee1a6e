"""How long the viewer takes to show a page of 200,000 samples.

    python benchmarks/viewer.py

200,000 samples × 40 attributes × 3 models with a forecast, no images. Every kind of page is asked
for in views that were not asked for before, so that nothing comes from memory, and again. Times are
those of the whole answer, without a network. Beside them stands what polars takes to filter and
sort one attribute's answers, the least that a page of one attribute takes.
"""

from __future__ import annotations

import argparse
import itertools
import resource
import statistics
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl
from starlette.testclient import TestClient

from prunescope.audit import audit
from prunescope.data.samples import Group, Samples
from prunescope.forecast import forecast
from prunescope.predictions import Compression, Metadata, Predictions
from prunescope.viewer import Collection, Decisions, View, create_app
from seen import write_page

N, A = 200_000, 40


def draw(rng):
    """Return a collection of drawn answers; the audit is of few samples, for it is not timed."""
    labels = (rng.random((N, A)) < rng.uniform(0.03, 0.5, A)).astype(np.int8)
    groups = {name: Group.from_series(pl.Series(rng.random(N) < 0.5)) for name in ("Male", "Young")}
    ids = pl.Series([f"{i:06d}.jpg" for i in range(N)])
    samples = Samples(ids, tuple(f"a{i}" for i in range(A)), labels, groups)
    models = []
    for name, sparsity, noise in (("dense", 0.0, 1.5), ("s90", 0.9, 2.0), ("s95", 0.95, 2.5)):
        logits = (4 * labels - 2 + rng.normal(0, noise, labels.shape)).astype(np.float32)
        how = Compression(method="gmp-pt" if sparsity else "dense", sparsity=sparsity)
        models.append(Predictions(samples, logits, Metadata(name=name, compression=how)))
    few = [model.take(np.arange(2000)) for model in models]
    found = audit(few[0], few[1:], replicates=100, train_rates=samples.rates())
    told = forecast(models[0], sparsity=0.95, scorer="margin")
    made = Collection.of(found, models, told)
    return replace(made, notes=[])


VIEWS = {
    "one attribute": [
        {"attribute": f"a{a}", "flip": flip, "sort": sort}
        for a, flip, sort in itertools.product(
            (0, 7), (None, "harmful"), ("change", "risk", "flips", "file")
        )
    ],
    "any attribute": [
        {"flip": flip, "sort": sort, "group": group}
        for flip, sort, group in itertools.product(
            (None, "harmful"), ("change", "risk", "margin"), (None, "Male=True")
        )
    ],
    "any attribute, every filter": [
        {
            "label": label, "dense": "yes", "compressed": "no", "flip": "any", "p_min": p,
            "p_max": 0.9, "group": "Young=True", "riskiest": 0.1, "id": "1",
        }
        for label, p in itertools.product(("yes", "no"), (0.1, 0.2, 0.3))
    ],
}  # fmt: skip


def timed(work):
    start = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - start)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="write a Markdown table here")
    args = parser.parse_args()
    collection = draw(np.random.default_rng(0))
    lines = []
    with TemporaryDirectory() as folder:
        app = create_app(collection, Decisions(Path(folder) / "d.jsonl"), token="t")
        client = TestClient(app, base_url="http://127.0.0.1:8760")

        def ask(path):
            answer = client.get(path)
            assert answer.status_code == 200, (path, answer.text)

        ask("/")  # the report is built once
        for page, (kind, views) in itertools.product(
            ("/samples", "/api/review/next?session=s"), VIEWS.items()
        ):
            paths = [
                page + ("&" if "?" in page else "?") + View(**view, model="s95").query()
                for view in views
            ]
            cold = [timed(lambda path=path: ask(path)) for path in paths]
            warm = [timed(lambda path=path: ask(path + "&page=2")) for path in paths]
            lines.append((f"{page.split('?')[0]}, {kind}", cold, warm))
        one = ["/sample?of=000123.jpg", "/attribute?attribute=a3", "/compare?model=s95"]
        for path in one:
            times = [timed(lambda path=path: ask(path)) for _ in range(5)]
            lines.append((path.split("?")[0], times[:1], times[1:]))
    model = collection.models["s95"]
    frame = pl.DataFrame({"p": model.probability[:, 7], "yes": model.yes[:, 7]})
    least = statistics.median(
        timed(lambda: frame.with_row_index().filter(pl.col("yes")).sort("p", descending=True))
        for _ in range(20)
    )
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    table = [
        f"{N:,} samples × {A} attributes × {len(collection.models)} models, times in ms",
        "",
        "| page | views | first time: median | slowest | next page: median | slowest |",
        "|---|---|---|---|---|---|",
    ]
    for name, cold, warm in lines:
        told = [statistics.median(cold), max(cold), statistics.median(warm), max(warm)]
        table.append(f"| {name} | {len(cold)} | " + " | ".join(f"{t:.0f}" for t in told) + " |")
    table += [
        "",
        f"polars, one attribute filtered and sorted: {least:.1f} ms; peak memory {memory:.1f} GiB",
    ]
    text = "\n".join(table)
    print(text)
    if args.out:
        write_page(args.out, text)


if __name__ == "__main__":
    main()
