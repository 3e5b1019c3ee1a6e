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
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import AutoConfig, PreTrainedModel

from prunescope.errors import CheckpointError, ConfigError, PrunescopeError, shorten
from prunescope.inputs import read_json, read_safetensors
from prunescope.models.build import build_model, is_factory
from prunescope.models.classifier import NETWORK_PREFIX, Classifier
from prunescope.models.folding import computed_weights, fold_
from prunescope.models.hub import network_from_config
from prunescope.models.provenance import FORMAT_VERSION, Provenance
from prunescope.models.quantized import Quantized
from prunescope.models.widths import reshape_, shapes_of

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
    _check_masks(masks or {}, model, "the masks")
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


def load_checkpoint(folder: str | Path, *, factory: str | None = None) -> Checkpoint:
    """Read a model from a folder.

    This runs no code that the folder names. A model that a ``module:factory`` made therefore needs
    the caller to say which factory to import and call.

    Parameters
    ----------
    folder : path
    factory : str, optional
        ``module:factory``, for a model that came from one.

    Raises
    ------
    CheckpointError
        The folder is absent, incomplete, damaged, or its files do not fit together.
    ConfigError
        The factory cannot be used.
    """
    folder = _find(Path(folder))
    provenance = _read_provenance(folder / PROVENANCE)
    spec = provenance.model
    with torch.random.fork_rng(devices=[]):
        if is_factory(spec.arch):
            if factory is None:
                raise CheckpointError(
                    f"{folder} was made by the factory {spec.arch!r}, which loading does not "
                    f"import on its own: if you trust it, give factory={spec.arch!r}"
                )
            if factory != spec.arch:
                raise CheckpointError(
                    f"{folder} was made by the factory {spec.arch!r}, not by {factory!r}"
                )
            network = build_model(factory, spec.attributes, image_size=spec.image_size).network
        elif factory is not None:
            raise CheckpointError(
                f"{folder} holds {spec.arch!r}, which no factory made: leave out {factory!r}"
            )
        else:
            network = _network_from_folder(folder)
    quantized = (folder / QUANTIZATION).exists()
    weights = folder / (INT8_WEIGHTS if quantized else WEIGHTS)
    found = _read_tensors(weights)
    if any(name in found or f"{name}_int8" in found for name in computed_weights(network)):
        fold_(network)  # as it was when it was saved
    narrowed = _narrow_(network, provenance, folder)
    model = Classifier(network, spec)
    if quantized:
        model = _quantized(folder / QUANTIZATION, model)
    _load_weights(weights, found, model.network, spec.arch)
    model.eval()
    if narrowed:
        _try_out(model, folder)
    masks = None
    if (folder / MASKS).exists():
        tensors = _read_tensors(folder / MASKS)
        masks = {NETWORK_PREFIX + name: mask for name, mask in tensors.items()}
        _check_masks(masks, model, str(folder / MASKS))
        _check_zeros(masks, model, str(folder / MASKS))
    return Checkpoint(model, provenance, masks)


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


def _narrow_(network: nn.Module, provenance: Provenance, folder: Path) -> bool:
    """Give a fresh network the recorded widths, and tell whether that changed it."""
    before = shapes_of(network)
    try:
        reshape_(network, provenance.widths or {})
    except ConfigError as error:
        raise CheckpointError(
            f"{folder / PROVENANCE} has widths that do not fit {provenance.model.arch}: {error}"
        ) from error
    return shapes_of(network) != before


def _try_out(model: Classifier, folder: Path) -> None:
    """Raise unless the layers of a network that was made narrower fit together."""
    side = model.spec.image_size
    try:
        with torch.no_grad():
            model(torch.zeros(1, 3, side, side))
    except Exception as error:  # whatever the network raises
        raise CheckpointError(
            f"{folder / PROVENANCE} has widths that do not fit together: "
            f"{type(error).__name__}: {error}"
        ) from error


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
    """Rename `beside` to `folder`; at every instant a whole checkpoint is there or `_previous`."""
    previous = _previous(folder)
    if folder.exists():
        shutil.rmtree(previous, ignore_errors=True)
        folder.rename(previous)
    beside.rename(folder)
    shutil.rmtree(previous, ignore_errors=True)


