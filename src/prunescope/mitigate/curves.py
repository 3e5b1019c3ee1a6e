"""What routing leaves of the damage, and what it costs, against the share of answers sent.

Flips, errors, rare-value ratio, bias amplification and gaps between groups, beside a random order
and an oracle's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from prunescope.audit.leaning import Leanings
from prunescope.audit.setup import rates_of
from prunescope.data.columns import UNKNOWN
from prunescope.forecast.criteria import expected_counts
from prunescope.forecast.routing import left_of, places_of
from prunescope.metrics import Slices, accuracy
from prunescope.metrics.statistics import Floats
from prunescope.mitigate.risk import To
from prunescope.mitigate.routing import Routed

SHARES = (0.0, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)

CHOSEN = "chosen"
"""The order of the rows at the cut."""

CURVE_SCHEMA: dict[str, pl.DataType] = {
    "split": pl.String(),
    "order": pl.String(),
    "sent": pl.Float64(),
    "samples": pl.Float64(),
    "cost": pl.Float64(),
    "flip_rate": pl.Float64(),
    "error_rate": pl.Float64(),
    "rare_value_ratio": pl.Float64(),
    "rare_value_ratio_n": pl.Int64(),
    "group": pl.String(),
    "bias_amplification": pl.Float64(),
    "bias_amplification_n": pl.Int64(),
    "accuracy_difference": pl.Float64(),
    "accuracy_difference_n": pl.Int64(),
}
"""Columns of the curves, a row per order, share and group. `sent` is the share of all answers,
`samples` of samples with one or more of them; `cost` the multiplications for a sample in shares of
the dense model's, if they are known. Rates are of all answers, of which a multi-class model gives
one for a sample (`top1_flip_rate` in an audit). The other metrics are means over the attributes
that have a value at every share in every order, `…_n` of them. Order ``chosen`` is at the cut;
random and oracle orders show what is to be expected."""


def curve_rows(
    routed: Routed,
    split: str,
    cut: float | None,
    asked: bool,
    *,
    groups: Sequence[str] | None,
    macs: tuple[float, float] | None,
    min_support: int,
) -> pl.DataFrame:
    """Lay out what is left of the damage at each share of sent answers, and at the cut.

    Parameters
    ----------
    routed : Routed
    split : str
    cut : float, optional
    asked : bool
        Whether the dense model is asked about every sample, for the risk to be known.
    groups : sequence of str, optional
        Default: every group but the cluster.
    macs : pair of float, optional
        Multiplications of the dense and the pruned model for one sample.
    min_support : int
    """
    samples = routed.pruned.samples
    rates, _ = rates_of([routed.dense.metadata], None, samples.rates)
    leanings = Leanings(samples.attributes, Slices.of(samples, groups), rates, min_support)
    start = _counts(routed, leanings, routed.pruned.decisions)
    elsewhere, known, true = routed.elsewhere, samples.labels != UNKNOWN, samples.labels == 1
    # a class that changes makes two cells of a sample differ
    answers = samples.labels.shape[1] / 2 if samples.task == "multiclass" else 1.0
    points, counts = [], []
    for order, share, left, touched in _orders(routed, cut):
        yes = abs(elsewhere - left)
        errors = abs(true - yes)[known]
        point = {
            "split": split,
            "order": order,
            "sent": share,
            "samples": touched,
            "cost": None if macs is None else _cost(touched, asked, routed.to, macs),
            "flip_rate": answers * float(abs(routed.dense.decisions - yes).mean(dtype=np.float64)),
            "error_rate": answers * float(errors.mean(dtype=np.float64)) if len(errors) else None,
        }
        points.append(point)
        counts.append(_counts(routed, leanings, yes))
    rows = _with_means(points, leanings, start, np.stack(counts))
    return pl.DataFrame(list(rows), schema=CURVE_SCHEMA)


def _counts(routed: Routed, leanings: Leanings, yes: Floats | NDArray[np.bool_]) -> Floats:
    """Count answers that are yes, or are so with a probability."""
    return expected_counts(routed.pruned.samples, leanings.slices, yes.astype(np.float32))


def _orders(routed: Routed, cut: float | None) -> Iterator[tuple[str, float, Floats, float]]:
    """Yield order, share sent, what is left of each difference (N, A), share of samples touched."""
    differ = routed.pruned.decisions != routed.elsewhere
    if cut is not None:
        sent = routed.sent(cut)
        left = np.asarray(differ & ~sent, np.float32)
        yield CHOSEN, float(sent.mean()), left, float(sent.any(axis=1).mean())
    best = None
    whole = routed.whole or routed.pruned.samples.task == "multiclass"
    if whole:  # the samples with most answers that differ come first
        gain = differ.sum(axis=1, keepdims=True)
        best = places_of(np.broadcast_to(gain, differ.shape), routed.pruned)
    orders = {"risk": places_of(routed.risk, routed.pruned), "oracle": best, "random": None}
    for order, places in orders.items():
        for share in SHARES:
            touched = share if whole else _touched(order, places, differ, share)
            yield order, share, left_of(order, places, differ, share), touched


def _with_means(
    points: Sequence[dict[str, Any]], leanings: Leanings, start: Floats, counts: Floats
) -> Iterator[dict[str, Any]]:
    """Yield each point with means over attributes, for each group, or once if there is none.

    `counts` are those of all P points: (P, S, A, 3, 2).
    """
    ratio = leanings.rare_value_ratio(start, counts)
    ratios = _means("rare_value_ratio", ratio.replicates[:, 0], ratio.ok[0])
    names = leanings.slices.group_names()
    of_groups = {name: _about(name, leanings, start, counts) for name in names}
    for place, point in enumerate(points):
        shared = {**point, **ratios[place]}
        for name, about in of_groups.items():
            yield {**shared, "group": name, **about[place]}
        if not of_groups:
            yield {**shared, "group": None}


def _about(
    group: str, leanings: Leanings, start: Floats, counts: Floats
) -> list[dict[str, float | int | None]]:
    """Return bias amplification and accuracy difference of each point."""
    found = leanings.bias_amplification(group, start, counts)
    right = accuracy(counts[:, leanings.slices.of_group(group)])
    enough = np.asarray((right.support >= leanings.min_support).all(axis=(0, 1)))
    gap = right.value.max(axis=1) - right.value.min(axis=1)
    leaning = _means("bias_amplification", found.replicates, found.ok)
    apart = _means("accuracy_difference", gap, enough)
    return [{**one, **other} for one, other in zip(leaning, apart, strict=True)]


def _means(name: str, values: Floats, ok: NDArray[np.bool_]) -> list[dict[str, float | int | None]]:
    """Average over the attributes that are `ok` and have a value (P, A) at every point."""
    usable = ok & ~np.isnan(values).any(axis=0)
    n = int(usable.sum())
    means = values[:, usable].mean(axis=1).tolist() if n else [None] * len(values)
    return [{name: mean, f"{name}_n": n} for mean in means]


def _touched(order: str, places: Floats | None, differ: NDArray[np.bool_], share: float) -> float:
    """Return the share of samples with an answer that is sent; expected ones, drawn at random."""
    if places is not None:
        return float((places < share).any(axis=1).mean())
    if order == "random":
        return float(1 - (1 - share) ** differ.shape[1])
    sent = min(1.0, share / max(differ.mean(), 1e-12))
    return float((1 - (1 - sent) ** differ.sum(axis=1)).mean())


def _cost(touched: float, asked: bool, to: To, macs: tuple[float, float]) -> float:
    """Return the multiplications for a sample, in shares of the dense model's."""
    dense, pruned = macs
    share = 1.0 if asked else touched if to == "dense" else 0.0
    return (pruned + share * dense) / dense
