"""What a method is: a recipe of the field that turns a model into a pruned one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import torch
from torch import nn

from prunescope.data.dataset import Dataset
from prunescope.pruning.calibration import Calibration
from prunescope.pruning.masks import Masks
from prunescope.pruning.pruner import Criterion, PruneOnSchedule
from prunescope.pruning.schedules import Schedule
from prunescope.training import Callback, History, Progress, Recipe, train


@dataclass(frozen=True)
class Job:
    """One run of a method: what it is given.

    Parameters
    ----------
    model : torch.nn.Module
        Its own to change.
    dataset : Dataset
        The training split.
    sparsity : float
        The target, in [0, 1).
    masks : Masks
        Dense ones, of all layers that may be pruned.
    criterion : Criterion
    recipe : Recipe or None
        None: without training.
    ignore : tuple of str
        Layers to leave as they are.
    seed : int
    device : torch.device
    callbacks : sequence of Callback
        Of the caller, for any training.
    resume_dir : path, optional
    progress : callable, optional
    bits : dict
        Layer, by name or pattern → width that its weights are rounded to.
    calibration : Calibration, optional
        Images that the method looks at.
    told : tuple of str
        Which of the method's options were given.
    """

    model: nn.Module
    dataset: Dataset
    sparsity: float
    masks: Masks
    criterion: Criterion
    recipe: Recipe | None
    ignore: tuple[str, ...]
    seed: int
    device: torch.device
    callbacks: Sequence[Callback] = ()
    resume_dir: Path | None = None
    progress: Callable[[Progress], None] | None = None
    bits: Mapping[str, int] = field(default_factory=dict)
    calibration: Calibration | None = None
    told: tuple[str, ...] = ()

    def train(
        self, *callbacks: Callback, model: nn.Module | None = None, part: str = ""
    ) -> History:
        """Train by the recipe, with the method's callbacks before the caller's.

        Parameters
        ----------
        *callbacks : Callback
        model : torch.nn.Module, optional
            Default: the job's.
        part : str
            Names one of several trainings, each of which is resumed on its own.
        """
        assert self.recipe is not None
        return train(
            self.model,
            self.dataset,
            self.recipe,
            callbacks=(*callbacks, *self.callbacks),
            resume_dir=None if self.resume_dir is None else self.resume_dir / part,
            progress=self.progress,
            device=self.device,
        )


class Outcome(NamedTuple):
    """What a method leaves: the model, its masks (None: it is smaller instead), its training.

    `told` is what should be known of the pruned model besides what was asked for.
    """

    model: nn.Module
    masks: Masks | None
    history: History | None
    told: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class Method:
    """How a model becomes sparse.

    Parameters
    ----------
    summary : str
        One line for a list.
    starts_from : {"random", "dense"}
        Whether it expects a model as initialised or one that is trained.
    recipe : str or None
        The recipe in `RECIPES` that it trains by unless told otherwise; None means that it does
        not train unless told to.
    run : callable
        `Job` → `Outcome`.
    score, distribution : str
        What it takes unless told otherwise.
    options : tuple of str
        Which of ``score``, ``distribution``, ``pattern``, ``layers`` and ``bits`` it can be told.
    calibration_images : int, optional
        On how many it looks unless told otherwise, or on all where there are fewer; None: on none,
        whatever the score does.
    """

    summary: str
    starts_from: Literal["random", "dense"]
    recipe: str | None
    run: Callable[[Job], Outcome]
    score: str = "magnitude"
    distribution: str = "global"
    options: tuple[str, ...] = ("score", "distribution", "pattern", "layers")
    calibration_images: int | None = None


def on_schedule(schedule: Schedule) -> Callable[[Job], Outcome]:
    """Return the run of a method that only updates its masks on a schedule."""

    def run(job: Job) -> Outcome:
        pruner = PruneOnSchedule(job.masks, job.sparsity, schedule, job.criterion)
        history = job.train(pruner)
        return Outcome(job.model, pruner.masks, history)

    return run
