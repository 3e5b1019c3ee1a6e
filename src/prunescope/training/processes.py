"""Several processes that train one model together, as ``accelerate launch`` starts them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from prunescope.data.columns import UNKNOWN
from prunescope.data.samples import Task


@dataclass(frozen=True)
class Processes:
    """Where a process stands among those that train a model together; mostly, it is alone.

    Each sees its part of every batch, and gradients are averaged, so that all make the same steps
    as one process alone would; batch normalisation on CPUs is the exception, as each normalises
    its own part. Only the first writes files.

    Parameters
    ----------
    rank : int
        0 for the first.
    count : int

    Examples
    --------
    >>> Processes().share(np.arange(5)).tolist(), Processes(1, 2).share(np.arange(5)).tolist()
    ([0, 1, 2, 3, 4], [3, 4])
    """

    rank: int = 0
    count: int = 1

    @classmethod
    def current(cls) -> Processes:
        """Join the processes that a launcher started, if one did."""
        if int(os.environ.get("WORLD_SIZE", "1")) == 1:
            return cls()
        from accelerate import PartialState

        state = PartialState(cpu=not torch.cuda.is_available())
        return cls(state.process_index, state.num_processes)

    @property
    def first(self) -> bool:
        """Whether this one writes files and talks."""
        return self.rank == 0

    @property
    def alone(self) -> bool:
        """Whether there is no other."""
        return self.count == 1

    def share(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return this process's part of a batch."""
        return np.array_split(positions, self.count)[self.rank]

    def device(self, device: torch.device) -> torch.device:
        """Return this process's own GPU, where GPUs are asked for."""
        if self.alone or device.type != "cuda":
            return device
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))

    def together(self, model: nn.Module, device: torch.device) -> nn.Module:
        """Return the model as it is to be called, so that gradients are averaged."""
        if self.alone:
            return model
        if device.type == "cuda":
            model = nn.SyncBatchNorm.convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]
        return DistributedDataParallel(model, [device] if device.type == "cuda" else None)

    def balance(self, loss: Tensor, labels: Tensor, task: Task) -> Tensor:
        """Weigh a mean over this process's known labels so that all average to that over the batch.

        Parameters
        ----------
        loss : tensor ()
        labels : tensor (B, A) of int8
        task : {"multilabel", "multiclass"}
        """
        if self.alone:
            return loss
        known = (labels == 1).any(dim=1) if task == "multiclass" else labels != UNKNOWN
        mine = known.sum().to(torch.float32)
        everyone = mine.clone()
        distributed.all_reduce(everyone)
        return loss * (mine * self.count / everyone.clamp(min=1))

    def agree(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the first process's tensors, which may have been rounded otherwise elsewhere."""
        if self.alone:
            return dict(tensors)
        on_gpu = distributed.get_backend() == "nccl"
        agreed = {}
        for name, tensor in tensors.items():
            sent = tensor.to("cuda" if on_gpu else "cpu", copy=True)
            distributed.broadcast(sent, src=0)
            agreed[name] = sent.to(tensor.device)
        return agreed

    def wait(self) -> None:
        """Wait for the others."""
        if not self.alone:
            distributed.barrier()
