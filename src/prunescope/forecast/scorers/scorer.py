"""What a scorer is, and what it may look at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.special import logit

from prunescope.data.samples import TrainRates
from prunescope.errors import ConfigError
from prunescope.forecast.drift import JITTER, shrinkage
from prunescope.forecast.outlook import Outlook, margins
from prunescope.metrics.statistics import Floats
from prunescope.predictions import Predictions

if TYPE_CHECKING:
    from prunescope.forecast.lab import Lab

Tier = Literal["A", "B", "C"]
"""What a scorer needs: A the dense model's answers, B the model too, C to train it as well."""

RAREST = 1e-3
"""Base rates are taken to be at least so far from 0 and 1: their logits stay finite."""

TINY = np.float32(1e-6)
"""Least deviation of logits: constant ones have none."""

NARROWEST = np.float32(0.01)
"""Least deviation of an attribute, in shares of that of a typical one."""


@dataclass(frozen=True)
class Case:
    """What a scorer is asked about.

    Parameters
    ----------
    dense : Predictions
        Their labels are never looked at.
    rates : TrainRates
        Of the training split; a prevalence for every attribute.
    sparsity : float
        That is planned, in [0, 1).
    validation : Predictions, optional
        Of the same model on other samples, whose labels may be looked at.
    lab : Lab, optional
        The model, with images to ask it about: for tiers B and C.
    """

    dense: Predictions
    rates: TrainRates
    sparsity: float
    validation: Predictions | None = None
    lab: Lab | None = None

    @property
    def of_classes(self) -> bool:
        """Whether one class is chosen for each sample."""
        return self.dense.samples.task == "multiclass"

    @property
    def margins(self) -> Floats:
        """Signed margins of the dense model: (N, A)."""
        return margins(self.dense)

    @property
    def logits(self) -> Floats:
        """Logits of the dense model, comparable with base rates: (N, A)."""
        return self.comparable(self.dense.logits)

    def comparable(self, logits: Floats) -> Floats:
        """Return logits (N, A) in float32; those of classes, which have no zero, less their mean.

        So two classes give the margins that one attribute gives.
        """
        if not self.of_classes:
            return logits.astype(np.float32, copy=False)
        z = np.asarray(logits, np.float64)  # subtracted before digits are dropped
        return np.asarray(z - z.mean(axis=-1, keepdims=True), np.float32)

    def base_rates(self) -> Floats:
        """Return the base rate of each attribute as a logit: (A,)."""
        return self.rate_logits(np.array([self.rates.prevalence[a] for a in self.dense.attributes]))

    def rate_logits(self, rates: Floats) -> Floats:
        """Return logits (..., A) of rates, which are first kept `RAREST` away from 0 and 1."""
        clipped = np.clip(rates, RAREST, 1 - RAREST)
        if not self.of_classes:
            return np.asarray(logit(clipped), np.float32)
        return self.comparable(np.asarray(np.log(clipped)))

    @property
    def share(self) -> float:
        """λ: how far mean logits go to the base rate."""
        return shrinkage(self.sparsity, self.n_rivals)

    @property
    def n_rivals(self) -> int:
        """How many answers exclude each other: an attribute's two, or all classes."""
        return max(2, len(self.dense.attributes)) if self.of_classes else 2

    @cached_property
    def spread(self) -> Floats:
        """Standard deviation of sparse answers around their expectation: (A,).

        Of the margins of attributes; of the logits of classes, as if these were independent.
        """
        values = self.logits if self.of_classes else self.margins
        deviation = self.uncentred(np.std(values, axis=0))
        typical = np.sqrt(np.mean(np.square(deviation)))
        return np.asarray(np.maximum(JITTER * np.maximum(deviation, NARROWEST * typical), TINY))

    def uncentred(self, deviation: Floats) -> Floats:
        """Return the deviation that independent logits have before their mean is taken off.

        That of K classes is √(K / (K - 1)) of what is left; attributes keep theirs.
        """
        if not self.of_classes:
            return deviation
        return np.asarray(deviation * np.float32(np.sqrt(self.n_rivals / (self.n_rivals - 1))))

    def need_lab(self, scorer: str) -> Lab:
        """Return the lab, or raise a `ConfigError` where there is none."""
        if self.lab is None:
            raise ConfigError(
                f"scorer {scorer} asks the dense model itself: give the model and its data, or "
                "choose a scorer of tier A"
            )
        return self.lab

    def outlook(self, logits: Floats, spread: Floats | None = None) -> Outlook:
        """Expect these sparse logits (N, A), give or take a deviation; default: `spread`."""
        expected = self.comparable(logits) if self.of_classes else margins(self.dense, logits)
        return self._expecting(expected, self.spread if spread is None else spread)

    def _expecting(self, mean: Floats, spread: Floats) -> Outlook:
        read = Outlook.choosing if self.of_classes else Outlook.expecting
        return read(self.dense.decisions, mean, spread)

    def after(self, logits: Floats, deviation: Floats) -> Outlook:
        """Expect the mean logits of trials, with their deviation and that of any pruned model."""
        of_trials = self.uncentred(deviation)
        return self.outlook(logits, np.sqrt(np.square(of_trials) + np.square(self.spread)))

    def between(self, *outlooks: Outlook) -> Outlook:
        """Expect the mean of several expectations, with the root mean square of their spreads."""
        means = [o.mean for o in outlooks if o.mean is not None]
        squares = [np.square(o.spread) for o in outlooks if o.spread is not None]
        assert len(means) == len(squares) == len(outlooks)
        mean = sum(means[1:], means[0]) / np.float32(len(means))
        spread = np.sqrt(sum(squares[1:], squares[0]) / np.float32(len(squares)))
        return self._expecting(mean, spread)


@dataclass(frozen=True)
class Scorer:
    """A way to tell which answers will flip.

    Parameters
    ----------
    tier : {"A", "B", "C"}
    summary : str
        What it looks at, in words.
    look : callable
        `Case` → `Outlook`.
    why : str, optional
        What it sees in an answer that it expects to turn, though it is far from the threshold.
    passes : int
        Over the images, in which a model is asked.
    """

    tier: Tier
    summary: str
    look: Callable[[Case], Outlook]
    why: str = ""
    passes: int = 0
