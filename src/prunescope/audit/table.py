"""The audit table: one tidy row per estimate, and everything downstream reads only this."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from prunescope.audit.estimates import Estimates
from prunescope.audit.significance import Spread
from prunescope.metrics import Slices
from prunescope.metrics.statistics import Floats

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
    "verdict": pl.String(),
}
"""Columns of the table. `attribute`, `group` and `group_value` are null for "all of them"."""

Columns = dict[str, NDArray[Any]]
"""Columns of some rows, all of one length."""

BIASED = (
    "correlation_shift",
    "demographic_parity_difference",
    "equal_opportunity_difference",
    "equalized_odds_difference",
    "accuracy_difference",
    "ece_difference",
    "worst_group_accuracy",
)
"""Metrics that chance moves one way (norms, maxima and minima), and resampling
once more. What resampling adds is taken off twice from the replicates, once for itself and once
for the estimate, before the interval is read off; of a change, whose biases about cancel, once."""

INVERTED = ("ece", "top_label_ece")
"""Metrics that chance raises too; in their replicates `calibration_error_replicates` allows for it.
A change's replicates are centred as those above."""


@dataclass(frozen=True)
class Comparison:
    """How the estimates of one metric compare with a baseline.

    Parameters
    ----------
    baseline, delta : arrays, of the shape of the values
        The baseline's value and how far above it the estimate lies; NaN where not comparable.
    replicates : array (R, ...)
        Of the delta.
    exact : array, optional
        p-values of an exact test; NaN where there is none.
    error, df : array, optional
        Standard error of the delta and its degrees of freedom; default: that of the replicates,
        and no limit.
    missing : array of str, optional
        Why the baseline has no value.
    """

    baseline: Floats
    delta: Floats
    replicates: Floats
    exact: Floats | None = None
    error: Floats | None = None
    df: Floats | None = None
    missing: NDArray[Any] | None = None


def compare(estimates: Estimates, baseline: Estimates, exact: Floats | None = None) -> Comparison:
    """Compare the estimates of one model with those of another, replicate by replicate."""
    both = estimates.ok & baseline.ok
    return Comparison(
        baseline.value,
        np.where(both, estimates.value - baseline.value, np.nan),
        estimates.replicates - baseline.replicates,
        exact,
        missing=np.where(estimates.ok & ~baseline.ok, baseline.reason, np.array(None)),
    )


def from_zero(estimates: Estimates) -> Comparison:
    """Compare estimates of a change, which may have either sign, with no change."""
    nothing = np.full(estimates.value.shape, np.nan)
    return Comparison(nothing, estimates.value, estimates.replicates)


def tested(estimates: Estimates, exact: Floats) -> Comparison:
    """Attach the p-values of an exact test to estimates that are compared with nothing."""
    nothing = np.full(estimates.value.shape, np.nan)
    value = np.where(np.isnan(exact), np.nan, estimates.value)
    nowhere = np.broadcast_to(np.float32(np.nan), estimates.replicates.shape)
    return Comparison(nothing, value, nowhere, exact)


def rows(
    estimates: Estimates,
    slices: Slices,
    confidence: float,
    comparison: Comparison | None = None,
) -> Columns:
    """Lay out estimates as rows, without the columns that name the model.

    Parameters
    ----------
    estimates : Estimates
    slices : Slices
    confidence : float
        Of the percentile intervals, in (0, 1).
    comparison : Comparison, optional
        Fills `baseline`, `delta`, their interval and p-value.
    """
    shape, ok = estimates.value.shape, estimates.ok
    biased, inverted = estimates.metric in BIASED, estimates.metric in INVERTED
    value = estimates.value[ok]
    spread = Spread(_lines(estimates.replicates, ok), value if biased else None, reflect=True)
    low, high = spread.interval(confidence)
    if biased or inverted:  # an interval holds its value, though that be inflated
        low, high = np.maximum(np.minimum(low, value), 0), np.maximum(high, value)
    low, high = _spread_out(low, ok), _spread_out(high, ok)
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
    if comparison is not None:
        columns |= _compared(comparison, confidence, biased or inverted)
        if comparison.missing is not None:
            lacks = comparison.missing != None  # noqa: E711 - element by element
            columns["reason"][lacks] = "the dense model has no value: " + comparison.missing[lacks]
    return {name: np.ravel(column) for name, column in columns.items()}


def to_frame(parts: Sequence[Columns], **model: Any) -> pl.DataFrame:  # noqa: ANN401 - any type
    """Put the rows of one model together, with the columns that name the model."""
    sizes = [len(part["metric"]) for part in parts]
    columns: dict[str, pl.Series] = {}
    for name, kind in SCHEMA.items():
        blank, n = np.nan if kind.is_float() else None, sum(sizes)
        if name in model:
            columns[name] = pl.Series(name, [model[name]], dtype=kind).new_from_index(0, n)
        elif any(name in part for part in parts):
            filled = [
                part[name] if name in part else np.full(size, blank)
                for part, size in zip(parts, sizes, strict=True)
            ]
            values = np.concatenate(filled)
            columns[name] = pl.Series(
                name,
                values if kind.is_numeric() else values.tolist(),
                dtype=kind,
                nan_to_null=kind.is_float(),
            )
        else:
            columns[name] = pl.Series(name, [None], dtype=kind).new_from_index(0, n)
    return pl.DataFrame(columns)


def _compared(comparison: Comparison, confidence: float, biased: bool) -> dict[str, Any]:
    """Return the columns of a comparison."""
    told = ~np.isnan(comparison.delta)
    delta = comparison.delta[told]
    exact, error, df = (
        None if part is None else part[told]
        for part in (comparison.exact, comparison.error, comparison.df)
    )
    p_value = np.full(delta.shape, np.nan) if exact is None else exact
    columns: dict[str, Any] = {}
    rest = np.isnan(p_value)
    beside = not np.isnan(comparison.baseline).all()
    if beside or rest.any():
        spread = Spread(_lines(comparison.replicates, told), delta if biased else None)
        p_value[rest] = spread.take(rest).p_value(
            delta[rest], *(None if part is None else part[rest] for part in (error, df))
        )
        if beside:
            low, high = spread.interval(confidence)
            columns = {
                "baseline": comparison.baseline,
                "delta": comparison.delta,
                "delta_low": _spread_out(low, told),
                "delta_high": _spread_out(high, told),
            }
    return columns | {"p_value": _spread_out(p_value, told)}


def _lines(replicates: Floats, usable: NDArray[np.bool_]) -> Floats:
    """Return the replicates of the usable cells, a line (R,) each."""
    lines = np.moveaxis(replicates, 0, -1)
    return lines.reshape(usable.size, -1) if usable.all() else lines[usable]


def _spread_out(values: Floats, usable: NDArray[np.bool_]) -> Floats:
    """Put values back into their cells; NaN in the others."""
    result = np.full(usable.shape, np.nan)
    result[usable] = values
    return result


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
