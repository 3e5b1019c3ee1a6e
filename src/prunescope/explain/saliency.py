"""Attributions: how much each pixel speaks for a score."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from prunescope.errors import ConfigError
from prunescope.explain.answers import check_finite, score_of, slopes_of
from prunescope.explain.layers import feature_map
from prunescope.models import Classifier
from prunescope.training.inference import evaluation_mode

Method = Literal["gradcam", "gradients"]

STEPS, MOST_STEPS = 32, 256
"""Points on the way from the baseline: at first, and at most."""

TOLERANCE = 0.05
"""How far attributions may miss the change of the score: this share of it, and so many logits."""

_BATCH = 32


@dataclass(frozen=True)
class Attribution:
    """How much each pixel of images speaks for a score.

    Parameters
    ----------
    values : tensor (N, H, W) of float32
        Positive: for yes. Of ``gradients`` in logits; of ``gradcam`` on a scale of its own, and
        never negative.
    scores : tensor (N,)
        What was explained.
    places : (int, int), optional
        Of ``gradcam``: height and width of the map that was enlarged.
    baseline : (float, float, float), optional
        Of ``gradients``: the colour of the plain image that was compared with.
    from_scores : tensor (N,), optional
        Of ``gradients``: the score of that image.
    steps : int, optional
        Of ``gradients``: points that slopes were taken at.
    """

    values: Tensor
    scores: Tensor
    places: tuple[int, int] | None = None
    baseline: tuple[float, float, float] | None = None
    from_scores: Tensor | None = None
    steps: int | None = None

    @property
    def gaps(self) -> Tensor | None:
        """How far the sums of ``gradients`` miss the change of the score (N,), in logits."""
        if self.from_scores is None:
            return None
        return (self.values.sum(dim=(1, 2)) - (self.scores - self.from_scores)).abs()

    @property
    def complete(self) -> Tensor | None:
        """Whether the gaps are within tolerance (N,): 5% of the change plus 0.05 logits."""
        if self.from_scores is None or self.gaps is None:
            return None
        return self.gaps <= _allowed(self.scores - self.from_scores)


def gradcam(model: Classifier, images: Tensor, column: int) -> Attribution:
    """Return the class activation map of Grad-CAM.

    ``max(0, Σ_k α_k A_k)`` with ``α_k`` the mean over places of ∂score/∂A_k, for the map A (K, h,
    w) that `feature_map` finds; enlarged bilinearly to what the network sees, from where each value
    goes to the pixels that it was made of.

    Parameters
    ----------
    model : Classifier
        A convolutional one.
    images : tensor (N, 3, H, W) of floats in [0, 1]
    column : int
        Of the attribute or class.

    Raises
    ------
    ConfigError
        The network has no such map.
    DataError
        What it computes is not finite.

    References
    ----------
    Selvaraju et al., ICCV 2017, equations 1 and 2.
    """
    part = feature_map(model)
    kept: list[Tensor] = []

    def keep(_: nn.Module, __: object, output: Tensor) -> Tensor:
        kept.append(output)
        return output.clone()  # what follows may work in place

    hook = model.network.get_submodule(part.name).register_forward_hook(keep)
    try:
        with evaluation_mode(model), torch.enable_grad():
            scores = score_of(model(_leaf(images)), column, model.spec.task)
    finally:
        hook.remove()
    [slopes] = slopes_of(model, scores, kept[-1:])
    assert slopes is not None  # or it had been no map
    weights = slopes.mean(dim=(2, 3), keepdim=True)
    cam = (weights * kept[-1].detach()).sum(dim=1, keepdim=True).relu()
    side = model.spec.preprocessing.input_size
    large = functional.interpolate(cam, size=(side, side), mode="bilinear", align_corners=False)
    values = model.preprocess.back(large[:, 0], model.spec.image_size)
    check_finite(values, model)
    check_finite(scores, model)
    return Attribution(values, scores.detach(), places=part.places)


def integrated_gradients(
    model: Classifier,
    images: Tensor,
    column: int,
    *,
    baseline: Sequence[float] | None = None,
    steps: int = STEPS,
    most: int = MOST_STEPS,
) -> Attribution:
    """Return integrated gradients, summed over the colours of a pixel.

    ``(x − b) · mean over α in (0, 1) of ∂score/∂x at b + α (x − b)``, by the midpoint rule. Their
    sum is score(x) − score(b), as far as the rule is exact: the number of points is doubled until
    they miss that by no more than 5% and 0.05 logits, or is `most`.

    Parameters
    ----------
    model : Classifier
        Any.
    images : tensor (N, 3, H, W) of floats in [0, 1]
    column : int
        Of the attribute or class.
    baseline : 3 floats in [0, 1], optional
        Colour of the plain image b. Default: the one that the network sees as 0, its mean colour.
    steps, most : int

    Raises
    ------
    ConfigError
        The baseline is no colour.
    DataError
        What the network computes is not finite.

    References
    ----------
    Sundararajan, Taly and Yan, ICML 2017, equation 3 and section 3 (completeness).
    """
    colour = colour_of(model.spec.preprocessing.mean if baseline is None else baseline)
    plain = torch.tensor(colour).reshape(3, 1, 1).expand_as(images[0])
    with evaluation_mode(model):
        with torch.no_grad():
            both = model(torch.cat([images, plain[None]]))
        ends = score_of(both, column, model.spec.task)
        check_finite(ends, model)
        scores, start = ends[:-1], ends[-1]
        allowed = _allowed(scores - start)
        while True:
            values = torch.stack([_integral(model, one, plain, column, steps) for one in images])
            check_finite(values, model)
            gaps = (values.sum(dim=(1, 2)) - (scores - start)).abs()
            if bool((gaps <= allowed).all()) or 2 * steps > most:
                break
            steps *= 2
    return Attribution(
        values, scores, baseline=colour, from_scores=start.expand_as(scores), steps=steps
    )


METHODS: dict[Method, Callable[[Classifier, Tensor, int], Attribution]] = {
    "gradcam": gradcam,
    "gradients": integrated_gradients,
}
"""Name → what makes attributions by that method."""


def colour_of(given: Sequence[float]) -> tuple[float, float, float]:
    """Return a baseline as a colour.

    Raises
    ------
    ConfigError
        It is none.

    Examples
    --------
    >>> colour_of([0, 0.5, 1])
    (0.0, 0.5, 1.0)
    """
    found = [float(value) for value in given]
    if len(found) != 3 or not all(0 <= value <= 1 for value in found):
        raise ConfigError(
            f"baseline {', '.join(f'{value:g}' for value in found)}: expected a colour, red, green "
            "and blue in [0, 1]"
        )
    return found[0], found[1], found[2]


def _allowed(change: Tensor) -> Tensor:
    return TOLERANCE * (change.abs() + 1)


def _integral(model: Classifier, image: Tensor, plain: Tensor, column: int, steps: int) -> Tensor:
    """Return the integrated gradients (H, W) of one image."""
    way = image - plain
    total = torch.zeros_like(image)
    for shares in torch.split((torch.arange(steps) + 0.5) / steps, _BATCH):
        points = _leaf(plain + shares.reshape(-1, 1, 1, 1) * way)
        with torch.enable_grad():
            scores = score_of(model(points), column, model.spec.task)
            [slopes] = slopes_of(model, scores, [points])
        if slopes is not None:
            total += slopes.sum(dim=0)
    return (way * total / steps).sum(dim=0)


def _leaf(images: Tensor) -> Tensor:
    return images.detach().clone().requires_grad_()
