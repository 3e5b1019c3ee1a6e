"""`prune`: a model, a method and a sparsity in; a pruned model out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from prunescope.data.dataset import Dataset
from prunescope.models import check_float, computed_weights, fold, to_unit_range
from prunescope.pruning.calibration import N_IMAGES, Calibration
from prunescope.pruning.choices import check_choices, warn_of_no_recovery, warn_of_wrong_start
from prunescope.pruning.distributions import PerLayer
from prunescope.pruning.layers import answers_of
from prunescope.pruning.left import count_left
from prunescope.pruning.masks import Masks
from prunescope.pruning.methods import METHODS, Job, Method, Outcome
from prunescope.pruning.pruner import Criterion
from prunescope.pruning.refilled import refilled_weights, stay_dense
from prunescope.pruning.scores import GRADIENT_SCORES
from prunescope.training import (
    RECIPES,
    Callback,
    Distill,
    Distillation,
    History,
    Progress,
    Recipe,
    device_for,
)


@dataclass(frozen=True)
class Pruned:
    """A pruned model and how it came to be.

    Parameters
    ----------
    model : torch.nn.Module
        Its pruned weights are zero, or gone; otherwise a model as any. On the device, in
        evaluation mode.
    masks : Masks or None
        Which weights it keeps; None where channels were removed.
    recipe : Recipe or None
        How it was trained; None where it was not.
    compression : dict
        In plain values: method and sparsity as asked for, what is left as counted (`count_left`),
        and what the method was told; ``folded``, if any: the weights that were computed, and by
        what.
    history : History or None
        Of the training; None where there was none.
    """

    model: nn.Module
    masks: Masks | None
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
    score: str | None = None,
    distribution: str | None = None,
    pattern: str | None = None,
    layers: Mapping[str, float] | None = None,
    ignore: str | Sequence[str] = (),
    bits: int | Mapping[str, int] | None = None,
    calibration_images: int | None = None,
    group: str | None = None,
    distill: Distill | None = None,
    teacher: nn.Module | None = None,
    seed: int | None = None,
    callbacks: Sequence[Callback] = (),
    resume_dir: str | Path | None = None,
    progress: Callable[[Progress], None] | None = None,
    device: str | torch.device | None = None,
) -> Pruned:
    """Prune a model by a method of the field; the model given stays as it is.

    From a trained model:

    - ``one-shot`` removes weights at once. Then it trains the rest by `recipe`, or, without one,
      re-estimates the statistics of batch normalisation.
    - ``reconstruct`` removes weights at once, layer by layer, by second order: those that stay make
      up for those that go, so that each layer gives for the calibration images what the dense
      model's does. Labels are not looked at. With `bits` the weights are rounded in the same way.
    - ``structured`` removes whole channels, so that the network is smaller, and trains what is
      left. Its sparsity is the share of channels (`remove_channels` says which and how many).
    - ``gmp-pt``, gradual magnitude pruning: removes ever more weights, from 5% at 1/80 of training
      to the target at 57/80; ``linear-pt``: the same, as many each time.

    From random weights, of which the model given is made:

    - ``gmp-ri``: gradual, from 5% at a tenth of training to the target at eight tenths.
    - ``ac/dc``: sparse and dense phases by turns.
    - ``rigl``: as sparse as in the end from the start, while weights move.
    - ``imp``: trains, removes a fifth of what is left, sets the rest back to early weights, and
      trains again, round by round; each by the whole recipe.
    - ``snip``: removes weights before training, by gradients.

    These shares, and how often masks change in between, are those of the papers.

    The sparsity is the share of the weights of convolutions, linear layers and attention
    (`prunable_weights`), those to ignore left out; `count_kept` says how it is rounded. Biases,
    normalisation and embeddings are not pruned; `what_stays_dense` lists what is not. Weights that
    a layer computes (``weight_norm``, say) are made plain first (`fold`), and trained as such.

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
    score, distribution, pattern : str, optional
        Keys of `SCORES`, `DISTRIBUTIONS` and `PATTERNS`; by default the method's. With pattern
        ``channel``, the sparsity is the share of channels, the same in every layer by default, and
        the layer that gives the answers stays dense.
    layers : mapping of str to float, optional
        Sparsities of single layers, by name or shell pattern; the others share the rest.
    ignore : str or sequence of str
        Names or shell patterns of layers to leave dense.
    bits : int or mapping of str to int, optional
        Without a recipe: 2 to 8, of each weight that is left, or of those of layers, by name or
        shell pattern. Their values are −m … m times a step of each output, m = 2^(bits − 1) − 1,
        and stored as floats. ``one-shot`` takes the nearest (`rounding.round_to_bits`),
        ``reconstruct`` lets other weights make up for it. With sparsity 0, nothing but that.
    calibration_images : int, optional
        For scores that look at gradients, by default 512, and for ``reconstruct``, by default 2,048
        or all: on how many images of the data set.
    group : str, optional
        For ``fairgrape``: the group of the data set whose values are to keep the same share.
    distill : Distill, optional
        Learn from the teacher's answers too.
    teacher : torch.nn.Module, optional
        Default: the model given.
    seed : int, optional
        Of all that is random: the training, random scores, the images that are calibrated on. By
        default the recipe's, or 0 without a recipe.
    callbacks, resume_dir, progress, device
        As for `train`.

    Returns
    -------
    Pruned

    Raises
    ------
    ConfigError
        A name is unknown, the sparsity makes no sense or the pattern does not allow it, a pattern
        to ignore matches nothing, no layer can be pruned, choices exclude each other, or training
        is too short for the method.
    DataError
        There are fewer images than to calibrate on, or none of a group value.
    TrainingError
        A weight is NaN or infinite.

    Warns
    -----
    PrunescopeWarning
        A layer loses all its weights or computes with others than its own, which leaves it dense;
        nothing follows a deep cut to make up for it; or the model is not what the method starts
        from.

    References
    ----------
    Iofinova, Peste and Alistarh, "Bias in Pruned Vision Models", CVPR 2023, section 3. Those of a
    method stand in its file.
    """
    told = {"score": score, "distribution": distribution, "pattern": pattern, "layers": layers}
    widths = dict(bits) if isinstance(bits, Mapping) else {} if bits is None else {"*": bits}
    check_choices(
        method, **told, bits=widths, recipe=recipe, group=group, distill=distill,
        calibration_images=calibration_images,
    )  # fmt: skip
    check_float(model, "to prune")
    chosen = METHODS[method]
    recipe, seed = _seeded(chosen, recipe, seed)
    score = score or chosen.score
    folded, model = computed_weights(model), fold(model)
    ignored = [ignore] if isinstance(ignore, str) else [*ignore]
    ignored += _dense_anyway(model, dataset, method, pattern)
    if pattern == "channel" and not layers:
        distribution = distribution or "uniform"
    calibration = _calibration(chosen, score, dataset, calibration_images, group, seed)
    criterion = Criterion(
        score,
        distribution or chosen.distribution,
        pattern or "unstructured",
        seed,
        PerLayer(tuple(layers.items()), sparsity) if layers else None,
        calibration if score in GRADIENT_SCORES else None,
    )
    masks = Masks.dense(model, ignored)
    criterion.check(masks, sparsity, model)  # tells what is wrong before any training
    warn_of_wrong_start(model, method, chosen)
    warn_of_no_recovery(method, sparsity, recipe)
    if distill is not None:
        callbacks = (Distillation(model if teacher is None else teacher, distill), *callbacks)
    job = Job(
        model=model,
        dataset=dataset,
        sparsity=sparsity,
        masks=masks,
        criterion=criterion,
        recipe=recipe,
        ignore=tuple(ignored),
        seed=seed,
        device=device_for(device),
        callbacks=callbacks,
        resume_dir=None if resume_dir is None else Path(resume_dir),
        progress=progress,
        bits=widths,
        calibration=calibration,
        told=tuple(name for name, value in told.items() if value),
    )
    made = chosen.run(job)
    asked = {
        "folded": folded,
        "layer_sparsity": dict(layers or {}),
        "layer_bits": widths,
        "calibration_images": None if calibration is None else calibration.n_images,
        "group": group,
        "distill": None if distill is None else distill.model_dump(),
    }
    compression = {"method": method, **_left(job, made)}
    compression |= {name: value for name, value in asked.items() if value}
    return Pruned(made.model, made.masks, recipe, compression, made.history)


def _seeded(method: Method, recipe: Recipe | None, seed: int | None) -> tuple[Recipe | None, int]:
    """Return the recipe, by default the method's, and the seed, by default the recipe's."""
    if recipe is None and method.recipe is not None:
        recipe = RECIPES[method.recipe]
    if seed is None:
        seed = recipe.seed if recipe else 0
    return None if recipe is None else recipe.replace(seed=seed), seed


def _calibration(
    method: Method,
    score: str,
    dataset: Dataset,
    n_images: int | None,
    group: str | None,
    seed: int,
) -> Calibration | None:
    """Return the images to calibrate on, if the method or the score looks at any."""
    usual = method.calibration_images
    if score not in GRADIENT_SCORES and usual is None:
        return None
    if n_images is None:
        n_images = N_IMAGES if usual is None else min(usual, len(dataset))
    return Calibration(dataset, n_images, seed=seed, group=group)


def _dense_anyway(
    model: nn.Module, dataset: Dataset, method: str, pattern: str | None
) -> list[str]:
    """Name the layers that cannot be pruned so: those whose weights others fill, or that answer."""
    found = []
    if method != "structured":
        images = to_unit_range(torch.from_numpy(dataset.images(np.arange(1))))
        images = images.to(next(model.parameters()).device)
        found += stay_dense(refilled_weights(model, images))
    if pattern == "channel":
        found += answers_of(model, len(dataset.samples.attributes))
    return found


def _left(job: Job, made: Outcome) -> dict[str, Any]:
    """Tell what is left of the weights or channels, by which choices, and what the method told."""
    criterion = job.criterion
    answers = None
    if made.masks is None or criterion.pattern == "channel":
        answers = answers_of(job.model, len(job.dataset.samples.attributes))
    return {
        "sparsity": float(job.sparsity),
        **count_left(job.model, made.model, made.masks, answers),
        "score": criterion.score,
        "distribution": "per-layer" if criterion.per_layer else criterion.distribution,
        "pattern": criterion.pattern if made.masks is not None else "structured",
        "ignore": list(job.ignore),
        "seed": job.seed,
        **made.told,
    }
