"""The classifier: a network from anywhere, behind one interface."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, PositiveInt
from torch import Tensor, nn

from prunescope.data.framing import Frame
from prunescope.data.samples import Task
from prunescope.errors import ConfigError
from prunescope.models.preprocessing import Preprocess, Preprocessing

NETWORK_PREFIX = "network."
"""What the names of a classifier's parameters have before those of its network's."""


class ModelSpec(BaseModel):
    """What a classifier takes, answers, and is made of.

    Parameters
    ----------
    arch : str
        As given to `build_model`.
    attributes : tuple of str
        What its A outputs stand for: attributes, or classes.
    task : {"multilabel", "multiclass"}
    image_size : int
        Side of the square images that it is given, in pixels.
    preprocessing : Preprocessing
        What happens to them before its network sees them.
    frame : Frame, optional
        How they are cut and resized as files are read; by default by `Frame.square`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    arch: str
    attributes: tuple[str, ...]
    task: Task = "multilabel"
    image_size: PositiveInt
    preprocessing: Preprocessing
    frame: Frame | None = None


class Classifier(nn.Module):
    """A network with its preprocessing: images in, logits out.

    So training, inference and export all normalise in the same way, because none of them does.

    Parameters
    ----------
    network : torch.nn.Module
        Maps preprocessed images to logits, as a tensor or (transformers) as ``.logits``.
    spec : ModelSpec
    """

    def __init__(self, network: nn.Module, spec: ModelSpec) -> None:
        super().__init__()
        self.spec = spec
        self.preprocess = Preprocess(spec.preprocessing)
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (N, A) of images (N, 3, H, W) of floats in [0, 1].

        Raises
        ------
        ConfigError
            The images are not floats or not of the size that the model was built for.
        """
        side = self.spec.image_size
        if tuple(images.shape[1:]) != (3, side, side) or not images.is_floating_point():
            raise ConfigError(
                f"got images of shape {tuple(images.shape)} and type {images.dtype}: this model "
                f"was built for floats of shape (N, 3, {side}, {side}); load the data at that "
                f"size, or build the model for images of another size"
            )
        answer = self.network(self.preprocess(images))
        logits: Tensor = answer if isinstance(answer, Tensor) else answer.logits
        return logits
