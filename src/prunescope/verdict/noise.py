"""What differs between two models that are equally good: answers drawn anew."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from prunescope.errors import ConfigError
from prunescope.metrics.statistics import Floats
from prunescope.predictions import Predictions


class Noise:
    """Noise on logits that makes a share of the answers of two models differ."""

    def __init__(self, dense: Predictions, flips: float, rng: np.random.Generator) -> None:
        self.dense, self.rng = dense, rng
        logits = dense.logits
        self.spread = logits.std(axis=0 if dense.samples.task != "multiclass" else None)
        noise = rng.standard_normal(logits.shape).astype(logits.dtype)
        low, high = 0.0, 1.0
        while self._differ(noise * high) < flips and high < 1e3:
            low, high = high, 2 * high
        for _ in range(20):
            middle = (low + high) / 2
            low, high = (middle, high) if self._differ(noise * middle) < flips else (low, middle)
        self.scale = high
        self.flips = self._differ(noise * high)
        if self.flips < flips / 2:
            raise ConfigError(f"no noise on these logits makes {flips:.1%} of the answers differ")

    def pair(self) -> tuple[Predictions, Predictions]:
        """Draw two models that are alike but for noise."""
        shape, kind = self.dense.logits.shape, self.dense.logits.dtype
        return self._both(self.scale * self.rng.standard_normal(shape).astype(kind))

    def _both(self, noise: Floats) -> tuple[Predictions, Predictions]:
        logits, shift = self.dense.logits, (self.spread * noise).astype(self.dense.logits.dtype)
        named = [self.dense.metadata.model_copy(update={"name": name}) for name in ("one", "other")]
        one, other = (
            replace(self.dense, logits=logits + sign * shift, metadata=told)
            for sign, told in zip((1, -1), named, strict=True)
        )
        return one, other

    def _differ(self, noise: Floats) -> float:
        return differing(*self._both(noise))


def differing(one: Predictions, other: Predictions) -> float:
    """Return the share of answers (of samples, where one class is chosen) that differ."""
    if one.samples.task == "multiclass":
        return float((one.logits.argmax(axis=1) != other.logits.argmax(axis=1)).mean())
    return float((one.decisions != other.decisions).mean())
