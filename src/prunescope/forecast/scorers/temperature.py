"""The margin in calibrated logits, so that those of different attributes can be compared.

Guo, Pleiss, Sun and Weinberger, "On calibration of modern neural networks", ICML 2017.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from scipy.special import logsumexp

from prunescope.data.columns import UNKNOWN
from prunescope.errors import ConfigError
from prunescope.forecast.outlook import Outlook, margins
from prunescope.forecast.scorers.scorer import Case, Scorer
from prunescope.metrics.statistics import Floats
from prunescope.predictions import Predictions

COLDEST, HOTTEST = 0.05, 20.0


def look(case: Case) -> Outlook:
    """Risk = -abs(margin) / T, a temperature T for each attribute, or one for all classes."""
    if case.validation is None:
        raise ConfigError(
            "scorer temperature calibrates logits on labels that are not those of the samples to "
            "forecast: give the dense model's predictions on a validation split"
        )
    if case.of_classes:
        return Outlook(-abs(case.margins) / np.float32(class_temperature(case.validation)))
    return Outlook(-abs(case.margins) / temperatures(case.validation))


def temperatures(validation: Predictions) -> Floats:
    """Return the temperature of each attribute (A,): the T > 0 that fits labels best.

    It minimises the mean of log(1 + exp(∓ z / T)), - where the label is yes, over the labelled
    samples; 1 where labels are all alike or none is known. Clipped to [0.05, 20].

    Examples
    --------
    >>> import polars as pl
    >>> from prunescope.data.samples import Samples
    >>> from prunescope.predictions import Metadata
    >>> labels = np.array([[1]] * 3 + [[0]], np.int8)
    >>> samples = Samples(pl.Series(list("abcd")), ("Bald",), labels)
    >>> sure = Predictions(samples, np.full((4, 1), 2 * np.log(3)), Metadata())
    >>> temperatures(sure).round(2).tolist()
    [2.0]
    """
    found = np.ones(len(validation.attributes), np.float32)
    distance = margins(validation).astype(np.float64)
    for a, labels in enumerate(validation.samples.labels.T):
        known = labels != UNKNOWN
        y, z = labels[known] == 1, distance[known, a]
        if y.any() and not y.all():
            signed = np.where(y, -z, z)
            found[a] = best_temperature(partial(_cross_entropy, signed))
    return found


def _cross_entropy(signed: Floats, heat: float) -> float:
    return float(np.logaddexp(0, signed * heat).mean())


def class_temperature(validation: Predictions) -> float:
    """Return the temperature of softmax that fits the labelled samples best; 1 where none is.

    One for all classes: it leaves the order of the margins as it is.
    """
    labels = validation.samples.labels
    known = (labels == 1).any(axis=1)
    if not known.any():
        return 1.0
    z, true = validation.logits[known].astype(np.float64), labels[known].argmax(axis=1)
    z = z - z[np.arange(len(z)), true, None]  # of the rivals over the true class
    return best_temperature(lambda heat: float(logsumexp(z * heat, axis=1).mean()))


def best_temperature(loss: Callable[[float], float]) -> float:
    """Return the T in [0.05, 20] with the least loss, which is a function of 1 / T."""
    from scipy.optimize import minimize_scalar

    best = minimize_scalar(
        lambda t: loss(np.exp(-t)), bounds=(np.log(COLDEST), np.log(HOTTEST)), method="bounded"
    )
    return float(np.exp(best.x))


TEMPERATURE = Scorer("A", "distance from the threshold in calibrated logits", look)
