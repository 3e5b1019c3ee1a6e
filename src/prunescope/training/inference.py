"""Asking a model about many images: of a data set, or of any batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from prunescope.data.dataset import Dataset
from prunescope.errors import ConfigError, DataError, one_of
from prunescope.models import logits_of, to_unit_range
from prunescope.training.batches import check_fit, consecutive, feed
from prunescope.training.devices import device_for


def infer(
    model: nn.Module,
    dataset: Dataset,
    *,
    batch_size: int = 256,
    device: str | torch.device | None = None,
    autocast: str | None = None,
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
    autocast : {"bfloat16", "float16"}, optional
        As for `ask`.
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
    fed = feed(dataset, consecutive(len(dataset), batch_size), target)
    batches = (to_unit_range(pixels) for _, pixels, _ in fed)
    done = None if progress is None else lambda n: progress(n, len(dataset))
    answers = ask(model, batches, device=target, autocast=autocast, on_batch=done)
    return answers if len(dataset) else np.zeros((0, len(dataset.samples.attributes)), np.float32)


def ask(
    model: nn.Module,
    batches: Iterable[Any],
    *,
    device: str | torch.device | None = None,
    autocast: str | None = None,
    on_batch: Callable[[int], None] | None = None,
) -> NDArray[np.float32]:
    """Return what a model answers to batches of images: (N, A), in float32.

    Parameters
    ----------
    model : torch.nn.Module
        It is asked in evaluation mode and without gradients, ends on the device, and is otherwise
        left as it was.
    batches : iterable of tensors or arrays (B, …)
        Given to the model as they are, on the device.
    device : str, optional
        See `device_for`.
    autocast : {"bfloat16", "float16"}, optional
        Compute in this type where torch thinks it safe.
    on_batch : callable, optional
        Gets the number of images done, after every batch.

    Raises
    ------
    DataError
        What the model gives is not one row per image: see `logits_of`.
    ConfigError
        The device is not there, or the type is unknown.
    """
    target = device_for(device)
    if autocast not in (None, *AUTOCAST):
        raise ConfigError(one_of("type for autocast", str(autocast), AUTOCAST))
    dtype = AUTOCAST.get(autocast or "")
    model.to(target)
    answers: list[NDArray[np.float32]] = []
    done = 0
    with (
        evaluation_mode(model),
        torch.inference_mode(),
        torch.autocast(target.type, dtype, enabled=dtype is not None),
    ):
        for images in batches:
            logits = _rows(model(torch.as_tensor(images).to(target)), len(images))
            answers.append(logits.float().cpu().numpy())
            done += len(logits)
            if on_batch is not None:
                on_batch(done)
    return np.concatenate(answers) if answers else np.zeros((0, 0), np.float32)


AUTOCAST = {"bfloat16": torch.bfloat16, "float16": torch.float16}
"""Types that a model can be asked in."""


def _rows(answer: object, n: int) -> Tensor:
    """Return the logits (n, A) in what a model gives for n images; n numbers are one for each."""
    logits = logits_of(answer)
    if logits.ndim == 1 and len(logits) == n:
        return logits[:, None]
    if logits.ndim != 2 or len(logits) != n:
        raise DataError(
            f"the model gives logits of shape {tuple(logits.shape)} for {n} images: expected one "
            f"row per image, ({n}, A)"
        )
    return logits


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
