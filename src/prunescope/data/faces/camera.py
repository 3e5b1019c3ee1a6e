"""The camera: light, exposure, colour, blur and noise on a whole batch of drawn faces."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from prunescope.data.faces.canvas import Array


def photograph(
    drawn: NDArray[np.uint8], u: Mapping[str, Array], grain: NDArray[np.float32]
) -> NDArray[np.uint8]:
    """Return the drawings as a camera would take them: (N, S, S, 3) → (N, 3, S, S).

    Parameters
    ----------
    drawn : array (N, S, S, 3) of uint8
    u : mapping of str to array (N,)
        The nuisances, in [0, 1).
    grain : array (N, 3, S, S)
        Standard normal noise, scaled here.
    """

    def per_image(low: float, high: float, name: str, power: float = 1.0) -> NDArray[np.float32]:
        value = low + (high - low) * u[name] ** power
        return value.astype(np.float32)[:, None, None, None]

    image = np.ascontiguousarray(drawn.transpose(0, 3, 1, 2)).astype(np.float32)
    image = _blur(image, per_image(0.0, 0.2, "blur", 3))

    axis = np.linspace(-1, 1, drawn.shape[1], dtype=np.float32)
    angle = 2 * np.pi * per_image(0, 1, "light_angle")
    ramp = np.cos(angle) * axis + np.sin(angle) * axis[:, None]
    gain = (1 + per_image(0.0, 0.15, "light") * ramp) * per_image(0.88, 1.07, "exposure")
    warmth = per_image(-0.06, 0.06, "warmth") * np.array([1, 0, -1], np.float32)[:, None, None]
    contrast = per_image(0.90, 1.10, "contrast")
    image *= gain * contrast
    image *= 1 + warmth
    image += 118 * (1 - contrast) + 0.5  # the cast below cuts off
    image += per_image(0.5, 7.0, "noise", 2) * grain
    return np.clip(image, 0, 255, out=image).astype(np.uint8)


def _blur(image: NDArray[np.float32], weight: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mix each pixel with its four neighbours, one axis after the other; edges stay."""
    for axis in (2, 3):
        lines = np.moveaxis(image, axis, 2)
        blurred = lines.copy()
        blurred[:, :, 1:-1] += weight * (lines[:, :, 2:] + lines[:, :, :-2] - 2 * lines[:, :, 1:-1])
        image = np.moveaxis(blurred, 2, axis)
    return image
