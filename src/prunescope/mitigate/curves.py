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
from prunescope.audit.subject import rates_of
from prunescope.data.samples import UNKNOWN
from prunescope.forecast.criteria import expected_counts
from prunescope.forecast.routing import left_of, mean_of, places_of
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
    "group": pl.String(),
    "bias_amplification": pl.Float64(),
    "accuracy_difference": pl.Float64(),
}
"""Columns of the curves, a row per order, share and group. `sent` is the share of all answers,
`samples` of samples with one or more of them; `cost` the multiplications for a sample in shares of
the dense model's, if they are known. Rates are of all answers, the other metrics means over
attributes. Order ``chosen`` is at the cut; random and oracle orders show what is to be expected."""


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
    rows = []
    for order, share, left, touched in _orders(routed, cut):
        yes = abs(routed.elsewhere - left)
        known = samples.labels != UNKNOWN
        errors = abs((samples.labels == 1) - yes)[known]
        # a class that changes makes two cells of a sample differ
        answers = samples.labels.shape[1] / 2 if samples.task == "multiclass" else 1.0
        shared = {
            "split": split,
            "order": order,
            "sent": share,
            "samples": touched,
            "cost": None if macs is None else _cost(touched, asked, routed.to, macs),
            "flip_rate": answers * float(abs(routed.dense.decisions - yes).mean(dtype=np.float64)),
            "error_rate": answers * float(errors.mean(dtype=np.float64)) if len(errors) else None,
        }
        rows += [
            {**shared, **of} for of in _by_group(leanings, start, _counts(routed, leanings, yes))
        ]
    return pl.DataFrame(rows, schema=CURVE_SCHEMA)


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
    if routed.whole:  # the samples with most answers that differ come first
        gain = differ.sum(axis=1, keepdims=True)
        best = places_of(np.broadcast_to(gain, differ.shape), routed.pruned)
    orders = {"risk": places_of(routed.risk, routed.pruned), "oracle": best, "random": None}
    for order, places in orders.items():
        for share in SHARES:
            touched = share if routed.whole else _touched(order, places, differ, share)
            yield order, share, left_of(order, places, differ, share), touched


def _by_group(leanings: Leanings, start: Floats, counts: Floats) -> Iterator[dict[str, Any]]:
    """Yield what attributes and groups come to: for each group, or once if there is none."""
    ratio = leanings.rare_value_ratio(start, counts[None])
    shared = {"rare_value_ratio": mean_of(ratio.replicates[:, 0], ratio.ok[0])}
    groups: list[str | None] = [*leanings.slices.group_names()]
    for group in groups or [None]:
        lean = gap = None
        if group is not None:
            found = leanings.bias_amplification(group, start, counts[None])
            lean = mean_of(found.replicates, found.ok)
            right = accuracy(counts[leanings.slices.of_group(group)])
            usable = np.asarray((right.support >= leanings.min_support).all(axis=0))
            spread = right.value.max(axis=0) - right.value.min(axis=0)
            gap = mean_of(spread[None], usable)
        yield {**shared, "group": group, "bias_amplification": lean, "accuracy_difference": gap}


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
