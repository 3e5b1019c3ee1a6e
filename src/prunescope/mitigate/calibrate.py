"""Calibration: rising curves from logits to log-odds, attribute by attribute."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from prunescope.data.columns import UNKNOWN
from prunescope.forecast.scorers.temperature import class_temperature, temperatures
from prunescope.metrics.statistics import Floats
from prunescope.predictions import Curve, Predictions

Curves = dict[str, Curve]

LEAST_RISE = 1e-4
"""Steps between blocks that are smaller are rounding, or might as well be."""


def temperature_curves(validation: Predictions) -> Curves:
    """Divide logits by a temperature: one for each attribute, or one for all classes.

    The T that fits the labels best (least cross-entropy). Source: Guo et al., ICML 2017.

    Parameters
    ----------
    validation : Predictions

    Examples
    --------
    >>> import polars as pl
    >>> from prunescope.data.samples import Samples
    >>> from prunescope.predictions import Metadata
    >>> labels = np.array([[1]] * 3 + [[0]], np.int8)
    >>> samples = Samples(pl.Series(list("abcd")), ("Bald",), labels)
    >>> sure = Predictions(samples, np.full((4, 1), 2 * np.log(3)), Metadata())
    >>> temperature_curves(sure)["Bald"].of(np.array([2.0])).round(2).tolist()
    [1.0]
    """
    if validation.samples.task == "multiclass":
        found = np.full(len(validation.attributes), class_temperature(validation))
    else:
        found = temperatures(replace(validation, thresholds=None)).astype(np.float64)
    return {
        name: Curve(knots=(0.0, 1.0), values=(0.0, 1 / t))
        for name, t in zip(validation.attributes, found.tolist(), strict=True)
    }


def isotonic_curves(validation: Predictions) -> Curves:
    """Fit the rising curve that labels suggest: centred isotonic regression.

    Isotonic regression pools neighbours into blocks of one rate. Here each block stands at its mean
    logit with the log-odds of its rate, (k + ½) / (n + 1) for k true of n, and the curve is
    straight between blocks, and of slope 1 beyond the first and the last. So it rises strictly
    (Oron and Flournoy, 2017). Attributes whose known labels are all alike get no curve.

    Parameters
    ----------
    validation : Predictions
        Of attributes, not of classes.
    """
    curves = {}
    for a, (name, labels) in enumerate(
        zip(validation.attributes, validation.samples.labels.T, strict=True)
    ):
        known = labels != UNKNOWN
        y, z = labels[known] == 1, validation.logits[known, a].astype(np.float64)
        if y.any() and not y.all():
            curves[name] = _through_blocks(z, y)
    return curves


def _through_blocks(z: Floats, y: NDArray[np.bool_]) -> Curve:
    """Draw the curve through the blocks of isotonic regression."""
    from sklearn.isotonic import IsotonicRegression

    order = np.argsort(z)
    z, y = z[order], y[order]
    at, rate, n = _blocks(z, IsotonicRegression().fit_transform(z, y), np.ones(len(z)))
    odds = logit((rate * n + 0.5) / (n + 1))
    # the ½ moves small blocks more than large ones, and may put two of them in the wrong order
    risen = IsotonicRegression().fit_transform(np.arange(len(odds)), odds, sample_weight=n)
    at, odds, _ = _blocks(at, risen, n)
    knots, values = (at[0] - 1, *at, at[-1] + 1), (odds[0] - 1, *odds, odds[-1] + 1)
    return Curve(knots=tuple(map(float, knots)), values=tuple(map(float, values)))


def _blocks(z: Floats, level: Floats, weight: Floats) -> tuple[Floats, Floats, Floats]:
    """Return the mean place, the level and the weight of each run of one level; z rises."""
    block = np.append(0, np.cumsum(np.diff(level) > LEAST_RISE))
    n, places, levels = (np.bincount(block, w) for w in (weight, weight * z, weight * level))
    return np.asarray(places / n), np.asarray(levels / n), np.asarray(n, np.float64)


CALIBRATIONS: Mapping[str, Callable[[Predictions], Curves]] = {
    "temperature": temperature_curves,
    "isotonic": isotonic_curves,
}
"""Ways to calibrate, by name."""
