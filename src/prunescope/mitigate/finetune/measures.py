"""What can be done beside plain training, by name. A new measure is a function and a line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import nn

from prunescope.data.dataset import Dataset
from prunescope.errors import ConfigError
from prunescope.mitigate.finetune.constrain import Constrain, Constraint
from prunescope.mitigate.finetune.reweigh import Reweigh, balance_groups, balance_labels
from prunescope.models import fold
from prunescope.training import Callback, Distill, Distillation, infer


@dataclass(frozen=True)
class Job:
    """What a measure is given.

    Parameters
    ----------
    dataset : Dataset
        The training split.
    dense : torch.nn.Module or None
    groups : tuple of str
    constraint : Constraint
    distill : Distill
    max_ratio : float
    device : torch.device
    """

    dataset: Dataset
    dense: nn.Module | None
    groups: tuple[str, ...]
    constraint: Constraint
    distill: Distill
    max_ratio: float
    device: torch.device

    def teacher(self, purpose: str) -> nn.Module:
        """Return the dense model.

        Raises
        ------
        ConfigError
            There is none.
        """
        if self.dense is None:
            raise ConfigError(f"{purpose} the dense model, and none is given: name it")
        return self.dense


Measure: TypeAlias = Callable[[Job], list[Callback]]


def none(job: Job) -> list[Callback]:
    """Only train: what every other measure is compared with."""
    return []


def distill(job: Job) -> list[Callback]:
    """Learn from the dense model's answers beside the labels."""
    return [Distillation(job.teacher("distilling learns from"), job.distill)]


def constrain(job: Job) -> list[Callback]:
    """Let no group lose more than the average in any attribute, up to a tolerance."""
    dense = fold(job.teacher("constraints compare with"))  # it is moved to the device
    logits = infer(dense, job.dataset, device=job.device)
    return [Constrain(job.dataset.samples, logits, job.groups, job.constraint)]


def groups(job: Job) -> list[Callback]:
    """Let all values of a group count the same."""
    return [Reweigh(balance_groups(job.dataset.samples, job.groups))]


def labels(job: Job) -> list[Callback]:
    """Let the rare value of an attribute count as much as the common one, up to a ratio."""
    return [Reweigh(balance_labels(job.dataset.samples, job.max_ratio))]


MEASURES: dict[str, Measure] = {
    "none": none,
    "distill": distill,
    "constrain": constrain,
    "balance-groups": groups,
    "balance-labels": labels,
}
NEEDS_GROUPS = ("constrain", "balance-groups")
"""Measures that look at groups in training; none looks at them afterwards."""
