"""`finetune`: a pruned model, its masks and a measure in; the model trained again out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from prunescope.data.dataset import Dataset
from prunescope.errors import ConfigError, one_of
from prunescope.mitigate.finetune.constrain import Constrain, Constraint
from prunescope.mitigate.finetune.measures import MEASURES, NEEDS_GROUPS, Job
from prunescope.mitigate.finetune.reweigh import MAX_RATIO
from prunescope.models import check_float, fold
from prunescope.pruning import Masks
from prunescope.pruning.pruner import Masked
from prunescope.training import (
    RECIPES,
    Callback,
    Distill,
    History,
    Progress,
    Recipe,
    device_for,
    train,
)


@dataclass(frozen=True)
class Finetuned:
    """A pruned model that was trained again.

    Parameters
    ----------
    model : torch.nn.Module
        On the device, in evaluation mode; its pruned weights are zero.
    recipe : Recipe
    history : History
    settings : dict
        What was asked for, in plain values: the measure, and what it was told.
    notes : tuple of str
        What should be known of the result: which cells had too few labels to be constrained, and
        how many constraints do not hold.
    """

    model: nn.Module
    recipe: Recipe
    history: History
    settings: dict[str, Any]
    notes: tuple[str, ...]


def finetune(
    pruned: nn.Module,
    masks: Masks | None,
    dense: nn.Module | None,
    dataset: Dataset,
    measure: str,
    *,
    recipe: Recipe | None = None,
    groups: str | Sequence[str] = (),
    constraint: Constraint | None = None,
    distillation: Distill | None = None,
    max_ratio: float | None = None,
    callbacks: Sequence[Callback] = (),
    resume_dir: str | Path | None = None,
    progress: Callable[[Progress], None] | None = None,
    device: str | torch.device | None = None,
) -> Finetuned:
    """Train a pruned model again with another aim; the models given stay as they are.

    Measures:

    - ``none``: train only. Any training changes a pruned model, so what another measure is worth
      is its difference from this one, at the same recipe.
    - ``distill``: learn from the dense model's answers beside the labels.
    - ``constrain``: let no group value lose more than the average in any attribute, up to a
      tolerance (`Constrain`).
    - ``balance-groups``: let all values of a group count the same (`balance_groups`).
    - ``balance-labels``: let the rare value of each attribute count as much as the common one, up
      to a ratio (`balance_labels`).

    Parameters
    ----------
    pruned : torch.nn.Module
    masks : Masks or None
        Which weights it keeps, to the end; None where channels were removed instead.
    dense : torch.nn.Module or None
        What it was pruned from: ``distill`` and ``constrain`` need it.
    dataset : Dataset
        The training split.
    measure : str
        A key of `MEASURES`.
    recipe : Recipe, optional
        Default: ``small-pt``.
    groups : str or sequence of str
        For ``constrain`` and ``balance-groups``.
    constraint : Constraint, optional
        For ``constrain``.
    distillation : Distill, optional
        For ``distill``.
    max_ratio : float, optional
        For ``balance-labels``.
    callbacks, resume_dir, progress, device
        As for `train`.

    Raises
    ------
    ConfigError
        The measure or a group is unknown, a measure is not told what it needs, or is told what it
        does not ask.
    CheckpointError
        The masks are of another model.
    DataError
        The data set lacks labels that the measure needs.
    """
    if measure not in MEASURES:
        raise ConfigError(one_of("measure", measure, MEASURES))
    check_float(pruned, "to fine-tune")
    named = (groups,) if isinstance(groups, str) else tuple(groups)
    told = {
        "groups": (named or None, NEEDS_GROUPS),
        "constraint": (constraint, ("constrain",)),
        "distillation": (distillation, ("distill",)),
        "max_ratio": (max_ratio, ("balance-labels",)),
    }
    for name, (value, askers) in told.items():
        if value is not None and measure not in askers:
            raise ConfigError(
                f"{measure} does not ask for {name}: leave it out, or choose {' or '.join(askers)}"
            )
    recipe = recipe or RECIPES["small-pt"]
    job = Job(
        dataset=dataset,
        dense=dense,
        groups=named,
        constraint=constraint or Constraint(),
        distill=distillation or Distill(),
        max_ratio=MAX_RATIO if max_ratio is None else max_ratio,
        device=device_for(device),
    )
    model = fold(pruned)
    if masks is not None:
        masks.check(model)
    aims = MEASURES[measure](job)
    held = [] if masks is None else [Masked(masks, f"the masks given, for {measure}")]
    history = train(
        model,
        dataset,
        recipe,
        callbacks=(*held, *aims, *callbacks),
        resume_dir=resume_dir,
        progress=progress,
        device=job.device,
    )
    notes = [note for aim in aims if isinstance(aim, Constrain) for note in aim.notes()]
    return Finetuned(model, recipe, history, _settings(measure, job), tuple(notes))


def _settings(measure: str, job: Job) -> dict[str, Any]:
    """Say in plain values what a measure was told."""
    settings: dict[str, Any] = {"measure": measure}
    if measure in NEEDS_GROUPS:
        settings["groups"] = list(job.groups)
    if measure == "constrain":
        settings["constraint"] = job.constraint.model_dump()
    if measure == "distill":
        settings["distill"] = job.distill.model_dump()
    if measure == "balance-labels":
        settings["max_ratio"] = job.max_ratio
    return settings
