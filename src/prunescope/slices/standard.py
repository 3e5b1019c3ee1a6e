"""Standardised features: what an embedding's numbers are worth beside each other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, FiniteFloat

Vector = tuple[FiniteFloat, ...]
Singles: TypeAlias = NDArray[np.float32]

CHUNK = 4096
"""Samples that are computed with at once."""

LIMIT = 5.0
"""Standard deviations from the mean beyond which a feature counts as being just there."""


class Standard(BaseModel):
    """How D features are standardised: z = clip((x - mean) · factor, -5, 5).

    A feature that is constant, but for the rounding of 32 bits, has the factor 0. One sample that
    is far off may not turn a direction towards itself; hence the limit.

    Parameters
    ----------
    mean, factor : tuple of D floats
        The factor is one over the standard deviation.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    mean: Vector
    factor: Vector

    @classmethod
    def of(cls, values: Singles) -> Standard:
        """Measure values (n, D)."""
        mean = values.mean(axis=0, dtype=np.float64)
        squares = np.zeros_like(mean)
        for start in range(0, len(values), CHUNK):
            squares += ((values[start : start + CHUNK] - mean) ** 2).sum(axis=0)
        deviation = np.sqrt(squares / len(values))
        varies = deviation > 1e-6 * np.abs(mean)
        factor = np.divide(1.0, deviation, out=np.zeros_like(mean), where=varies)
        return cls(mean=plain(mean), factor=plain(factor))

    def chunks(self, values: Singles) -> Iterator[Singles]:
        """Yield values (n, D), standardised, some rows after the others."""
        mean, factor = np.array(self.mean), np.array(self.factor)
        for start in range(0, len(values), CHUNK):
            z = (values[start : start + CHUNK] - mean) * factor
            yield np.clip(z, -LIMIT, LIMIT).astype(np.float32)

    def of_rows(self, values: Singles) -> Singles:
        """Return values (n, D), standardised."""
        return joined(self.chunks(values), len(self.mean))


def joined(parts: Iterable[Singles], width: int) -> Singles:
    """Return rows (n, width) of parts, of which there may be none."""
    return np.concatenate([np.zeros((0, width), np.float32), *parts])


def plain(numbers: NDArray[np.floating[Any]]) -> Vector:
    """Return numbers as nine digits tell them, which is all that 32 bits hold."""
    return tuple(float(f"{number:.9g}") for number in numbers)
