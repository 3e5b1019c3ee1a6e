"""Making one run: its model, unless it is there, and its answers to every split."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from time import time
from typing import TYPE_CHECKING, Any

from prunescope.data import Dataset, load_dataset
from prunescope.study.plan import DENSE, INT8, Run
from prunescope.study.running.store import Store
from prunescope.study.stages import (
    OnStep,
    predict_split,
    prune_model,
    quantize_model,
    state_folder,
    train_model,
)

if TYPE_CHECKING:
    from prunescope.models import Checkpoint
    from prunescope.training import TrainState

load = lru_cache(maxsize=8)(load_dataset)
"""`load_dataset`, which this process remembers: the pixels are memory-mapped and shared."""


def execute(
    store: Store, run: Run, *, device: str | None = None, on_step: OnStep | None = None
) -> None:
    """Make a run that is locked and whose parent is finished.

    Raises
    ------
    PrunescopeError
        Training diverged, a file cannot be written, the data are not there, ...
    """
    from prunescope.training import threads

    store.begin(run)
    dataset = load(run.data)
    with threads(run.threads):
        model = _model(store, run, dataset, device, on_step)
        for split in store.splits:
            if not store.answers(run, split).exists():
                predict_split(
                    model, dataset, split, store.answers(run, split), name=run.name, device=device
                )


def _model(
    store: Store, run: Run, dataset: Dataset, device: str | None, on_step: OnStep | None
) -> Checkpoint:
    """Return the model of a run, made if it is not there."""
    from prunescope.models import load_checkpoint
    from prunescope.training import OnEpoch, Recipe

    target = store.model(run)
    if target.exists():
        return load_checkpoint(target, factory=_factory(run))
    train = dataset.split("train")
    more: dict[str, Any] = {"data": run.data}
    trained: dict[str, Any] = more | {
        "callbacks": (OnEpoch(_writer(store.log(run), afresh=not state_folder(target).exists())),),
        "device": device,
        "on_step": on_step,
    }
    recipe = None if run.recipe is None else Recipe(**run.recipe)
    if run.method == DENSE:
        assert recipe is not None
        return train_model(train, run.arch, recipe, target, **trained)
    parent = _fresh(run, train) if run.parent is None else load_checkpoint(
        store.model(run.parent), factory=_factory(run.parent)
    )  # fmt: skip
    if run.method == INT8:
        batch = min(32, max(1, len(train) // 8))
        return quantize_model(parent, train, target, batch_size=batch, seed=run.seed, **more)
    return prune_model(
        parent, train, run.method, run.sparsity, target, recipe=recipe, seed=run.seed, **trained
    )


def _fresh(run: Run, train: Dataset) -> Checkpoint:
    """Return an untrained model, for methods that start from random weights."""
    from prunescope.models import Checkpoint, Provenance, build_model

    samples = train.samples
    model = build_model(
        run.arch, samples.attributes, image_size=train.size, task=samples.task, frame=train.frame,
        seed=run.seed,
    )  # fmt: skip
    return Checkpoint(model, Provenance.of(model, train, data=run.data, seed=run.seed), None)


def _factory(run: Run) -> str | None:
    """Return the factory to load a model with: the study's file names it, so it is trusted."""
    from prunescope.models import is_factory

    return run.arch if is_factory(run.arch) else None


def _writer(log: Path, *, afresh: bool) -> Callable[[TrainState], None]:
    """Return what appends a line for each pass over the data to a log, or to a new one."""
    if afresh:
        log.unlink(missing_ok=True)

    def write(state: TrainState) -> None:
        line = {
            "time": round(time(), 3),
            "epoch": state.epoch,
            "step": state.step,
            "of": state.total_steps,
            "loss": state.loss,
            "learning_rate": state.lr,
        }
        with log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    return write
