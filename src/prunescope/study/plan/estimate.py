"""How much work a plan is: steps counted, and timed on this machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from time import perf_counter

import numpy as np
import polars as pl

from prunescope.data import Dataset, Outline
from prunescope.data.samples import Samples
from prunescope.study.plan.make import Plan
from prunescope.study.plan.runs import Run

TIMED = 3
"""Steps that are timed, after one that is not."""

ASK = 1 / 3
"""Time to ask about an image, as a share of the time to learn from it: no way back."""

Kind = tuple[str, int, int, int]
"""Architecture, image size, batch size, threads: what the time of a step depends on."""


@dataclass(frozen=True)
class Work:
    """What one run costs.

    Parameters
    ----------
    steps : int
        Of training.
    images : int
        To be asked about.
    kind : tuple
        See `Kind`.
    """

    steps: int
    images: int
    kind: Kind

    def seconds(self, of_step: Mapping[Kind, float]) -> float:
        """Return the time it takes, given that of a step."""
        step = of_step[self.kind]
        return self.steps * step + ASK * self.images * step / self.kind[2]


def work_of(run: Run, asked: tuple[str, ...], data: Outline) -> Work:
    """Count the steps of a run and the images that it is asked about.

    Parameters
    ----------
    run : Run
    asked : tuple of str
        Splits.
    data : Outline
    """
    from prunescope.pruning.methods.imp import rounds
    from prunescope.training import Recipe

    images = sum(data.n_samples[split] for split in asked)
    if run.recipe is None:
        return Work(0, images, (run.arch, run.data.size, 32, run.threads))
    recipe = Recipe(**run.recipe)
    trainings = 1 + len(rounds(run.sparsity)) if run.method == "imp" else 1
    steps = trainings * recipe.total_steps(data.n_samples["train"])
    return Work(steps, images, (run.arch, run.data.size, recipe.batch_size, run.threads))


def time_steps(
    plan: Plan,
    data: Outline,
    *,
    device: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[Kind, float]:
    """Time a training step of each kind that a plan has, on images of noise: seconds.

    Parameters
    ----------
    plan : Plan
    data : Outline
    device : str, optional
    progress : callable (done, of), optional
    """
    kinds = {work_of(run, plan.study.asked, data).kind: run for run in plan.runs}
    found = {}
    for number, (kind, run) in enumerate(kinds.items()):
        found[kind] = _time_step(run, kind, data, device)
        if progress is not None:
            progress(number + 1, len(kinds))
    return found


def _time_step(run: Run, kind: Kind, data: Outline, device: str | None) -> float:
    from prunescope.models import build_model
    from prunescope.training import OnEpoch, Recipe, threads, train

    arch, size, batch, n_threads = kind
    names = run.data.attributes or data.attributes
    settings = {"batch_size": batch, **(run.recipe or {})}
    settings.pop("epochs", None)
    recipe = Recipe(**settings | {"steps": 1 + TIMED})
    ends = []
    with threads(n_threads):
        model = build_model(arch, names, image_size=size)
        train(
            model,
            _noise(max(batch, 2), size, names),
            recipe,
            callbacks=[OnEpoch(lambda _: ends.append(perf_counter()))],
            device=device,
        )
    return median(np.diff(ends))


def _noise(n: int, size: int, names: tuple[str, ...]) -> Dataset:
    """Return a data set of noise, one batch of it."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, (n, len(names))).astype(np.int8)
    return Dataset(
        name="noise",
        fingerprint="",
        samples=Samples(pl.Series([str(i) for i in range(n)]), tuple(names), labels),
        pixels=rng.integers(0, 256, (n, 3, size, size)).astype(np.uint8),
        rows=np.arange(n),
        splits=np.array(["train"] * n),
    )
