"""Loading checkpoints: every file is checked, and nothing that a folder names is run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from pydantic import ValidationError
from torch import Tensor, nn
from transformers import AutoConfig

from prunescope.errors import CheckpointError, ConfigError, PrunescopeError, shorten
from prunescope.inputs import read_json, read_safetensors
from prunescope.models.build import build_model, is_factory
from prunescope.models.checkpoints import (
    CONFIG,
    INT8_WEIGHTS,
    MASKS,
    PROVENANCE,
    QUANTIZATION,
    WEIGHTS,
    Checkpoint,
    check_masks,
    previous,
)
from prunescope.models.classifier import NETWORK_PREFIX, Classifier
from prunescope.models.folding import computed_weights, fold_
from prunescope.models.hub import network_from_config
from prunescope.models.provenance import FORMAT_VERSION, Provenance
from prunescope.models.quantized import Quantized
from prunescope.models.widths import reshape_, shapes_of


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
        check_masks(masks, model, str(folder / MASKS))
        _check_zeros(masks, model, str(folder / MASKS))
    return Checkpoint(model, provenance, masks)


def _find(folder: Path) -> Path:
    folder = folder.resolve()
    if not folder.exists() and previous(folder).is_dir():
        folder = previous(folder)
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
