"""What passes have come to so far."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import torch
from torch import Tensor

from prunescope.errors import CheckpointError
from prunescope.sensitivity.one_layer.graph import Norms
from prunescope.training import Unfinished

SAVE_EVERY = 20.0
"""Seconds between two saves."""

FILE = "passes"


@dataclass
class State:
    """How far the passes are.

    Parameters
    ----------
    kept : Unfinished
    plain : dict
        Running statistics of the dense network, estimated anew.
    own : list of dict
        Those of each branch, downstream of its change.
    errors : tensor (branches, 2) of float64
        Sums of squares: of what the outputs differ by, and of the outputs.
    logits : tensor (1 + branches, N, A) of float32
        Of the dense network with its new statistics, and of each branch.
    calibrated, answered : int
        Batches that are done, of either kind; without a trace `answered` counts branches.
    """

    kept: Unfinished
    plain: Norms
    own: list[Norms]
    errors: Tensor
    logits: Tensor
    calibrated: int = 0
    answered: int = 0
    _saved: float = field(default_factory=time.monotonic)

    def save(self, *, now: bool = False) -> None:
        """Write the state, if it is time to."""
        if not (now or time.monotonic() - self._saved >= SAVE_EVERY):
            return
        done = torch.tensor([self.calibrated, self.answered])
        tensors = {"errors": self.errors, "logits": self.logits, "done": done}
        for name, norm in self._norms().items():
            tensors |= {f"{name}.mean": norm.mean, f"{name}.var": norm.var}
            tensors[f"{name}.seen"] = torch.tensor(norm.seen)
        self.kept.write(FILE, tensors)
        self._saved = time.monotonic()

    def take_up(self) -> None:
        """Go on where a run of the same was; what another left, or is damaged, is passed over."""
        try:
            found = self.kept.read(FILE)
        except CheckpointError:
            return
        if not found:
            return
        self.calibrated, self.answered = found["done"].tolist()
        self.errors, self.logits = found["errors"], found["logits"]
        for name, norm in self._norms().items():
            norm.mean.copy_(found[f"{name}.mean"])
            norm.var.copy_(found[f"{name}.var"])
            norm.seen = int(found[f"{name}.seen"])

    def _norms(self) -> Norms:
        found = {f"plain.{name}": norm for name, norm in self.plain.items()}
        for i, norms in enumerate(self.own):
            found |= {f"{i}.{name}": norm for name, norm in norms.items()}
        return found


def no_errors(n: int) -> Tensor:
    """Return sums of no image."""
    return torch.zeros(n, 2, dtype=torch.float64)
