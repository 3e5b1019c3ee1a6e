"""Trying on the model itself what pruning will do: for the scorers of tiers B and C.

A *trial* changes a copy of the dense model a little and asks it about the samples. Where a trial
changes weights without training, the statistics of batch normalisation are estimated anew, as after
any pruning at once.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from prunescope.errors import PrunescopeWarning
from prunescope.metrics.statistics import Floats

if TYPE_CHECKING:
    from torch import nn

    from prunescope.data import Dataset
    from prunescope.training import Recipe

BATCH_NORM_BATCHES, BATCH_NORM_BATCH_SIZE = 8, 128
VIEWS = 6
"""Of an image that is mirrored and moved."""
RECONSTRUCTION, PROBE = 8, 10
"""Passes over images that a reconstruction and the training of a probe count for in progress."""

Trial = Callable[["nn.Module"], object]
"""Changes a model in place."""


class Meter:
    """How far all the work of a forecast is: passes over images, done and of all.

    Parameters
    ----------
    passes : int
        Of all scorers, on all samples that they look at.
    tell : callable
        Takes thousandths of passes, done and of all, and a note.

    Examples
    --------
    >>> meter = Meter(2, print)
    >>> meter.at(1, 0.25, "trials")
    250 2000 trials
    >>> meter.at(1, 1.0, "trials")
    1000 2000 trials
    >>> meter.at(1, 0.5, "steps")
    1500 2000 steps
    """

    def __init__(self, passes: int, tell: Callable[..., None]) -> None:
        self.passes, self.tell, self.done = passes, tell, 0

    def at(self, passes: int, share: float, note: str) -> None:
        """Tell which share of a piece of work of so many passes is done; at 1 the next begins."""
        self.tell(round(1000 * (self.done + passes * share)), 1000 * self.passes, note)
        if share >= 1:
            self.done += passes


@dataclass(frozen=True)
class Lab:
    """A dense model, images to ask it about, and training images to settle or train it on.

    Parameters
    ----------
    model : torch.nn.Module
        Is never changed.
    training : Dataset
        The training split.
    scored : Dataset
        The samples that are forecast, in their order.
    recipe : Recipe
        How the planned pruning trains: a probe takes a small part of its steps.
    seed : int
    device : str, optional
    meter : Meter, optional
        Counts a pass for each view of the images, and some for each model that is made.
    """

    model: nn.Module
    training: Dataset
    scored: Dataset
    recipe: Recipe
    seed: int = 0
    device: str | None = None
    meter: Meter | None = None

    def changed(self, trial: Trial) -> nn.Module:
        """Return a copy of the model that a trial has changed, batch normalisation settled."""
        from prunescope.models import fold
        from prunescope.training import device_for, reestimate_batch_norm

        model = fold(self.model).to(device_for(self.device))
        trial(model)
        reestimate_batch_norm(
            model,
            self.training,
            n_batches=BATCH_NORM_BATCHES,
            batch_size=BATCH_NORM_BATCH_SIZE,
            seed=self.seed,
        )
        return model

    def reconstructed(self, sparsity: float, n_images: int, draw: int) -> nn.Module:
        """Return the model pruned by magnitude, what stays made up for on a draw of images."""
        return self._pruned(
            "reconstruct",
            sparsity,
            passes=RECONSTRUCTION,
            distribution="global",
            calibration_images=min(n_images, len(self.training)),
            seed=self.seed + draw,
        )

    def probe(self, sparsity: float, share: float) -> nn.Module:
        """Return the model pruned at once and trained for a share of the recipe's steps."""
        steps = max(1, int(share * self.recipe.total_steps(len(self.training))))
        recipe = self.recipe.replace(steps=steps)
        return self._pruned("one-shot", sparsity, passes=PROBE, recipe=recipe, seed=self.seed)

    def _pruned(
        self,
        method: str,
        sparsity: float,
        *,
        passes: int,
        **choices: Any,  # noqa: ANN401
    ) -> nn.Module:
        from prunescope.pruning import prune
        from prunescope.training import Progress

        told = self._tell("steps" if "recipe" in choices else "layers", passes)

        def tell(at: Progress) -> None:
            told(at.step, at.total_steps)

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PrunescopeWarning)  # of deep cuts: on purpose
            made = prune(
                self.model, self.training, method, sparsity,
                device=self.device, progress=tell, **choices,
            )  # fmt: skip
        return made.model

    def ask(self, model: nn.Module, *, shift: int = 0, note: str = "images") -> Floats:
        """Return a model's logits (N, A), those of classes less their mean.

        With a shift they are means over an image, its mirror image and four that are moved so far.
        """
        from prunescope.training import Augmented, infer

        moves = ((shift, 0), (-shift, 0), (0, shift), (0, -shift)) if shift else ()
        asked = Augmented(model, moves) if shift else model
        tell = self._tell(note, VIEWS if shift else 1)
        logits = infer(asked, self.scored, device=self.device, progress=tell)
        if self.scored.samples.task == "multilabel":
            return logits
        return np.asarray(logits - logits.mean(axis=1, keepdims=True))

    def moments(self, models: Iterable[nn.Module]) -> tuple[Floats, Floats]:
        """Return mean and standard deviation of the logits over models: (N, A) each.

        Logits are added up as they come (Welford), so that memory does not grow with the models.
        """
        mean = np.zeros((len(self.scored), len(self.scored.samples.attributes)), np.float32)
        squares = np.zeros_like(mean)
        done = 0
        for done, model in enumerate(models, start=1):
            before = self.ask(model, note="trials") - mean
            mean += before / done
            squares += before * (before - before / done)
        return mean, np.sqrt(squares / max(done - 1, 1))

    def _tell(self, note: str, passes: int = 1) -> Callable[[int, int], None]:
        """Return what takes how far a piece of work is, which counts for some passes."""

        def tell(done: int, total: int) -> None:
            if self.meter is not None:
                self.meter.at(passes, done / total, note)

        return tell


def cut(score: str, sparsity: float, seed: int) -> Trial:
    """Return a trial that removes weights at once, those of the lowest score."""

    def trial(model: nn.Module) -> None:
        from prunescope.pruning import Masks
        from prunescope.pruning.pruner import Criterion

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PrunescopeWarning)  # of layers that vanish
            masks = Criterion(score, seed=seed).update(model, Masks.dense(model), sparsity)
        masks.apply_(model)

    return trial
