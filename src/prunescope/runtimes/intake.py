"""From pixels to the input of a model: read from its file, or asked for by an option."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from prunescope.errors import ConfigError, one_of
from prunescope.runtimes.tensors import TensorInfo, to_type

Layout: TypeAlias = Literal["NCHW", "NHWC"]
Channels: TypeAlias = Literal["rgb", "bgr"]
LAYOUTS: tuple[str, ...] = get_args(Layout)
CHANNELS: tuple[str, ...] = get_args(Channels)

USUAL_RANGES = ((0.0, 1.0), (-1.0, 1.0), (0.0, 255.0))
"""Ranges of images that a quantised input tells by reaching exactly so far."""

FEWEST_GRAYS = 32
"""Of an image in a quantised input: fewer mean that its range is another than the one given."""

WHOLE = 1e-6
"""How far a whole number may be off by the arithmetic of floats."""

ASK_RANGE = (
    "say what its images are scaled to: --input-range 0,1 (or -1,1, or 0,255); or --mean and --std "
    "of images in [0, 1]"
)


@dataclass(frozen=True)
class Intake:
    """What a model is given for an image.

    Parameters
    ----------
    layout : {"NCHW", "NHWC"}
    side : int or None
        Of the square images, in pixels; None where any will do.
    batch : int or None
        Images that it takes at once; None where any number will do.
    values : array (3, 256)
        Channel × value of a pixel → the number that the model is given, in the input's type.
    channels : {"rgb", "bgr"}
        Their order.

    Examples
    --------
    >>> image = TensorInfo("x", (None, 2, 2, 3), np.dtype(np.float32))
    >>> intake = Intake.of(image, input_range=(-1, 1))
    >>> intake.layout, intake.side, intake.batch
    ('NHWC', 2, None)
    >>> pixels = np.array([0, 255, 0], np.uint8).reshape(1, 3, 1, 1)
    >>> intake.encode(pixels)[0, 0, 0].tolist()
    [-1.0, 1.0, -1.0]
    """

    layout: Layout
    side: int | None
    batch: int | None
    values: NDArray[Any]
    channels: Channels = "rgb"

    @classmethod
    def of(
        cls,
        image: TensorInfo,
        *,
        layout: Layout | None = None,
        input_range: Sequence[float] | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        channels: Channels = "rgb",
    ) -> Intake:
        """Read an input; what it does not tell has to be given.

        Parameters
        ----------
        image : TensorInfo
        layout : {"NCHW", "NHWC"}, optional
        input_range : low, high, optional
            What the pixels 0 and 255 become.
        mean, std : sequence of 3 floats, optional
            Of red, green and blue, for images in [0, 1], in place of the range.
        channels : {"rgb", "bgr"}
            Their order in the input.

        Raises
        ------
        ConfigError
            The input takes no square images of three channels, or does not tell what was left out,
            or tells something else than what was given.
        """
        if channels not in CHANNELS:
            raise ConfigError(one_of("order of channels", channels, CHANNELS))
        found = _layout(image, layout)
        h, w = _sides(image, found)
        if h != w:
            raise ConfigError(
                f"input {image}: expected square images, for those of a data set are; export the "
                "model for square ones"
            )
        values = _stored(image, _real_values(image, input_range, mean, std))
        return cls(found, h, image.shape[0], values, channels)

    def encode(self, pixels: NDArray[np.uint8]) -> NDArray[Any]:
        """Return the input for images (B, 3, H, W) of pixels in RGB."""
        planes = [self.values[channel][pixels[:, channel]] for channel in range(3)]
        if self.channels == "bgr":
            planes.reverse()
        return np.stack(planes, axis=1 if self.layout == "NCHW" else -1)


def _layout(image: TensorInfo, given: Layout | None) -> Layout:
    if given is not None and given not in LAYOUTS:
        raise ConfigError(one_of("layout", given, LAYOUTS))
    if len(image.shape) != 4:
        raise ConfigError(
            f"input {image}: expected a batch of images, N×3×H×W or N×H×W×3; the model has to take "
            "images themselves"
        )
    told: Layout | None = None
    if image.layout == "NCHW":
        told = "NCHW"
    elif image.layout == "NHWC":
        told = "NHWC"
    fits: list[Layout] = []
    if image.shape[1] in (3, None):
        fits.append("NCHW")
    if image.shape[3] in (3, None):
        fits.append("NHWC")
    # Three at one place says more than any size at the other.
    if len(fits) == 2 and (image.shape[1] is None) != (image.shape[3] is None):
        fits = ["NCHW"] if image.shape[1] == 3 else ["NHWC"]
    if not fits:
        raise ConfigError(
            f"input {image}: expected images of 3 channels, red, green and blue: N×3×H×W or N×H×W×3"
        )
    if told is None and len(fits) == 1:
        told = fits[0]
    if given is not None and told is not None and given != told:
        raise ConfigError(f"input {image} is {told}: leave out --input-layout {given}")
    chosen = told or given
    if chosen is None:
        raise ConfigError(
            f"input {image} may be NCHW or NHWC: say which with --input-layout; the file does not"
        )
    return chosen


def _sides(image: TensorInfo, layout: Layout) -> tuple[int | None, int | None]:
    h, w = image.shape[2:] if layout == "NCHW" else image.shape[1:3]
    return (h or w, w or h)


def _real_values(
    image: TensorInfo,
    input_range: Sequence[float] | None,
    mean: Sequence[float] | None,
    std: Sequence[float] | None,
) -> NDArray[np.float64]:
    """Return (3, 256): what each value of a pixel becomes, before it is quantised."""
    pixels = np.arange(256) / 255
    if input_range is not None:
        if mean is not None or std is not None:
            raise ConfigError("--input-range and --mean with --std say the same: give one of them")
        if len(input_range) != 2 or input_range[0] == input_range[1]:
            raise ConfigError(f"--input-range {input_range}: expected two different numbers")
    elif mean is not None or std is not None:
        if mean is None or std is None or len(mean) != 3 or len(std) != 3 or min(std) <= 0:
            raise ConfigError(
                f"--mean {mean} --std {std}: expected both, each three numbers (red, green, blue), "
                "for images in [0, 1]; deviations above 0"
            )
        return np.stack([(pixels - m) / s for m, s in zip(mean, std, strict=True)])
    low, high = input_range or _told_range(image)
    return np.tile(low + pixels * (high - low), (3, 1))


def _stored(image: TensorInfo, real: NDArray[np.float64]) -> NDArray[Any]:
    """Return (3, 256) in the type of the input; refuse what would leave little of an image."""
    if image.quantization is not None:
        values = image.quantization.stored(real, image.dtype)
        left = min(len(np.unique(channel)) for channel in values)
        if left < FEWEST_GRAYS:
            low, high = image.quantization.range(image.dtype)
            raise ConfigError(
                f"input {image} can hold numbers from {low:.4g} to {high:.4g}: images scaled to "
                f"{real.min():.4g} to {real.max():.4g} keep {left} of 256 grays; {ASK_RANGE}"
            )
        return values
    values = to_type(real, image.dtype)
    if image.dtype.kind in "iu" and not np.allclose(values, real, rtol=0, atol=WHOLE):
        ends = np.iinfo(image.dtype)
        raise ConfigError(
            f"input {image} holds integers, and the file does not tell what they stand for: images "
            f"scaled to {real.min():.4g} to {real.max():.4g} are no whole numbers from {ends.min} "
            f"to {ends.max}, and would be rounded; say what black and white are as integers: "
            f"--input-range {'-128,127' if ends.max == 127 else '0,255'}"
        )
    return values


def _told_range(image: TensorInfo) -> tuple[float, float]:
    """Return the range that an input of integers tells by itself."""
    if image.quantization is None:
        if image.dtype == np.uint8:
            return 0.0, 255.0
        raise ConfigError(f"input {image}: the file does not tell its range; {ASK_RANGE}")
    low, high = image.quantization.range(image.dtype)
    step = image.quantization.scale
    for usual in USUAL_RANGES:
        if np.allclose((low, high), usual, rtol=0, atol=step / 2):
            return usual
    raise ConfigError(
        f"input {image} can hold numbers from {low:.4g} to {high:.4g}, the range of no usual "
        f"scaling; {ASK_RANGE}"
    )
