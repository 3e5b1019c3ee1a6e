"""Iterative magnitude pruning with rewinding: train, prune, go back, train again.

Frankle et al., "Linear mode connectivity and the lottery ticket hypothesis", ICML 2020.
"""

from __future__ import annotations

from fractions import Fraction
from math import ceil, log

import torch
from torch import Tensor

from prunescope.pruning.methods.method import Job, Method, Outcome
from prunescope.pruning.pruner import Masked
from prunescope.pruning.schedules import nearest_step
from prunescope.training import Callback, TrainState

REMOVED = 0.2
"""Share of the weights left that a round removes, or a little less."""
REWIND = Fraction(1, 20)
"""To where in training weights are set back."""


class Snapshot(Callback):
    """Remembers the weights as they were some way into training."""

    def __init__(self) -> None:
        self.weights: dict[str, Tensor] = {}

    def on_step_start(self, state: TrainState) -> None:
        """Take the weights down at the step to come back to."""
        if state.step == nearest_step(REWIND, state.total_steps):
            self.weights = {
                name: value.detach().to("cpu", copy=True)
                for name, value in state.model.state_dict().items()
            }

    def state_dict(self) -> dict[str, Tensor]:
        """Return the weights taken down, if any."""
        return {name: value.contiguous() for name, value in self.weights.items()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take up the weights of an interrupted run."""
        self.weights = dict(state)


def rounds(sparsity: float) -> list[float]:
    """Return the sparsity after each round: the same share of what is left goes each time.

    Examples
    --------
    >>> [round(s, 3) for s in rounds(0.5)]
    [0.159, 0.293, 0.405, 0.5]
    """
    n = max(1, ceil(log(1 - sparsity) / log(1 - REMOVED)))
    return [1 - (1 - sparsity) ** (k / n) for k in range(1, n)] + [sparsity]


def run(job: Job) -> Outcome:
    """Train once dense, then once for each round, by the whole recipe each time.

    Weights alone are set back: the learning rate and the order of images begin anew.
    """
    taken = Snapshot()
    history = job.train(taken, part="round-0")
    masks = job.masks
    for number, sparsity in enumerate(rounds(job.sparsity), 1):
        masks = job.criterion.update(job.model, masks, sparsity)
        with torch.no_grad():
            job.model.load_state_dict(taken.weights)
        plan = f"sparsity {sparsity} in round {number} of {job.criterion}"
        history = job.train(Masked(masks, plan), part=f"round-{number}")
    return Outcome(job.model, masks, history)


IMP = Method("round by round, weights set back each time; from random", "random", "paper-ri", run)
