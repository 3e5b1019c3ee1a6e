"""Features: what the last layer of a classifier sees of each image."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from prunescope.errors import ConfigError, DataError
from prunescope.models.classifier import logits_of
from prunescope.models.quantized import Int8Conv2d, Int8Layer

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, Int8Conv2d)
LAYERS = (nn.Linear, *CONVOLUTIONS, Int8Layer)
"""Kinds of layers that may give the answers."""


class Features:
    """What was seen by the layer that gives a model's answers; see `penultimate`."""

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._entered: dict[tuple[int, int], Tensor] = {}
        self._batches: list[NDArray[np.float32]] = []

    def values(self) -> NDArray[np.float32]:
        """Return the features (N, D) of all images that the model was asked about, in order."""
        if not self._batches:
            return np.zeros((0, 0), np.float32)
        values = np.empty((sum(map(len, self._batches)), self._batches[0].shape[1]), np.float32)
        done = len(values)
        while self._batches:  # each goes as it is copied, so that two of all are never held
            batch = self._batches.pop()
            values[done - len(batch) : done] = batch
            done -= len(batch)
        self._batches = [values]
        return values

    def _note(
        self,
        layer: nn.Module,
        inputs: tuple[Any, ...],
        named: dict[str, Any],
        output: Any,  # noqa: ANN401 - as hooks get it
    ) -> None:
        """Keep what went into a layer that gave one row of numbers per image, until the end."""
        if not isinstance(output, Tensor) or output.ndim < 2:
            return
        width = output.shape[1 if isinstance(layer, CONVOLUTIONS) else -1]
        if output.numel() == len(output) * width:
            [seen, *_] = (*inputs, *named.values())
            self._entered[len(output), width] = seen

    def _begin(self, *_: Any) -> None:  # noqa: ANN401 - as hooks get it
        self._entered.clear()

    def _end(self, model: nn.Module, _: Any, answer: Any) -> None:  # noqa: ANN401 - as hooks get it
        """Take what went into the last layer that gave as many numbers as the model."""
        logits = logits_of(answer)
        n, width = len(logits), logits.numel() // max(len(logits), 1)
        seen = self._entered.get((n, width))
        self._entered.clear()
        if seen is None:
            raise ConfigError(
                f"no layer of {type(model).__name__} is known to give its answers: expected a "
                f"torch.nn.Linear or a convolution whose output is {width} numbers per image. Let "
                "the model end in one, or write the embeddings of another network to a file "
                "(prunescope.Embeddings.of)"
            )
        # A copy: a view would keep all of what it was cut from, the tokens of a batch, say.
        batch = np.array(seen.detach().flatten(1).float().cpu().numpy(), copy=True)
        if self._batches and batch.shape[1] != self._batches[0].shape[1]:
            raise DataError(
                f"the last layer of {type(model).__name__} sees {batch.shape[1]:,} numbers of some "
                f"images and {self._batches[0].shape[1]:,} of others: give images of one size"
            )
        self._batches.append(batch)


@contextmanager
def penultimate(model: nn.Module) -> Iterator[Features]:
    """Collect, while a model is asked, what goes into the layer that gives its answers.

    That is the last `torch.nn.Linear` or convolution that is called, among those that give as many
    numbers per image as the model. Its input is flattened. Answers stay what they were, to the bit.

    Parameters
    ----------
    model : torch.nn.Module
        Dense, pruned or in int8. However it is asked: by `prunescope.predict`, or called.

    Yields
    ------
    Features
        ``values()`` are (N, D) numbers of 32 bits.

    Raises
    ------
    ConfigError
        When the model is asked: no layer gives its answers.

    Examples
    --------
    >>> import torch
    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    >>> with penultimate(model) as seen:
    ...     answers = model(torch.rand(5, 1, 2, 2))
    >>> seen.values().shape
    (5, 3)
    """
    features = Features(model)
    with ExitStack() as hooks:
        hooks.enter_context(model.register_forward_pre_hook(features._begin))
        for layer in model.modules():
            if isinstance(layer, LAYERS):
                hooks.enter_context(layer.register_forward_hook(features._note, with_kwargs=True))
        hooks.enter_context(model.register_forward_hook(features._end))
        yield features
