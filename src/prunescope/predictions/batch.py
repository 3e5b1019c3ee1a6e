"""Some samples with the answers of several models, laid out as statistics are counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import softmax

from prunescope.data.samples import UNKNOWN, Group, Task
from prunescope.predictions.record import Predictions
from prunescope.predictions.scores import sigmoid

EVERY = slice(None)


@dataclass(frozen=True)
class Answers:
    """One model's answers to A attributes on n samples, attribute by attribute.

    Parameters
    ----------
    logits : sequence of A arrays (n,)
    task : {"multilabel", "multiclass"}
    thresholds : array (A,) or (A, n), optional
        A logit above means yes; default: 0.
    """

    logits: Sequence[NDArray[np.floating[Any]]]
    task: Task = "multilabel"
    thresholds: NDArray[np.float64] | None = None

    @cached_property
    def decisions(self) -> NDArray[np.bool_]:
        """Yes or no: (A, n); for a class, whether it has the highest logit (ties: the first)."""
        if self.task == "multiclass":
            best = np.argmax(self.logits, axis=0)
            return np.asarray(best == np.arange(len(self.logits))[:, None])
        above = np.zeros(len(self.logits)) if self.thresholds is None else self.thresholds
        return np.stack([z > limit for z, limit in zip(self.logits, above, strict=True)])

    @cached_property
    def _shares(self) -> NDArray[np.float64]:
        return np.asarray(softmax(np.array(self.logits, np.float64), axis=0))

    def probabilities(
        self, attribute: int, rows: slice | NDArray[np.intp] = EVERY
    ) -> NDArray[np.float64]:
        """P(yes) of one attribute for some of the samples, in [0, 1]."""
        if self.task == "multiclass":
            return np.array(self._shares[attribute, rows])
        return sigmoid(self.logits[attribute][rows])


@dataclass(frozen=True)
class Batch:
    """n samples with the answers of M models.

    Parameters
    ----------
    ids : polars.Series (n,)
    labels : array (A, n) of uint8
        0 false, 1 true, 2 unlabelled.
    groups : mapping of str to Group
    models : tuple of Answers
    images : polars.Series (n,), optional
    """

    ids: pl.Series
    labels: NDArray[np.uint8]
    groups: Mapping[str, Group]
    models: tuple[Answers, ...]
    images: pl.Series | None = None

    @classmethod
    def of(cls, models: Sequence[Predictions]) -> Batch:
        """Lay out aligned predictions."""
        samples = models[0].samples
        labels = np.where(samples.labels == UNKNOWN, 2, samples.labels).astype(np.uint8)
        answers = (
            Answers(
                list(model.logits.T),
                samples.task,
                None if model.thresholds is None else model.thresholds.T,
            )
            for model in models
        )
        return cls(
            samples.ids,
            np.ascontiguousarray(labels.T),
            samples.groups,
            tuple(answers),
            samples.images,
        )

    @property
    def n(self) -> int:
        """Number of samples."""
        return len(self.ids)
