"""The audit table: one tidy row per estimate, and everything downstream reads only this."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.stats import false_discovery_control

from prunescope.audit.estimates import OK, Estimates
from prunescope.metrics import Slices
from prunescope.metrics.statistics import Floats, divide

SCHEMA: dict[str, pl.DataType] = {
    "model": pl.String(),
    "method": pl.String(),
    "sparsity": pl.Float64(),
    "seed": pl.Int64(),
    "metric": pl.String(),
    "attribute": pl.String(),
    "group": pl.String(),
    "group_value": pl.String(),
    "value": pl.Float64(),
    "low": pl.Float64(),
    "high": pl.Float64(),
    "n": pl.Int64(),
    "status": pl.String(),
    "reason": pl.String(),
    "baseline": pl.Float64(),
    "delta": pl.Float64(),
    "delta_low": pl.Float64(),
    "delta_high": pl.Float64(),
    "p_value": pl.Float64(),
    "q_value": pl.Float64(),
}
"""Columns of the table. `attribute`, `group` and `group_value` are null for "all of them"."""

BIASED = (
    "ece",
    "correlation_shift",
    "interdependence",
    "demographic_parity_difference",
    "equal_opportunity_difference",
    "equalized_odds_difference",
    "accuracy_difference",
    "ece_difference",
    "worst_group_accuracy",
)
"""Metrics that chance moves one way (norms, maxima and minima, explained shares), and resampling
once more. Their replicates are centred on the value before the interval is read off."""


def rows(
    estimates: Estimates,
    slices: Slices,
    confidence: float,
    baseline: Estimates | None = None,
    *,
    change: bool = False,
) -> pl.DataFrame:
    """Lay out estimates as rows, without the columns that name the model.

    Parameters
    ----------
    estimates : Estimates
    slices : Slices
    confidence : float
        Of the percentile intervals, in (0, 1).
    baseline : Estimates, optional
        The same metric of the dense model: fills `baseline`, `delta`, their interval and p-value.
    change : bool
        The estimate is of the change between two models: the p-value of one that can have either
        sign is for 0.
    """
    shape = estimates.value.shape
    biased = estimates.metric in BIASED
    replicates: Floats = estimates.replicates
    if biased:
        replicates = np.maximum(centred(replicates, estimates.value), 0)
    low, high = interval(replicates, estimates.ok, confidence)
    columns: dict[str, Any] = {
        "metric": np.full(shape, estimates.metric, object),
        "attribute": np.broadcast_to(np.array(estimates.attributes, object), shape),
        **_groups(estimates, slices),
        "value": estimates.value,
        "low": low,
        "high": high,
        "n": estimates.support,
        "status": estimates.status,
        "reason": estimates.reason.copy(),
    }
    if baseline is not None:
        both = estimates.ok & baseline.ok
        deltas: Floats = estimates.replicates - baseline.replicates
        columns["baseline"] = baseline.value
        columns["delta"] = np.where(both, estimates.value - baseline.value, np.nan)
        if biased:
            deltas = centred(deltas, columns["delta"])
        columns["delta_low"], columns["delta_high"] = interval(deltas, both, confidence)
        columns["p_value"] = p_value(deltas, both)
        lacks = estimates.ok & ~baseline.ok
        columns["reason"][lacks] = "the dense model has no value: " + baseline.reason[lacks]
    elif change and estimates.metric == "excess_accuracy_gap":
        columns["p_value"] = p_value(estimates.replicates, estimates.ok)
    kinds = {name: kind for name, kind in SCHEMA.items() if name in columns}
    flat = {name: np.ravel(columns[name]).tolist() for name in kinds}
    return pl.DataFrame(flat, schema=kinds, strict=False).with_columns(
        pl.selectors.float().fill_nan(None)
    )


def centred(replicates: Floats, value: Floats) -> Floats:
    """Shift replicates so that their mean is the value.

    Examples
    --------
    >>> centred(np.array([[0.3], [0.5]]), np.array([0.2])).round(3).tolist()
    [[0.1], [0.3]]
    """
    known = ~np.isnan(replicates)
    mean = divide(np.where(known, replicates, 0.0).sum(axis=0), known.sum(axis=0))
    return replicates - mean + value


def _groups(estimates: Estimates, slices: Slices) -> dict[str, NDArray[Any]]:
    """Name the group and its value of every cell."""
    shape = estimates.value.shape
    if len(shape) == 2:
        names, values = np.array(slices.groups, object), _texts(slices.values)
        return {
            "group": np.broadcast_to(names[:, None], shape),
            "group_value": np.broadcast_to(values[:, None], shape),
        }
    value = np.full(shape, None, object)
    if estimates.group is not None and estimates.group_value is not None:
        texts = _texts(slices.values[slices.of_group(estimates.group)])
        shown = (estimates.group_value >= 0) & estimates.ok
        value[shown] = texts[estimates.group_value[shown]]
    return {"group": np.full(shape, estimates.group, object), "group_value": value}


def _texts(values: tuple[Any, ...]) -> NDArray[Any]:
    return np.array([None if value is None else str(value) for value in values], object)


def interval(
    replicates: Floats, usable: NDArray[np.bool_], confidence: float
) -> tuple[Floats, Floats]:
    """Return the percentile interval over the first axis; NaN where not usable.

    Replicates in which the value is not defined are left out.
    """
    ends = np.full((2, *usable.shape), np.nan)
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]
    values = replicates[:, usable].astype(np.float64)
    if values.size:
        partial = np.isnan(values).any(axis=0) & ~np.isnan(values).all(axis=0)
        found = np.quantile(values, tails, axis=0)
        found[:, partial] = np.nanquantile(values[:, partial], tails, axis=0)
        ends[:, usable] = found
    return ends[0], ends[1]


def p_value(deltas: Floats, usable: NDArray[np.bool_]) -> Floats:
    """Return the two-sided bootstrap p-value of "no change"; NaN where not usable.

    p = 2 · min(share of replicates at or below 0, share at or above 0), each with one more
    replicate counted so that p is never 0 (Davison and Hinkley, 1997, section 4.4).

    Examples
    --------
    >>> p_value(np.array([[0.1], [0.2], [0.3]]), np.array([True])).tolist()
    [0.5]
    """
    result = np.full(usable.shape, np.nan)
    values = deltas[:, usable]
    n = (~np.isnan(values)).sum(axis=0) + 1
    tail = np.minimum((values <= 0).sum(axis=0), (values >= 0).sum(axis=0)) + 1
    result[usable] = np.minimum(2 * tail / n, 1.0)
    return result


def add_q_values(table: pl.DataFrame) -> pl.DataFrame:
    """Fill `q_value`: Benjamini-Hochberg over the rows of each metric of one model.

    Averages over attributes are a family of their own.
    """
    p = table["p_value"].to_numpy()
    q = np.full(len(p), np.nan)
    family = pl.struct("metric", pl.col("attribute").is_null()).rank("dense")
    families = table.select(family).to_series().to_numpy()
    for number in np.unique(families):
        tested = (families == number) & ~np.isnan(p)
        if tested.any():
            q[tested] = false_discovery_control(p[tested], method="bh")
    return table.with_columns(pl.Series("q_value", q).fill_nan(None))


__all__ = ["OK", "SCHEMA", "add_q_values", "interval", "p_value", "rows"]
