"""What chance adds, on average, to metrics that it moves one way alone: up."""

from __future__ import annotations

import numpy as np

from prunescope.audit.intervals.jackknife import spread
from prunescope.metrics import Measure, Moments, chance_in_calibration_error
from prunescope.metrics.statistics import Floats, divide


def in_calibration(
    point: tuple[Floats, Measure], replicates: tuple[Floats, Measure], blocks: Floats
) -> Floats:
    """Return what chance adds to calibration errors, and to each replicate's: (1 + K, S, A).

    From the gaps of all bins, and the errors made of them.
    """
    (sums, error), (sums_without, errors) = point, replicates
    found = np.zeros((1 + len(sums_without), *error.value.shape))
    for s in range(len(sums)):  # slice by slice, as that fits into a cache
        gaps = divide(sums[s], error.support[s][:, None])
        without = divide(sums_without[:, s], errors.support[:, s, :, None])
        without = np.where(np.isnan(without), gaps, without)
        variance = spread(gaps, without, blocks[s][:, None], np.asarray(np.inf)).variance
        found[0, s] = chance_in_calibration_error(gaps, variance)
        found[1:, s] = chance_in_calibration_error(without, variance)
    return found


def in_interdependence(explained: Measure, predicted: Moments) -> Floats:
    """Return by how much chance raises R² of n samples on p others: (1 - R²) p / (n - 1 - p).

    What adjusted R² takes off (Wherry, 1931). Shape (A,).
    """
    first, n = predicted.first[..., 0], predicted.n[..., 0]
    others = max(int(((first > 0) & (first < n)).sum()) - 1, 0)
    free = np.maximum(n - 1 - others, 1)
    return np.asarray((1 - explained.value) * others / free)
