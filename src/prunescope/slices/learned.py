"""What is learned of an embedding, from the samples that are searched."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from prunescope.slices.standard import Singles, Standard, joined

Floats: TypeAlias = NDArray[np.floating[Any]]

LEARNT = 20_000
"""Samples that components and clusters are learned from, at most; damage is looked at of all."""

COMPONENTS = 64
"""Principal components that everything else is made of."""

FEWEST = 10
"""Samples for each component."""

NOTHING = 0.01
"""Of the variance of one feature: components of less are what rounding or one sample leaves."""

SHOWN, INDEPENDENT = 8, 16
"""Principal and independent components that become directions."""

REGRESSED, TOWARDS = (16, 64), 4
"""Components that damage is regressed on, and directions that this gives at most."""

CLUSTERED = 32
"""Components that samples are clustered by."""

LEVELS = (8, 16, 32, 64)
"""Numbers of clusters."""

LEAST = 20
"""Samples of a cluster, on average."""

STEPS, EXACT = 60, 1e-3
"""Limits of the search for independent components; of a few that are not exact the search is none
the worse."""

NORMAL = 0.374567
"""The mean of log cosh of a standard normal number."""


@dataclass(frozen=True)
class Learned:
    """Directions (K, D), and a basis (M, D) with centroids: number of clusters k → (k, M)."""

    directions: Floats
    basis: Floats
    centroids: dict[int, Singles]


def learn(standard: Standard, values: Singles, damage: Floats, seed: int) -> Learned:
    """Learn directions and clusters; see `Space.fit`.

    One thread computes: sums of several would be rounded differently each time.
    """
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.permutation(len(values))[:LEARNT])
    with threadpool_limits(1):
        vectors, variances = principal(standard.of_rows(values[rows]), rng)
        scores = joined((z @ vectors.T for z in standard.chunks(values)), len(vectors))
        wide, wider = np.sqrt(variances), np.sqrt(variances + 1)
        directions: list[Floats] = [vectors[:SHOWN]]
        centroids = {}
        if len(vectors):
            apart = independent(scores[rows] / wide, rng)
            directions.append(apart @ (vectors / wide[:, None]))
            directions.append(towards(scores / wider, damage) @ (vectors / wider[:, None]))
            centroids = clusters((scores[rows] / wider)[:, :CLUSTERED], rng)
    basis = vectors[:CLUSTERED] / wider[:CLUSTERED, None]
    return Learned(np.concatenate(directions), basis, centroids)


def principal(z: Singles, rng: np.random.Generator) -> tuple[Singles, Singles]:
    """Return the first principal components (M, D) of samples (n, D), and their variances (M,)."""
    from sklearn.utils.extmath import randomized_svd

    varying = int(z.any(axis=0).sum())
    most = min(COMPONENTS, len(z) // FEWEST, varying)
    if most < 1:
        return np.zeros((0, z.shape[1]), np.float32), np.zeros(0, np.float32)
    state = int(rng.integers(2**31))
    _, lengths, vectors = randomized_svd(z - z.mean(axis=0), most, n_iter=4, random_state=state)
    variances = lengths**2 / len(z)
    real = variances > NOTHING
    return vectors[real].astype(np.float32), variances[real].astype(np.float32)


def independent(white: Floats, rng: np.random.Generator) -> Singles:
    """Return directions (K, M) along which white samples (n, M) lie least as the normal would.

    They are FastICA's; how little normal is told by the mean of log cosh, which hangs on single
    samples less than a fourth moment would.

    References
    ----------
    Hyvärinen, "Fast and robust fixed-point algorithms for independent component analysis", IEEE
    Transactions on Neural Networks 10(3), 1999.
    """
    from sklearn.decomposition import FastICA
    from sklearn.exceptions import ConvergenceWarning

    white = white - white.mean(axis=0)
    state = int(rng.integers(2**31))
    search = FastICA(whiten=False, max_iter=STEPS, tol=EXACT, random_state=state)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        found = search.fit(white).components_
    along = white @ found.T
    deviation = along.std(axis=0)
    along, found = along / deviation, found / deviation[:, None]
    apart = np.abs(np.logaddexp(along, -along).mean(axis=0) - np.log(2) - NORMAL)
    return np.asarray(found[np.argsort(-apart, kind="stable")[:INDEPENDENT]], np.float32)


def towards(half: Floats, damage: Floats) -> Singles:
    """Return directions (K, M) along which damage (n, T) rises, of half-whitened samples (n, M).

    The product of these with damage, back in features, is ridge regression with the penalty of one
    standardised feature's variance. Of several kinds of damage the main ones are taken.
    """
    beyond = damage - damage.mean(axis=0)
    found = []
    for most in REGRESSED:
        rising = half[:, :most].T @ beyond / len(half)
        main, strength, _ = np.linalg.svd(rising, full_matrices=False)
        kept = main[:, strength > 1e-9][:, :TOWARDS].T
        found.append(np.pad(kept, ((0, 0), (0, half.shape[1] - kept.shape[1]))))
        if most >= half.shape[1]:
            break
    return np.concatenate(found).astype(np.float32)


def clusters(places: Floats, rng: np.random.Generator) -> dict[int, Singles]:
    """Return the centroids (k, M) of k-means, for each k that there are enough samples for."""
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    found = {}
    for k in LEVELS:
        if k * LEAST <= len(places):
            state = int(rng.integers(2**31))
            with warnings.catch_warnings():  # where images repeat, some clusters are empty
                warnings.simplefilter("ignore", ConvergenceWarning)
                search = KMeans(k, n_init=1, random_state=state).fit(places)
            found[k] = search.cluster_centers_.astype(np.float32)
    return found
