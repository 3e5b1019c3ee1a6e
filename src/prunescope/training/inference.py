"""Asking a model about many images: of a data set, or of any batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from prunescope.data.dataset import Dataset
from prunescope.errors import ConfigError, DataError, one_of
from prunescope.models import to_unit_range
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
        Maps images (B, 3, H, W) of floats in [0, 1] to logits (B, A). It is asked in evaluation
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
            logits = logits_of(model(torch.as_tensor(images).to(target)), len(images))
            answers.append(logits.float().cpu().numpy())
            done += len(logits)
            if on_batch is not None:
                on_batch(done)
    return np.concatenate(answers) if answers else np.zeros((0, 0), np.float32)


AUTOCAST = {"bfloat16": torch.bfloat16, "float16": torch.float16}
"""Types that a model can be asked in."""


def logits_of(answer: Any, n: int) -> Tensor:  # noqa: ANN401 - whatever models give
    """Return the logits (n, A) in what a model gives for `n` images.

    A tensor is taken as it is; of transformers' outputs and of a mapping, ``logits``; of a tuple or
    list, the first. A row of n numbers is one logit per image.

    Raises
    ------
    DataError
        There are none, or they have another shape.

    Examples
    --------
    >>> logits_of({"logits": torch.zeros(2, 3), "loss": torch.tensor(1.0)}, 2).shape
    torch.Size([2, 3])
    >>> logits_of((torch.zeros(2), torch.ones(2)), 2).shape
    torch.Size([2, 1])
    """
    found = answer
    if not isinstance(answer, Tensor):
        if isinstance(answer, Mapping):
            found = answer.get("logits")
        elif hasattr(answer, "logits"):
            found = answer.logits
        elif isinstance(answer, tuple | list) and answer:
            found = answer[0]
    if isinstance(found, Tensor) and found.ndim == 1 and len(found) == n:
        found = found[:, None]
    if not isinstance(found, Tensor) or found.ndim != 2 or len(found) != n:
        what = f"shape {tuple(found.shape)}" if isinstance(found, Tensor) else "no tensor"
        raise DataError(
            f"the model gives a {type(answer).__name__} with {what} for {n} images: expected "
            f"logits ({n}, A) as a tensor, as .logits, under the key 'logits', or first in a tuple"
        )
    return found


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
