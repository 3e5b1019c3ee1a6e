"""The learning rate as a function of the step, and of nothing else."""

from __future__ import annotations

import math
from collections.abc import Callable

from prunescope.training.recipe import Recipe

ONE_CYCLE_START = 1 / 25
ONE_CYCLE_END = 1 / 25 / 1e4


def learning_rate_at(recipe: Recipe, step: int, total_steps: int) -> float:
    """Return the learning rate of one step.

    With ``w = warmup · total_steps`` and the peak at 1:

    - in the warm-up, ``(step + 1) / w`` (not for ``one-cycle``);
    - ``constant``: 1;
    - ``cosine``: ``(1 + cos(π · (step − w) / (total_steps − w))) / 2``;
    - ``multi-step``: ``gamma`` to the power of the number of milestones passed;
    - ``one-cycle``: half a cosine from 1/25 up to 1 at the last step of the warm-up, another down
      to 1/250,000 at the last step (Smith and Topin 2018, as `torch.optim` has it).

    Parameters
    ----------
    recipe : Recipe
    step : int
        From 0.
    total_steps : int

    Examples
    --------
    >>> recipe = Recipe(steps=10, learning_rate=0.4, warmup=0.2)
    >>> [round(learning_rate_at(recipe, step, 10), 3) for step in (0, 1, 2, 6, 9)]
    [0.2, 0.4, 0.4, 0.2, 0.015]
    """
    warmup = recipe.warmup * total_steps
    if step < warmup and recipe.schedule != "one-cycle":
        return recipe.learning_rate * min(1.0, (step + 1) / warmup)
    return recipe.learning_rate * SCHEDULES[recipe.schedule](recipe, step, total_steps)


def _constant(recipe: Recipe, step: int, total_steps: int) -> float:
    return 1.0


def _cosine(recipe: Recipe, step: int, total_steps: int) -> float:
    warmup = recipe.warmup * total_steps
    return _between(1.0, 0.0, (step - warmup) / (total_steps - warmup))


def _multi_step(recipe: Recipe, step: int, total_steps: int) -> float:
    passed = sum(step >= milestone * total_steps for milestone in recipe.milestones)
    return float(recipe.gamma**passed)


def _one_cycle(recipe: Recipe, step: int, total_steps: int) -> float:
    peak = max(recipe.warmup * total_steps - 1, 0)
    last = total_steps - 1
    if step <= peak and peak > 0:
        return _between(ONE_CYCLE_START, 1.0, step / peak)
    return _between(1.0, ONE_CYCLE_END, (step - peak) / (last - peak) if last > peak else 0.0)


def _between(start: float, end: float, share: float) -> float:
    """Go from `start` to `end` along half a cosine."""
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2


SCHEDULES: dict[str, Callable[[Recipe, int, int], float]] = {
    "constant": _constant,
    "cosine": _cosine,
    "multi-step": _multi_step,
    "one-cycle": _one_cycle,
}
