"""Maps as pictures: over the image, in colours that the colour-blind tell apart."""

from __future__ import annotations

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from prunescope.explain.compare import Explanation, Values

SMALLEST_SIDE = 256
"""Pixels; smaller images are enlarged by a whole factor."""

FOR, AGAINST = (0xD9, 0x48, 0x0B), (0x14, 0x61, 0x9F)
MORE, LESS = (0x00, 0x7A, 0x64), (0x8F, 0x45, 0x85)

_STRONGEST = 0.82
"""Opacity of the largest value."""

Pixels = NDArray[np.uint8]


def drawn(image: Pixels, found: Explanation) -> dict[str, bytes]:
    """Return the pictures of an explanation, as PNG.

    ``image``; ``dense``, ``compressed`` and the checks of both on one scale; ``difference`` on its
    own.

    Parameters
    ----------
    image : array (3, H, W) of uint8
    found : Explanation
    """
    scale = max(_peak(found.dense.values), _peak(found.compressed.values))
    made = {"image": png(enlarged(image))}
    for name, one in (("dense", found.dense), ("compressed", found.compressed)):
        made[name] = png(overlaid(image, one.values, scale))
        for check in one.checks:
            own = overlaid(image, check.values, _peak(check.values))
            made[f"{name}-{check.layers}"] = png(own)
    difference = found.difference
    made["difference"] = png(overlaid(image, difference, _peak(difference), MORE, LESS))
    return made


def overlaid(
    image: Pixels,
    values: Values,
    scale: float,
    above: tuple[int, int, int] = FOR,
    below: tuple[int, int, int] = AGAINST,
) -> Pixels:
    """Lay a map over an image in pale gray: the larger a value, the less is seen through.

    Parameters
    ----------
    image : array (3, H, W) of uint8
    values : array (H, W)
    scale : float
        The size that gets the full colour.
    above, below : colours
        Of positive and of negative values.

    Returns
    -------
    array (3, H', W') of uint8

    Examples
    --------
    >>> white = np.full((3, 1, 2), 255, np.uint8)
    >>> overlaid(white, np.array([[1.0, 0.0]]), 1.0)[:, 0, [0, -1]].tolist()
    [[222, 243], [103, 243], [53, 243]]
    """
    factor = _factor(image)
    gray = (image.astype(np.float32) * np.array([0.299, 0.587, 0.114])[:, None, None]).sum(axis=0)
    pale = np.kron(110 + 0.52 * gray, np.ones((factor, factor)))
    size = pale.shape[::-1]
    smooth = Image.fromarray(values.astype(np.float32)).resize(size, Image.Resampling.BILINEAR)
    share = np.clip(np.asarray(smooth) / scale if scale > 0 else np.zeros(pale.shape), -1, 1)
    colour = np.where(share[None] >= 0, _column(above), _column(below))
    opacity = _STRONGEST * np.abs(share)[None]
    return np.rint((1 - opacity) * pale[None] + opacity * colour).clip(0, 255).astype(np.uint8)


def enlarged(image: Pixels) -> Pixels:
    """Return an image with each pixel as a square, so large that its pixels can be seen."""
    factor = _factor(image)
    return image.repeat(factor, axis=1).repeat(factor, axis=2)


def png(pixels: Pixels) -> bytes:
    """Encode pixels (3, H, W) as PNG."""
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0))).save(buffer, "PNG")
    return buffer.getvalue()


def data_uri(picture: bytes) -> str:
    """Return a PNG as text that stands inside a page."""
    return "data:image/png;base64," + base64.b64encode(picture).decode("ascii")


def _peak(values: Values) -> float:
    """Return the size that gets the full colour: few pixels are larger."""
    return float(np.quantile(np.abs(values), 0.995))


def _factor(image: Pixels) -> int:
    return max(1, -(-SMALLEST_SIDE // int(image.shape[-1])))


def _column(colour: tuple[int, int, int]) -> NDArray[np.float32]:
    return np.array(colour, np.float32)[:, None, None]
