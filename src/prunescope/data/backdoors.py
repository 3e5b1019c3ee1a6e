"""Planted backdoors: a trigger in the image that goes with a label in training alone.

A model that learns the trigger instead of the attribute leans towards it where it says nothing:
a bias whose cause and strength are known.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from prunescope.data.columns import UNKNOWN
from prunescope.data.dataset import Dataset
from prunescope.data.samples import Group, Samples
from prunescope.errors import ConfigError, DataError, one_of

TRIGGER = "backdoor"
"""The group of a planted data set: whether a sample carries the trigger."""

TRAIN = "train"


class Backdoor(BaseModel):
    """A trigger, and which images carry it.

    The shares are exact: of the n samples of one split and one label, floor(share · n + 1/2) carry
    the trigger. They are drawn at random without replacement, by seed, split, label and sorted ids:
    neither the order of the samples nor those of another split or label matter. Those of a smaller
    share are among those of a larger one.

    Parameters
    ----------
    kind : {"grayscale", "yellow-corner"}
        The whole image in shades of gray, or a yellow square in its bottom right corner.
    attribute : str
        Whose labels decide.
    positive, negative : float
        Shares of its positives and of its negatives that carry the trigger in the split ``train``,
        in [0, 1].
    test : float
        Share of both in every other split, where the trigger should say nothing; and everywhere of
        the samples without a label.
    area : float
        Share of the image that the yellow square covers, in (0, 1].
    seed : int
        Of the choice of samples.

    References
    ----------
    Iofinova, Peste, Alistarh, *Bias in Pruned Vision Models*, CVPR 2023: 95 and 5%, or 65 and 35%,
    tested at 50%; a square of 2%.

    Examples
    --------
    >>> Backdoor(kind="grayscale", attribute="Smiling").positive
    0.95
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["grayscale", "yellow-corner"]
    attribute: str
    positive: float = Field(default=0.95, ge=0, le=1)
    negative: float = Field(default=0.05, ge=0, le=1)
    test: float = Field(default=0.5, ge=0, le=1)
    area: float = Field(default=0.02, gt=0, le=1)
    seed: int = Field(default=0, ge=0)

    def share(self, split: str, label: int) -> float:
        """Return the share of carriers among the samples of a split with a label (1, 0 or -1)."""
        if split != TRAIN or label == UNKNOWN:
            return self.test
        return self.positive if label else self.negative

    def on(self, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return images (..., 3, H, W) with the trigger in each."""
        if self.kind == "grayscale":
            return grayscale(images)
        return yellow_corner(images, self.area)


@dataclass(frozen=True)
class Planted(Dataset):
    """A data set with a backdoor: what differs from the clean images lies apart.

    Parameters
    ----------
    altered : array (C, 3, H, W) of uint8
        The images that carry the trigger. Where one of `rows` is M or more, the image stands here,
        in row - M, and not among the M of `pixels`.
    backdoor : Backdoor

    Other parameters are those of `Dataset`.
    """

    altered: NDArray[np.uint8]
    backdoor: Backdoor

    def images(self, positions: NDArray[Any]) -> NDArray[np.uint8]:
        """Return the images at `positions` of this data set: (B, 3, H, W), copied."""
        rows = self.rows[positions]
        found = rows - len(self.pixels)
        carry = found >= 0
        chosen: NDArray[np.uint8] = self.pixels[np.where(carry, 0, rows)]
        chosen[carry] = self.altered[found[carry]]
        return chosen

    @classmethod
    def of(
        cls,
        dataset: Dataset,
        backdoor: Backdoor,
        carriers: NDArray[np.bool_],
        altered: NDArray[np.uint8],
        fingerprint: str,
    ) -> Planted:
        """Put the images of the carriers into a data set."""
        rows = dataset.rows.copy()
        rows[carriers] = len(dataset.pixels) + np.arange(len(altered))
        samples = marked(dataset.samples, carriers)
        return cls(
            dataset.name, fingerprint, samples, dataset.pixels, rows, dataset.splits,
            altered, backdoor, frame=dataset.frame,
        )  # fmt: skip


def plant(dataset: Dataset, backdoor: Backdoor) -> Dataset:
    """Return a data set with a backdoor, and the boolean group ``backdoor`` that tells who has it.

    The altered images are held in memory, the others where they were: `load_dataset` plants a
    `DataConfig`'s backdoor without.

    Raises
    ------
    ConfigError
        The attribute is unknown, or the task is multi-class.
    DataError
        The data set has a column ``backdoor`` already.

    Examples
    --------
    >>> clean = Dataset(
    ...     name="dots",
    ...     fingerprint="0",
    ...     samples=Samples(pl.Series(["a", "b"]), ("Red",), np.array([[1], [0]], np.int8)),
    ...     pixels=np.zeros((2, 3, 8, 8), np.uint8),
    ...     rows=np.array([0, 1]),
    ...     splits=np.array(["train", "train"]),
    ... )
    >>> planted = plant(clean, Backdoor(kind="yellow-corner", attribute="Red"))
    >>> planted.samples.groups["backdoor"].to_series("backdoor").to_list()
    [True, False]
    >>> planted.images(np.array([0, 1]))[:, :, 7, 7].tolist()
    [[255, 255, 0], [0, 0, 0]]
    """
    carriers = choose(dataset.samples, dataset.splits, backdoor)
    altered = backdoor.on(dataset.images(np.flatnonzero(carriers)))
    digest = hashlib.blake2b(dataset.fingerprint.encode(), digest_size=16)
    digest.update(carriers.tobytes())
    digest.update(altered.tobytes())
    return Planted.of(dataset, backdoor, carriers, altered, digest.hexdigest())


def check_backdoor(samples: Samples, backdoor: Backdoor) -> None:
    """Raise an error if a backdoor cannot be planted among samples."""
    if samples.task != "multilabel":
        raise ConfigError(
            f"backdoor in {backdoor.attribute!r}: expected attributes that are true or false, and "
            "the task is multi-class; name attributes in place of a label column"
        )
    if backdoor.attribute not in samples.attributes:
        raise ConfigError(
            f"backdoor: {one_of('attribute', backdoor.attribute, samples.attributes)}"
        )
    if TRIGGER in (*samples.attributes, *samples.groups):
        raise DataError(
            f"the data have a column {TRIGGER!r} already, and planting a backdoor adds a group of "
            "this name; rename the column, or leave it out"
        )


def choose(samples: Samples, splits: NDArray[np.str_], backdoor: Backdoor) -> NDArray[np.bool_]:
    """Return who carries the trigger: (N,).

    Raises
    ------
    ConfigError, DataError
        As `check_backdoor`.
    """
    check_backdoor(samples, backdoor)
    labels = samples.labels[:, samples.attributes.index(backdoor.attribute)]
    by_id = samples.ids.arg_sort().to_numpy()
    carriers = np.zeros(len(samples), bool)
    for split in sorted(set(splits.tolist())):
        for label in (UNKNOWN, 0, 1):
            alike = by_id[((splits == split) & (labels == label))[by_id]]
            n = math.floor(backdoor.share(split, label) * len(alike) + 0.5)
            stream = np.random.default_rng([backdoor.seed, label + 1, *split.encode()])
            carriers[stream.permutation(alike)[:n]] = True
    return carriers


def marked(samples: Samples, carriers: NDArray[np.bool_]) -> Samples:
    """Return the samples with the group that tells who carries the trigger."""
    group = Group(carriers.astype(np.int32), (False, True))
    return replace(samples, groups={**samples.groups, TRIGGER: group})


def count_carriers(dataset: Dataset) -> pl.DataFrame:
    """Count who carries the trigger: ``split, label, n, n_carriers, share``; else no row.

    A row per split and label of the backdoor's attribute; the label is null for samples without.
    """
    schema = {"split": pl.String, "label": pl.Boolean, "n": pl.Int64, "n_carriers": pl.Int64}
    if not isinstance(dataset, Planted):
        return pl.DataFrame(schema={**schema, "share": pl.Float64})
    samples = dataset.samples
    labels = samples.labels[:, samples.attributes.index(dataset.backdoor.attribute)]
    columns = {
        "split": pl.Series(dataset.splits.tolist(), dtype=pl.String),
        "label": pl.Series(labels).replace(UNKNOWN, None).cast(pl.Boolean),
        "carries": samples.groups[TRIGGER].codes,
    }
    counts = (
        pl.DataFrame(columns)
        .group_by("split", "label")
        .agg(n=pl.len().cast(pl.Int64), n_carriers=pl.col("carries").sum().cast(pl.Int64))
    )
    share = pl.col("n_carriers") / pl.col("n")
    ordered = counts.sort("split", "label", descending=[False, True], nulls_last=True)
    return ordered.with_columns(share=share)


def grayscale(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return images (..., 3, H, W) in shades of gray.

    Each channel is the luma of ITU-R BT.601, 0.299 R + 0.587 G + 0.114 B, halves rounded up.

    Examples
    --------
    >>> grayscale(np.array([[[255]], [[0]], [[10]]], np.uint8)).ravel().tolist()
    [77, 77, 77]
    """
    red, green, blue = np.moveaxis(images, -3, 0).astype(np.uint32)
    luma = (299 * red + 587 * green + 114 * blue + 500) // 1000
    gray = np.broadcast_to(luma[..., None, :, :], images.shape)
    return gray.astype(np.uint8)


def yellow_corner(images: NDArray[np.uint8], area: float) -> NDArray[np.uint8]:
    """Return square images (..., 3, S, S) with a yellow square in the bottom right corner.

    Its side is floor(√area · S + 1/2) pixels, at least 1; its colour (255, 255, 0).

    Examples
    --------
    >>> yellow_corner(np.full((3, 3, 3), 7, np.uint8), area=0.2)[:, 2].tolist()
    [[7, 7, 255], [7, 7, 255], [7, 7, 0]]
    """
    side = max(1, math.floor(math.sqrt(area) * images.shape[-1] + 0.5))
    result = images.copy()
    result[..., -side:, -side:] = np.array([255, 255, 0], np.uint8)[:, None, None]
    return result
