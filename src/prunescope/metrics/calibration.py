"""How sure a model is, and whether it is right to be."""

from __future__ import annotations

import numpy as np

from prunescope.metrics.statistics import Measure, Statistics, divide


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
