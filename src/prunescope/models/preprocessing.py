"""From pixels to what a network sees: the one place where images are scaled and normalised."""

from __future__ import annotations

from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, PositiveFloat, PositiveInt
from torch import Tensor, nn
from torch.nn import functional

from prunescope.errors import ConfigError

PILLOW_FILTERS: dict[Literal["nearest", "bilinear"], int] = {"nearest": 0, "bilinear": 2}
"""Pillow's number for each way to resize, as transformers writes it."""


class Preprocessing(BaseModel):
    """How images become the input of a network.

    ``input = (resized image − mean) / std`` per channel, for pixels in [0, 1].

    Parameters
    ----------
    input_size : int
        Side of the square images that the network sees, in pixels.
    resize : {"nearest", "bilinear"}
        How images of another size are brought to `input_size`.
    mean, std : tuple of 3 floats
        Of red, green and blue. The default is the paper's.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    input_size: PositiveInt
    resize: Literal["nearest", "bilinear"] = "nearest"
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[PositiveFloat, PositiveFloat, PositiveFloat] = (0.5, 0.5, 0.5)

    def to_transformers(self) -> dict[str, Any]:
        """Return what transformers expects in ``preprocessor_config.json``."""
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

    @classmethod
    def from_transformers(cls, settings: dict[str, Any], default_size: int) -> Preprocessing:
        """Read a ``preprocessor_config.json``; it may lack a size.

        Images here are square and fill the frame already, so where transformers would resize and
        then cut out the centre, they are resized to the size of the cut.

        Raises
        ------
        ConfigError
            The images it describes are not square.

        Examples
        --------
        >>> settings = {"size": {"shortest_edge": 256}, "crop_size": 224, "do_center_crop": True}
        >>> Preprocessing.from_transformers(settings, default_size=64).input_size
        224
        """
        cropped = settings.get("do_center_crop") and settings.get("crop_size")
        size = cropped or settings.get("size") or default_size
        if isinstance(size, dict):
            sides = set(size.values())
            if len(sides) != 1:
                raise ConfigError(
                    f"the pretrained model sees images of {size}: expected square ones; choose "
                    "another model"
                )
            size = sides.pop()
        normalise = settings.get("do_normalize", True)
        return cls(
            input_size=size,
            resize="bilinear",
            mean=settings.get("image_mean", (0.5, 0.5, 0.5)) if normalise else (0.0, 0.0, 0.0),
            std=settings.get("image_std", (0.5, 0.5, 0.5)) if normalise else (1.0, 1.0, 1.0),
        )


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
        images = (images - self.mean) / self.std
        side = self.settings.input_size
        if images.shape[-1] == side:
            return images
        smooth = self.settings.resize == "bilinear"
        return functional.interpolate(
            images, size=(side, side), mode=self.settings.resize, antialias=smooth
        )


def to_unit_range(pixels: Tensor) -> Tensor:
    """Turn pixels of uint8 into floats in [0, 1].

    Examples
    --------
    >>> to_unit_range(torch.tensor([0, 51, 255], dtype=torch.uint8))
    tensor([0.0000, 0.2000, 1.0000])
    """
    return pixels.float().div_(255)
