"""From a name to a classifier."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import MobileNetV1Config, PretrainedConfig, ResNetConfig

from prunescope.data.framing import Frame
from prunescope.data.samples import Task
from prunescope.errors import ConfigError, one_of
from prunescope.models.classifier import Classifier, ModelSpec
from prunescope.models.hub import (
    HUB_PREFIX,
    load_pretrained,
    name_outputs,
    network_from_config,
)
from prunescope.models.preprocessing import Preprocessing
from prunescope.models.widths import reshape_, shapes_of
from prunescope.runtimes.function import imported


@dataclass(frozen=True)
class Architecture:
    """A network that is trained from scratch.

    Parameters
    ----------
    config : callable
        Makes its transformers configuration.
    smallest_input : int
        Smaller images are enlarged to at least this side, by a whole factor.
    """

    config: Callable[[], PretrainedConfig]
    smallest_input: int


# All are transformers' own, unchanged, so that a saved folder opens there with the same answers.
# They shrink images 32-fold, the first 4 of it in the stem. Rather than rebuild the stem for small
# images, these are enlarged: a 7×7 kernel with stride 2 on pixels doubled by "nearest" is a 4×4
# kernel with stride 1 on the image, which is the stem that one would build.
ARCHITECTURES: dict[str, Architecture] = {
    "resnet18": Architecture(
        lambda: ResNetConfig(
            embedding_size=64,
            hidden_sizes=[64, 128, 256, 512],
            depths=[2, 2, 2, 2],
            layer_type="basic",
        ),
        smallest_input=128,
    ),
    "resnet50": Architecture(
        lambda: ResNetConfig(
            embedding_size=64,
            hidden_sizes=[256, 512, 1024, 2048],
            depths=[3, 4, 6, 3],
            layer_type="bottleneck",
        ),
        smallest_input=128,
    ),
    "mobilenet_v1": Architecture(
        # Its default dropout, 0.999, is TensorFlow's probability to keep; here it would drop all.
        lambda: MobileNetV1Config(tf_padding=False, classifier_dropout_prob=0.0),
        smallest_input=128,
    ),
    # Half the width and half the depth of ResNet18, and no enlarging at 64 px: made for two cores.
    "resnet_small": Architecture(
        lambda: ResNetConfig(
            embedding_size=32,
            hidden_sizes=[32, 64, 128, 256],
            depths=[1, 1, 1, 1],
            layer_type="basic",
        ),
        smallest_input=64,
    ),
}


def build_model(
    arch: str,
    attributes: Sequence[str],
    *,
    image_size: int,
    task: Task = "multilabel",
    input_size: int | None = None,
    frame: Frame | None = None,
    as_trained: bool = False,
    seed: int = 0,
) -> Classifier:
    """Build a classifier of images.

    Parameters
    ----------
    arch : str
        One of `ARCHITECTURES`, with fresh weights; ``NAME@PIXELS``, such a one that sees images at
        that side: ``resnet18@64`` does not enlarge images of 64 pixels, a quarter of the work;
        ``hf:NAME_OR_FOLDER``, pretrained weights of an image
        classifier that transformers can load, its last layer fresh if it answers something
        else; or ``module:factory``, an importable callable that is called as
        ``factory(n_outputs=A)`` and returns a `torch.nn.Module` which maps images (N, 3, S, S),
        normalised to mean and deviation 0.5, to logits (N, A).
    attributes : sequence of str
        What the A outputs stand for: attributes, or classes. Those of a pretrained model are put
        into this order.
    image_size : int
        Side of the square images that the model will be given, in pixels.
    task : {"multilabel", "multiclass"}
    input_size : int, optional
        Side to which its network has them resized. By default `image_size`, enlarged by a whole
        factor where the architecture needs it; what the pretrained model was made for with
        ``hf:``.
    frame : Frame, optional
        How those images are made of files, where not by `Frame.square`: `Dataset.frame`. The image
        processor of a pretrained model is applied in full to images that were not made by its own
        (`pretrained_data`).
    as_trained : bool
        Refuse a pretrained model that does not answer `attributes` already, and warn of what has to
        be assumed of it.
    seed : int
        Of the fresh weights, which depend on nothing else. Those of a factory too, if it draws
        them from torch.

    Raises
    ------
    ConfigError
        The name is unknown, the factory or the pretrained model cannot be used, or what it gives
        are not logits (N, A).

    Examples
    --------
    >>> model = build_model("resnet_small", ["Bald", "Male", "Young"], image_size=32)
    >>> model(torch.zeros(2, 3, 32, 32)).shape
    torch.Size([2, 3])
    >>> model.spec.preprocessing.input_size
    64
    """
    names = tuple(attributes)
    if not names:
        raise ConfigError("a model needs at least one attribute to answer: got none")
    network: nn.Module
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if arch.startswith(HUB_PREFIX):
            network, processor = load_pretrained(
                arch.removeprefix(HUB_PREFIX), names, task, image_size, as_trained=as_trained
            )
            preprocessing = processor.preprocessing
            if input_size is None:
                preprocessing = processor.given(frame)
        elif is_factory(arch):
            network = network_from_factory(arch, len(names))
            preprocessing = Preprocessing(input_size=image_size)
        else:
            architecture, own_size = architecture_of(arch)
            network, preprocessing = _from_scratch(architecture, names, task, image_size)
            input_size = own_size if input_size is None else input_size
    if input_size is not None:
        preprocessing = _resized(preprocessing, image_size, input_size)
    spec = ModelSpec(
        arch=arch,
        attributes=names,
        task=task,
        image_size=image_size,
        preprocessing=preprocessing,
        frame=frame,
    )
    model = Classifier(network, spec)
    _check_output(model)
    return model


def fresh_copy(model: Classifier, seed: int) -> Classifier:
    """Build the same network, as wide as it is now, with fresh weights.

    Parameters
    ----------
    model : Classifier
    seed : int
        Of the weights, which depend on nothing else.
    """
    spec = model.spec
    if spec.arch.startswith(HUB_PREFIX):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            config: Any = model.network.config
            network: nn.Module = network_from_config(copy.deepcopy(config))
        fresh = Classifier(network, spec)
    else:
        fresh = build_model(
            spec.arch,
            spec.attributes,
            image_size=spec.image_size,
            task=spec.task,
            input_size=spec.preprocessing.input_size,
            frame=spec.frame,
            seed=seed,
        )
    wide = shapes_of(fresh.network)
    widths = {name: width for name, width in shapes_of(model.network).items()
              if name in wide and width != wide[name]}  # fmt: skip
    reshape_(fresh.network, widths)
    return fresh


def architecture_of(arch: str) -> tuple[Architecture, int | None]:
    """Return one of `ARCHITECTURES` by name, and the side it sees images at where that is told.

    Raises
    ------
    ConfigError
        There is none of that name, or the side is no number of pixels.

    Examples
    --------
    >>> architecture_of("resnet18@64")[1]
    64
    """
    name, at, pixels = arch.partition("@")
    if name not in ARCHITECTURES:
        choices = [*ARCHITECTURES, f"{HUB_PREFIX}NAME_OR_FOLDER", "module:factory"]
        raise ConfigError(one_of("architecture", name, choices))
    if not at:
        return ARCHITECTURES[name], None
    if not (pixels.isdecimal() and int(pixels) > 0):
        raise ConfigError(f"architecture {arch!r}: expected pixels after @, as in {name}@64")
    return ARCHITECTURES[name], int(pixels)


def is_factory(arch: str) -> bool:
    """Tell whether an architecture is a ``module:factory``."""
    return ":" in arch and not arch.startswith(HUB_PREFIX)


def network_from_factory(path: str, n_outputs: int) -> nn.Module:
    """Import and call ``module:factory``. This runs that module's code.

    Raises
    ------
    ConfigError
        It cannot be imported, is no callable, fails, or gives no module.
    """
    factory = imported(path, "factory")
    call = f"{path}(n_outputs={n_outputs})"
    try:
        network = factory(n_outputs=n_outputs)
    except Exception as error:
        raise ConfigError(f"{call} failed: {type(error).__name__}: {error}") from error
    if not isinstance(network, nn.Module):
        raise ConfigError(f"{call} gave a {type(network).__name__}: expected a torch.nn.Module")
    return network


def _from_scratch(
    architecture: Architecture, attributes: tuple[str, ...], task: Task, image_size: int
) -> tuple[nn.Module, Preprocessing]:
    config = architecture.config()
    name_outputs(config, attributes, task)
    network = network_from_config(config)
    for module in network.modules():
        # One rule for all. transformers starts its MobileNet as it would a transformer; weights
        # of one scale in all layers would also make a global ranking by magnitude meaningless.
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    factor = math.ceil(architecture.smallest_input / image_size)
    return network, Preprocessing(input_size=image_size * factor)


def _resized(preprocessing: Preprocessing, image_size: int, input_size: int) -> Preprocessing:
    if input_size < 1:
        raise ConfigError(f"input size {input_size}: expected at least 1 pixel")
    whole = input_size % image_size == 0
    return preprocessing.model_copy(
        update={
            "input_size": input_size,
            "resize": "nearest" if whole else "bilinear",
            "processor": None,
        }
    )


@torch.no_grad()
def _check_output(model: Classifier) -> None:
    """Try the model on two black images."""
    spec = model.spec
    model.eval()
    try:
        logits = model(torch.zeros(2, 3, spec.image_size, spec.image_size))
    except Exception as error:
        raise ConfigError(
            f"{spec.arch} fails on images of {spec.image_size} px, which its network sees at "
            f"{spec.preprocessing.input_size} px: {type(error).__name__}: {error}"
        ) from error
    finally:
        model.train()
    expected = (2, len(spec.attributes))
    found = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
    if found != expected:
        raise ConfigError(
            f"{spec.arch} gave {found} for 2 images: expected logits of shape {expected}, one "
            "column per attribute"
        )
