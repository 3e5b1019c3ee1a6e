"""Weight noise: answers that hang on exact weights do not survive pruning."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from prunescope.forecast.drift import noise
from prunescope.forecast.lab import Trial
from prunescope.forecast.outlook import Outlook
from prunescope.forecast.scorers.scorer import Case, Scorer

if TYPE_CHECKING:
    from torch import nn

N_TRIALS = 6


def look(case: Case) -> Outlook:
    """Expect the mean logits under Gaussian noise on every weight that could be pruned."""
    lab = case.need_lab("weight-noise")
    trials = shakes(noise(case.sparsity), lab.seed)
    models = (lab.changed(trial) for trial in trials)
    return case.after(*lab.moments(models))


def shakes(size: float, seed: int) -> Iterator[Trial]:
    """Yield trials that add noise, `size` times the deviation of each layer's weights."""
    import torch

    from prunescope.pruning.layers import prunable_weights

    def shake(draw: int, model: nn.Module) -> None:
        generator = torch.Generator().manual_seed(draw)
        with torch.no_grad():
            for weight in prunable_weights(model).values():
                drawn = torch.randn(weight.shape, generator=generator).to(weight.device)
                weight.add_(drawn, alpha=size * float(weight.std()))

    for draw in range(seed, seed + N_TRIALS):
        yield partial(shake, draw)


WEIGHT_NOISE = Scorer(
    "B", "mean logits under noise on the weights", look, "turns when weights are shaken", N_TRIALS
)
