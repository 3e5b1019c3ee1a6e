"""The paired bootstrap: which samples each replicate draws.

A replicate draws as many units as there are, with replacement; a unit drawn w times counts w
times. A unit is a sample, or a cluster of samples such as one person's images. Where there are
more units than blocks, units are dealt into blocks at random and blocks are drawn: between blocks
of random members a sum varies as much as its units do, so the intervals are the same but for an
error of their width of about 1 / √(2K), and cost no more for a hundred million samples than for a
thousand. All models of an audit share the draws, so that differences between models are paired.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import numpy as np
import polars as pl
from numpy.typing import NDArray

from prunescope.data.columns import UNKNOWN
from prunescope.data.samples import Group, Samples
from prunescope.errors import ConfigError, one_of
from prunescope.predictions.ids import GOLDEN, hash_texts, mix

HELD = 1 << 22
"""Units that are told apart at once, to count them."""

LARGEST = np.uint64(2**64 - 1)

OF_CLUSTER = 1
"""Salt of clusters' names: none is taken for the sample of that id."""

FloatMatrix = NDArray[np.float32]


def draw(n_blocks: int, replicates: int, seed: int) -> FloatMatrix:
    """Draw the blocks of every replicate: how often each is drawn, (R, K); each row sums to K.

    Examples
    --------
    >>> draw(4, replicates=2, seed=0).sum(axis=1).tolist()
    [4.0, 4.0]
    """
    rng = np.random.default_rng(seed)
    weights = np.empty((replicates, n_blocks), np.float32)
    for row in weights:
        row[:] = np.bincount(rng.integers(0, n_blocks, n_blocks), minlength=n_blocks)
    return weights


def deal(units: NDArray[np.uint64], n_blocks: int, seed: int = 0) -> NDArray[np.int64]:
    """Deal units into K blocks at random: the same unit always into the same block.

    Parameters
    ----------
    units : array (n,) of uint64
        Numbers of the units, equal for samples of one unit.
    n_blocks : int
    seed : int

    Examples
    --------
    >>> blocks = deal(np.array([7, 8, 7], np.uint64), 1000)
    >>> bool(blocks[0] == blocks[2]), bool((blocks < 1000).all())
    (True, True)
    """
    mixed = mix(units + np.uint64((seed + 1) * int(GOLDEN) & (2**64 - 1)))
    return (mixed % np.uint64(n_blocks)).astype(np.int64)


def units_of(samples: Samples, cluster: str | None) -> NDArray[np.uint64]:
    """Give each sample the number of its unit, see `number_units`.

    Raises
    ------
    ConfigError
        ``cluster`` is not a group of the samples.
    """
    if cluster is not None and cluster not in samples.groups:
        raise ConfigError(one_of("cluster column", cluster, samples.groups))
    return number_units(samples.ids, None if cluster is None else samples.groups[cluster])


def number_units(ids: pl.Series, clusters: Group | None = None) -> NDArray[np.uint64]:
    """Give each sample the number of its unit: a hash of its cluster's name or, alone, of its id.

    So it does not matter in which order samples stand, nor how many are read at once. A sample
    whose cluster is unknown is a unit of its own.

    Examples
    --------
    >>> who = Group.from_series(pl.Series(["p", None, "p"]))
    >>> first, second, third = number_units(pl.Series(["a", "b", "c"]), who)
    >>> bool(first == third), bool(first == second)
    (True, False)
    """
    units = hash_texts(ids)
    if clusters is not None and clusters.values:
        known = clusters.codes != UNKNOWN
        names = hash_texts(pl.Series(list(clusters.values)), salt=OF_CLUSTER)
        units[known] = names[clusters.codes[known]]
    return units


def count_units(
    parts: Iterable[NDArray[np.uint64]], most: int
) -> tuple[int, NDArray[np.uint64] | None]:
    """Count the units of samples that come part by part.

    More than `HELD` are estimated from where the `HELD` least of their numbers end, which is off by
    1 / √`HELD`, 0.05%.

    Parameters
    ----------
    parts : iterable of arrays of uint64
        Numbers of the samples' units, see `number_units`.
    most : int

    Returns
    -------
    n : int
        Units.
    numbers : array (n,) or None
        Those of the units, in order; None where they are more than `most`.

    Examples
    --------
    >>> count_units([np.array([5, 9], np.uint64), np.array([5], np.uint64)], most=2)
    (2, array([5, 9], dtype=uint64))
    """
    held, limit = np.zeros(0, np.uint64), LARGEST
    waiting: list[NDArray[np.uint64]] = []
    for part in itertools.chain(parts, [None]):
        if part is not None:
            waiting.append(np.unique(part[part <= limit]))
        if part is None or sum(map(len, waiting)) > max(len(held), HELD // 4):
            held = np.unique(np.concatenate([held, *waiting]))
            waiting = []
            if len(held) > HELD:
                held, limit = held[:HELD], held[HELD - 1]
    if limit < LARGEST:
        return round((HELD - 1) * 2**64 / int(limit)), None
    return len(held), held if len(held) <= most else None


def blocks_of(units: NDArray[np.uint64], most: int, seed: int) -> tuple[NDArray[np.int64], int]:
    """Return the block of each sample and the number of blocks: one per unit, at most `most`.

    Where each unit has a block, these stand in the order of the units' numbers.

    Examples
    --------
    >>> blocks_of(np.array([5, 9, 5], np.uint64), most=1000, seed=0)
    (array([0, 1, 0]), 2)
    """
    numbers, index = np.unique(units, return_inverse=True)
    if len(numbers) <= most:
        return index.astype(np.int64), len(numbers)
    return deal(units, most, seed), most
