"""RigL: sparse from start to end, with weights that move.

Evci et al., "Rigging the lottery: making all tickets winners", ICML 2020.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import cos, floor, pi

import torch
from torch import Tensor

from prunescope.errors import TrainingError
from prunescope.pruning.masks import Masks
from prunescope.pruning.methods.method import Job, Method, Outcome
from prunescope.pruning.pruner import Masked
from prunescope.training import Processes, TrainState

SHARE = 0.3
"""Of each layer's weights, how many move at the first update; fewer each time, as a cosine."""
INTERVAL, END = Fraction(1, 100), Fraction(3, 4)
"""Shares of training: from one update to the next, and up to when there are any."""


class Rig(Masked):
    """Moves weights while a model trains: the smallest go, as many with large gradients come.

    Each layer keeps as many weights as it has. Those that come start from zero.
    """

    def on_step_end(self, state: TrainState) -> None:
        """Move weights, by the gradients of the step that was just made."""
        interval = max(1, floor(INTERVAL * state.total_steps))
        last = floor(END * state.total_steps)
        if state.step % interval or state.step >= last:
            return
        share = SHARE / 2 * (1 + cos(pi * state.step / last))
        weights = self.masks.check(state.model)
        moved = {
            name: move(weight, self.masks[name], floor(share * int(self.masks[name].sum())))
            for name, weight in weights.items()
        }
        self.change(state, Masks(Processes.current().agree(moved)))


def move(weight: torch.nn.Parameter, mask: Tensor, n: int) -> Tensor:
    """Return the mask after the n smallest weights went and n others came.

    One that went may come back at once, from zero.
    """
    if n == 0 or weight.grad is None:
        return mask
    kept = mask.flatten()
    size, slope = (
        tensor.detach().abs().to("cpu", torch.float32).flatten() for tensor in (weight, weight.grad)
    )
    if not (size.isfinite().all() and slope.isfinite().all()):
        raise TrainingError(
            "weights or gradients are NaN or infinite, which cannot be ranked: training has "
            "diverged; lower the learning rate"
        )
    gone = torch.sort(size.masked_fill(~kept, torch.inf), stable=True).indices[:n]
    result = kept.clone()
    result[gone] = False
    come = torch.sort(slope.masked_fill(result, -1.0), descending=True, stable=True).indices[:n]
    result[come] = True
    return result.view(mask.shape)


def run(job: Job) -> Outcome:
    """Draw a sparse network at random, and train it while weights move."""
    start = replace(job.criterion, score="random").update(job.model, job.masks, job.sparsity)
    rig = Rig(start, f"sparsity {job.sparsity} by RigL from {job.criterion}")
    history = job.train(rig)
    return Outcome(job.model, rig.masks, history)


RIGL = Method(
    "sparse from the start, weights move; from random weights",
    "random",
    "paper-ri",
    run,
    distribution="erk",
    options=("distribution", "layers"),
)
