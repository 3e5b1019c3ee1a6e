"""The training loop: pure, and open to callbacks."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from prunescope.data.dataset import Dataset
from prunescope.errors import ConfigError, DataError, PrunescopeWarning
from prunescope.models import logits_of, to_unit_range
from prunescope.training.batches import Batch, check_fit, memory_format, training_batches
from prunescope.training.callbacks import Callback, EpochRecord, History, Progress, TrainState
from prunescope.training.devices import autocast, device_for, isolated
from prunescope.training.inference import evaluation_mode
from prunescope.training.losses import LOSSES
from prunescope.training.meter import Meter
from prunescope.training.optimizers import build_optimizer
from prunescope.training.processes import Processes
from prunescope.training.recipe import Recipe
from prunescope.training.resume import Resume
from prunescope.training.schedules import learning_rate_at


def train(
    model: nn.Module,
    dataset: Dataset,
    recipe: Recipe,
    *,
    callbacks: Sequence[Callback] = (),
    resume_dir: str | Path | None = None,
    progress: Callable[[Progress], None] | None = None,
    device: str | torch.device | None = None,
) -> History:
    """Train a model, in place.

    What happens is a function of the model's weights, the data and the recipe: the order of the
    images, their augmentation and dropout depend on the recipe's seed and the epoch alone. Several
    processes that ``accelerate launch`` started share each batch (see `Processes`).

    Parameters
    ----------
    model : torch.nn.Module
        Maps images (B, 3, H, W) of floats in [0, 1] to logits (B, A), in any form that
        `prunescope.models.logits_of` takes. It ends on the device, in
        evaluation mode.
    dataset : Dataset
        The training split.
    recipe : Recipe
    callbacks : sequence of Callback
        Called in this order.
    resume_dir : path, optional
        Keeps the state of this run at the end of each epoch. Called again with the same model,
        data and recipe after an interruption, training goes on from there; with
        ``deterministic`` and on the same machine it ends with the same bits as if unbroken. The
        folder is the caller's to remove once the model is saved.
    progress : callable, optional
        Gets a `Progress` about twice a second.
    device : str, optional
        See `device_for`.

    Raises
    ------
    DataError
        The data set is too small, or is labelled with other attributes than the model answers.
    ConfigError
        The model gives another number of logits than there are attributes, or the device is not
        there.
    CheckpointError
        `resume_dir` is damaged or of another run.
    TrainingError
        The loss is not finite.

    Warns
    -----
    PrunescopeWarning
        The network fails in channels-last memory, which the recipe asks for; it is trained in
        contiguous memory then.

    Examples
    --------
    >>> import polars as pl
    >>> from prunescope.data.samples import Samples
    >>> dots = Dataset(
    ...     name="dots",
    ...     fingerprint="0",
    ...     samples=Samples(pl.Series(["a", "b"]), ("Bright",), np.array([[1], [0]], np.int8)),
    ...     pixels=np.array([255] * 12 + [0] * 12, np.uint8).reshape(2, 3, 2, 2),
    ...     rows=np.array([0, 1]),
    ...     splits=np.array(["train", "train"]),
    ... )
    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(12, 1))
    >>> history = train(model, dots, Recipe(steps=20, learning_rate=1.0), device="cpu")
    >>> len(history.epochs), history.epochs[-1].loss < history.epochs[0].loss
    (20, True)
    """
    if len(dataset) < 2:
        raise DataError(f"{dataset.name} has {len(dataset)} samples: training needs at least 2")
    check_fit(model, dataset)
    processes = Processes.current()
    target = processes.device(device_for(device))
    model.to(target)
    recipe = _as_it_runs(model, dataset, recipe, target)
    state = _start(model, dataset, recipe, target)
    epochs: tuple[EpochRecord, ...] = ()
    with isolated(state.device, deterministic=recipe.deterministic):
        saved = None
        if resume_dir is not None:
            saved = Resume(Path(resume_dir), model, dataset, recipe, callbacks)
            epochs = saved.restore(state)
        if epochs:
            state.epoch, state.step, state.lr = epochs[-1].epoch, epochs[-1].step, epochs[-1].lr
        for callback in callbacks:
            callback.on_train_start(state)
        forward = _forward(state, processes)
        meter = Meter(state, progress if processes.first else None)
        while state.step < state.total_steps:
            epochs = (*epochs, _run_epoch(state, forward, callbacks, meter, processes))
            if saved is not None and processes.first:
                saved.save(state, epochs)
            processes.wait()
        for callback in callbacks:
            callback.on_train_end(state)
    model.eval()
    return History(epochs)


def _as_it_runs(model: nn.Module, dataset: Dataset, recipe: Recipe, device: torch.device) -> Recipe:
    """Return the recipe, without channels-last memory where the network fails in it alone.

    A network that flattens by ``x.view`` does, and torch refuses to lay out 3d convolutions so.
    """
    if not recipe.channels_last:
        return recipe
    images = to_unit_range(torch.from_numpy(dataset.images(np.arange(2)))).to(device)
    contiguous = recipe.replace(channels_last=False)
    problem = _failure(model, images, recipe)
    if problem is None:
        return recipe
    if _failure(model, images, contiguous) is not None:
        return contiguous  # in which the first step tells what is wrong, whatever the memory
    warnings.warn(
        f"the network fails on images in channels-last memory ({problem}) and is trained on "
        "contiguous ones, which may be slower: if it says x.view, write x.reshape or x.flatten",
        PrunescopeWarning,
        stacklevel=3,
    )
    return contiguous


@torch.no_grad()
def _failure(model: nn.Module, images: Tensor, recipe: Recipe) -> str | None:
    """Say how a network fails in training mode on images that lie as a recipe wants.

    It draws what the first step will draw. What it remembers of the images is put back, and so are
    torch's random generators.
    """
    layout = memory_format(recipe)
    before = [(buffer, buffer.clone()) for buffer in model.buffers()]
    devices = [images.device] if images.device.type == "cuda" else []
    try:
        with (
            evaluation_mode(model),  # each module ends in the mode that it was in
            torch.random.fork_rng(devices),
            autocast(recipe, images.device),
        ):
            _seed_dropout(recipe, 0)
            model.to(memory_format=layout)  # type: ignore[call-overload]
            model.train()(images.contiguous(memory_format=layout))
    except Exception as error:  # whatever a network raises
        return f"{type(error).__name__}: {str(error).partition('. ')[0]}"
    finally:
        for buffer, value in before:
            buffer.copy_(value)
    return None


def _start(model: nn.Module, dataset: Dataset, recipe: Recipe, device: torch.device) -> TrainState:
    model.to(memory_format=memory_format(recipe))  # type: ignore[call-overload]
    total_steps = recipe.total_steps(len(dataset))
    steps_per_epoch = recipe.steps_per_epoch(len(dataset))
    return TrainState(
        model=model,
        optimizer=build_optimizer(model, recipe),
        dataset=dataset,
        recipe=recipe,
        device=device,
        step=0,
        total_steps=total_steps,
        epoch=0,
        total_epochs=total_steps / steps_per_epoch,
        steps_per_epoch=steps_per_epoch,
        loss=math.nan,
        lr=learning_rate_at(recipe, 0, total_steps),
    )


def _run_epoch(
    state: TrainState,
    forward: Callable[[Tensor], Tensor],
    callbacks: Sequence[Callback],
    meter: Meter,
    processes: Processes,
) -> EpochRecord:
    """Make one pass over the data, or what is left of the last."""
    recipe = state.recipe
    _seed_dropout(recipe, state.epoch)
    state.model.train()
    meter.start_epoch()
    n_steps = min(state.steps_per_epoch, state.total_steps - state.step)
    batches = training_batches(state.dataset, recipe, state.epoch, n_steps, state.device, processes)
    for batch in batches:
        state.lr = learning_rate_at(recipe, state.step, state.total_steps)
        for group in state.optimizer.param_groups:
            group["lr"] = state.lr
        for callback in callbacks:
            callback.on_step_start(state)
        loss = _step(state, forward, callbacks, batch, processes)
        state.step += 1
        meter.add(loss, len(batch.positions) * processes.count)
        for callback in callbacks:
            callback.on_step_end(state)
    state.epoch += 1
    record = meter.end_epoch()
    for callback in callbacks:
        callback.on_epoch_end(state)
    return record


def _seed_dropout(recipe: Recipe, epoch: int) -> None:
    seeds = np.random.SeedSequence([recipe.seed, epoch])
    torch.manual_seed(int(seeds.generate_state(1, np.uint64)[0] >> 1))


def _step(
    state: TrainState,
    forward: Callable[[Tensor], Tensor],
    callbacks: Sequence[Callback],
    batch: Batch,
    processes: Processes,
) -> Tensor:
    """Update the weights once and return the loss before."""
    logits = forward(batch.images)
    if logits.shape != batch.labels.shape:
        raise ConfigError(
            f"the model gave logits of shape {tuple(logits.shape)}: expected "
            f"{tuple(batch.labels.shape)}, one column for each attribute of {state.dataset.name}"
        )
    task = state.dataset.samples.task
    loss = processes.balance(LOSSES[task](logits, batch.labels), batch.labels, task)
    for callback in callbacks:
        loss = callback.transform_loss(state, loss, logits, batch)
    state.optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    state.optimizer.step()
    return loss


def _forward(state: TrainState, processes: Processes) -> Callable[[Tensor], Tensor]:
    """Return the function from images to logits in float32, as the recipe wants it computed."""
    recipe, on_gpu = state.recipe, state.device.type == "cuda"
    shared = processes.together(state.model, state.device)
    model = torch.compile(shared) if recipe.compile and on_gpu else shared

    def forward(images: Tensor) -> Tensor:
        with autocast(recipe, state.device):
            logits = logits_of(model(images))
        return logits.float()

    return forward
