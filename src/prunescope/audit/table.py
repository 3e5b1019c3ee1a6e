"""The audit table: one tidy row per estimate, and everything downstream reads only this."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from prunescope.audit.comparison import Comparison
from prunescope.audit.estimates import Estimates
from prunescope.metrics import Slices

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
    "units": pl.Int64(),
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
        Of the intervals, in (0, 1).
    comparison : Comparison, optional
        Fills `baseline`, `delta`, their interval and p-value.
    """
    shape = estimates.value.shape
    low, high = estimates.interval(confidence)
    columns: dict[str, Any] = {
        "metric": np.full(shape, estimates.metric, object),
        "attribute": np.broadcast_to(np.array(estimates.attributes, object), shape),
        **_groups(estimates, slices),
        "value": estimates.value,
        "low": low,
        "high": high,
        "n": estimates.support,
        "units": np.broadcast_to(estimates.rests.units, shape).astype(np.int64),
        "status": estimates.status,
        "reason": estimates.reason.copy(),
    }
    if comparison is not None:
        columns["p_value"] = comparison.p_values()
        if not np.isnan(comparison.baseline).all():
            low, high = comparison.interval(confidence)
            columns |= {
                "baseline": comparison.baseline,
                "delta": comparison.delta,
                "delta_low": low,
                "delta_high": high,
            }
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
                values if values.dtype != object else values.tolist(),
                dtype=kind,
                nan_to_null=kind.is_float(),
            )
        else:
            columns[name] = pl.Series(name, [None], dtype=kind).new_from_index(0, n)
    return pl.DataFrame(columns)


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