def _previous(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.previous")


def _is_empty(folder: Path) -> bool:
    return folder.is_dir() and not any(folder.iterdir())


def _find(folder: Path) -> Path:
    folder = folder.resolve()
    if not folder.exists() and _previous(folder).is_dir():
        folder = _previous(folder)
    if not folder.is_dir():
        raise CheckpointError(f"no checkpoint at {folder}: expected a folder that holds a model")
    weights = INT8_WEIGHTS if (folder / QUANTIZATION).exists() else WEIGHTS
    for name in (PROVENANCE, CONFIG, weights):
        if not (folder / name).is_file():
            raise CheckpointError(
                f"{folder} is no checkpoint: {name} is missing; for a model of transformers "
                "that prunescope did not save, use hf:FOLDER"
            )
    return folder


def _read_provenance(path: Path) -> Provenance:
    try:
        content = read_json(path)
        version = content.get("format_version") if isinstance(content, dict) else None
        if isinstance(version, int) and version > FORMAT_VERSION:
            raise CheckpointError(
                f"{path} has format {version}: this prunescope reads up to {FORMAT_VERSION}; "
                "install a newer one"
            )
        return Provenance.model_validate(content)
    except (ValueError, OSError) as error:
        detail = error.errors()[0] if isinstance(error, ValidationError) else None
        reason = f"{'.'.join(map(str, detail['loc']))}: {detail['msg']}" if detail else str(error)
        raise CheckpointError(f"{path} is damaged: {reason}; save the model again") from error


def _network_from_folder(folder: Path) -> nn.Module:
    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
        return network_from_config(config)
    except PrunescopeError:
        raise
    except Exception as error:  # whatever building a network of these settings raises
        raise CheckpointError(
            f"{folder / CONFIG} is not the configuration of an image classifier that "
            f"transformers knows: {error}"
        ) from error


def _quantized(path: Path, model: Classifier) -> Quantized:
    """Make room in a network for the int8 layers that a file names."""
    try:
        content = read_json(path)
        layers, folded = ([str(name) for name in content[key]] for key in ("layers", "folded"))
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise CheckpointError(
            f"{path} is damaged: {error!r}; expected the names of layers; quantise the model again"
        ) from error
    return Quantized(model.network, model.spec, layers=layers, folded=folded)


def _read_tensors(path: Path) -> dict[str, Tensor]:
    try:
        return read_safetensors(path, "pt")[0]
    except (ValueError, OSError) as error:
        raise CheckpointError(
            f"{path} is damaged or cut short: {error}; copy it again, or save the model again"
        ) from error


def _load_weights(path: Path, found: Mapping[str, Tensor], network: nn.Module, arch: str) -> None:
    expected = network.state_dict()
    missing = sorted(expected.keys() - found.keys())
    surplus = sorted(found.keys() - expected.keys())
    reshaped = [
        f"{name} has shape {tuple(found[name].shape)} instead of {tuple(tensor.shape)}"
        for name, tensor in expected.items()
        if name in found and found[name].shape != tensor.shape
    ]
    problems = [
        f"{len(missing)} missing ({shorten(missing, 2)})" if missing else "",
        f"{len(surplus)} unknown ({shorten(surplus, 2)})" if surplus else "",
        shorten(reshaped, 2),
    ]
    if any(problems):
        raise CheckpointError(
            f"{path} holds the weights of another architecture than {arch}: "
            + "; ".join(filter(None, problems))
        )
    network.load_state_dict(found)


def _check_zeros(masks: Mapping[str, Tensor], model: Classifier, source: str) -> None:
    """Raise where a weight is not zero although its mask says that it is pruned."""
    for name, mask in masks.items():
        if model.get_parameter(name).masked_select(~mask).any():
            raise CheckpointError(
                f"{source} prune weights of {name} that {WEIGHTS} has: they belong to another "
                "model, copy both files from one"
            )


def _check_masks(masks: Mapping[str, Tensor], model: Classifier, source: str) -> None:
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
