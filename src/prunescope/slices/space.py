"""Where an embedding lies: along directions, and in clusters, that slices may be made of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, PositiveInt, model_validator

from prunescope.data.samples import Group
from prunescope.errors import DataError
from prunescope.slices.learned import learn
from prunescope.slices.rules import Column, Feature
from prunescope.slices.standard import CHUNK, Singles, Standard, Vector, joined, plain

Places: TypeAlias = NDArray[np.int64]

MEASURED = 20_000
"""Samples that the spread of features is measured on where nothing else tells it."""


class Clusters(BaseModel):
    """The places that samples are nearest to.

    Parameters
    ----------
    basis : tuple of M tuples of D floats
        Where a standardised sample z lies: h = basis · z.
    centroids : dict
        Number of clusters k → k points of M floats.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    basis: tuple[Vector, ...]
    centroids: dict[PositiveInt, tuple[Vector, ...]]


class Space(BaseModel):
    """Directions and clusters of an embedding, as numbers that fit into a JSON file.

    Parameters
    ----------
    standard : Standard
        Of its D features.
    directions : dict
        Number, from 1 → D floats: the coordinate of a standardised sample is its product with them.
    clusters : Clusters, optional

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> values = rng.normal(size=(400, 6)).astype(np.float32)
    >>> space = Space.fit(values, damage=rng.normal(size=(400, 1)))
    >>> space.coordinates(values).shape, [len(set(of)) for of in space.clusters_of(values)]
    ((400, 13), [8, 16])
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    standard: Standard
    directions: dict[PositiveInt, Vector]
    clusters: Clusters | None = None

    @model_validator(mode="after")
    def _fit_together(self) -> Space:
        width, basis = len(self.standard.mean), self._basis
        vectors = [self.standard.factor, *self.directions.values(), *basis]
        if not width or any(len(vector) != width for vector in vectors):
            raise ValueError("the vectors of a space have different lengths")
        for k, points in self._centroids.items():
            if len(points) != k or any(len(point) != len(basis) for point in points):
                raise ValueError(f"centroids of {k} clusters are not as many, or of other lengths")
        return self

    @property
    def _basis(self) -> tuple[Vector, ...]:
        return () if self.clusters is None else self.clusters.basis

    @property
    def _centroids(self) -> dict[int, tuple[Vector, ...]]:
        return {} if self.clusters is None else self.clusters.centroids

    @classmethod
    def fit(cls, values: Singles, damage: NDArray[np.floating[Any]], *, seed: int = 0) -> Space:
        """Find the directions and clusters of an embedding.

        Directions are the first principal components of the standardised features; those along
        which samples lie least as the normal distribution would have them (independent components),
        as where some stand apart from the rest; and those along which damage rises (by ridge
        regression on the principal components). Clusters are those of k-means on the principal
        components, each divided by √(variance + 1): so all that tell something count alike, and
        those of mere noise stay small.

        The result hangs on the seed, not on the number of threads.

        Parameters
        ----------
        values : array (n, D) of float32
            Of the samples that are searched, and no others. Finite.
        damage : array (n, T)
            What each of them lost, of T models or kinds.
        seed : int
        """
        standard = Standard.of(values)
        found = learn(standard, values, damage, seed)
        directions = {
            number: plain(vector) for number, vector in enumerate(found.directions, start=1)
        }
        clusters = None
        if found.centroids:
            points = {k: tuple(map(plain, of)) for k, of in found.centroids.items()}
            clusters = Clusters(basis=tuple(map(plain, found.basis)), centroids=points)
        return cls(standard=standard, directions=directions, clusters=clusters)

    def coordinates(self, values: Singles) -> Singles:
        """Return the place (n, K) of samples (n, D) along each direction."""
        return self._products(values, [*self.directions.values()])

    def clusters_of(self, values: Singles) -> list[NDArray[np.int32]]:
        """Return the cluster (n,) of samples (n, D), from 0 on, for each number of clusters."""
        return self._nearest(self._products(values, self._basis))

    def columns(self, values: Singles) -> dict[Feature, Column]:
        """Return what rules may ask: a number per direction, a category per number of clusters.

        Clusters are counted from 1.

        Raises
        ------
        DataError
            The samples have another number of features.
        """
        n_directions = len(self.directions)
        products = self._products(values, [*self.directions.values(), *self._basis])
        found: dict[Feature, Column] = {}
        for number, column in zip(self.directions, products[:, :n_directions].T, strict=True):
            found[Feature(kind="direction", name=str(number))] = column.astype(np.float64)
        codes = self._nearest(products[:, n_directions:])
        for k, of_each in zip(self._centroids, codes, strict=True):
            found[Feature(kind="cluster", name=str(k))] = Group(of_each, tuple(range(1, k + 1)))
        return found

    def kept(self, features: Iterable[Feature]) -> Space:
        """Return what is needed to tell some features."""
        asked = {(feature.kind, feature.name) for feature in features}
        directions = {n: v for n, v in self.directions.items() if ("direction", str(n)) in asked}
        centroids = {k: of for k, of in self._centroids.items() if ("cluster", str(k)) in asked}
        clusters = Clusters(basis=self._basis, centroids=centroids) if centroids else None
        return Space(standard=self.standard, directions=directions, clusters=clusters)

    def _products(self, values: Singles, vectors: Sequence[Vector]) -> Singles:
        """Return the products (n, V) of samples, standardised, with some vectors."""
        if values.shape[1] != len(self.standard.mean):
            raise DataError(
                f"the embeddings have {values.shape[1]:,} features: expected "
                f"{len(self.standard.mean):,}, as those that the slices were found in had; give "
                "those of the same network"
            )
        matrix = np.array(vectors, np.float32).reshape(len(vectors), values.shape[1]).T
        return joined((z @ matrix for z in self.standard.chunks(values)), len(vectors))

    def _nearest(self, places: Singles) -> list[NDArray[np.int32]]:
        """Return the nearest centroid of places (n, M), of each number of clusters."""
        found = []
        for points in self._centroids.values():
            single = np.array(points, np.float32)
            far = (single**2).sum(axis=1) - 2 * places @ single.T  # less what all have in common
            found.append(far.argmin(axis=1).astype(np.int32))
        return found


def typical(values: Singles, members: Places, n: int) -> Places:
    """Return the most typical of some samples: those nearest to their mean, the nearest first.

    Parameters
    ----------
    values : array (N, D) of float32
        Of all samples, by which features are standardised.
    members : array (m,) of int
        Rows of the samples in question.
    n : int
        How many to return, at most.

    Examples
    --------
    >>> values = np.array([[0.0], [1.0], [9.0], [2.0]], np.float32)
    >>> typical(values, np.array([0, 1, 3]), 2).tolist()
    [1, 0]
    """
    standard = Standard.of(_spread(values))
    total = np.zeros(values.shape[1])
    for rows in _parts(members):
        total += standard.of_rows(values[rows]).sum(axis=0, dtype=np.float64)
    middle = total / max(len(members), 1)
    return _closest(values, standard, middle, members, n)


def neighbours(values: Singles, row: int, among: Places, k: int) -> Places:
    """Return the k samples that lie nearest to one, the nearest first, without itself.

    Distances are Euclidean, exact, of standardised features; of equal ones the first row is first.

    Parameters
    ----------
    values : array (N, D) of float32
        Of all samples, by which features are standardised.
    row : int
        Of the sample in question.
    among : array (m,) of int
        Rows that may be returned.
    k : int
        How many, at most.

    Examples
    --------
    >>> values = np.array([[0.0], [1.0], [9.0], [3.0]], np.float32)
    >>> neighbours(values, 1, np.array([0, 1, 2, 3]), 2).tolist()
    [0, 3]
    """
    standard = Standard.of(_spread(values))
    others = np.sort(among[among != row])
    return _closest(values, standard, standard.of_rows(values[[row]])[0], others, k)


def _closest(
    values: Singles, standard: Standard, place: NDArray[np.floating[Any]], rows: Places, n: int
) -> Places:
    """Return the rows nearest to a place, the nearest first."""
    apart = [((standard.of_rows(values[part]) - place) ** 2).sum(axis=1) for part in _parts(rows)]
    order = np.argsort(np.concatenate(apart), kind="stable") if apart else np.zeros(0, np.int64)
    return np.asarray(rows[order[:n]], np.int64)


def _parts(rows: Places) -> Iterator[Places]:
    """Yield rows, some after the others."""
    for start in range(0, len(rows), CHUNK):
        yield rows[start : start + CHUNK]


def _spread(values: Singles) -> Singles:
    """Return some rows, evenly spread, enough to measure features by."""
    return values[:: max(len(values) // MEASURED, 1)]
