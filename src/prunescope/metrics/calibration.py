"""How sure a model is, and whether it is right to be."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr

from prunescope.metrics.statistics import Floats, Measure, Statistics, divide


def uncertainty(statistics: Statistics) -> Measure:
    """Share of all samples whose probability lies strictly inside the band (0.1 to 0.9).

    Source: Iofinova et al. (CVPR 2023), section 3. Shape (..., S, A), in [0, 1].
    """
    n = statistics.counts.sum(axis=(-2, -1))
    return Measure(divide(statistics.in_band, n), n)


def expected_calibration_error(statistics: Statistics) -> Measure:
    """Mean gap between the probability of "true" and how often it is true.

    ECE = Σ_b n_b/n · abs(mean p in b - mean y in b), over labelled samples in bins of equal width.
    Shape (..., S, A), in [0, 1]; 0 is calibrated. The probability is that of the positive class,
    not that of the class answered.
    """
    n = statistics.counts[..., :2, :].sum(axis=(-2, -1))
    return Measure(divide(np.abs(statistics.gaps).sum(axis=-1), n), n)


def chance_in_calibration_error(gaps: Floats, variance: Floats) -> Floats:
    """Return how much sampling adds to a calibration error on average.

    Noise in a bin adds to its gap whatever its sign: Σ_b E abs(g + e) - abs(g), with g a bin's gap
    and e normal with its variance s²; 2s · (φ(g/s) - abs(g)/s · Φ(-abs(g)/s)) of each bin. So much
    again is what drawing samples anew adds to the ECE observed (the bootstrap's estimate of bias).

    Parameters
    ----------
    gaps : array (..., B)
        (Σ probability - label) / n of each bin.
    variance : array (..., B)
        Of the gaps.

    Examples
    --------
    Of a gap of 0, √(2/π) of its standard error; of one far from 0, nothing:

    >>> chance_in_calibration_error(np.array([[0.0], [0.5]]), np.array([0.01])).round(4).tolist()
    [0.0798, 0.0]
    """
    error = np.sqrt(variance)
    far = np.abs(divide(gaps, error))
    density = far * far  # in place: gaps of all replicates are many
    np.exp(np.multiply(density, -0.5, out=density), out=density)
    density /= np.sqrt(2 * np.pi)
    np.negative(far, out=far)
    density += far * ndtr(far)
    density *= 2 * error
    return np.asarray(np.nansum(density, axis=-1))
