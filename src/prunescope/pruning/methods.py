"""Ways to prune a model, by name, and `prune`, which runs one."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from prunescope.data.dataset import Dataset
from prunescope.errors import ConfigError, PrunescopeWarning, one_of
from prunescope.pruning.masks import Masks
from prunescope.pruning.pruner import Criterion, Pruner
from prunescope.pruning.schedules import Cubic, OneShot, Schedule
from prunescope.pruning.sparsity import count_kept
from prunescope.training import (
    RECIPES,
    Callback,
    History,
    Progress,
    Recipe,
    device_for,
    reestimate_batch_norm,
    train,
)

NEEDS_RECOVERY = 0.7
"""Sparsity from which `prune` warns if no training follows."""

BATCH_NORM_BATCHES = 32
BATCH_NORM_BATCH_SIZE = 128


@dataclass(frozen=True)
class Method:
    """How a model becomes sparse.

    Parameters
    ----------
    starts_from : {"random", "dense"}
        Whether it expects a model as initialised or one that is trained.
    schedule : Schedule
        When its masks change.
    recipe : str or None
        The recipe in `RECIPES` that it trains by unless told otherwise; None means that it does
        not train unless told to.
    """

    starts_from: Literal["random", "dense"]
    schedule: Schedule
    recipe: str | None


METHODS: dict[str, Method] = {
    "one-shot": Method("dense", OneShot(), recipe=None),
    # In the paper's 100 epochs: epochs 10, 20 … 80.
    "gmp-ri": Method(
        "random", Cubic(Fraction(10, 100), Fraction(80, 100), n_updates=8), recipe="paper-ri"
    ),
    # In the paper's 80 epochs: epochs 1, 5 … 57.
    "gmp-pt": Method(
        "dense", Cubic(Fraction(1, 80), Fraction(57, 80), n_updates=15), recipe="paper-pt"
    ),
}


@dataclass(frozen=True)
class Pruned:
    """A pruned model and how it came to be.

    Parameters
    ----------
    model : torch.nn.Module
        Its pruned weights are zero; otherwise a model as any. On the device, in evaluation mode.
    masks : Masks
        Which weights it keeps.
    recipe : Recipe or None
        How it was trained; None where it was not.
    compression : dict
        What was asked for, in plain values: method, sparsity, score, distribution, ignore, seed.
    history : History or None
        Of the training; None where there was none.
    """

    model: nn.Module
    masks: Masks
    recipe: Recipe | None
    compression: dict[str, Any]
    history: History | None


def prune(
    model: nn.Module,
    dataset: Dataset,
    method: str,
    sparsity: float,
    *,
    recipe: Recipe | None = None,
    score: str = "magnitude",
    distribution: str = "global",
    ignore: str | Sequence[str] = (),
    seed: int | None = None,
    callbacks: Sequence[Callback] = (),
    resume_dir: str | Path | None = None,
    progress: Callable[[Progress], None] | None = None,
    device: str | torch.device | None = None,
) -> Pruned:
    """Prune a model by a method of the field; the model given stays as it is.

    - ``one-shot`` removes the weights of a trained model at once. Then it trains the rest by
      `recipe`, or, without one, re-estimates the statistics of batch normalisation.
    - ``gmp-ri``, gradual magnitude pruning from random initialisation: trains a fresh model while
      it removes ever more weights, from 5% at a tenth of training to the target at eight tenths.
    - ``gmp-pt``, the same from a trained model, from 1/80 to 57/80 of training.

    These shares, and how often masks change in between, are the paper's.

    The sparsity is the share of the weights of convolutions and linear layers, those to ignore
    left out; `count_kept` says how it is rounded. Biases and normalisation are not pruned.

    Parameters
    ----------
    model : torch.nn.Module
    dataset : Dataset
        The training split.
    method : str
        A key of `METHODS`.
    sparsity : float
        In [0, 1).
    recipe : Recipe, optional
        How to train; by default the method's.
    score, distribution : str
        Keys of `SCORES` and `DISTRIBUTIONS`.
    ignore : str or sequence of str
        Names or shell patterns of layers to leave dense.
    seed : int, optional
        Of all that is random: the training, random scores, the images that batch normalisation is
        re-estimated on. By default the recipe's, or 0 without a recipe.
    callbacks, resume_dir, progress, device
        As for `train`.

    Returns
    -------
    Pruned

    Raises
    ------
    ConfigError
        A name is unknown, the sparsity makes no sense, a pattern to ignore matches nothing, no
        layer can be pruned, or training is too short for the method.
    TrainingError
        A weight is NaN or infinite.

    Warns
    -----
    PrunescopeWarning
        A layer loses all its weights, nothing follows a deep cut to make up for it, or the model
        is not what the method starts from.

    References
    ----------
    Iofinova, Peste and Alistarh, "Bias in Pruned Vision Models", CVPR 2023, section 3.
    """
    if method not in METHODS:
        raise ConfigError(one_of("method", method, METHODS))
    chosen = METHODS[method]
    if recipe is None and chosen.recipe is not None:
        recipe = RECIPES[chosen.recipe]
    if seed is None:
        seed = recipe.seed if recipe else 0
    criterion = Criterion(score, distribution, seed=seed)
    masks = Masks.dense(model, ignore)
    count_kept(masks.n_weights, sparsity)  # tells a bad sparsity before any training
    _warn_of_wrong_start(model, method, chosen)
    _warn_of_no_recovery(sparsity, recipe)
    model = copy.deepcopy(model)
    history = None
    if recipe is None:
        model.to(device_for(device)).eval()
        masks = criterion.update(model, masks, sparsity)
        masks.apply_(model)
        reestimate_batch_norm(
            model,
            dataset,
            n_batches=BATCH_NORM_BATCHES,
            batch_size=BATCH_NORM_BATCH_SIZE,
            seed=seed,
        )
    else:
        recipe = recipe.replace(seed=seed)
        pruner = Pruner(masks, sparsity, chosen.schedule, criterion)
        history = train(
            model,
            dataset,
            recipe,
            callbacks=(pruner, *callbacks),
            resume_dir=resume_dir,
            progress=progress,
            device=device,
        )
        masks = pruner.masks
    compression = {
        "method": method,
        "sparsity": float(sparsity),
        "score": score,
        "distribution": distribution,
        "ignore": [ignore] if isinstance(ignore, str) else list(ignore),
        "seed": seed,
    }
    return Pruned(model, masks, recipe, compression, history)


def _warn_of_wrong_start(model: nn.Module, method: str, chosen: Method) -> None:
    """Warn if the model is not what the method starts from.

    Only batch normalisation tells, where there is any: its means are 0 until it is trained.
    """
    means = [mean for name, mean in model.named_buffers() if name.endswith("running_mean")]
    if not means:
        return
    trained = any(mean.any() for mean in means)
    if trained == (chosen.starts_from == "dense"):
        return
    problem = (
        "random initialisation, but this model has been trained: give a fresh one, or use gmp-pt"
        if trained
        else "a trained model, but this one has seen no data: train it first, or use gmp-ri"
    )
    warnings.warn(f"{method} starts from {problem}", PrunescopeWarning, stacklevel=3)


def _warn_of_no_recovery(sparsity: float, recipe: Recipe | None) -> None:
    if recipe is None and sparsity >= NEEDS_RECOVERY:
        warnings.warn(
            f"one-shot pruning to sparsity {sparsity} without training may ruin the network: "
            "give a recipe to train what is left, or use gmp-pt",
            PrunescopeWarning,
            stacklevel=3,
        )
