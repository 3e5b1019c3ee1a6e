"""From an image of any shape to a square: what is cut out, and how it is resized."""

from __future__ import annotations

from typing import Annotated, Literal

from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, model_validator

from prunescope.errors import ConfigError

Resample = Literal["nearest", "lanczos", "bilinear", "bicubic", "box", "hamming"]

LARGEST_SIDE = 4096
"""Longest side, in pixels, that images are resized or cut to: no network here sees larger ones."""

Side = Annotated[int, Field(gt=0, le=LARGEST_SIDE)]


class Frame(BaseModel):
    """How images of any shape become squares of one size: three steps, each of which may be left.

    No side may be longer than 4096 pixels.

    Parameters
    ----------
    cut : float, optional
        First: share of the shorter side that the square which is cut out of the centre has.
    resize : int or (int, int), optional
        Then: length of the shorter side, the other in proportion; or (height, width) whatever the
        shape was.
    crop : int, optional
        Last: side of the square that is cut out of the centre. Where the image is smaller, it is
        surrounded by black.
    resample : str
        Pillow's filter that resizes.
    half : {"down", "even"}
        Where a crop starts if it would be between two pixels: at the first of them, as
        transformers has it, or at the even one, as torchvision.
    transparent : {"white", "ignored"}
        What stands behind transparent parts: white; or nothing, their hidden colours are shown, as
        transformers has it.

    Raises
    ------
    ConfigError
        What comes out is not square, or not of one size.

    Examples
    --------
    >>> frame = Frame(resize=256, crop=224, resample="bicubic")
    >>> frame.side, frame.resized(500, 375)
    (224, (341, 256))
    >>> frame(Image.new("RGB", (500, 375))).size
    (224, 224)
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    cut: float | None = Field(default=None, gt=0, le=1)
    resize: Side | tuple[Side, Side] | None = None
    crop: Side | None = None
    resample: Resample = "lanczos"
    half: Literal["down", "even"] = "down"
    transparent: Literal["white", "ignored"] = "white"

    @classmethod
    def square(cls, size: int) -> Frame:
        """Return prunescope's own: the largest square in the centre, resized with Lanczos.

        CelebA's 178×218 becomes 178×178; an image that has this size already keeps its pixels.
        """
        return cls(cut=1.0, resize=(size, size))

    @model_validator(mode="after")
    def _check(self) -> Frame:
        resize = (self.resize, self.resize) if isinstance(self.resize, int) else self.resize
        bounded = self.cut is not None or not isinstance(self.resize, int)
        if self.crop is None and not (bounded and resize and resize[0] == resize[1]):
            told = self.model_dump(include={"cut", "resize", "crop"}, exclude_none=True)
            raise ConfigError(f"images cut and resized by {told} are not all squares of one size")
        return self

    @property
    def side(self) -> int:
        """Side of the squares, in pixels."""
        if self.crop is not None:
            return self.crop
        assert self.resize is not None
        return self.resize if isinstance(self.resize, int) else self.resize[0]

    def resized(self, width: int, height: int) -> tuple[int, int]:
        """Return the width and height to which an image is resized."""
        if self.resize is None:
            return width, height
        if not isinstance(self.resize, int):
            return self.resize[1], self.resize[0]
        shorter, longer = self.resize, int(self.resize * max(width, height) / min(width, height))
        return (shorter, longer) if width <= height else (longer, shorter)

    def start(self, length: int, wanted: int) -> int:
        """Return where a centred piece begins; negative where the image is shorter."""
        spare = length - wanted
        return round(spare / 2) if self.half == "even" and spare > 0 else spare // 2

    def __call__(self, image: Image.Image) -> Image.Image:
        """Cut and resize an image."""
        if self.cut is not None:
            image = self._centre(image, int(self.cut * min(image.size)))
        size = self.resized(*image.size)
        if size != image.size:
            image = image.resize(size, Image.Resampling[self.resample.upper()])
        return image if self.crop is None else self._centre(image, self.crop)

    def _centre(self, image: Image.Image, side: int) -> Image.Image:
        left, top = (self.start(length, side) for length in image.size)
        return image.crop((left, top, left + side, top + side))
