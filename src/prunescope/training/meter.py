"""Keeping track of the loss and of the time, without making the GPU wait at every step."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import torch
from torch import Tensor

from prunescope.errors import TrainingError
from prunescope.training.callbacks import EpochRecord, Progress, TrainState

REPORT_EVERY = 0.5
"""Seconds between two reports. Reading a loss waits for the device, so it is done as rarely."""

SMOOTHING = 0.95
"""Weight of the past in the running mean of the loss, per step."""


class Meter:
    """Collects the losses of an epoch after the other and reports on them.

    Parameters
    ----------
    state : TrainState
        Its `loss` is kept up to date.
    report : callable, optional
        Gets a `Progress` at each report.
    """

    def __init__(self, state: TrainState, report: Callable[[Progress], None] | None) -> None:
        self._state = state
        self._report = report
        self._first_step = state.step
        self._started = self._reported = time.perf_counter()
        self._unread: list[tuple[Tensor, float]] = []
        self._images = 0
        self._running, self._weight = 0.0, 0.0
        self.start_epoch()

    def start_epoch(self) -> None:
        """Begin to collect anew."""
        self._epoch_started = time.perf_counter()
        self._epoch_losses: list[float] = []
        self._epoch_images = 0

    def add(self, loss: Tensor, n_images: int) -> None:
        """Take the loss of the step just finished.

        Raises
        ------
        TrainingError
            The loss of this or an earlier step is not finite.
        """
        self._unread.append((loss.detach(), self._state.lr))
        self._images += n_images
        self._epoch_images += n_images
        if time.perf_counter() - self._reported >= REPORT_EVERY:
            self.read()

    def end_epoch(self) -> EpochRecord:
        """Report, and sum the epoch up."""
        self.read()
        return EpochRecord(
            epoch=self._state.epoch,
            step=self._state.step,
            loss=math.fsum(self._epoch_losses) / len(self._epoch_losses),
            lr=self._state.lr,
            images_per_second=self._epoch_images / (time.perf_counter() - self._epoch_started),
        )

    def read(self) -> None:
        """Read the losses of the steps since the last report, check them, and report."""
        if not self._unread:
            return
        state = self._state
        losses = torch.stack([loss for loss, _ in self._unread]).tolist()
        for index, loss in enumerate(losses):
            if not math.isfinite(loss):
                step = state.step - len(losses) + index
                raise TrainingError(
                    f"the loss is {loss} at step {step} of {state.total_steps}, with learning "
                    f"rate {self._unread[index][1]:.3g}: training has diverged; lower the learning "
                    "rate, lengthen the warm-up, or look for damaged weights and inputs"
                )
            self._running = SMOOTHING * self._running + (1 - SMOOTHING) * loss
            self._weight = SMOOTHING * self._weight + (1 - SMOOTHING)
        state.loss = self._running / self._weight
        self._epoch_losses += losses
        now = time.perf_counter()
        if self._report is not None:
            seconds_per_step = (now - self._started) / (state.step - self._first_step)
            self._report(
                Progress(
                    step=state.step,
                    total_steps=state.total_steps,
                    epoch=state.epoch,
                    loss=state.loss,
                    images_per_second=self._images / (now - self._reported),
                    seconds_left=seconds_per_step * (state.total_steps - state.step),
                )
            )
        self._unread.clear()
        self._images = 0
        self._reported = now
