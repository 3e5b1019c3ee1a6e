"""Asking a model about all images of a data set."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from prunescope.data.dataset import Dataset
from prunescope.errors import ConfigError
from prunescope.models import logits_of, to_unit_range
from prunescope.training.batches import check_fit, consecutive, feed
from prunescope.training.devices import device_for


def infer(
    model: nn.Module,
    dataset: Dataset,
    *,
    batch_size: int = 256,
    device: str | torch.device | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> NDArray[np.float32]:
    """Return the logits (N, A) of all images, in the order of the data set, in float32.

    Parameters
    ----------
    model : torch.nn.Module
        Maps images (B, 3, H, W) of floats in [0, 1] to logits (B, A), in any form that
        `prunescope.models.logits_of` takes. It is asked in evaluation
        mode, ends on the device, and is otherwise left as it was.
    dataset : Dataset
    batch_size : int
    device : str, optional
        See `device_for`.
    progress : callable, optional
        Gets the number of images done and of all, after every batch.

    Raises
    ------
    DataError
        The data set is labelled with other attributes than the model answers.
    ConfigError
        The batch size is below 1, or the device is not there.
    """
    if batch_size < 1:
        raise ConfigError(f"batch size {batch_size}: expected at least 1")
    check_fit(model, dataset)
    target = device_for(device)
    model.to(target)
    logits: list[NDArray[np.float32]] = []
    done = 0
    with evaluation_mode(model), torch.inference_mode():
        for positions, pixels, _ in feed(dataset, consecutive(len(dataset), batch_size), target):
            answer = logits_of(model(to_unit_range(pixels)))
            logits.append(answer.float().cpu().numpy())
            done += len(positions)
            if progress is not None:
                progress(done, len(dataset))
    if not logits:
        return np.zeros((0, len(dataset.samples.attributes)), np.float32)
    return np.concatenate(logits)


@contextmanager
def evaluation_mode(model: nn.Module) -> Iterator[None]:
    """Put a model into evaluation mode, and each of its modules back into its own."""
    before = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in before:
            module.training = training
