"""What the training loop and its callbacks say to each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from prunescope.data.dataset import Dataset
from prunescope.training.batches import Batch
from prunescope.training.processes import Processes
from prunescope.training.recipe import Recipe


@dataclass
class LoopState:
    """Where any training loop stands; all that pruning asks of one.

    Parameters
    ----------
    model : torch.nn.Module
        What is trained, never a compiled wrapper of it.
    optimizer : torch.optim.Optimizer
    step, total_steps : int
        Finished steps, and all.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    step: int
    total_steps: int


@dataclass
class TrainState(LoopState):
    """Where training stands; what callbacks are given.

    Parameters
    ----------
    model, optimizer, step, total_steps
        See `LoopState`.
    dataset : Dataset
    recipe : Recipe
    device : torch.device
    epoch : int
        Finished passes over the data. The last may be partial, and counts once it is finished.
    total_epochs : float
        ``total_steps / steps_per_epoch``.
    steps_per_epoch : int
    loss : float
        The smoothed loss as last reported; NaN before that.
    lr : float
        The learning rate of the step that is being made, or was made last.
    """

    dataset: Dataset
    recipe: Recipe
    device: torch.device
    epoch: int
    total_epochs: float
    steps_per_epoch: int
    loss: float
    lr: float


class Callback:
    """Something that happens during training; every method does nothing unless overridden.

    When training is resumed, the model, the optimizer and the callbacks (`load_state_dict`) get
    their saved state first; then come `on_train_start` and the steps that are left.
    """

    def on_train_start(self, state: TrainState) -> None:
        """Begin, with the model on its device."""

    def on_step_start(self, state: TrainState) -> None:
        """Act before the forward pass of step ``state.step``, counted from 0."""

    def on_step_end(self, state: TrainState) -> None:
        """Act after the optimizer's step; ``state.step`` steps are finished."""

    def on_epoch_end(self, state: TrainState) -> None:
        """Act after a pass over the data; ``state.epoch`` are finished."""

    def on_train_end(self, state: TrainState) -> None:
        """Act after the last step."""

    def transform_loss(
        self, state: TrainState, loss: Tensor, logits: Tensor, batch: Batch
    ) -> Tensor:
        """Return the loss to minimise, given that of the callbacks before.

        Parameters
        ----------
        state : TrainState
        loss : tensor ()
        logits : tensor (B, A) of float32
        batch : Batch
        """
        return loss

    def state_dict(self) -> dict[str, Tensor]:
        """Return all that is needed to resume from the end of an epoch."""
        return {}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take up what `state_dict` returned, on the CPU."""


class OnEpoch(Callback):
    """Calls a function at the end of each epoch, in the first of several processes.

    Parameters
    ----------
    tell : callable
        Takes the `TrainState`.
    """

    def __init__(self, tell: Callable[[TrainState], None]) -> None:
        self._tell = tell

    def on_epoch_end(self, state: TrainState) -> None:
        """Tell where training stands."""
        if Processes.current().first:
            self._tell(state)


@dataclass(frozen=True)
class Progress:
    """How far training is; reported about twice a second.

    Parameters
    ----------
    step, total_steps : int
    epoch : int
        Finished epochs.
    loss : float
        Smoothed over the last steps.
    images_per_second : float
        Since the last report.
    seconds_left : float
    """

    step: int
    total_steps: int
    epoch: int
    loss: float
    images_per_second: float
    seconds_left: float


@dataclass(frozen=True)
class EpochRecord:
    """One pass over the data.

    Parameters
    ----------
    epoch, step : int
        Finished at its end.
    loss : float
        Mean over its steps.
    lr : float
        Of its last step.
    images_per_second : float
    """

    epoch: int
    step: int
    loss: float
    lr: float
    images_per_second: float


@dataclass(frozen=True)
class History:
    """How training went, epoch by epoch, those before an interruption included."""

    epochs: tuple[EpochRecord, ...]
