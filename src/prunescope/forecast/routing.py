"""What a forecast is worth: send the riskiest answers to the dense model, and see what is left.

The pruned model answers all but the riskiest share k, which the dense model answers. Beside the
forecast's order stand the margin's, a random one, and the oracle's, which knows what flipped.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from prunescope.audit.leaning import Leanings
from prunescope.audit.setup import rates_of
from prunescope.forecast.criteria import expected_counts
from prunescope.forecast.happened import Happened
from prunescope.forecast.outlook import given
from prunescope.metrics import Slices
from prunescope.metrics.statistics import Floats
from prunescope.predictions import Predictions

ROUTING_SCHEMA: dict[str, pl.DataType] = {
    "population": pl.String(),
    "order": pl.String(),
    "routed": pl.Float64(),
    "flip_rate": pl.Float64(),
    "rare_value_ratio": pl.Float64(),
    "group": pl.String(),
    "bias_amplification": pl.Float64(),
}
"""Columns of the routing, a row per group: `routed` is the share of all answers; `flip_rate` what
is left of the flips, as a share of all answers (of classes one for each sample); the others are
means over attributes and runs, null where no attribute has a value."""

SHARES = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2)


def routing_rows(happened: Happened, min_support: int) -> pl.DataFrame:
    """Lay out what is left of the damage at each share of routed answers."""
    dense = happened.dense
    rates, _ = rates_of([dense.metadata], None, dense.samples.rates)
    slices = Slices.of(dense.samples, happened.groups)
    leanings = Leanings(dense.attributes, slices, rates, min_support)
    rows = [
        row
        for population in happened.populations
        for row in _of(happened, leanings, population.name, [r.flips for r in population.runs])
    ]
    return pl.DataFrame(rows, schema=ROUTING_SCHEMA)


def _of(
    happened: Happened, leanings: Leanings, name: str, runs: list[NDArray[np.bool_]]
) -> Iterator[dict[str, Any]]:
    dense = happened.dense
    now = expected_counts(dense.samples, leanings.slices, dense.decisions.astype(np.float32))
    places: dict[str, list[Floats | None]] = {
        "forecast": [places_of(happened.risk, dense)] * len(runs),
        "margin": [places_of(-abs(dense.logits), dense)] * len(runs),
        "oracle": [_first(flips, dense) for flips in runs],
        "random": [None] * len(runs),
    }
    for order, of_runs in places.items():
        for share in SHARES:
            left = [
                left_of(order, place, flips, share)
                for place, flips in zip(of_runs, runs, strict=True)
            ]
            then = np.stack(
                [
                    expected_counts(dense.samples, leanings.slices, abs(dense.decisions - kept))
                    for kept in left
                ]
            )
            ratio = leanings.rare_value_ratio(now, then)
            shared = {
                "population": name,
                "order": order,
                "routed": share,
                "flip_rate": float(np.mean([given(kept, dense) for kept in left])),
                "rare_value_ratio": mean_of(ratio.replicates[:, 0], ratio.ok[0]),
            }
            groups: list[str | None] = [*leanings.slices.group_names()]
            for group in groups or [None]:
                lean = None
                if group is not None:
                    found = leanings.bias_amplification(group, now, then)
                    lean = mean_of(found.replicates, found.ok)
                yield {**shared, "group": group, "bias_amplification": lean}


def _first(flips: NDArray[np.bool_], dense: Predictions) -> Floats | None:
    """Return the oracle's places of classes: the samples that change come first."""
    if dense.samples.task == "multilabel":
        return None
    return places_of(flips.astype(np.float32), dense)


def places_of(risk: Floats, dense: Predictions) -> Floats:
    """Return the place of each answer by falling risk, in shares of all answers: (N, A).

    A class is one answer of a sample's, so that samples are routed whole: by the risk of the class
    that the dense model names.
    """
    if dense.samples.task == "multiclass":
        risk = np.repeat(given(risk, dense), risk.shape[1], axis=1)
    places = np.empty(risk.size)
    places[np.argsort(-risk, axis=None, kind="stable")] = np.arange(risk.size) / risk.size
    return places.reshape(risk.shape)


def left_of(order: str, places: Floats | None, flips: NDArray[np.bool_], share: float) -> Floats:
    """Return what is left of each flip (N, A): 1, 0 where it was routed, or its chance of staying.

    The oracle routes flips alone, at random if they are more than may be routed.
    """
    if places is not None:
        return np.asarray(flips & (places >= share), np.float32)
    routed = share if order == "random" else min(1.0, share / max(flips.mean(), 1e-12))
    return flips * (1 - routed)


def mean_of(values: Floats, ok: NDArray[np.bool_]) -> float | None:
    """Average over runs (R, A) and the attributes that have a value in all."""
    usable = ok & ~np.isnan(values).any(axis=0)
    return float(values[:, usable].mean()) if usable.any() else None
