"""What a model's file tells about a tensor that goes in or comes out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Quantization:
    """What integers stand for: ``real = (stored − zero_point) · scale``.

    Parameters
    ----------
    scale : float
    zero_point : int

    Examples
    --------
    >>> int8 = Quantization(scale=0.5, zero_point=-128)
    >>> int8.real(np.array([-128, -126], np.int8)).tolist()
    [0.0, 1.0]
    >>> int8.stored(np.array([0.0, 1.0, 1000.0]), np.dtype(np.int8)).tolist()
    [-128, -126, 127]
    """

    scale: float
    zero_point: int

    def real(self, stored: NDArray[Any]) -> NDArray[np.float64]:
        """Return what integers stand for."""
        return (stored.astype(np.float64) - self.zero_point) * self.scale

    def stored(self, real: NDArray[np.float64], dtype: np.dtype[Any]) -> NDArray[Any]:
        """Return the nearest integers of a type; what lies beyond its range is cut to it."""
        return to_type(real / self.scale + self.zero_point, dtype)

    def range(self, dtype: np.dtype[Any]) -> tuple[float, float]:
        """Return the least and the greatest number that a type can stand for."""
        ends = np.iinfo(dtype)
        low, high = self.real(np.array([ends.min, ends.max])).tolist()
        return low, high


@dataclass(frozen=True)
class TensorInfo:
    """An input or output of a model.

    Parameters
    ----------
    name : str
    shape : tuple of int or None
        None where any size will do.
    dtype : numpy.dtype
    quantization : Quantization or None
        Where it holds integers that stand for other numbers.
    layout : str or None
        Where the file tells it: ``NCHW`` or ``NHWC``.
    """

    name: str
    shape: tuple[int | None, ...]
    dtype: np.dtype[Any]
    quantization: Quantization | None = None
    layout: str | None = None

    def __str__(self) -> str:
        sides = "×".join("?" if side is None else str(side) for side in self.shape)
        return f"{self.name} ({sides or 'one number'}, {self.dtype})"


def to_type(numbers: NDArray[np.float64], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Cast numbers; to integers by rounding, half to even, within the range of the type."""
    if dtype.kind not in "iu":
        return numbers.astype(dtype)
    ends = np.iinfo(dtype)
    return np.clip(np.rint(numbers), ends.min, ends.max).astype(dtype)
