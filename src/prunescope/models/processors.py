"""Image processors of transformers and of timm, honoured exactly or refused.

What an image processor does to a file is read as a `Frame`, for the data set, and a
`Preprocessing`, for the network. Then both are tried beside the library's own object, on images of
noise of several shapes: a processor that does anything else is refused, whatever its settings say.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers import AutoImageProcessor, PretrainedConfig
from transformers.utils import IMAGE_PROCESSOR_NAME, PROCESSOR_NAME
from transformers.utils.hub import cached_file

from prunescope.data.framing import Frame
from prunescope.errors import ConfigError, settings_of
from prunescope.models.preprocessing import Preprocess, Preprocessing, to_unit_range
from prunescope.models.quiet import quiet_transformers

TIMM = "timm_wrapper"
"""Type of the models whose preprocessing is in ``pretrained_cfg``."""

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""What timm normalises by unless told otherwise."""

TOLERANCE = 1e-5
"""By how much an input may differ from the library's own, relatively and absolutely."""

UNFIT = (
    ConfigError, TypeError, ValueError, AttributeError, LookupError, ArithmeticError, MemoryError,
)  # fmt: skip
"""What comes of settings of the wrong kind or size, here and in the library."""


@dataclass(frozen=True)
class Processor:
    """What happens to images on their way to a pretrained network.

    Parameters
    ----------
    frame : Frame or None
        How they are cut and resized; None where nothing is said of it.
    preprocessing : Preprocessing
        What happens then, without the frame.
    """

    frame: Frame | None
    preprocessing: Preprocessing

    def given(self, frame: Frame | None) -> Preprocessing:
        """Return what is left to be done to images that were made with another frame, or with it.

        Raises
        ------
        ConfigError
            A network cannot cut and resize them in this way.
        """
        if self.frame is None or frame == self.frame:
            return self.preprocessing
        with settings_of("preprocessing"):
            return Preprocessing(**dict(self.preprocessing) | {"frame": self.frame})


def read_processor(name: str, config: PretrainedConfig, size: int) -> Processor | None:
    """Read the image processor of a model on the hub or in a folder; None if it has none.

    Parameters
    ----------
    name : str
    config : PretrainedConfig
        Of the model.
    size : int
        Side of the images, where the processor leaves it as it is.

    Raises
    ------
    ConfigError
        It cannot be read, or does what is not honoured here.
    """
    whose = f"the image processor of {name!r}"
    try:
        with quiet_transformers():
            processor = AutoImageProcessor.from_pretrained(  # type: ignore[no-untyped-call]
                name, config=config, backend="pil", trust_remote_code=False
            )
    except Exception as error:  # whatever the library raises on settings of the wrong kind
        if not _is_there(name):
            return None
        raise ConfigError(
            f"{whose} cannot be read: expected one that transformers knows, without code of its "
            f"own; transformers says: {' '.join(str(error).split())}"
        ) from error
    kind = type(processor).__name__.removesuffix("Pil")
    try:
        if config.model_type == TIMM:
            found = from_timm(config.pretrained_cfg)
        else:
            found = _from_transformers(processor, kind, size)
        _try_out(processor, found)
    except UNFIT as error:
        raise ConfigError(
            f"{whose}, {kind}, is not one that prunescope follows exactly: "
            f"{str(error) or type(error).__name__}; ask the model "
            "with transformers, and audit its answers as a file"
        ) from error
    return found


def from_timm(cfg: dict[str, Any]) -> Processor:
    """Read timm's ``pretrained_cfg``: what it does to images when a model is asked.

    Raises
    ------
    ConfigError
        It does what is not honoured here.

    Examples
    --------
    >>> found = from_timm({"input_size": [3, 224, 224], "crop_pct": 0.95, "mean": [0.5] * 3})
    >>> found.frame.resize, found.frame.crop, found.frame.resample, found.preprocessing.mean
    (235, 224, 'bicubic', (0.5, 0.5, 0.5))
    """
    colours, height, width = cfg.get("input_size") or (3, 224, 224)
    share, mode = cfg.get("crop_pct") or 0.875, cfg.get("crop_mode") or "center"
    if colours != 3 or height != width:
        raise ConfigError(f"input_size {cfg['input_size']}: expected 3 colours and a square")
    if mode not in ("center", "squash") or cfg.get("crop_border_pixels"):
        raise ConfigError(f"crop_mode {mode!r}: expected 'center' or 'squash', and no border")
    scaled = math.floor(height / share)
    with settings_of("pretrained_cfg"):
        frame = Frame(
            resize=scaled if mode == "center" else (scaled, scaled),
            crop=height,
            resample=cfg.get("interpolation") or "bicubic",
            half="even",
            transparent="ignored",
        )
        preprocessing = Preprocessing(
            input_size=height,
            mean=_colours(cfg.get("mean") or IMAGENET_MEAN),
            std=_colours(cfg.get("std") or IMAGENET_STD),
            processor={"image_processor_type": "TimmWrapperImageProcessor", "pretrained_cfg": cfg},
        )
    return Processor(frame, preprocessing)


