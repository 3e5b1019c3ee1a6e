"""From pixels to what a network sees: the one place where images are scaled and normalised."""

from __future__ import annotations

from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, PositiveFloat, model_validator
from torch import Tensor, nn
from torch.nn import functional

from prunescope.data.framing import Frame, Side
from prunescope.errors import ConfigError

PILLOW_FILTERS: dict[Literal["nearest", "bilinear"], int] = {"nearest": 0, "bilinear": 2}
"""Pillow's number for each way to resize, as transformers writes it."""

SMOOTH = ("bilinear", "bicubic")
"""Those of Pillow's filters that PyTorch has too."""


class Preprocessing(BaseModel):
    """How images become the input of a network.

    ``input = (resized image − mean) / std`` per channel, for pixels in [0, 1].

    Parameters
    ----------
    input_size : int
        Side of the square images that the network sees, in pixels.
    resize : {"nearest", "bilinear"}
        How images of another size are brought to `input_size`.
    frame : Frame, optional
        How images are cut and resized to `input_size` instead, even those that have this size.
    mean, std : tuple of 3 floats
        Of red, green and blue. The default is the paper's.
    channels : {"rgb", "bgr"}
        The order in which the network gets the colours.
    processor : dict, optional
        The settings of transformers' image processor that all this was read from, to hand them on.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    input_size: Side
    resize: Literal["nearest", "bilinear"] = "nearest"
    frame: Frame | None = None
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[PositiveFloat, PositiveFloat, PositiveFloat] = (0.5, 0.5, 0.5)
    channels: Literal["rgb", "bgr"] = "rgb"
    processor: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _check_frame(self) -> Preprocessing:
        if self.frame is not None and self.frame.resample not in SMOOTH:
            raise ConfigError(
                f"a network cannot resize with Pillow's {self.frame.resample} filter, only with "
                f"{' and '.join(SMOOTH)}: give it images that are cut and resized as files are "
                "read (by command: leave out --size)"
            )
        return self

    def to_transformers(self) -> dict[str, Any]:
        """Return what transformers expects in ``preprocessor_config.json``."""
        if self.processor is not None:
            return self.processor
        return {
            "image_processor_type": "ViTImageProcessor",
            "do_resize": True,
            "size": {"height": self.input_size, "width": self.input_size},
            "resample": PILLOW_FILTERS[self.resize],
            "do_rescale": True,
            "rescale_factor": 1 / 255,
            "do_normalize": True,
            "image_mean": list(self.mean),
            "image_std": list(self.std),
        }


class Preprocess(nn.Module):
    """Apply a `Preprocessing` to images (N, 3, H, W) of floats in [0, 1]."""

    mean: Tensor
    std: Tensor

    def __init__(self, settings: Preprocessing) -> None:
        super().__init__()
        self.settings = settings
        for name in ("mean", "std"):
            channels = torch.tensor(getattr(settings, name)).reshape(1, 3, 1, 1)
            self.register_buffer(name, channels, persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Normalise and resize; the side of the result is `input_size`."""
        settings = self.settings
        if settings.frame is not None:
            images = _framed(images, settings.frame)
        images = (images - self.mean) / self.std
        if settings.channels == "bgr":
            images = images.flip(1)
        side = settings.input_size
        if images.shape[-1] == side:
            return images
        smooth = settings.resize == "bilinear"
        return functional.interpolate(
            images, size=(side, side), mode=settings.resize, antialias=smooth
        )

    def back(self, seen: Tensor, side: int) -> Tensor:
        """Bring what belongs to the network's input back to the images that it is made of.

        Each value is shared out among the pixels that its place was computed from, as they
        contributed: totals stay, but for what lies where the images end.

        Parameters
        ----------
        seen : tensor (N, S, S)
            On the input of the network.
        side : int
            Of the images.

        Returns
        -------
        tensor (N, side, side)
        """
        with torch.enable_grad():
            images = torch.full((len(seen), 3, side, side), 0.5, requires_grad=True)
            made = self(images)
            [slopes] = torch.autograd.grad(made, [images], [seen[:, None].expand_as(made)])
        return (slopes * self.std).mean(dim=1)


def _framed(images: Tensor, frame: Frame) -> Tensor:
    """Cut and resize images, as `Frame` does for one of Pillow's, but without rounding to bytes."""
    if frame.cut is not None:
        images = _centre(images, frame, int(frame.cut * min(images.shape[-2:])))
    width, height = frame.resized(images.shape[-1], images.shape[-2])
    # Pillow resizes rows, then columns, and after each what overshoots is cut off.
    for size in ((images.shape[-2], width), (height, width)):
        if size != tuple(images.shape[-2:]):
            images = functional.interpolate(
                images, size=size, mode=frame.resample, antialias=True
            ).clamp(0, 1)
    return images if frame.crop is None else _centre(images, frame, frame.crop)


def _centre(images: Tensor, frame: Frame, side: int) -> Tensor:
    """Cut a square out of the centre, black where the images end before."""
    before = [frame.start(length, side) for length in images.shape[-2:]]
    after = [length - side - first for length, first in zip(images.shape[-2:], before, strict=True)]
    return functional.pad(images, (-before[1], -after[1], -before[0], -after[0]))


def to_unit_range(pixels: Tensor) -> Tensor:
    """Turn pixels of uint8 into floats in [0, 1].

    Examples
    --------
    >>> to_unit_range(torch.tensor([0, 51, 255], dtype=torch.uint8))
    tensor([0.0000, 0.2000, 1.0000])
    """
    return pixels.float().div_(255)
