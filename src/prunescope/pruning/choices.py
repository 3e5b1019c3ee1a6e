"""What may be chosen when pruning: choices that exclude each other, and starts that are odd."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from torch import nn

from prunescope.errors import ConfigError, PrunescopeWarning, one_of, shorten
from prunescope.pruning.methods import METHODS, Method
from prunescope.pruning.scores import GRADIENT_SCORES, GROUP_SCORES
from prunescope.training import Recipe

NEEDS_RECOVERY = {"one-shot": 0.7, "reconstruct": 0.9}
"""Sparsity from which `prune` warns if no training follows, by method."""


def check_choices(method: str, **told: Any) -> None:  # noqa: ANN401 - what `prune` takes
    """Raise if a method is told what it does not ask, or choices exclude each other.

    Takes what `prune` is told; neither the model nor the data, so it can come before they are read.

    Raises
    ------
    ConfigError

    Examples
    --------
    >>> check_choices("one-shot", calibration_images=8)
    Traceback (most recent call last):
    prunescope.errors.ConfigError: one-shot by score magnitude looks at no calibration images: ...
    """
    if method not in METHODS:
        raise ConfigError(one_of("method", method, METHODS))
    chosen = METHODS[method]
    for name in ("score", "distribution", "pattern", "layers"):
        if (value := told.get(name)) and name not in chosen.options:
            what = shorten(value) if isinstance(value, Mapping) else repr(value)
            raise ConfigError(
                f"{method} has a {name} of its own and cannot be told {what}: leave it out, or "
                "choose another method"
            )
    if told.get("bits") and "bits" not in chosen.options:
        raise ConfigError(
            f"{method} leaves weights as floats: leave out bits, or choose method one-shot or "
            "reconstruct"
        )
    if told.get("layers") and (other := told.get("distribution")):
        raise ConfigError(
            f"sparsities of single layers and distribution {other!r}: give one or the other"
        )
    trains = (told.get("recipe") or chosen.recipe) is not None
    if told.get("bits") and trains:
        raise ConfigError("training would not keep weights that are rounded: give bits or a recipe")
    if told.get("distill") is not None and not trains:
        raise ConfigError(f"{method} without a recipe does not train: it cannot distil")
    score, group = told.get("score") or chosen.score, told.get("group")
    if (group is not None) != (score in GROUP_SCORES):
        raise ConfigError(
            f"score {score} and group {group!r}: {' and '.join(GROUP_SCORES)} needs a group of the "
            "data set, and no other score takes one"
        )
    looks = score in GRADIENT_SCORES or chosen.calibration_images is not None
    if told.get("calibration_images") is not None and not looks:
        raise ConfigError(
            f"{method} by score {score} looks at no calibration images: leave out how many, or "
            f"choose method reconstruct or a score of {', '.join(GRADIENT_SCORES)}"
        )


def warn_of_wrong_start(model: nn.Module, method: str, chosen: Method) -> None:
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


def warn_of_no_recovery(method: str, sparsity: float, recipe: Recipe | None) -> None:
    """Warn if nothing follows a deep cut to make up for it."""
    if recipe is None and sparsity >= NEEDS_RECOVERY[method]:
        warnings.warn(
            f"{method} pruning to sparsity {sparsity} without training may ruin the network: "
            "give a recipe to train what is left, or use gmp-pt",
            PrunescopeWarning,
            stacklevel=3,
        )
