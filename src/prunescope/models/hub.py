"""Networks from transformers: from a configuration, the hub, or a local folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch
from safetensors import SafetensorError
from torch import nn
from transformers import (
    AutoConfig,
    AutoModelForImageClassification,
    PretrainedConfig,
    PreTrainedModel,
)
from transformers.image_processing_base import ImageProcessingMixin
from transformers.utils import logging

from prunescope.data.samples import Task
from prunescope.errors import ConfigError, shorten
from prunescope.models.preprocessing import Preprocessing

PROBLEM_TYPES: dict[Task, Literal["multi_label_classification", "single_label_classification"]] = {
    "multilabel": "multi_label_classification",
    "multiclass": "single_label_classification",
}


def name_outputs(config: PretrainedConfig, attributes: tuple[str, ...], task: Task) -> None:
    """Tell a configuration what its outputs stand for, so that transformers can say it too."""
    config.id2label = dict(enumerate(attributes))
    config.label2id = {name: index for index, name in enumerate(attributes)}
    config.problem_type = PROBLEM_TYPES[task]


def network_from_config(config: PretrainedConfig) -> PreTrainedModel:
    """Build an image classifier with fresh weights."""
    with _quiet():
        network: PreTrainedModel = AutoModelForImageClassification.from_config(  # type: ignore[no-untyped-call]
            config, trust_remote_code=False
        )
    return correct_batch_norm(network)


def load_pretrained(
    name: str, attributes: tuple[str, ...], task: Task, image_size: int
) -> tuple[PreTrainedModel, Preprocessing]:
    """Load a network by its name on the Hugging Face hub, or from a folder, with its preprocessing.

    If its number of outputs is another than that of `attributes`, it gets a fresh last layer.

    Raises
    ------
    ConfigError
        It cannot be found or read, is no image classifier, or lacks weights of more than the last
        layer.
    """
    try:
        with _quiet():
            config = AutoConfig.from_pretrained(name, trust_remote_code=False)
            name_outputs(config, attributes, task)
            network, info = AutoModelForImageClassification.from_pretrained(
                name,
                config=config,
                ignore_mismatched_sizes=True,
                output_loading_info=True,
                trust_remote_code=False,
                use_safetensors=True,
                dtype=torch.float32,
            )
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise ConfigError(
            f"cannot load {name!r} from Hugging Face or as a folder: expected an image classifier "
            f"that transformers knows, with weights as safetensors; transformers says: {error}"
        ) from error
    body = f"{network.base_model_prefix}."
    fresh = {*info["missing_keys"], *(key for key, *_ in info["mismatched_keys"])}
    absent = sorted(key for key in fresh if key.startswith(body))
    if absent:
        raise ConfigError(
            f"{name!r} lacks weights that its architecture needs, or has them in another shape: "
            f"{shorten(absent, 3)}; expected all but the last layer's"
        )
    size = getattr(config, "image_size", image_size)
    preprocessing = Preprocessing.from_transformers(
        _processor_settings(name), default_size=size if isinstance(size, int) else image_size
    )
    return correct_batch_norm(network), preprocessing


def correct_batch_norm(network: PreTrainedModel) -> PreTrainedModel:
    """Give batch normalisation PyTorch's momentum where transformers has TensorFlow's.

    Its MobileNets say 0.9997, which to TensorFlow means the weight of the past and to PyTorch that
    of the last batch: their running statistics would be those of one batch.
    """
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d) and (module.momentum or 0) > 0.5:
            module.momentum = 0.1
    return network


def _processor_settings(name: str) -> dict[str, Any]:
    """Read ``preprocessor_config.json``; empty if there is none."""
    try:
        settings, _ = ImageProcessingMixin.get_image_processor_dict(name)
    except OSError:
        return {}
    return dict(settings)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep transformers from writing to the terminal: what matters is raised."""
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]
