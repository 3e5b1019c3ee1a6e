"""A labelled image data set: samples and their pixels, split by split."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunescope.data.framing import Frame
from prunescope.data.samples import Samples
from prunescope.errors import DataError, shorten


@dataclass(frozen=True)
class Dataset:
    """Images with their labels and groups.

    Parameters
    ----------
    name : str
    fingerprint : str
        Hash of the content; two data sets with one fingerprint are the same.
    samples : Samples
        Ids, labels and groups of the N samples.
    pixels : array (M, 3, H, W) of uint8
        All images of the source, usually a memory map that is never copied; M >= N.
    rows : array (N,) of int64
        Where each sample's image stands in `pixels`.
    splits : array (N,) of str
        The split of each sample, such as ``train``, ``val``, ``test``.
    frame : Frame, optional
        How they were cut and resized, where not by `Frame.square`.

    Examples
    --------
    >>> import polars as pl
    >>> dataset = Dataset(
    ...     name="dots",
    ...     fingerprint="0",
    ...     samples=Samples(pl.Series(["a", "b"]), ("Red",), np.array([[1], [0]], np.int8)),
    ...     pixels=np.arange(24, dtype=np.uint8).reshape(2, 3, 2, 2),
    ...     rows=np.array([0, 1]),
    ...     splits=np.array(["train", "test"]),
    ... )
    >>> test = dataset.split("test")
    >>> len(test), test.size, test.images(np.array([0]))[0, 0].tolist()
    (1, 2, [[12, 13], [14, 15]])
    """

    name: str
    fingerprint: str
    samples: Samples
    pixels: NDArray[np.uint8]
    rows: NDArray[np.int64]
    splits: NDArray[np.str_]
    frame: Frame | None = field(default=None, kw_only=True)

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def size(self) -> int:
        """Side of the square images, in pixels."""
        return int(self.pixels.shape[-1])

    def images(self, positions: NDArray[Any]) -> NDArray[np.uint8]:
        """Return the images at `positions` of this data set: (B, 3, H, W), copied."""
        chosen: NDArray[np.uint8] = self.pixels[self.rows[positions]]
        return chosen

    def take(self, positions: NDArray[Any]) -> Dataset:
        """Return the samples at `positions` (indices or a boolean mask); pixels are shared."""
        return replace(
            self,
            samples=self.samples.take(positions),
            rows=self.rows[positions],
            splits=self.splits[positions],
        )

    def split(self, name: str) -> Dataset:
        """Return the samples of one split.

        Raises
        ------
        DataError
            No sample is in that split.
        """
        chosen = self.splits == name
        if not chosen.any():
            found = shorten(sorted(set(self.splits.tolist())))
            raise DataError(f"{self.name} has no sample in split {name!r}: its splits are {found}")
        return self.take(chosen)
