"""What constraints cost a step of fine-tuning, beside the step itself, in one run.

    python benchmarks/finetune.py

resnet_small on images of 64 pixels, 40 attributes, four groups of two values, batches of 128, on
one thread: the median time of a forward and backward pass, and of what `Constrain` adds to it.
"""

from __future__ import annotations

import platform
import statistics
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import torch

from prunescope.data.samples import Group, Samples
from prunescope.mitigate.finetune import Constrain, Constraint
from prunescope.models import build_model
from prunescope.training import Batch
from prunescope.training.losses import LOSSES
from seen import write_page

N, A, BATCH, STEPS = 4096, 40, 128, 20


def main():
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, (N, A)).astype(np.int8)
    groups = {f"g{i}": Group.from_series(pl.Series(rng.random(N) < 0.4)) for i in range(4)}
    ids = pl.Series([str(i) for i in range(N)])
    samples = Samples(ids, tuple(f"a{i}" for i in range(A)), labels, groups)
    model = build_model("resnet_small", samples.attributes, image_size=64).train()
    constrain = Constrain(samples, rng.normal(size=(N, A)), tuple(groups), Constraint())
    dataset = SimpleNamespace(samples=samples)
    state = SimpleNamespace(dataset=dataset, device=torch.device("cpu"))
    step, added = [], []
    for _ in range(STEPS):
        positions = rng.integers(0, N, BATCH)
        batch = Batch(torch.rand(BATCH, 3, 64, 64), torch.from_numpy(labels[positions]), positions)
        start = time.perf_counter()
        logits = model(batch.images)
        loss = LOSSES["multilabel"](logits, batch.labels)
        middle = time.perf_counter()
        loss = constrain.transform_loss(state, loss, logits, batch)
        end = time.perf_counter()
        loss.backward()
        step.append(time.perf_counter() - end + middle - start)
        added.append(end - middle)
    whole, more = (1000 * statistics.median(times) for times in (step, added))
    lines = [
        f"{A} attributes × {2 * len(groups)} group values, batches of {BATCH} images of 64 pixels, "
        f"resnet_small, one thread, {platform.machine()}, seed 0, median of {STEPS} steps",
        "",
        "| what | milliseconds | share of a step |",
        "|---|---|---|",
        f"| forward and backward | {whole:.0f} | 1.000 |",
        f"| constraints | {more:.1f} | {more / whole:.3f} |",
    ]
    out = Path(__file__).parent / "results" / "finetune.md"
    write_page(out, "\n".join(lines))
    print(out.read_text())


if __name__ == "__main__":
    main()
