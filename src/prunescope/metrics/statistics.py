"""The additive statistics that every metric but the ranking ones is a function of.

Each statistic is a sum over samples of numbers that depend on one sample alone. So statistics of
two batches add up to those of both, and a bootstrap replicate, in which a sample counts w times,
is the same sum with weights. Arrays may have leading axes (``...``): one per replicate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from prunescope.data.samples import UNKNOWN
from prunescope.metrics.slices import Slices
from prunescope.predictions import Predictions

Floats = NDArray[np.floating[Any]]

N_BINS = 10
BAND = (0.1, 0.9)


class Measure(NamedTuple):
    """A metric's value and what it rests on.

    ``value`` is NaN where the metric is not defined. ``support`` counts the samples that the data
    offer for it: the denominator of a rate, or the smaller of two sides that are compared. It does
    not depend on the model.
    """

    value: Floats
    support: Floats


class Moments(NamedTuple):
    """First and second moments of A binary columns, pair by pair; each broadcasts to (..., A, A).

    ``n[a, b]`` counts the samples where both columns are known, ``first[a, b]`` those of them
    where a is true, ``second[a, b]`` those where both are.
    """

    n: Floats
    first: Floats
    second: Floats

    def __add__(self, other: object) -> Moments:
        """Return the moments of both batches together."""
        assert isinstance(other, Moments)
        return Moments(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))


@dataclass(frozen=True)
class Statistics:
    """What one model's answers add up to.

    Parameters
    ----------
    sums : array (..., S, A, 7 + 3B)
        Per slice and attribute: counts by label (false, true, unlabelled) × decision, the count
        of samples in the uncertainty band, and per calibration bin the number of labelled
        samples, the sum of their probabilities and the number of positives among them.
    predicted : Moments
        Of the decisions, over all samples.
    labelled : Moments
        Of the labels, over the samples where both labels are known.
    """

    sums: Floats
    predicted: Moments
    labelled: Moments

    @property
    def counts(self) -> Floats:
        """Counts (..., S, A, 3, 2) by label (0, 1, unlabelled) and decision."""
        return self.sums[..., :6].reshape(*self.sums.shape[:-1], 3, 2)

    @property
    def in_band(self) -> Floats:
        """Counts (..., S, A) of samples whose probability is in the uncertainty band."""
        return self.sums[..., 6]

    @property
    def bins(self) -> Floats:
        """Calibration sums (..., S, A, 3, B): labelled samples, probabilities, positives."""
        return self.sums[..., 7:].reshape(*self.sums.shape[:-1], 3, -1)

    def __add__(self, other: Statistics) -> Statistics:
        """Return the statistics of both batches together."""
        return Statistics(
            self.sums + other.sums,
            self.predicted + other.predicted,
            self.labelled + other.labelled,
        )


class Contribution(NamedTuple):
    """What each sample adds to the sums: `amount` (N, A) into the place `cell` (N, A) of 7 + 3B."""

    cell: NDArray[np.int64]
    amount: Floats


def contributions(
    predictions: Predictions, n_bins: int = N_BINS, band: tuple[float, float] = BAND
) -> list[Contribution]:
    """Return what each sample adds to `Statistics.sums`: five contributions per cell (N, A)."""
    probabilities = predictions.probabilities
    labels = predictions.samples.labels
    label = np.where(labels == UNKNOWN, 2, labels).astype(np.int64)
    labelled = (labels != UNKNOWN).astype(np.float64)
    uncertain = (band[0] < probabilities) & (probabilities < band[1])
    calibration_bin = 7 + np.minimum((probabilities * n_bins).astype(np.int64), n_bins - 1)
    return [
        Contribution(label * 2 + predictions.decisions, np.ones(labels.shape)),
        Contribution(np.full(labels.shape, 6), uncertain * 1.0),
        Contribution(calibration_bin, labelled),
        Contribution(calibration_bin + n_bins, probabilities * labelled),
        Contribution(calibration_bin + 2 * n_bins, (labels == 1) * 1.0),
    ]


def count(
    predictions: Predictions,
    slices: Slices,
    *,
    n_bins: int = N_BINS,
    band: tuple[float, float] = BAND,
) -> Statistics:
    """Count the statistics of one batch of predictions, exactly.

    Parameters
    ----------
    predictions : Predictions
        N samples × A attributes.
    slices : Slices
        Of the same samples.
    n_bins : int
        Calibration bins of equal width.
    band : pair of float
        A probability strictly inside is called uncertain.

    Examples
    --------
    >>> import polars as pl
    >>> from prunescope.data.samples import Samples
    >>> from prunescope.predictions import Metadata
    >>> samples = Samples(pl.Series(["a", "b"]), ("Bald",), np.array([[1], [0]], np.int8))
    >>> model = Predictions(samples, np.array([[2.0], [3.0]]), Metadata())
    >>> count(model, Slices.of(samples)).counts[0, 0].tolist()
    [[0.0, 1.0], [0.0, 1.0], [0.0, 0.0]]
    """
    n_attributes = len(predictions.attributes)
    width = 7 + 3 * n_bins
    column = np.arange(n_attributes) * width
    sums = np.zeros((len(slices), n_attributes, width))
    parts = contributions(predictions, n_bins, band)
    for codes in slices.codes:
        known = codes >= 0
        start = codes[known, None].astype(np.int64) * (n_attributes * width) + column
        for cell, amount in parts:
            sums += np.bincount(
                (start + cell[known]).ravel(), amount[known].ravel(), minlength=sums.size
            ).reshape(sums.shape)
    decided = predictions.decisions
    labels = predictions.samples.labels
    return Statistics(sums, moments(decided), moments(labels == 1, labels != UNKNOWN))


def moments(
    columns: NDArray[np.bool_],
    known: NDArray[np.bool_] | None = None,
    weights: Floats | None = None,
) -> Moments:
    """Sum the pairwise moments of binary columns.

    Parameters
    ----------
    columns : array (N, A) of bool
        False where not known.
    known : array (N, A) of bool, optional
        Default: everything is.
    weights : array (R, N), optional
        One row of sample weights per replicate.

    Returns
    -------
    Moments
        With the leading axis R if weights were given.
    """
    if weights is None:
        return Moments(*(part[0] for part in moments(columns, known, np.ones((1, len(columns))))))
    rows = weights
    a = columns.shape[1]

    def pairs(left: NDArray[np.bool_], right: NDArray[np.bool_]) -> Floats:
        """Sum left_a · right_b over samples for each replicate: (R, A, A)."""
        products = (left[:, :, None] & right[:, None, :]).reshape(len(left), a * a)
        sums: Floats = rows @ products.astype(rows.dtype)
        return sums.reshape(len(rows), a, a)

    second = pairs(columns, columns)
    if known is None or known.all():
        first: Floats = rows @ columns.astype(rows.dtype)
        return Moments(rows.sum(axis=1)[:, None, None], first[:, :, None], second)
    return Moments(pairs(known, known), pairs(columns, known), second)


def divide(numerator: Any, denominator: Any) -> Floats:  # noqa: ANN401 - anything array-like
    """Divide; NaN, not a warning, where the denominator is 0.

    Examples
    --------
    >>> divide([1.0, 0.0], [2.0, 0.0]).tolist()
    [0.5, nan]
    """
    top, bottom = np.broadcast_arrays(
        np.asarray(numerator, np.float64), np.asarray(denominator, np.float64)
    )
    result: Floats = np.full(top.shape, np.nan)
    np.divide(top, bottom, out=result, where=bottom != 0)
    return result
