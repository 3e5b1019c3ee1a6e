"""What a scorer expects of a sparse model: where its answers will stand, and how surely.

Signed margins are logits measured from where the answer turns: above 0 is yes. For attributes they
are z - t; for classes the distance from the best rival, so that exactly one class is at or above 0.

A model of classes gives one answer for an image, so its table (N, K) is read thus: the class that
the dense model names flips where the image's answer changes, and any other where it becomes the
answer. So the classes' probabilities of being an image's answer add up to 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from prunescope.forecast.choice import chances
from prunescope.metrics.statistics import Floats
from prunescope.predictions import Predictions


def margins(predictions: Predictions, logits: Floats | None = None) -> Floats:
    """Return signed margins (N, A) in float32: how far each answer is from turning, yes above 0.

    Parameters
    ----------
    predictions : Predictions
        Whose task and thresholds count.
    logits : array (N, A), optional
        Other logits for the same samples; default: those of the predictions.

    Examples
    --------
    >>> import polars as pl
    >>> from prunescope.data.samples import Samples
    >>> from prunescope.predictions import Metadata
    >>> one = np.array([[1, 0, 0]], np.int8)
    >>> samples = Samples(pl.Series(["a"]), ("cat", "dog", "owl"), one, task="multiclass")
    >>> margins(Predictions(samples, np.array([[2.0, 3.5, -1.0]]), Metadata())).tolist()
    [[-1.5, 1.5, -4.5]]
    """
    z = np.asarray(predictions.logits if logits is None else logits)
    if predictions.samples.task == "multilabel":
        if predictions.thresholds is not None:  # subtracted before digits are dropped
            z = z.astype(np.float64) - predictions.thresholds
        return z.astype(np.float32, copy=False)
    z = z.astype(np.float64)
    rows = np.arange(len(z))
    best = z.argmax(axis=1)
    rivals = z.copy()
    rivals[rows, best] = -np.inf
    found = z - z[rows, best, None]
    found[rows, best] = z[rows, best] - rivals.max(axis=1)
    return np.asarray(found, np.float32)


Cells = TypeVar("Cells", bound=np.generic)


def given(table: NDArray[Cells], predictions: Predictions) -> NDArray[Cells]:
    """Return what a table (N, A) says of the answers that are given: of classes one each, (N, 1).

    Parameters
    ----------
    table : array (N, A)
    predictions : Predictions
        Of the dense model, which names the class.

    Examples
    --------
    >>> import polars as pl
    >>> from prunescope.data.samples import Samples
    >>> from prunescope.predictions import Metadata
    >>> one = np.array([[1, 0, 0]], np.int8)
    >>> samples = Samples(pl.Series(["a"]), ("cat", "dog", "owl"), one, task="multiclass")
    >>> model = Predictions(samples, np.array([[2.0, 3.5, -1.0]]), Metadata())
    >>> given(np.array([[0.1, 0.4, 0.3]]), model).tolist()
    [[0.4]]
    """
    if predictions.samples.task == "multilabel":
        return table
    return np.take_along_axis(table, predictions.decisions.argmax(axis=1)[:, None], axis=1)


@dataclass(frozen=True)
class Outlook:
    """What one scorer says of N samples × A attributes.

    Parameters
    ----------
    risk : array (N, A) of float32
        Higher: likelier to flip. Only its order has a meaning that all scorers share.
    mean, spread : arrays that broadcast to (N, A), optional
        Where the scorer expects the sparse model's signed margin (of classes: the logit), and its
        standard deviation around that. Where it has both, ``ndtr(risk)`` is the probability of a
        flip.
    turns : array (N, A), optional
        That probability, where it is known to more digits than the risk has: of classes.
    """

    risk: Floats
    mean: Floats | None = None
    spread: Floats | None = None
    turns: Floats | None = None

    @classmethod
    def expecting(cls, decisions: NDArray[np.bool_], mean: Floats, spread: Floats) -> Outlook:
        """Read the risk off where margins are expected: -(± mean) / spread, + where ŷ is yes.

        Examples
        --------
        >>> yes = np.array([[True, False]])
        >>> Outlook.expecting(yes, np.array([[1.0, 0.5]]), np.float32(0.5)).risk.tolist()
        [[-2.0, 1.0]]
        """
        risk = np.divide(mean, spread, dtype=np.float32)
        np.negative(risk, where=decisions, out=risk)
        return cls(risk, mean, spread)

    @classmethod
    def choosing(cls, named: NDArray[np.bool_], mean: Floats, spread: Floats) -> Outlook:
        """Read off where the logits of classes are expected, who will be named.

        Parameters
        ----------
        named : array (N, K) of bool
            The class that the dense model names: one in each row.
        mean, spread : arrays that broadcast to (N, K)
            Of the sparse model's logits.

        Examples
        --------
        >>> cat = np.array([[True, False, False]])
        >>> logits = np.array([[1.0, 0.0, -9.0]])
        >>> Outlook.choosing(cat, logits, np.float32(1.0)).flip_probability.round(4).tolist()
        [[0.2398, 0.2398, 0.0]]
        """
        others = np.where(named, 0.0, chances(mean, spread))
        turns = np.where(named, others.sum(axis=1, keepdims=True), others)
        # what is all but sure is told apart by pairs of classes
        alone = _by_pairs(named, mean, spread)
        risk = ndtri(np.clip(turns, *SURE))
        risk = np.where(turns < SURE[0], np.minimum(alone, risk), risk)
        risk = np.where(turns > SURE[1], np.maximum(alone, risk), risk)
        return cls(np.asarray(risk, np.float32), mean, spread, turns)

    @cached_property
    def flip_probability(self) -> Floats | None:
        """P(flip) (N, A) as the scorer itself sees it; None where it only ranks."""
        if self.turns is not None or self.mean is None:
            return self.turns
        return np.asarray(ndtr(self.risk))


SURE = (1e-13, 1 - 1e-13)
"""Probabilities of a flip beyond which it is as good as sure what happens."""


def _by_pairs(named: NDArray[np.bool_], mean: Floats, spread: Floats) -> Floats:
    """Return the risk (N, K) of each class against the named one alone, and of that the highest."""
    mean = np.broadcast_to(np.asarray(mean, np.float64), named.shape)
    variance = np.broadcast_to(np.square(np.asarray(spread, np.float64)), named.shape)
    at = named.argmax(axis=1)[:, None]
    ahead = mean - np.take_along_axis(mean, at, axis=1)
    ahead /= np.sqrt(variance + np.take_along_axis(variance, at, axis=1))
    best = np.where(named, -np.inf, ahead).max(axis=1, keepdims=True)
    return np.where(named, best, ahead)
