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
class Gradual:
    """Remove weights gradually.

    At the share t of the way from the first to the last update the sparsity is
    s(t) = target − (target − initial) · (1 − t)^power: with power 3, cubic, many weights go at
    first and ever fewer towards the end; with power 1, linear, as many each time.

    Parameters
    ----------
    first, last : Fraction
        When the first and the last mask update come, as shares of training in [0, 1).
    n_updates : int
        How many there are, evenly spaced, the first and the last included.
    power : int
        3 (cubic) or 1 (linear).
    initial : float
        Sparsity of the first update (or the target, where that is lower).

    References
    ----------
    Zhu and Gupta, "To prune, or not to prune", 2017, equation 1.

    Examples
    --------
    >>> schedule = Gradual(Fraction(1, 10), Fraction(5, 10), n_updates=5)
    >>> {step: round(s, 3) for step, s in schedule.updates(0.9, n_steps=100).items()}
    {10: 0.05, 20: 0.541, 30: 0.794, 40: 0.887, 50: 0.9}
    """

    first: Fraction
    last: Fraction
    n_updates: int
    power: int = 3
    initial: float = 0.05

    def __post_init__(self) -> None:
        if not (0 <= self.first < self.last < 1 and self.n_updates >= 2 and self.power >= 1):
            raise ConfigError(
                f"{self} makes no sense: expected 0 <= first < last < 1, at least 2 updates and a "
                "power of at least 1"
            )

    def updates(self, sparsity: float, n_steps: int) -> dict[int, float]:
        """Return the updates, each at the step nearest to its share of training.

        Raises
        ------
        ConfigError
            Training is so short that two updates would fall on one step.
        """
        spacing = (self.last - self.first) / (self.n_updates - 1)
        check_length(n_steps, spacing, self.first, self.last, self.n_updates)
        initial = min(self.initial, sparsity)
        table = {}
        for i in range(self.n_updates):
            step = nearest_step(self.first + i * spacing, n_steps)
            left = 1 - i / (self.n_updates - 1)
            table[step] = sparsity - (sparsity - initial) * left**self.power
        return table


@dataclass(frozen=True)
class Alternating:
    """Train sparse and dense by turns: AC/DC.

    After a dense start, phases of equal length: compressed to the target at first, then with all
    weights again, and so on. The last dense phase is followed by a compressed one to the end.

    Parameters
    ----------
    first : Fraction
        When the first compressed phase begins, as a share of training.
    phase : Fraction
        How long a phase lasts.
    last_dense, last : Fraction
        When the last dense phase and the last compressed one begin.

    References
    ----------
    Peste et al., "AC/DC: alternating compressed/decompressed training of deep neural networks",
    NeurIPS 2021.

    Examples
    --------
    >>> tenth = Fraction(1, 10)
    >>> Alternating(tenth, tenth, 4 * tenth, 6 * tenth).updates(0.9, n_steps=100)
    {10: 0.9, 20: 0.0, 30: 0.9, 40: 0.0, 60: 0.9}
    """

    first: Fraction
    phase: Fraction
    last_dense: Fraction
    last: Fraction

    def updates(self, sparsity: float, n_steps: int) -> dict[int, float]:
        """Return the turns, each at the step nearest to its share of training.

        Raises
        ------
        ConfigError
            Training is so short that two turns would fall on one step.
        """
        n_phases = round((self.last_dense - self.first) / self.phase)
        check_length(n_steps, self.phase, self.first, self.last, n_phases + 2)
        turns = {
            nearest_step(self.first + i * self.phase, n_steps): 0.0 if i % 2 else sparsity
            for i in range(n_phases)
        }
        turns[nearest_step(self.last_dense, n_steps)] = 0.0
        turns[nearest_step(self.last, n_steps)] = sparsity
        return turns


def nearest_step(share: Fraction, n_steps: int) -> int:
    """Return the step nearest to a share of training; halves go up."""
    return floor(share * n_steps + Fraction(1, 2))


def check_length(
    n_steps: int, spacing: Fraction, first: Fraction, last: Fraction, n_updates: int
) -> None:
    """Raise where training is so short that two updates would fall on one step."""
    n_needed = ceil(max(1 / spacing, 1 / (1 - last)))
    if n_steps < n_needed:
        raise ConfigError(
            f"{n_steps} steps of training are too few for {n_updates} mask updates between "
            f"{float(first):.0%} and {float(last):.0%} of them: train for at least {n_needed} steps"
        )
