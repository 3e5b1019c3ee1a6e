"""What a scorer expects of a sparse model: where its answers will stand, and how surely.

Signed margins are logits measured from where the answer turns: above 0 is yes. For attributes they
are z - t; for classes the distance from the best rival, so that exactly one class is at or above 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

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


@dataclass(frozen=True)
class Outlook:
    """What one scorer says of N samples × A attributes.

    Parameters
    ----------
    risk : array (N, A) of float32
        Higher: likelier to flip. Only its order has a meaning that all scorers share.
    mean, spread : arrays that broadcast to (N, A), optional
        Where the scorer expects the sparse model's signed margin, and its standard deviation
        around that. Where it has both, ``ndtr(risk)`` is the probability of a flip.
    """

    risk: Floats
    mean: Floats | None = None
    spread: Floats | None = None

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

    @cached_property
    def flip_probability(self) -> Floats | None:
        """P(flip) (N, A) as the scorer itself sees it; None where it only ranks."""
        return None if self.mean is None else np.asarray(ndtr(self.risk))
