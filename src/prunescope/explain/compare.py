"""`explain`: where in images two models see an answer, and what lies elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from torch import Tensor

from prunescope.errors import ConfigError, DataError, one_of, shorten
from prunescope.explain.answers import answers_of
from prunescope.explain.checks import LAYERS, Check, alike, randomised
from prunescope.explain.layers import feature_map
from prunescope.explain.saliency import (
    METHODS,
    Attribution,
    Method,
    colour_of,
    integrated_gradients,
)
from prunescope.models import Classifier, to_unit_range

LEAST = 4
"""Places a side that a map of features should have."""

CHECKS = 3
"""Networks with drawn weights for each check."""

BLUR = 1 / 32
"""Standard deviation of the blur, as a share of the side: single pixels are noise."""

_FEW = {"steps": 16, "most": 16}
"""Points of integrated gradients for a check, which needs a map and no exact total."""

Values = NDArray[np.float32]


@dataclass(frozen=True)
class Map:
    """Where one model sees an answer in one image.

    Parameters
    ----------
    values : array (H, W) of float32
        Shares of what speaks for yes: the positive ones sum to 1, or all are 0 where nothing does.
        Negative ones speak against it, on the same scale; of ``gradcam`` there are none.
    strength : float
        What the attributions were divided by: their positive total. Of ``gradients`` in logits.
    log_odds, probability : float
        The model's answer; the probability is of yes.
    yes : bool
    gap : float or None
        Of ``gradients``: by how many logits the total misses the change of the score.
    complete : bool or None
        Whether that is within tolerance.
    steps : int or None
    places : (int, int) or None
        Of ``gradcam``: the size of the map before it was enlarged.
    checks : tuple of Check
    """

    values: Values
    strength: float
    log_odds: float
    probability: float
    yes: bool
    gap: float | None
    complete: bool | None
    steps: int | None
    places: tuple[int, int] | None
    checks: tuple[Check, ...]

    @property
    def empty(self) -> bool:
        """Whether nothing in the image speaks for yes."""
        return self.strength <= 0


@dataclass(frozen=True)
class Explanation:
    """One answer about one image, as two models see it.

    Parameters
    ----------
    attribute : str
        Or class.
    method : {"gradcam", "gradients"}
    baseline : (float, float, float) or None
        Of ``gradients``: the colour of the plain image that both were compared with.
    dense, compressed : Map
    """

    attribute: str
    method: Method
    baseline: tuple[float, float, float] | None
    dense: Map
    compressed: Map

    @property
    def difference(self) -> Values:
        """Compressed less dense (H, W): positive where the compressed model looks more."""
        return self.compressed.values - self.dense.values

    @property
    def moved(self) -> float | None:
        """Share of what speaks for yes that lies elsewhere, in [0, 1]; None where nothing does.

        Half the sum of the sizes of the changes of both maps' positive values.
        """
        if self.dense.empty or self.compressed.empty:
            return None
        change = self.compressed.values.clip(0) - self.dense.values.clip(0)
        return float(min(1.0, np.abs(change).sum() / 2))


def explain(
    dense: Classifier,
    compressed: Classifier,
    images: NDArray[np.uint8] | Tensor,
    attribute: str,
    *,
    method: Method | None = None,
    baseline: Sequence[float] | None = None,
    checks: int = CHECKS,
    seed: int = 0,
) -> list[Explanation]:
    """Map where two models see an answer, in each of some images.

    Parameters
    ----------
    dense, compressed : Classifier
        Of the same attributes and image size.
    images : array (N, 3, H, W) of uint8, or tensor of floats in [0, 1]
    attribute : str
        Or class.
    method : {"gradcam", "gradients"}, optional
        Default: see `method_for`.
    baseline : 3 floats in [0, 1], optional
        Of ``gradients``: colour of the plain image. Default: the dense model's mean colour.
    checks : int
        Networks with drawn weights to look at for each `Check`; 0: no checks.
    seed : int
        Of their weights.

    Returns
    -------
    list of Explanation
        One per image.

    Raises
    ------
    ConfigError
        The models do not fit together, or the attribute, method or baseline does not fit them.
    DataError
        The images have another shape, or something is not finite.

    Examples
    --------
    >>> from prunescope.models import build_model
    >>> models = [build_model("resnet_small", ["Bald"], image_size=64, seed=s) for s in (0, 1)]
    >>> [found] = explain(*models, np.zeros((1, 3, 64, 64), np.uint8), "Bald", checks=0)
    >>> found.method, found.dense.values.shape, found.dense.places
    ('gradients', (64, 64), None)
    """
    check_alike({"dense": dense, "compressed": compressed})
    chosen = method or method_for(dense, compressed)
    if chosen not in METHODS:
        raise ConfigError(one_of("method", chosen, METHODS))
    if attribute not in dense.spec.attributes:
        raise ConfigError(one_of("attribute", attribute, dense.spec.attributes))
    seen = _pixels(images, dense.spec.image_size)
    if not len(seen):
        return []
    colour = colour_of(dense.spec.preprocessing.mean if baseline is None else baseline)
    question = _Question(seen, attribute, chosen, colour)
    both = (_maps(question, model, checks, seed) for model in (dense, compressed))
    plain = colour if chosen == "gradients" else None
    return [Explanation(attribute, chosen, plain, *pair) for pair in zip(*both, strict=True)]


def check_alike(models: Mapping[str, Classifier]) -> None:
    """Raise unless models answer the same about images of one size; orders may differ.

    Raises
    ------
    ConfigError
    """
    (first, one), *others = models.items()
    for name, other in others:
        mine, theirs = one.spec, other.spec
        if mine.task != theirs.task or sorted(mine.attributes) != sorted(theirs.attributes):
            raise ConfigError(
                f"{first} answers {shorten(mine.attributes)} ({mine.task}), {name} answers "
                f"{shorten(theirs.attributes)} ({theirs.task}): expected two models of the same "
                "attributes"
            )
        if mine.image_size != theirs.image_size:
            raise ConfigError(
                f"{first} takes images of {mine.image_size} px, {name} of {theirs.image_size} px: "
                "expected two models of one image size"
            )


def method_for(*models: Classifier) -> Method:
    """Return the method for models: ``gradcam`` where each has a map of 4 × 4 places or more.

    Elsewhere ``gradients``: a coarser map says little of where.

    Examples
    --------
    >>> from prunescope.models import build_model
    >>> small = build_model("resnet_small", ["Bald"], image_size=64)
    >>> large = build_model("resnet18", ["Bald"], image_size=64)
    >>> method_for(large), method_for(large, small)
    ('gradcam', 'gradients')
    """
    try:
        fine = all(min(feature_map(model).places) >= LEAST for model in models)
    except ConfigError:
        fine = False
    return "gradcam" if fine else "gradients"


@dataclass(frozen=True)
class _Question:
    """What is asked of each model."""

    images: Tensor
    attribute: str
    method: Method
    baseline: Sequence[float]

    def column(self, model: Classifier) -> int:
        return model.spec.attributes.index(self.attribute)

    def of(self, model: Classifier, **points: int) -> Attribution:
        """Ask one; `points` are those of integrated gradients."""
        column = self.column(model)
        if self.method == "gradients":
            return integrated_gradients(
                model, self.images, column, baseline=self.baseline, **points
            )
        return METHODS[self.method](model, self.images, column)


def _maps(question: _Question, model: Classifier, checks: int, seed: int) -> list[Map]:
    """Return the map of each image."""
    column = question.column(model)
    answers = answers_of(model, question.images)
    found = question.of(model)
    values, strengths = _shares(found.values)
    checked = _checked(question, model, values, checks, seed)
    gaps, complete = found.gaps, found.complete
    return [
        Map(
            values=values[row],
            strength=float(strengths[row]),
            log_odds=float(answers.log_odds[row, column]),
            probability=float(answers.probabilities[row, column]),
            yes=bool(answers.yes[row, column]),
            gap=None if gaps is None else float(gaps[row]),
            complete=None if complete is None else bool(complete[row]),
            steps=found.steps,
            places=found.places,
            checks=tuple(check[row] for check in checked),
        )
        for row in range(len(values))
    ]


def _checked(
    question: _Question, model: Classifier, values: Values, draws: int, seed: int
) -> list[list[Check]]:
    """Return, for each kind of check, that of each image."""
    found = []
    for layers in LAYERS if draws else ():
        drawn = []
        for draw in range(draws):
            learned_nothing = randomised(model, layers, seed + draw)
            made = question.of(learned_nothing, **_FEW)
            drawn.append(_shares(made.values)[0])
        found.append(
            [
                Check(layers, drawn[0][row], _mean(alike(one, made[row]) for made in drawn))
                for row, one in enumerate(values)
            ]
        )
    return found


def _mean(found: Iterable[float | None]) -> float | None:
    known = [value for value in found if value is not None]
    return sum(known) / len(known) if known else None


def _shares(attributions: Tensor) -> tuple[Values, NDArray[np.float32]]:
    """Blur attributions (N, H, W) and divide each by its positive total, which is returned too."""
    raw = attributions.double().numpy()
    width = BLUR * raw.shape[-1]
    blurred = np.stack([gaussian_filter(one, width, mode="reflect") for one in raw])
    totals = blurred.clip(0).sum(axis=(1, 2))
    values = blurred / np.where(totals > 0, totals, 1)[:, None, None]
    return values.astype(np.float32), totals.astype(np.float32)


def _pixels(images: NDArray[np.uint8] | Tensor, side: int) -> Tensor:
    """Return images as floats in [0, 1].

    Raises
    ------
    DataError
        They are of another shape or type, or not in that range.
    """
    given = images if isinstance(images, Tensor) else torch.from_numpy(np.array(images))
    whole = given.dtype == torch.uint8
    if tuple(given.shape[1:]) != (3, side, side) or not (whole or given.is_floating_point()):
        raise DataError(
            f"images of shape {tuple(given.shape)} and type {given.dtype}: these models take "
            f"(N, 3, {side}, {side}) of uint8, or of floats in [0, 1]; load them at that size"
        )
    seen = to_unit_range(given) if whole else given.float()
    if seen.numel() and not (float(seen.min()) >= 0 and float(seen.max()) <= 1):
        raise DataError(
            f"images with values from {float(seen.min()):g} to {float(seen.max()):g}: expected "
            "floats in [0, 1], before any normalisation"
        )
    return seen
