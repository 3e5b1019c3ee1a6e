"""What others would do to find slices that compression hurts: Domino's method, and a decision tree.

Both give sets of images by their damage (the share of an image's answers that were right and are
wrong), most damaged first. *As used*: fitted to all images, the first five are told, at the damage
that they were found with. *Held out*: fitted to a half, the first ten are tested on the other half,
by the test and the correction of `find_slices`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture
from sklearn.tree import DecisionTreeRegressor

from prunescope.audit.intervals.bootstrap import deal, units_of
from prunescope.audit.intervals.significance import benjamini_hochberg
from prunescope.slices.damage import losses_of
from prunescope.slices.judge import judge

LEAST = 20
FIRST, MOST = 5, 10
ALPHA = 0.05


@dataclass(frozen=True)
class Candidate:
    """A slice: who is in it (N,), and the damage of an answer beyond that elsewhere.

    `search` as it was found, `test` on images that it was not found on, with an interval; `told`
    says whether the method tells it, `attribute` whether damage is of one.
    """

    members: np.ndarray
    search: float
    told: bool = True
    test: float = np.nan
    low: float = np.nan
    high: float = np.nan
    attribute: str | None = None


def domino(world, rows, blind, *, slices=25, components=128, weight=10):
    """Return the slice (N,) of each image by an error-aware mixture fitted to some rows.

    A mixture of normal distributions, independent given the slice, of the embedding's principal
    components and of the shares of an image's answers that the dense and the compressed model have
    right. The latter's log-likelihood counts ten times, as in Domino (Eyuboglu et al., ICLR 2022),
    whose numbers these are: columns that stand there ten times count ten times. `blind`: who
    belongs to a slice goes by the embedding alone, as it must where the slice is tested.
    """
    embedding = world.embedding - world.embedding[rows].mean(axis=0)
    pca = PCA(min(components, embedding.shape[1]), random_state=0, svd_solver="covariance_eigh")
    space = pca.fit(embedding[rows]).transform(embedding)
    truth = world.dense.samples.labels == 1
    right = [(model.decisions == truth).mean(axis=1) for model in (world.dense, world.compressed)]
    answers = np.stack(right, axis=1)
    answers = (answers - answers[rows].mean(axis=0)) / answers[rows].std(axis=0)
    columns = np.hstack([space, *[answers] * weight]).astype(np.float32)
    mixture = GaussianMixture(
        slices, covariance_type="diag", reg_covar=1e-3, max_iter=300, random_state=0
    ).fit(columns[rows])
    if blind:  # the answers are as likely in every slice
        of_answers = slice(space.shape[1], None)
        columns[:, of_answers] = mixture.means_[:, of_answers] = 0
        mixture.precisions_cholesky_[:, of_answers] = 1
    return mixture.predict(columns)


def tree(world, rows, blind):
    """Return the leaf (N,) of each image in a regression tree of the damage on all that is seen."""
    metadata = world.metadata.drop("id").to_dummies("camera").cast(pl.Float64).to_numpy()
    labels = world.dense.samples.labels
    columns = [world.embedding, labels, world.dense.probabilities, metadata]
    columns = np.hstack([*columns, np.abs(world.dense.logits).mean(axis=1, keepdims=True)])
    model = DecisionTreeRegressor(max_leaf_nodes=25, min_samples_leaf=LEAST, random_state=0)
    return model.fit(columns[rows], world.harmful[rows]).apply(columns)


PEERS = {"Domino": domino, "tree": tree}


def as_used(world, method):
    """Return the first five slices, told without a test."""
    return ranked(world, method(world, world.given, blind=False), world.given)[:FIRST]


def held_out(world, method):
    """Return the first ten slices of a half, told where the other half confirms them."""
    units = units_of(world.dense.samples, world.dense.samples.cluster)
    search = world.given & (deal(units, 2, 0) == 0)
    test = world.given & ~search
    losses = losses_of(world.dense, world.compressed, search).target(None)
    tested = []
    for one in ranked(world, method(world, search, blind=True), search)[:MOST]:
        rng = np.random.default_rng([0, len(tested)])
        seen = judge(losses, one.members, test, units, rng=rng)
        if seen is not None and seen.n >= LEAST:
            tested.append((one, seen))
    q_values = benjamini_hochberg(np.array([seen.p_value for _, seen in tested]))
    return [
        Candidate(one.members, one.search, q <= ALPHA, seen.excess, seen.low, seen.high)
        for (one, seen), q in sorted(
            zip(tested, q_values, strict=True), key=lambda of: -of[0][1].excess
        )
    ]


def ranked(world, of, rows):
    """Return the slices by their damage beyond elsewhere among some rows, if there is any."""
    slices = [of == k for k in np.unique(of[rows])]
    damage = world.harmful
    found = [
        Candidate(m, damage[m & rows].mean() - damage[~m & rows].mean())
        for m in slices
        if (m & rows).sum() >= LEAST
    ]
    return sorted((one for one in found if one.search > 0), key=lambda one: -one.search)
