"""One encoded image → a square of RGB pixels."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from prunescope.data.framing import Frame
from prunescope.errors import ImageError
from prunescope.inputs import check_file

MAX_PIXELS = 80_000_000
"""Larger images are refused: a small file can claim any size (a decompression bomb)."""

_RUNS_A_PROGRAM = ("EPS",)
"""Formats that Pillow gives to another program to execute."""

_OF_16_BITS = ("PNG", "PPM")
"""Formats whose grey values of 16 bits Pillow may give as integers of 32."""


def decode(encoded: Path | bytes, size: int, frame: Frame | None = None) -> NDArray[np.uint8]:
    """Decode an image of any format that Pillow reads to (3, `size`, `size`) RGB pixels.

    The EXIF orientation is applied; then the image is cut and resized by `frame`, whose side is
    `size`, or by default by `Frame.square`. Grey values and palettes become RGB, transparent parts
    white unless the frame says otherwise, 16-bit values keep their upper byte; of an animation the
    first frame counts.

    Raises
    ------
    ImageError
        The image is missing, damaged, larger than `MAX_PIXELS`, or of a kind whose values have no
        known range (32 bits a channel). The message is the reason alone; the caller knows the row.

    Examples
    --------
    >>> file = io.BytesIO()
    >>> Image.new("L", (20, 10), 7).save(file, "PNG")
    >>> decode(file.getvalue(), size=8)[:, 0, 0].tolist()
    [7, 7, 7]
    """
    try:
        if isinstance(encoded, Path):
            check_file(encoded)
        with Image.open(io.BytesIO(encoded) if isinstance(encoded, bytes) else encoded) as image:
            _check(image)
            if frame is None:
                frame = Frame.square(size)
                # A large JPEG is decoded at a half, a quarter or an eighth of its size, but at four
                # times ours at least: many times faster, and finer than what resizing leaves.
                image.draft(None, (4 * size, 4 * size))
            seen = _rgb(ImageOps.exif_transpose(image), frame.transparent == "white")
            _check_size(*frame.resized(*seen.size), "would have, once resized,")
            return np.asarray(frame(seen)).transpose(2, 0, 1)
    except ImageError:
        raise
    except FileNotFoundError:
        raise ImageError("is missing") from None
    except UnidentifiedImageError:
        raise ImageError("is not an image that Pillow can read") from None
    except Exception as error:  # decoders raise anything on damaged bytes
        raise ImageError(f"cannot be decoded ({error})") from error


def _check(image: Image.Image) -> None:
    """Refuse what should not be decoded, from the header alone."""
    _check_size(image.width, image.height, "has")
    if image.format in _RUNS_A_PROGRAM:
        raise ImageError(f"is {image.format}, which would run a program: convert it to PNG")
    if image.mode == "I" and image.format not in _OF_16_BITS:
        raise ImageError("holds 32-bit integers, whose range is unknown: convert it to 16 bits")
    if image.mode == "F":
        raise ImageError("holds 32-bit floats, whose range is unknown: convert it to 8 or 16 bits")


def _check_size(width: int, height: int, has: str) -> None:
    if width * height > MAX_PIXELS:
        raise ImageError(f"{has} {width}×{height} pixels: at most {MAX_PIXELS:,} are decoded")


def _rgb(image: Image.Image, on_white: bool) -> Image.Image:
    """Convert any mode to RGB."""
    if image.mode.startswith("I"):
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if on_white and image.has_transparency_data:
        seen = image.convert("RGBA")
        white = Image.new("RGBA", seen.size, "white")
        image = Image.alpha_composite(white, seen)
    return image.convert("RGB")
