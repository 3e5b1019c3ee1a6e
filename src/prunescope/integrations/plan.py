"""What the callbacks that prune have in common: how to prune, told before there is a model."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn
from torch.optim import Optimizer

from prunescope.pruning import Criterion, Masks, Pruner, Schedule, check_sparsity
from prunescope.pruning.methods.gradual import FROM_TRAINED
from prunescope.pruning.own_loop import MAGNITUDE


class Plan:
    """How a trainer's model is to be pruned.

    Parameters
    ----------
    sparsity, schedule, criterion, ignore
        Of `prunescope.Pruner`.
    steps : int, optional
        How many steps the optimizer will make; default: what the trainer says.

    Attributes
    ----------
    pruner : Pruner or None
        None before training.
    """

    def __init__(
        self,
        sparsity: float,
        *,
        steps: int | None = None,
        schedule: Schedule = FROM_TRAINED,
        criterion: Criterion = MAGNITUDE,
        ignore: str | Sequence[str] = (),
    ) -> None:
        self.sparsity = check_sparsity(sparsity)
        self.steps = steps
        self.schedule = schedule
        self.criterion = criterion
        self.ignore = ignore
        self.pruner: Pruner | None = None

    @property
    def masks(self) -> Masks | None:
        """The masks as of now; None before training."""
        return None if self.pruner is None else self.pruner.masks

    def start(self, model: nn.Module, optimizer: Optimizer, steps: int) -> Pruner:
        """Return the pruner of a training that begins."""
        if self.pruner is not None:
            self.pruner.release()  # of a training before
        self.pruner = Pruner(
            model,
            optimizer,
            sparsity=self.sparsity,
            steps=self.steps or steps,
            schedule=self.schedule,
            criterion=self.criterion,
            ignore=self.ignore,
        )
        return self.pruner

    def running(self) -> Pruner:
        """Return the pruner of the training that runs."""
        assert self.pruner is not None, "training has not begun"
        return self.pruner
