"""Interrupted training: its state in one file, replaced at the end of every epoch.

``training.safetensors`` holds the tensors of the model, of the optimizer and of the callbacks, and
in its header, as JSON, the epochs so far and what the run is. One file, because one file can be
replaced in one instant.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from prunescope.data.dataset import Dataset
from prunescope.errors import CheckpointError
from prunescope.files import replacing
from prunescope.inputs import parse_json, read_safetensors
from prunescope.training.callbacks import Callback, EpochRecord, TrainState
from prunescope.training.recipe import Recipe

STATE = "training.safetensors"
HEADER = "prunescope"


class Resume:
    """The saved state of one run.

    Parameters
    ----------
    folder : Path
        Of this run alone. It stays when training has ended; then training again gives the same
        result at once. Remove it when the model is saved.
    model, dataset, recipe, callbacks
        Of the run, as it starts.
    """

    def __init__(
        self,
        folder: Path,
        model: nn.Module,
        dataset: Dataset,
        recipe: Recipe,
        callbacks: Sequence[Callback],
    ) -> None:
        self.path = folder / STATE
        self.callbacks = callbacks
        self.run = _describe(model, dataset, recipe, callbacks)

    def save(self, state: TrainState, epochs: Sequence[EpochRecord]) -> None:
        """Write the state at the end of an epoch."""
        tensors = {f"model.{name}": value for name, value in state.model.state_dict().items()}
        for index, parameter in enumerate(_parameters(state.optimizer)):
            for name, value in state.optimizer.state[parameter].items():
                if isinstance(value, Tensor):  # SGD without momentum keeps a None
                    tensors[f"optimizer.{index}.{name}"] = value
        for index, callback in enumerate(self.callbacks):
            for name, value in callback.state_dict().items():
                tensors[f"callback.{index}.{name}"] = value
        header = {"run": self.run, "epochs": [asdict(epoch) for epoch in epochs]}
        plain = {
            name: value.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)
            for name, value in tensors.items()
        }
        with replacing(self.path) as beside:
            save_file(plain, beside, {HEADER: json.dumps(header)})

    def restore(self, state: TrainState) -> tuple[EpochRecord, ...]:
        """Load the state of an interrupted run, if there is one, and return its epochs.

        Raises
        ------
        CheckpointError
            The file is damaged or another run's.
        """
        if not self.path.exists():
            return ()
        try:
            tensors, texts = read_safetensors(self.path, "pt")
            header = parse_json(texts[HEADER])
            run, epochs = header["run"], tuple(EpochRecord(**each) for each in header["epochs"])
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise CheckpointError(
                f"{self.path} is damaged: {error}; remove it to train from the start"
            ) from error
        self._check(run)
        state.model.load_state_dict(_below("model", tensors))
        for index, parameter in enumerate(_parameters(state.optimizer)):
            for name, value in _below(f"optimizer.{index}", tensors).items():
                # In the memory layout of the parameter, or the arithmetic may round differently.
                same_shape = value.shape == parameter.shape
                state.optimizer.state[parameter][name] = (
                    torch.empty_like(parameter).copy_(value) if same_shape else value
                )
        for index, callback in enumerate(self.callbacks):
            callback.load_state_dict(_below(f"callback.{index}", tensors))
        return epochs

    def _check(self, saved: dict[str, Any]) -> None:
        for what, value in self.run.items():
            if saved.get(what) == value:
                continue
            detail = ""
            if what == "recipe":
                changed = [name for name in value if value[name] != saved[what].get(name)]
                detail = ": " + ", ".join(
                    f"{name} was {saved[what].get(name)!r} and is {value[name]!r}"
                    for name in changed
                )
            raise CheckpointError(
                f"{self.path} is of a run with other {what}{detail}; give each run a folder of "
                "its own, or remove this one to train from the start"
            )


def _describe(
    model: nn.Module, dataset: Dataset, recipe: Recipe, callbacks: Sequence[Callback]
) -> dict[str, Any]:
    """Return what makes a run what it is; the keys are words for an error message."""
    weights = model.state_dict()
    shapes = sorted((name, tuple(value.shape)) for name, value in weights.items())
    return {
        "recipe": recipe.model_dump(mode="json"),
        "data": _digest(
            dataset.fingerprint.encode(),
            repr(dataset.samples.attributes).encode(),
            np.ascontiguousarray(dataset.rows).tobytes(),
            np.ascontiguousarray(dataset.samples.labels).tobytes(),
        ),
        "architecture": _digest(repr(shapes).encode()),
        "starting weights": _digest(*(_bytes(weights[name]) for name, _ in shapes)),
        "callbacks": [type(callback).__name__ for callback in callbacks],
    }


def _bytes(tensor: Tensor) -> bytes:
    return tensor.detach().cpu().reshape(-1).view(torch.uint8).numpy().tobytes()


def _digest(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()


def _parameters(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors whose names begin with `prefix` and a dot, without these."""
    return {
        name.removeprefix(f"{prefix}."): value
        for name, value in tensors.items()
        if name.startswith(f"{prefix}.")
    }
