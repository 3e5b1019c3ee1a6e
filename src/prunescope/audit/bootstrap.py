"""The paired bootstrap: which samples each replicate draws, and what they add up to.

A replicate draws as many units (samples, or clusters of samples) as there are, with replacement;
a unit drawn w times counts w times. Every additive statistic is then a product of the matrix of
these weights with what each sample contributes. All models of an audit share the weights, so that
differences between models are paired.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from prunescope.data.samples import UNKNOWN, Samples
from prunescope.errors import ConfigError, one_of
from prunescope.metrics.flips import transition_cells
from prunescope.metrics.ranking import Ranking
from prunescope.metrics.slices import Slices
from prunescope.metrics.statistics import Floats, Moments, Statistics, contributions, moments
from prunescope.predictions import Predictions

FloatMatrix = NDArray[np.float32]


@dataclass(frozen=True)
class Bootstrap:
    """Seeded weights of R replicates.

    Parameters
    ----------
    units : array (N,) of int
        The unit (sample or cluster) of each sample, numbered from 0.
    weights : array (R, U) of float32
        How often each replicate draws each unit; each row sums to U.

    Examples
    --------
    >>> bootstrap = Bootstrap.draw(np.array([0, 1, 2, 2]), replicates=2, seed=0)
    >>> bootstrap.weights.sum(axis=1).tolist(), bootstrap.of_samples().shape
    ([3.0, 3.0], (2, 4))
    """

    units: NDArray[np.int64]
    weights: FloatMatrix

    @classmethod
    def draw(cls, units: NDArray[np.int64], replicates: int, seed: int) -> Bootstrap:
        """Draw the units of every replicate."""
        n = int(units.max()) + 1
        rng = np.random.default_rng(seed)
        weights = np.empty((replicates, n), np.float32)
        for row in weights:
            row[:] = np.bincount(rng.integers(0, n, n), minlength=n)
        return cls(units, weights)

    def of_samples(self) -> FloatMatrix:
        """Return the weight of each sample in each replicate: (R, N)."""
        return self.weights[:, self.units]

    def sums(self, features: FloatMatrix, slices: Slices) -> FloatMatrix:
        """Add up features (N, F) within each slice, per replicate: (R, S, F)."""
        result = np.empty((len(self.weights), len(slices), features.shape[1]), np.float32)
        for index, rows in enumerate(slices.members()):
            units, values = self.units[rows], features[rows]
            drawn, place = np.unique(units, return_inverse=True)
            if len(drawn) < len(rows):
                shape = (len(drawn), len(rows))
                gather = csr_array(
                    (np.ones(len(rows), np.float32), (place, range(len(rows)))), shape
                )
                units, values = drawn, gather @ values
            result[:, index] = self.weights[:, units] @ values
        return result

    def statistics(
        self,
        predictions: Predictions,
        slices: Slices,
        n_bins: int,
        band: tuple[float, float],
        labelled: Moments,
    ) -> Statistics:
        """Return the statistics of one model in every replicate (leading axis R).

        ``labelled`` are the moments of the labels in every replicate, which no model changes.
        """
        n, a = predictions.logits.shape
        features = np.zeros((n, a, 7 + 3 * n_bins), np.float32)
        for cell, amount in contributions(predictions, n_bins, band):
            places = np.take_along_axis(features, cell[..., None], axis=2)
            np.put_along_axis(features, cell[..., None], places + amount[..., None], axis=2)
        sums = self.sums(features.reshape(n, -1), slices)
        return Statistics(
            sums.reshape(*sums.shape[:2], a, -1),
            moments(predictions.decisions, weights=self.of_samples()),
            labelled,
        )

    def labelled(self, samples: Samples) -> Moments:
        """Return the moments of the labels in every replicate."""
        known = samples.labels != UNKNOWN
        return moments(samples.labels == 1, known, self.of_samples())

    def transitions(self, baseline: Predictions, other: Predictions, slices: Slices) -> FloatMatrix:
        """Count transitions (R, S, A, 3, 2, 2) from one model to another in every replicate."""
        cells = transition_cells(baseline, other)
        features = cells[..., None] == np.arange(12)
        sums = self.sums(features.reshape(len(cells), -1).astype(np.float32), slices)
        return sums.reshape(*sums.shape[:2], cells.shape[1], 3, 2, 2)

    def ranking(self, ranking: Ranking, samples: Samples) -> tuple[Floats, Floats]:
        """Return AUC and average precision (R, A) in every replicate, to first order.

        AUC is the mean of its components (DeLong et al., 1988) over the drawn samples of each
        class; average precision moves by its influence function (the infinitesimal jackknife).
        Both leave out terms of second order in the weights, which vanish as samples grow.
        """
        weights = self.of_samples()
        true = (samples.labels == 1).astype(np.float32)
        false = (samples.labels == 0).astype(np.float32)

        def mean(side: FloatMatrix) -> Floats:
            with np.errstate(invalid="ignore", divide="ignore"):
                part = weights @ (side * ranking.auc_parts.astype(np.float32))
                return np.asarray(part / (weights @ side), np.float64)

        auc = mean(true) + mean(false) - ranking.auc
        parts = ranking.average_precision_parts.astype(np.float32)
        precision = ranking.average_precision + weights @ parts - parts.sum(axis=0)
        return np.clip(auc, 0, 1), np.clip(precision, 0, 1)


def resampling_units(samples: Samples, cluster: str | None) -> NDArray[np.int64]:
    """Give each sample the number of its unit: the sample itself, or its cluster.

    A sample whose cluster is unknown is a unit of its own.

    Raises
    ------
    ConfigError
        ``cluster`` is not a group of the samples.
    """
    if cluster is None:
        return np.arange(len(samples))
    if cluster not in samples.groups:
        raise ConfigError(one_of("cluster column", cluster, samples.groups))
    codes = samples.groups[cluster].codes.astype(np.int64)
    alone = codes == UNKNOWN
    codes[alone] = codes.max() + 1 + np.arange(alone.sum())
    return np.unique(codes, return_inverse=True)[1].astype(np.int64)
