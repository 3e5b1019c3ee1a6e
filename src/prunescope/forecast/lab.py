"""Trying on the model itself what pruning will do: for the scorers of tiers B and C.

A *trial* changes a copy of the dense model a little and asks it about the samples. Where a trial
changes weights without training, the statistics of batch normalisation are estimated anew, as after
any pruning at once.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from prunescope.errors import PrunescopeWarning
from prunescope.metrics.statistics import Floats

if TYPE_CHECKING:
    from torch import nn

    from prunescope.data import Dataset
    from prunescope.training import Recipe

BATCH_NORM_BATCHES, BATCH_NORM_BATCH_SIZE = 8, 128

Trial = Callable[["nn.Module"], object]
"""Changes a model in place."""


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
    progress : callable, optional
        Takes what is done, of all, and a note.
    """

    model: nn.Module
    training: Dataset
    scored: Dataset
    recipe: Recipe
    seed: int = 0
    device: str | None = None
    progress: Callable[..., None] | None = None

    def moments(self, trials: Iterable[Trial], n: int) -> tuple[Floats, Floats]:
        """Return mean and standard deviation of the logits over `n` trials: (N, A) each.

        Logits are added up as they come (Welford), so that memory does not grow with the trials.
        """
        from prunescope.models import fold
        from prunescope.training import device_for, infer, reestimate_batch_norm

        mean = np.zeros((len(self.scored), len(self.scored.samples.attributes)), np.float32)
        squares = np.zeros_like(mean)
        for done, trial in enumerate(trials, start=1):
            model = fold(self.model).to(device_for(self.device))
            trial(model)
            reestimate_batch_norm(
                model,
                self.training,
                n_batches=BATCH_NORM_BATCHES,
                batch_size=BATCH_NORM_BATCH_SIZE,
                seed=self.seed,
            )
            before = self._comparable(infer(model, self.scored, device=self.device)) - mean
            mean += before / done
            squares += before * (before - before / done)
            self._tell(done, n, "trials")
        return mean, np.sqrt(squares / max(n - 1, 1))

    def _comparable(self, logits: Floats) -> Floats:
        """Take the mean off the logits of classes, which says nothing and may differ by trial."""
        if self.scored.samples.task == "multilabel":
            return logits
        return np.asarray(logits - logits.mean(axis=1, keepdims=True))

    def augmented(self, shift: int) -> Floats:
        """Return the mean logits of each image, its mirror image and four moved ones: (N, A)."""
        from prunescope.training import Augmented, infer

        moves = ((shift, 0), (-shift, 0), (0, shift), (0, -shift))

        def tell(done: int, total: int) -> None:
            self._tell(done, total, "images, mirrored and moved")

        model = Augmented(self.model, moves)
        return infer(model, self.scored, device=self.device, progress=tell)

    def probe(self, sparsity: float, share: float) -> Floats:
        """Return the logits of a model that is pruned at once and trained for few steps: (N, A)."""
        from prunescope.pruning import prune
        from prunescope.training import Progress, infer

        steps = max(1, int(share * self.recipe.total_steps(len(self.training))))

        def tell(at: Progress) -> None:
            self._tell(at.step, steps, "steps")

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PrunescopeWarning)  # of deep cuts: on purpose
            pruned = prune(
                self.model,
                self.training,
                "one-shot",
                sparsity,
                recipe=self.recipe.replace(steps=steps),
                seed=self.seed,
                device=self.device,
                progress=tell,
            )
        return infer(pruned.model, self.scored, device=self.device)

    def _tell(self, done: int, total: int, note: str) -> None:
        if self.progress is not None:
            self.progress(done, total, note)


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