def _from_transformers(processor: Any, kind: str, size: int) -> Processor:  # noqa: ANN401
    """Read the attributes of transformers' object, which has filled in its defaults."""
    frame = _frame(processor, kind)
    if frame is not None:
        size = frame.side
    scale = 255 * (processor.rescale_factor if processor.do_rescale else 1)
    if not scale:
        raise ConfigError("rescale_factor 0 makes all images black")
    offset = -1 if processor.do_rescale and getattr(processor, "rescale_offset", False) else 0
    mean, std = np.zeros(3), np.ones(3)
    if processor.do_normalize:
        mean, std = (np.array(_colours(getattr(processor, f"image_{n}"))) for n in ("mean", "std"))
    if getattr(processor, "include_top", False):
        std = std * _colours(processor.image_std)
    with settings_of(kind):
        preprocessing = Preprocessing(
            input_size=size,
            mean=tuple((mean - offset) / scale),
            std=tuple(std / scale),
            channels="bgr" if getattr(processor, "do_flip_channel_order", False) else "rgb",
            processor=json.loads(processor.to_json_string()),
        )
    return Processor(frame, preprocessing)


def _frame(processor: Any, kind: str) -> Frame | None:  # noqa: ANN401
    """Say how a processor cuts and resizes; None if it does not."""
    if not (processor.do_resize or processor.do_center_crop):
        return None
    told: dict[str, Any] = {"transparent": "ignored"}
    shorter = None
    if processor.do_resize:
        size = dict(processor.size or {})
        if size.keys() == {"shortest_edge"}:
            told["resize"] = shorter = size["shortest_edge"]
        elif size.keys() == {"height", "width"}:
            told["resize"] = (size["height"], size["width"])
        else:
            raise ConfigError(f"size {size}: expected a height and a width, or the shortest edge")
        told["resample"] = Image.Resampling(processor.resample).name.lower()
    if processor.do_center_crop:
        crop = dict(processor.crop_size)
        if crop.keys() != {"height", "width"} or crop["height"] != crop["width"]:
            raise ConfigError(f"crop_size {crop}: expected a square")
        told["crop"] = crop["height"]
    # Each of these has its own idea of the size to resize to.
    if kind == "LevitImageProcessor" and shorter:
        told["resize"] = int(256 / 224 * shorter)
    elif kind == "ConvNextImageProcessor" and shorter:
        if shorter < 384:
            told |= {"resize": int(shorter / processor.crop_pct), "crop": shorter}
        else:
            told["resize"] = (shorter, shorter)
    elif kind == "PoolFormerImageProcessor" and processor.do_resize and processor.crop_pct:
        if shorter or size["height"] == size["width"]:
            told["resize"] = int((shorter or size["height"]) / processor.crop_pct)
        else:
            told["resize"] = tuple(int(side / processor.crop_pct) for side in told["resize"])
    elif kind == "PerceiverImageProcessor" and processor.do_center_crop:
        told["cut"] = processor.size["height"] / told.pop("crop")
    with settings_of("its size"):
        return Frame(**told)


def _try_out(processor: Any, found: Processor) -> None:  # noqa: ANN401
    """Raise unless a network's input is the library's own, for images of several shapes."""
    side = found.preprocessing.input_size
    rng = np.random.default_rng(0)
    normalise = Preprocess(found.preprocessing)
    for shape in ((side, 2 * side + 5), (2 * side + 8, side + 3), (side // 2 + 2, side // 2 + 5)):
        shape = shape if found.frame is not None else (side, side)
        image = Image.fromarray(rng.integers(0, 256, (*shape, 3), np.uint8))
        theirs = processor(image, return_tensors="pt").get("pixel_values")
        mine = normalise(as_tensor(image if found.frame is None else found.frame(image)))
        if theirs is None or theirs.shape != mine.shape:
            made = "no image" if theirs is None else f"an input of shape {tuple(theirs.shape)}"
            raise ConfigError(f"it makes {made} of {shape}: expected {tuple(mine.shape)}")
        if not torch.allclose(mine, theirs.float(), rtol=TOLERANCE, atol=TOLERANCE):
            gap = (mine - theirs).abs().max().item()
            raise ConfigError(f"its input differs by up to {gap:.3g} from what its settings say")


def as_tensor(image: Image.Image) -> torch.Tensor:
    """Turn an image into a batch (1, 3, H, W) of floats in [0, 1]."""
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)
    return to_unit_range(pixels[None])


def _colours(value: float | Iterable[float]) -> tuple[float, float, float]:
    """Return three numbers, one for each colour."""
    values = tuple(value) if isinstance(value, Iterable) else (value,)
    red, green, blue = values * 3 if len(values) == 1 else values
    return red, green, blue


def _is_there(name: str) -> bool:
    """Tell whether a model comes with settings of an image processor."""
    return any(
        cached_file(
            name, file, _raise_exceptions_for_gated_repo=False,
            _raise_exceptions_for_missing_entries=False,
            _raise_exceptions_for_connection_errors=False,
        )
        for file in (IMAGE_PROCESSOR_NAME, PROCESSOR_NAME)
    )  # fmt: skip
