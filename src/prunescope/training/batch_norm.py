"""Re-estimation of batch normalisation, after a change of the weights that came without training.

The running statistics of a network are those of the weights it was trained with. Pruning at once
changes what flows through it, and old statistics then cost more accuracy than the lost weights.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from prunescope.data.dataset import Dataset
from prunescope.errors import ConfigError
from prunescope.models import to_unit_range
from prunescope.training.batches import feed
from prunescope.training.inference import evaluation_mode

N_BATCHES, BATCH_SIZE = 32, 128
"""Of images to re-estimate by, unless told otherwise."""


def reestimate_batch_norm(
    model: nn.Module,
    dataset: Dataset,
    *,
    n_batches: int | None = None,
    batch_size: int | None = None,
    seed: int,
) -> None:
    """Set the running statistics to their means over some batches of images; in place.

    All else stays: weights, and the mode that each module is in. Without batch normalisation
    nothing happens.

    Parameters
    ----------
    model : torch.nn.Module
        Maps images (B, 3, H, W) of floats in [0, 1] to logits, on the device it is on.
    dataset : Dataset
        The training split.
    n_batches, batch_size : int, optional
        Default: 32 of 128. At most one pass over the data is made: fewer full batches are used
        where there are no more, and one smaller batch where there is not a full one.
    seed : int
        Of the choice of images.

    Raises
    ------
    ConfigError
        A number is below 1.

    Examples
    --------
    >>> import polars as pl
    >>> from prunescope.data.samples import Samples
    >>> greys = Dataset(
    ...     name="greys",
    ...     fingerprint="0",
    ...     samples=Samples(pl.Series(["a", "b"]), ("Bright",), np.array([[1], [0]], np.int8)),
    ...     pixels=np.array([51] * 12 + [153] * 12, np.uint8).reshape(2, 3, 2, 2),
    ...     rows=np.array([0, 1]),
    ...     splits=np.array(["train", "train"]),
    ... )
    >>> model = nn.BatchNorm2d(3)
    >>> reestimate_batch_norm(model, greys, n_batches=1, batch_size=2, seed=0)
    >>> model.running_mean
    tensor([0.4000, 0.4000, 0.4000])
    """
    batches = reestimation_batches(len(dataset), n_batches, batch_size, seed)
    layers = running_norms(model)
    if not layers:
        return
    device = next(layer.running_mean.device for layer in layers if layer.running_mean is not None)
    momenta = [layer.momentum for layer in layers]
    with evaluation_mode(model), torch.no_grad():
        for layer in layers:
            layer.reset_running_stats()
            layer.momentum = None  # a mean over all batches, each with the same weight
            layer.train()
        try:
            for _, pixels, _ in feed(dataset, batches, device):
                model(to_unit_range(pixels))
        finally:
            for layer, momentum in zip(layers, momenta, strict=True):
                layer.momentum = momentum


def running_norms(model: nn.Module) -> list[_BatchNorm]:
    """Return the batch normalisation of a model that keeps running statistics.

    Examples
    --------
    >>> len(running_norms(nn.Sequential(nn.BatchNorm2d(3), nn.InstanceNorm2d(3))))
    1
    """
    return [
        module
        for module in model.modules()
        if isinstance(module, _BatchNorm) and module.track_running_stats
    ]


def reestimation_batches(
    n_samples: int, n_batches: int | None, batch_size: int | None, seed: int
) -> list[NDArray[np.int64]]:
    """Return which samples `reestimate_batch_norm` sees, batch by batch.

    Raises
    ------
    ConfigError
        A number is below 1.

    Examples
    --------
    >>> [len(batch) for batch in reestimation_batches(10, 3, 4, seed=0)]
    [4, 4]
    """
    n_batches = N_BATCHES if n_batches is None else n_batches
    batch_size = BATCH_SIZE if batch_size is None else batch_size
    if n_batches < 1 or batch_size < 1:
        raise ConfigError(
            f"re-estimation over {n_batches} batches of {batch_size}: expected at least 1 of 1"
        )
    size = min(batch_size, n_samples)
    order = np.random.default_rng(seed).permutation(n_samples)
    starts = range(0, n_samples - size + 1, size)[:n_batches] if size else ()
    return [order[start : start + size] for start in starts]
