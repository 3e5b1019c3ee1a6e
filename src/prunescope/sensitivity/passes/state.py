"""What passes have come to so far: kept on disk, so that a killed run goes on where it was."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from prunescope.files import replacing
from prunescope.inputs import read_safetensors
from prunescope.sensitivity.passes.graph import Norm, Norms

SAVE_EVERY = 20.0
"""Seconds between two saves."""

FILE = "passes.safetensors"


@dataclass
class State:
    """How far the passes are.

    Parameters
    ----------
    key : str
        What is run; a file of something else is not taken up.
    path : path, optional
        The file.
    calibrated, answered : int
        Batches that are done, of either kind; without a trace `answered` counts branches.
    plain : dict
        Running statistics of the dense network, estimated anew.
    own : list of dict
        Those of each branch, downstream of its change.
    errors : tensor (branches, 2) of float64
        Sums of squares: of what the outputs differ by, and of the outputs.
    logits : tensor (1 + branches, N, A) of float32
        Of the dense network with its new statistics, and of each branch.
    """

    key: str
    path: Path | None
    plain: Norms
    own: list[Norms]
    errors: Tensor
    logits: Tensor
    calibrated: int = 0
    answered: int = 0
    _saved: float = field(default_factory=time.monotonic)

    def save(self, *, now: bool = False) -> None:
        """Write the state, if it is time to."""
        if self.path is None or not (now or time.monotonic() - self._saved >= SAVE_EVERY):
            return
        tensors = {"errors": self.errors, "logits": self.logits}
        for name, norm in self._norms().items():
            tensors[f"{name}.mean"] = norm.mean.cpu().contiguous()
            tensors[f"{name}.var"] = norm.var.cpu().contiguous()
        told = {
            "key": self.key, "calibrated": str(self.calibrated), "answered": str(self.answered),
            "seen": json.dumps({name: norm.seen for name, norm in self._norms().items()}),
        }  # fmt: skip
        with replacing(self.path) as beside:
            save_file(tensors, beside, told)
        self._saved = time.monotonic()

    def take_up(self) -> None:
        """Go on where a run of the same was; of another one, or a damaged file, nothing is taken.

        What is in the file is checked against what is expected before any of it is used.
        """
        if self.path is None or not self.path.exists():
            return
        try:
            tensors, told = read_safetensors(self.path, "pt")
            if told["key"] != self.key:
                return
            seen = json.loads(told["seen"])
            mine = self._norms()
            calibrated, answered = int(told["calibrated"]), int(told["answered"])
            fit = seen.keys() == mine.keys() and all(
                tensors[name].shape == own.shape
                for name, own in (("errors", self.errors), ("logits", self.logits))
            )
        except (OSError, ValueError, KeyError):
            return
        if not fit:
            return
        self.calibrated, self.answered = calibrated, answered
        self.errors, self.logits = tensors["errors"], tensors["logits"]
        for name, norm in mine.items():
            norm.mean.copy_(tensors[f"{name}.mean"])
            norm.var.copy_(tensors[f"{name}.var"])
            norm.seen = seen[name]

    def _norms(self) -> dict[str, Norm]:
        found = {f"plain.{name}": norm for name, norm in self.plain.items()}
        for i, norms in enumerate(self.own):
            found |= {f"{i}.{name}": norm for name, norm in norms.items()}
        return found


def no_errors(n: int) -> Tensor:
    """Return sums of no image."""
    return torch.zeros(n, 2, dtype=torch.float64)
