"""The dense model and its data, for scorers that ask the model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from prunescope.errors import DataError, shorten
from prunescope.forecast.lab import Lab, Meter
from prunescope.predictions import Predictions
from prunescope.predictions.ids import ABSENT, places_of

if TYPE_CHECKING:
    from torch import nn

    from prunescope.data import Dataset
    from prunescope.training import Recipe

N_CHECKED = 64
"""Samples on which a model is asked whether the predictions are its own."""

PLANNED = "small-pt"
"""The recipe that pruning is taken to train by, unless another is given."""


@dataclass(frozen=True)
class Workshop:
    """The dense model and its data, for scorers that ask it.

    Parameters
    ----------
    model : torch.nn.Module
    dataset : Dataset
        All splits, with the model's attributes; the samples to forecast among them.
    recipe : Recipe, optional
        How the planned pruning will train.
    seed : int
    device : str, optional
    meter : Meter, optional
    """

    model: nn.Module
    dataset: Dataset
    recipe: Recipe | None = None
    seed: int = 0
    device: str | None = None
    meter: Meter | None = None

    def lab(self, predictions: Predictions) -> Lab:
        """Return the lab for some samples of the data set.

        Raises
        ------
        DataError
            The data set lacks a sample, or the predictions are not this model's.
        """
        from prunescope.training import RECIPES, infer

        positions = self._find(predictions)
        scored = self.dataset.take(positions)
        few = scored.take(np.arange(min(N_CHECKED, len(positions))))
        told = predictions.logits[: len(few)]
        answered = infer(self.model, few, device=self.device)
        off = np.abs(answered - told).max()
        if not off <= 0.01 * (1 + np.abs(told).max()):  # NaN is off, too
            raise DataError(
                f"{predictions.name}: the model's logits are off from these predictions by up to "
                f"{off:.3g} on the first {len(few)} samples: give the model that made them, with "
                "the data as it saw them"
            )
        return Lab(
            model=self.model,
            training=self.dataset.split("train"),
            scored=scored,
            recipe=self.recipe or RECIPES[PLANNED],
            seed=self.seed,
            device=self.device,
            meter=self.meter,
        )

    def _find(self, predictions: Predictions) -> NDArray[np.int64]:
        """Return where the samples of predictions stand in the data set."""
        if predictions.attributes != self.dataset.samples.attributes:
            raise DataError(
                f"{predictions.name} answers {shorten(predictions.attributes)}; "
                f"{self.dataset.name} asks {shorten(self.dataset.samples.attributes)}: expected "
                "the same in one order"
            )
        found = places_of(predictions.samples.ids, self.dataset.samples.ids)
        absent = predictions.samples.ids.filter(pl.Series(found == ABSENT))
        if len(absent):
            raise DataError(
                f"{self.dataset.name} lacks {len(absent):,} of the {len(found):,} samples of "
                f"{predictions.name}, such as {absent[0]!r}: give the data that were predicted"
            )
        return found
