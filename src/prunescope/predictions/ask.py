"""Asking a model: the step from tensors to `Predictions`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from prunescope.data.dataset import Dataset
from prunescope.predictions.metadata import Metadata
from prunescope.predictions.record import Predictions

if TYPE_CHECKING:
    from torch import nn


def predict(
    model: nn.Module,
    dataset: Dataset,
    metadata: Metadata | None = None,
    *,
    batch_size: int = 256,
    device: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Predictions:
    """Ask a model about every image of a data set (usually one split of it).

    Parameters
    ----------
    model : torch.nn.Module
        Maps images (B, 3, H, W) to logits (B, A).
    dataset : Dataset
        N images whose A attributes are the model's outputs, in order.
    metadata : Metadata, optional
        Provenance to keep with the predictions.

    Raises
    ------
    DataError
        A logit is NaN or infinite, or the model has another number of outputs.
    """
    from prunescope.training import infer  # the only place here that needs torch

    logits = infer(model, dataset, batch_size=batch_size, device=device, progress=progress)
    return Predictions(dataset.samples, logits, metadata or Metadata(task=dataset.samples.task))
