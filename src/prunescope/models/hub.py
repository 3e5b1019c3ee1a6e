"""Networks from transformers: from a configuration, the hub, or a local folder."""

from __future__ import annotations

import copy
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import (
    AutoConfig,
    AutoModelForImageClassification,
    PretrainedConfig,
    PreTrainedModel,
)

from prunescope.data.samples import Task
from prunescope.errors import ConfigError, PrunescopeWarning, shorten
from prunescope.models.labels import (
    PROBLEM_TYPES,
    names_of_outputs,
    order_of,
    reorder_outputs,
    rows_of_labels,
)
from prunescope.models.preprocessing import Preprocessing
from prunescope.models.processors import Processor, read_processor
from prunescope.models.quiet import quiet_transformers

HUB_PREFIX = "hf:"
"""What the name of an architecture begins with that transformers loads."""


def name_outputs(config: PretrainedConfig, attributes: tuple[str, ...], task: Task) -> None:
    """Tell a configuration what its outputs stand for, so that transformers can say it too."""
    config.id2label = dict(enumerate(attributes))
    config.label2id = {name: index for index, name in enumerate(attributes)}
    config.problem_type = PROBLEM_TYPES[task]


def network_from_config(config: PretrainedConfig) -> PreTrainedModel:
    """Build an image classifier with fresh weights."""
    with quiet_transformers():
        network: PreTrainedModel = AutoModelForImageClassification.from_config(  # type: ignore[no-untyped-call]
            config, trust_remote_code=False
        )
    return correct_batch_norm(network)


def load_pretrained(
    name: str, attributes: tuple[str, ...], task: Task, image_size: int, *, as_trained: bool = False
) -> tuple[PreTrainedModel, Processor]:
    """Load a network by its name on the Hugging Face hub, or from a folder, with its preprocessing.

    Its outputs are put into the order of `attributes`, by the names that its configuration gives
    them (``id2label``); those that nobody named are taken in order. If it answers anything else, it
    gets a fresh last layer.

    Parameters
    ----------
    name : str
    attributes : tuple of str
    task : {"multilabel", "multiclass"}
    image_size : int
        Side of its images, where neither its image processor nor its configuration says.
    as_trained : bool
        Refuse a model that does not answer these attributes already, and warn of what has to be
        assumed.

    Raises
    ------
    ConfigError
        It cannot be found or read, is no image classifier, or lacks weights of more than the last
        layer; its image processor is not honoured.
    """
    config = _read_config(name)
    order = _order(name, config, attributes, task, as_trained)
    processor = read_processor(name, config, image_size)
    if processor is None:
        processor = _assumed(_side(config) or image_size)
        if as_trained:
            size = processor.preprocessing.input_size
            _warn(
                f"{name} has no preprocessor_config.json: it is taken to see squares of {size} px "
                "in RGB, normalised to mean and deviation 0.5"
            )
    told = copy.deepcopy(config)
    name_outputs(told, attributes, task)
    try:
        with quiet_transformers():
            network, info = AutoModelForImageClassification.from_pretrained(
                name,
                config=told,
                ignore_mismatched_sizes=True,
                output_loading_info=True,
                trust_remote_code=False,
                use_safetensors=True,
                dtype=torch.float32,
            )
    except Exception as error:  # whatever the library raises on damaged files
        raise _cannot_load(name, error) from error
    body = f"{network.base_model_prefix}."
    fresh = sorted({*info["missing_keys"], *(key for key, *_ in info["mismatched_keys"])})
    absent = [key for key in fresh if key.startswith(body)]
    if absent:
        raise ConfigError(
            f"{name!r} lacks weights that its architecture needs, or has them in another shape: "
            f"{shorten(absent, 3)}; expected all but the last layer's"
        )
    if as_trained and fresh:
        raise ConfigError(
            f"{name!r} has no trained last layer: {shorten(fresh, 3)} are not there; train one "
            f"first, by 'prunescope train --arch {HUB_PREFIX}{name}'"
        )
    correct_batch_norm(network)
    if order is None and config.num_labels == len(attributes):
        _redraw_outputs(network)
    elif order is not None and order != sorted(order):
        side = processor.preprocessing.input_size
        reorder_outputs(network.eval(), order, torch.rand(2, 3, side, side))
    return network, processor


