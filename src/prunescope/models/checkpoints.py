"""Checkpoints: a model as a folder, without pickles, that transformers can open too.

========================== ====================================================================
``config.json``            the configuration in transformers' form, or ``{"factory": …}``
``preprocessor_config.json`` the preprocessing in transformers' form
``model.safetensors``      the weights, under the names that the network itself gives them
``masks.safetensors``      where pruned: boolean masks of some of them, True where kept
``model.int8.safetensors`` where quantised, in place of ``model.safetensors``: integers and scales
``quantization.json``      where quantised: ``layers`` in int8, ``folded`` normalisation
``prunescope.json``        the `Provenance`
========================== ====================================================================

In memory, parameters and masks go by the names of the `Classifier`, which begin with
``network.``; in the files by those of its network, without it.

A network from which channels were removed is rebuilt from its configuration and from the widths of
its layers, which the provenance holds. Such a folder transformers cannot open. One that was folded
is known by the plain names of its weights.

A folder is written beside its place and then renamed. When it replaces another, that one is renamed
to ``.NAME.previous`` for a moment; if the process dies in that moment, loading finds it there.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import PreTrainedModel

from prunescope.errors import CheckpointError
from prunescope.models.build import is_factory
from prunescope.models.classifier import NETWORK_PREFIX, Classifier
from prunescope.models.hub import network_from_config
from prunescope.models.provenance import Provenance
from prunescope.models.quantized import Quantized
from prunescope.models.widths import shapes_of

CONFIG = "config.json"
PREPROCESSOR = "preprocessor_config.json"
WEIGHTS = "model.safetensors"
MASKS = "masks.safetensors"
INT8_WEIGHTS = "model.int8.safetensors"
"""Another name, for transformers would take the integers for weights and say nothing."""
QUANTIZATION = "quantization.json"
PROVENANCE = "prunescope.json"


@dataclass(frozen=True)
class Checkpoint:
    """A model as loaded from a folder.

    Parameters
    ----------
    model : Classifier
        On the CPU, in evaluation mode.
    provenance : Provenance
    masks : dict or None
        Parameter name → bool tensor of its shape, True where kept; None where not pruned.
    """

    model: Classifier
    provenance: Provenance
    masks: dict[str, Tensor] | None


def save_checkpoint(
    folder: str | Path,
    model: nn.Module,
    provenance: Provenance,
    masks: Mapping[str, Tensor] | None = None,
) -> None:
    """Write a model to a folder; one that is there already is replaced once the new is complete.

    Parameters
    ----------
    folder : path
    model : Classifier
        As `build_model` made it, or with layers made narrower.
    provenance : Provenance
        Of this model; its widths are filled in.
    masks : mapping of str to bool tensor, optional
        By the names of ``model.named_parameters()``.

    Raises
    ------
    CheckpointError
        The folder holds something else or cannot be written, the provenance is another model's,
        or the masks do not fit.
    """
    if not isinstance(model, Classifier):
        raise CheckpointError(
            f"cannot save a {type(model).__name__}: expected a model that build_model made "
            "(module:factory builds any)"
        )
    if provenance.model != model.spec:
        raise CheckpointError(
            f"the provenance is of another model: it says {provenance.model}, the model is "
            f"{model.spec}"
        )
    check_masks(masks or {}, model, "the masks")
    folder = check_target(folder)
    beside = folder.with_name(f".{folder.name}.part")
    try:
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir(parents=True)
        _write(beside, model, provenance, masks)
        _put_in_place(beside, folder)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"cannot write the checkpoint {folder}: {error}") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def check_target(folder: str | Path) -> Path:
    """Return the folder, made absolute, if a checkpoint may be written there.

    Raises
    ------
    CheckpointError
        It holds something else.
    """
    folder = Path(folder).resolve()
    if folder.exists() and not ((folder / PROVENANCE).is_file() or _is_empty(folder)):
        raise CheckpointError(
            f"{folder} exists and is no checkpoint: it is left alone; choose another folder"
        )
    return folder


def _write(
    folder: Path, model: Classifier, provenance: Provenance, masks: Mapping[str, Tensor] | None
) -> None:
    network, spec = model.network, model.spec
    if is_factory(spec.arch):
        config: dict[str, Any] = {"factory": spec.arch}
    else:
        assert isinstance(network, PreTrainedModel)
        config = {**network.config.to_diff_dict(), "architectures": [type(network).__name__]}
    _write_json(folder / CONFIG, config)
    _write_json(folder / PREPROCESSOR, spec.preprocessing.to_transformers())
    provenance = provenance.model_copy(update={"widths": _widths(network, spec.arch)})
    _write_json(folder / PROVENANCE, provenance.model_dump(mode="json"))
    # The header is the one that transformers writes, and that readers of its files may look for.
    weights = WEIGHTS
    if isinstance(model, Quantized):
        weights = INT8_WEIGHTS
        _write_json(folder / QUANTIZATION, {"layers": model.layers, "folded": model.folded})
    save_file(_plain(network.state_dict()), folder / weights, {"format": "pt"})
    if masks is not None:
        inner = {name.removeprefix(NETWORK_PREFIX): mask for name, mask in masks.items()}
        save_file(_plain(inner), folder / MASKS)


def _widths(network: nn.Module, arch: str) -> dict[str, list[int]] | None:
    """Return the widths of those layers that loading would build in another."""
    widths = shapes_of(network)
    if not is_factory(arch):  # a factory is not called here: saving must not fail by it
        assert isinstance(network, PreTrainedModel)
        with torch.random.fork_rng(devices=[]), torch.device("meta"):
            built = shapes_of(network_from_config(network.config))
        widths = {name: width for name, width in widths.items() if built.get(name, width) != width}
    return {name: list(width) for name, width in widths.items()} or None


def _plain(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copy tensors to the CPU, each contiguous and with memory of its own, as safetensors asks.

    So weights that are tied are stored once under each of their names.
    """
    return {
        name: tensor.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)
        for name, tensor in tensors.items()
    }


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _put_in_place(beside: Path, folder: Path) -> None:
    """Rename `beside` to `folder`; at every instant a whole checkpoint is there or `previous`."""
    old = previous(folder)
    if folder.exists():
        shutil.rmtree(old, ignore_errors=True)
        folder.rename(old)
    beside.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def previous(folder: Path) -> Path:
    """Return where a checkpoint lies for a moment while another takes its place."""
    return folder.with_name(f".{folder.name}.previous")


def _is_empty(folder: Path) -> bool:
    return folder.is_dir() and not any(folder.iterdir())


def check_masks(masks: Mapping[str, Tensor], model: Classifier, source: str) -> None:
    """Raise unless masks are of a model's weights, and of their shapes."""
    parameters = dict(model.named_parameters())
    for name, mask in masks.items():
        if name not in parameters:
            raise CheckpointError(
                f"{source} cover {name}, which {model.spec.arch} does not have: they belong to "
                "another architecture"
            )
        expected, found = tuple(parameters[name].shape), tuple(mask.shape)
        if found != expected or mask.dtype != torch.bool:
            raise CheckpointError(
                f"{source} have {mask.dtype} of shape {found} for {name}: expected torch.bool of "
                f"shape {expected}"
            )
