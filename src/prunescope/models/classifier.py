"""The classifier: a network from anywhere, behind one interface."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, PositiveInt
from torch import Tensor, nn

from prunescope.data.framing import Frame
from prunescope.data.samples import Task
from prunescope.errors import ConfigError, shorten
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
        Maps preprocessed images to logits, in any of the forms that `logits_of` takes.
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
            The images are not floats or not of the size that the model was built for, or the
            network gives no logits.
        """
        side = self.spec.image_size
        if tuple(images.shape[1:]) != (3, side, side) or not images.is_floating_point():
            raise ConfigError(
                f"got images of shape {tuple(images.shape)} and type {images.dtype}: this model "
                f"was built for floats of shape (N, 3, {side}, {side}); load the data at that "
                f"size, or build the model for images of another size"
            )
        return logits_of(self.network(self.preprocess(images)))


def logits_of(answer: object) -> Tensor:
    """Return the logits of what a network gives.

    That is a tensor itself, ``.logits`` (transformers), ``["logits"]`` of a mapping, or the first
    of a tuple or list: what follows are auxiliary answers, such as Inception gives in training,
    which no loss looks at here.

    Raises
    ------
    ConfigError
        It is none of these.

    Examples
    --------
    >>> import torch
    >>> logits_of((torch.tensor([1.0]), torch.tensor([2.0])))
    tensor([1.])
    """
    found = getattr(answer, "logits", answer)
    if isinstance(answer, Mapping) and "logits" in answer:
        found = answer["logits"]
    elif isinstance(found, (tuple, list)) and found:
        found = found[0]
    if isinstance(found, Tensor):
        return found
    raise ConfigError(
        f"the network gave {_described(answer)}: expected a tensor of logits, .logits, a mapping "
        "with 'logits', or a tuple or list that begins with the logits"
    )


def _described(answer: object) -> str:
    """Say what a network gave, for a message."""
    name = type(answer).__name__
    if isinstance(answer, Mapping):
        return f"a {name} with {shorten(map(repr, answer)) or 'nothing'}"
    if isinstance(answer, (tuple, list)):
        return f"a {name} of {shorten(type(part).__name__ for part in answer) or 'nothing'}"
    return f"a {name}"