def pretrained_data(arch: str) -> dict[str, Any]:
    """Say how a data set should make images for a pretrained model: its `size` and its `frame`.

    Parameters
    ----------
    arch : str
        As for `build_model`. What is not ``hf:NAME_OR_FOLDER`` has no wishes.

    Returns
    -------
    dict
        Options of `prunescope.data.DataConfig`, none where the model takes images of any size.

    Raises
    ------
    ConfigError
        The model's configuration cannot be read, or its image processor is not honoured.
    """
    if not arch.startswith(HUB_PREFIX):
        return {}
    name = arch.removeprefix(HUB_PREFIX)
    config = _read_config(name)
    side = _side(config)
    processor = read_processor(name, config, side or 64)
    if processor is not None and processor.frame is not None:
        return {"size": processor.frame.side, "frame": processor.frame}
    return {} if side is None else {"size": side}


def correct_batch_norm(network: PreTrainedModel) -> PreTrainedModel:
    """Give batch normalisation PyTorch's momentum where transformers has TensorFlow's.

    Its MobileNets say 0.9997, which to TensorFlow means the weight of the past and to PyTorch that
    of the last batch: their running statistics would be those of one batch.
    """
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d) and (module.momentum or 0) > 0.5:
            module.momentum = 0.1
    return network


def _read_config(name: str) -> PretrainedConfig:
    if (Path(name) / "prunescope.json").exists():
        raise ConfigError(
            f"{name} is a model that prunescope saved, with more than transformers reads: give the "
            f"folder itself, without {HUB_PREFIX}"
        )
    try:
        with quiet_transformers():
            config: PretrainedConfig = AutoConfig.from_pretrained(name, trust_remote_code=False)
    except Exception as error:  # whatever the library raises on damaged files
        raise _cannot_load(name, error) from error
    return config


def _cannot_load(name: str, error: Exception) -> ConfigError:
    return ConfigError(
        f"cannot load {name!r} from Hugging Face or as a folder: expected an image classifier "
        f"that transformers knows, with weights as safetensors; transformers says: "
        f"{' '.join(str(error).split())}"
    )


def _order(
    name: str, config: PretrainedConfig, attributes: tuple[str, ...], task: Task, as_trained: bool
) -> list[int] | None:
    """Return which output answers each attribute; None if they are others.

    With `as_trained`, raise then, and warn of what is not said.
    """
    n = config.num_labels or 0
    named = names_of_outputs(config)
    order = order_of(named or attributes, attributes) if n == len(attributes) else None
    if not as_trained:
        return order
    if order is None:
        told = f"answers {shorten(named)}" if named else f"has {n} outputs without names"
        raise ConfigError(
            f"{name!r} {told}; the data ask {shorten(attributes)}. Expected the same names in any "
            "order: name them with the option for attributes, or give it a new last layer by "
            f"'prunescope train --arch {HUB_PREFIX}{name}'"
        )
    problem = config.problem_type
    if problem is None and task == "multilabel":
        taken = (
            "does not say whether its answers exclude each other (problem_type): they are taken as "
            "independent attributes"
            if n > 1
            else f"does not say what its one output is (problem_type), and transformers trains one "
            f"as a number: it is taken as the logit of {attributes[0]}, above 0 for yes. If so, "
            f"write {PROBLEM_TYPES[task]!r} into its config.json; if it is a number from 0 to 1, "
            "give its answers as a file of probabilities"
        )
        _warn(f"{name} {taken}")
    if problem not in (None, PROBLEM_TYPES[task]):
        raise ConfigError(
            f"{name!r} was trained for {problem}, and the data are for {PROBLEM_TYPES[task]}: "
            "expected a column of class names for one answer of several, columns of 0 and 1 for "
            "independent attributes"
        )
    if named is None:
        _warn(
            f"{name} does not name its outputs: they are taken as {shorten(attributes)}, in order"
        )
    else:
        pairs = ((named[place], asked) for place, asked in zip(order, attributes, strict=True))
        other = [f"{has!r} for {asked!r}" for has, asked in pairs if has != asked]
        if other:
            _warn(f"{name} spells its outputs differently: {shorten(other)} are taken as the same")
    return order


def _redraw_outputs(network: PreTrainedModel) -> None:
    """Give the last layer fresh weights, for it has learnt to answer something else."""
    fresh = type(network)(copy.deepcopy(network.config)).state_dict()
    state = network.state_dict()
    for key in rows_of_labels(network):
        state[key].copy_(fresh[key])


def _assumed(side: int) -> Processor:
    """Return what is taken for granted where there is no image processor."""
    return Processor(None, Preprocessing(input_size=side, resize="bilinear"))


def _side(config: PretrainedConfig) -> int | None:
    """Return the side of the images that a network is made for, if it says."""
    size = getattr(config, "image_size", None)
    return size if isinstance(size, int) else None


def _warn(message: str) -> None:
    warnings.warn(message, PrunescopeWarning, stacklevel=2)
