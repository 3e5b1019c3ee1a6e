"""What a data set holds, in figures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from prunescope.data.backdoors import Backdoor, Planted, count_carriers
from prunescope.data.columns import UNKNOWN
from prunescope.data.dataset import Dataset


@dataclass(frozen=True)
class Description:
    """Counts and rates of a data set.

    Parameters
    ----------
    name, fingerprint : str
    n : int
        Samples.
    size : int
        Side of the images, in pixels.
    n_clusters : int or None
        Values of the cluster, such as people, where the data set has one.
    splits : polars.DataFrame
        ``split, n``: samples in each split, the largest first.
    attributes : polars.DataFrame
        ``attribute, n_known, n_unlabelled, n_positive, rate``: the rate is the share of positives
        among the known labels, in [0, 1]; null where no label is known.
    groups : polars.DataFrame
        ``attribute, group, group_value, n_known, rate``: the same within each value of a group.
        An attribute is not looked at by itself.
    gaps : polars.DataFrame
        ``attribute, group, gap, low, high``: the largest minus the smallest rate over the values
        of a group, in [0, 1], and these two values; null if fewer than two values have a rate.
        The widest gap comes first.
    backdoor : Backdoor or None
        What was planted.
    carriers : polars.DataFrame
        ``split, label, n, n_carriers, share``: who carries its trigger, by the label of its
        attribute (null = unlabelled); the share is in [0, 1]. No row without a backdoor.
    """

    name: str
    fingerprint: str
    n: int
    size: int
    n_clusters: int | None
    splits: pl.DataFrame
    attributes: pl.DataFrame
    groups: pl.DataFrame
    gaps: pl.DataFrame
    backdoor: Backdoor | None
    carriers: pl.DataFrame


def describe(dataset: Dataset) -> Description:
    """Count a data set's samples and labels, overall and by group.

    Describe one split with ``describe(dataset.split("train"))``.

    Examples
    --------
    >>> from prunescope.data.samples import Group, Samples
    >>> dataset = Dataset(
    ...     name="four",
    ...     fingerprint="0",
    ...     samples=Samples(
    ...         ids=pl.Series(["a", "b", "c", "d"]),
    ...         attributes=("Bald",),
    ...         labels=np.array([[1], [0], [0], [-1]], np.int8),
    ...         groups={"Male": Group.from_series(pl.Series([True, True, False, False]))},
    ...     ),
    ...     pixels=np.zeros((4, 3, 8, 8), np.uint8),
    ...     rows=np.arange(4),
    ...     splits=np.array(["test"] * 4),
    ... )
    >>> describe(dataset).attributes.row(0)
    ('Bald', 3, 1, 1, 0.3333333333333333)
    >>> describe(dataset).gaps.row(0)
    ('Bald', 'Male', 0.5, 'False', 'True')
    """
    samples = dataset.samples
    audited = {name: g for name, g in samples.groups.items() if name != samples.cluster}
    by_value = [
        _count(dataset, group.codes == code).with_columns(
            group=pl.lit(name), group_value=pl.lit(str(value))
        )
        for name, group in audited.items()
        for code, value in enumerate(group.values)
    ]
    overall = _count(dataset, np.ones(len(samples), dtype=bool))
    blank = overall.clear().with_columns(
        group=pl.lit(None, pl.String), group_value=pl.lit(None, pl.String)
    )
    groups = pl.concat([blank, *by_value]).filter(pl.col("attribute") != pl.col("group"))
    cluster = None if samples.cluster is None else samples.groups[samples.cluster]
    splits = pl.Series("split", dataset.splits.tolist(), dtype=pl.String)
    return Description(
        name=dataset.name,
        fingerprint=dataset.fingerprint,
        n=len(samples),
        size=dataset.size,
        n_clusters=None if cluster is None else len(np.setdiff1d(cluster.codes, UNKNOWN)),
        splits=splits.value_counts(name="n").sort(["n", "split"], descending=[True, False]),
        attributes=overall,
        groups=groups.select("attribute", "group", "group_value", "n_known", "rate"),
        gaps=_gaps(groups),
        backdoor=dataset.backdoor if isinstance(dataset, Planted) else None,
        carriers=count_carriers(dataset),
    )


def _count(dataset: Dataset, chosen: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> pl.DataFrame:
    """Count labels of the chosen samples, one row per attribute."""
    labels = dataset.samples.labels[chosen]
    known, positive = (labels != UNKNOWN).sum(axis=0), (labels == 1).sum(axis=0)
    frame = pl.DataFrame(
        {
            "attribute": pl.Series(dataset.samples.attributes, dtype=pl.String),
            "n_known": known,
            "n_unlabelled": len(labels) - known,
            "n_positive": positive,
        }
    )
    rate = pl.when(pl.col("n_known") > 0).then(pl.col("n_positive") / pl.col("n_known"))
    return frame.with_columns(rate=rate)


def _gaps(groups: pl.DataFrame) -> pl.DataFrame:
    """Compare the rates of each attribute over the values of each group."""
    rate, value = pl.col("rate"), pl.col("group_value")
    gap = (rate.max() - rate.min()).alias("gap")
    low, high = value.get(rate.arg_min()).alias("low"), value.get(rate.arg_max()).alias("high")
    return (
        groups.group_by("attribute", "group", maintain_order=True)
        .agg(*(pl.when(rate.count() > 1).then(figure) for figure in (gap, low, high)))
        .sort("gap", descending=True, nulls_last=True, maintain_order=True)
    )
