"""How attributes hang together: in the labels, in the dense answers, in the compressed ones.

One row per model and pair of attributes. `shift` is the correlation of the answers minus that of
the labels, `change` that of the answers minus that of the dense model's answers.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from prunescope.audit.estimates import Estimates
from prunescope.audit.intervals.ends import Ends, of_change
from prunescope.audit.intervals.jackknife import Spread
from prunescope.metrics import Moments, correlation
from prunescope.metrics.statistics import Floats

CORRELATION_SCHEMA: dict[str, pl.DataType] = {
    "model": pl.String(),
    "attribute": pl.String(),
    "other": pl.String(),
    "labels": pl.Float64(),
    "answers": pl.Float64(),
    "shift": pl.Float64(),
    "shift_low": pl.Float64(),
    "shift_high": pl.Float64(),
    "change": pl.Float64(),
    "change_low": pl.Float64(),
    "change_high": pl.Float64(),
    "n": pl.Int64(),
    "status": pl.String(),
    "reason": pl.String(),
}
"""Columns of the correlations: pairs in the order of the attributes, each once."""


def correlation_rows(
    model: str,
    attributes: tuple[str, ...],
    predicted: Moments,
    labelled: Moments,
    shift: Estimates,
    baseline: Estimates | None,
    confidence: float,
) -> pl.DataFrame:
    """Lay out the correlations of one model.

    Parameters
    ----------
    model : str
    attributes : tuple of str
    predicted, labelled : Moments
        Of the answers and of the labels.
    shift, baseline : Estimates
        The shift of each pair, of this model and of the dense one.
    confidence : float
        Of the intervals.
    """
    rows, columns = np.triu_indices(len(attributes), k=1)
    both = np.zeros(len(rows), bool) if baseline is None else shift.ok & baseline.ok
    change = (
        np.full(len(rows), np.nan)
        if baseline is None
        else np.where(both, shift.value - baseline.value, np.nan)
    )
    low, high = _interval(shift.value, shift.spread, shift, confidence)
    moved = shift.replicates if baseline is None else shift.replicates - baseline.replicates
    spread = shift.spread_of(moved, np.nan_to_num(change))
    change_low, change_high = _interval(change, spread, shift, confidence)
    values = {
        "model": [model] * len(rows),
        "attribute": [attributes[i] for i in rows],
        "other": [attributes[i] for i in columns],
        "labels": correlation(labelled)[rows, columns],
        "answers": correlation(predicted)[rows, columns],
        "shift": shift.value,
        "shift_low": low,
        "shift_high": high,
        "change": change,
        "change_low": change_low,
        "change_high": change_high,
        "n": shift.support,
        "status": shift.status.tolist(),
        "reason": shift.reason.tolist(),
    }
    return pl.DataFrame(values, schema=CORRELATION_SCHEMA).with_columns(
        pl.selectors.float().fill_nan(None)
    )


def _interval(value: Floats, spread: Spread, shift: Estimates, confidence: float) -> Ends:
    """Return the intervals of the pairs, NaN for those without a value."""
    if not shift.resampled:
        nothing = np.full(value.shape, np.nan)
        return nothing, nothing
    units = shift.rests.effective
    low, high = of_change("signed", value, spread.variance, spread.df, units, confidence)
    return np.where(np.isnan(value), np.nan, low), np.where(np.isnan(value), np.nan, high)
