"""How sure a model is, and whether it is right to be."""

from __future__ import annotations

import numpy as np

from prunescope.metrics.statistics import Floats, Measure, Statistics, divide

CLOSE, MOST_STEPS = 1e-4, 20
"""The scale of gaps is found to this accuracy, in so many steps (three or four, as a rule)."""


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


def calibration_error_replicates(point: Statistics, replicates: Statistics) -> Floats:
    """Return the calibration errors that could have given the one observed: (R, ..., A).

    Noise in a bin adds to its gap whatever its sign, so that the ECE of a sample lies above the
    truth, and resampling adds as much again. So the truth is looked for: of all models whose gaps
    are c times those observed, x̂, a replicate with gaps x says that sampling would have shown the
    gaps c·x̂ + (x - x̂). The c that makes their ECE the observed one gives c · ECE. Percentiles
    of these over the replicates are the ends of an inverted test. 0 where noise alone shows as
    much as was observed.

    Parameters
    ----------
    point, replicates : Statistics
        Of all samples, and of each replicate, along the leading axis.
    """
    observed = expected_calibration_error(point)
    found = np.zeros((*observed.value.shape, len(replicates.gaps)), np.float32)
    for place in np.ndindex(found.shape[:-2]):  # slice by slice, as that fits into a cache
        gaps = divide(point.gaps[place], observed.support[place][:, None]).astype(np.float32)
        n = replicates.counts[:, *place, :, :2].sum(axis=(-2, -1))
        noise = np.moveaxis(divide(replicates.gaps[:, *place], n[..., None]), 0, -1)
        scale = _scale(gaps, noise - gaps[..., None])
        found[place] = scale * observed.value[place][:, None]
    return np.moveaxis(found, -1, 0)


def _scale(gaps: Floats, noise: Floats) -> Floats:
    """Solve Σ abs(c · gaps + noise) = Σ abs(gaps) for c ≥ 0: (A, B) and (A, B, R) → (A, R).

    The left side is convex in c; Newton's steps, begun to the right of the solution, stay there.
    """
    size, least = np.abs(gaps).sum(axis=1)[:, None], np.abs(noise).sum(axis=1)
    gaps = gaps[..., None]
    c = np.where(least < size, 1 + divide(least, size), 0)
    for _ in range(MOST_STEPS):
        shown = c[:, None] * gaps
        shown += noise
        slope = (np.sign(shown) * gaps).sum(axis=1)
        excess = np.abs(shown, out=shown).sum(axis=1) - size
        step = np.where((excess > 0) & (c > 0), divide(excess, slope), 0)
        c -= step
        if not (step > CLOSE).any():
            break
    return np.where(np.isnan(least), np.nan, c)
