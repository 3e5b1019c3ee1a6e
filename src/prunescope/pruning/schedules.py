"""When masks change during training, and how sparse they then are."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor
from typing import Protocol

from prunescope.errors import ConfigError


class Schedule(Protocol):
    """Turns the target sparsity and the length of training into a table of mask updates."""

    def updates(self, sparsity: float, n_steps: int) -> dict[int, float]:
        """Return step → sparsity from that step on; steps count from 0 to `n_steps` − 1."""


@dataclass(frozen=True)
class OneShot:
    """Remove everything at once, before the first step.

    Examples
    --------
    >>> OneShot().updates(0.9, n_steps=100)
    {0: 0.9}
    """

    def updates(self, sparsity: float, n_steps: int) -> dict[int, float]:
        """Return the one update."""
        return {0: sparsity}


@dataclass(frozen=True)
class Cubic:
    """Remove weights gradually: many at first, ever fewer towards the end.

    At the share t of the way from the first to the last update the sparsity is
    s(t) = target − (target − initial) · (1 − t)³.

    Parameters
    ----------
    first, last : Fraction
        When the first and the last mask update come, as shares of training in [0, 1).
    n_updates : int
        How many there are, evenly spaced, the first and the last included.
    initial : float
        Sparsity of the first update (or the target, where that is lower).

    References
    ----------
    Zhu and Gupta, "To prune, or not to prune", 2017, equation 1.

    Examples
    --------
    >>> schedule = Cubic(Fraction(1, 10), Fraction(5, 10), n_updates=5)
    >>> {step: round(s, 3) for step, s in schedule.updates(0.9, n_steps=100).items()}
    {10: 0.05, 20: 0.541, 30: 0.794, 40: 0.887, 50: 0.9}
    """

    first: Fraction
    last: Fraction
    n_updates: int
    initial: float = 0.05

    def __post_init__(self) -> None:
        if not (0 <= self.first < self.last < 1 and self.n_updates >= 2):
            raise ConfigError(
                f"{self} makes no sense: expected 0 <= first < last < 1 and at least 2 updates"
            )

    def updates(self, sparsity: float, n_steps: int) -> dict[int, float]:
        """Return the updates, each at the step nearest to its share of training.

        Raises
        ------
        ConfigError
            Training is so short that two updates would fall on one step.
        """
        spacing = (self.last - self.first) / (self.n_updates - 1)
        n_needed = ceil(max(1 / spacing, 1 / (1 - self.last)))
        if n_steps < n_needed:
            raise ConfigError(
                f"{n_steps} steps of training are too few for {self.n_updates} mask updates "
                f"between {float(self.first):.0%} and {float(self.last):.0%} of them: "
                f"train for at least {n_needed} steps"
            )
        initial = min(self.initial, sparsity)
        table = {}
        for i in range(self.n_updates):
            step = floor((self.first + i * spacing) * n_steps + Fraction(1, 2))
            left = 1 - i / (self.n_updates - 1)
            table[step] = sparsity - (sparsity - initial) * left**3
        return table
