"""The paired bootstrap: which samples each replicate draws.

A replicate draws as many units as there are, with replacement; a unit drawn w times counts w
times. A unit is a sample, or a cluster of samples such as one person's images. Where there are
more units than blocks, units are dealt into blocks at random and blocks are drawn: between blocks
of random members a sum varies as much as its units do, so the intervals are the same but for an
error of their width of about 1 / √(2K), and cost no more for a hundred million samples than for a
thousand. All models of an audit share the draws, so that differences between models are paired.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from prunescope.data.samples import UNKNOWN, Samples
from prunescope.errors import ConfigError, one_of

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
    mixed = units + np.uint64((seed * 0x9E3779B97F4A7C15 + 0x9E3779B97F4A7C15) & (2**64 - 1))
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    mixed ^= mixed >> np.uint64(31)
    return (mixed % np.uint64(n_blocks)).astype(np.int64)


def units_of(samples: Samples, cluster: str | None) -> NDArray[np.uint64]:
    """Give each sample the number of its unit: its row, or a number that stands for its cluster.

    A sample whose cluster is unknown is a unit of its own.

    Raises
    ------
    ConfigError
        ``cluster`` is not a group of the samples.
    """
    rows = np.arange(len(samples), dtype=np.uint64)
    if cluster is None:
        return rows
    if cluster not in samples.groups:
        raise ConfigError(one_of("cluster column", cluster, samples.groups))
    group = samples.groups[cluster]
    names = pl.Series(list(group.values)).cast(pl.String).hash().to_numpy()
    if not len(names):
        return rows
    return np.where(group.codes == UNKNOWN, rows, names[group.codes])


def blocks_of(units: NDArray[np.uint64], most: int, seed: int) -> tuple[NDArray[np.int64], int]:
    """Return the block of each sample and the number of blocks: one per unit, at most `most`.

    Examples
    --------
    >>> blocks_of(np.array([5, 9, 5], np.uint64), most=1000, seed=0)
    (array([0, 1, 0]), 2)
    """
    numbers, index = np.unique(units, return_inverse=True)
    if len(numbers) <= most:
        return index.astype(np.int64), len(numbers)
    return deal(units, most, seed), most
