"""What attributes and groups are in for: flips, rare-value ratio and bias amplification, expected.

A scorer that expects sparse margins expects sparse answers, too. Where the audit counts answers, so
does the forecast, and all else is the audit's own. For flips and for bias amplification it adds up
probabilities. For the rare-value ratio it counts the answers that the expected margins give: chance
would make rare answers commoner, but sparse margins, chance and all, spread no wider than expected
ones do. Of classes it adds up probabilities there, too, which make one for each image.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from prunescope.audit.estimates import Estimates, estimate
from prunescope.audit.leaning import Leanings
from prunescope.data.columns import UNKNOWN
from prunescope.data.samples import Samples
from prunescope.forecast.drift import rise_probability
from prunescope.forecast.outlook import Outlook
from prunescope.metrics import Measure, Slices
from prunescope.metrics.statistics import Floats, divide

ATTRIBUTE_SCHEMA: dict[str, pl.DataType] = {
    "metric": pl.String(),
    "attribute": pl.String(),
    "group": pl.String(),
    "group_value": pl.String(),
    "sparsity": pl.Float64(),
    "dense": pl.Float64(),
    "expected": pl.Float64(),
    "change": pl.Float64(),
    "probability": pl.Float64(),
    "n": pl.Int64(),
    "status": pl.String(),
    "reason": pl.String(),
    "scorer": pl.String(),
    "tier": pl.String(),
}
"""Columns of what is expected of attributes and groups. `dense` is the dense model's value,
`change` is expected - dense, and `probability` that the metric rises; null where it is not known. A
group without a value belongs to a metric that compares the group's values; a row without an
attribute is about the one answer of each image, where classes are chosen."""


def expected_counts(samples: Samples, slices: Slices, p: Floats) -> Floats:
    """Return how many answers of each kind to expect: (S, A, 3, 2).

    Parameters
    ----------
    samples : Samples
        N samples with A attributes.
    slices : Slices
    p : array (N, A)
        Probability of yes; of answers that are known 0 or 1.

    Returns
    -------
    array (S, A, 3, 2)
        By slice, attribute, label (0, 1, 2 = unlabelled) and answer, as the audit counts them.

    Examples
    --------
    >>> bald = Samples(pl.Series(["a", "b"]), ("Bald",), np.array([[1], [0]], np.int8))
    >>> expected_counts(bald, Slices.of(bald), np.array([[0.75], [0.5]]))[0, 0].tolist()
    [[0.5, 0.5], [0.25, 0.75], [0.0, 0.0]]
    """
    inside = np.zeros((len(slices), len(samples)), np.float32)
    for row, members in zip(inside, slices.members(samples), strict=True):
        row[members] = 1
    counts = np.empty((len(slices), p.shape[1], 3, 2))
    for code, label in enumerate((0, 1, UNKNOWN)):
        has: NDArray[np.float32] = (samples.labels == label).astype(np.float32)
        counts[:, :, code, 1] = inside @ (has * p)
        counts[:, :, code, 0] = inside @ has - counts[:, :, code, 1]
    return counts


def expected_rows(
    samples: Samples,
    decisions: NDArray[np.bool_],
    leanings: Leanings,
    outlooks: Sequence[tuple[float, Outlook]],
) -> pl.DataFrame:
    """Lay out what is expected at one or several sparsities.

    Parameters
    ----------
    samples : Samples
    decisions : array (N, A) of bool
        The dense model's answers.
    leanings : Leanings
    outlooks : sequence of (sparsity, Outlook)
        Of scorers that expect margins.

    Returns
    -------
    polars.DataFrame
        Columns as in `ATTRIBUTE_SCHEMA`, but for the scorer's.
    """
    slices = leanings.slices
    now = expected_counts(samples, slices, decisions.astype(np.float32))
    likely = np.stack(
        [expected_counts(samples, slices, abs(decisions - chance(look))) for _, look in outlooks]
    )
    counted = likely
    if samples.task == "multilabel":
        counted = np.stack([expected_counts(samples, slices, _answers(o)) for _, o in outlooks])
    found = [leanings.rare_value_ratio(now, counted)]
    found += [leanings.bias_amplification(g, now, likely) for g in slices.group_names()]
    parts = []
    for place, (sparsity, outlook) in enumerate(outlooks):
        parts.append(_flips(samples, leanings, outlook, sparsity))
        parts += [_rows(one, slices, sparsity, one.replicates[place]) for one in found]
    return pl.concat(parts)


def _answers(outlook: Outlook) -> Floats:
    """Return the answers that the expected margins of attributes give: (N, A), 1 or 0."""
    assert outlook.mean is not None
    return np.broadcast_to((outlook.mean > 0).astype(np.float32), outlook.risk.shape)


def chance(outlook: Outlook) -> Floats:
    """Return the probabilities of a flip of a scorer that expects margins."""
    found = outlook.flip_probability
    assert found is not None
    return found


def _flips(samples: Samples, leanings: Leanings, outlook: Outlook, sparsity: float) -> pl.DataFrame:
    """Lay out the expected share of answers that flip, by slice and attribute.

    An image has one class: by slice the share of images that get another answer, too.
    """
    flips = chance(outlook)
    kinds: list[tuple[str, tuple[str | None, ...], Floats]] = [
        ("flip_rate", leanings.attributes, flips)
    ]
    if samples.task == "multiclass":  # each change has one class that is left and one that is taken
        kinds.append(("top1_flip_rate", (None,), flips.sum(axis=1, keepdims=True) / 2))
    members = list(leanings.slices.members(samples))
    sizes = np.array([[len(rows)] for rows in members])
    parts = []
    for metric, attributes, values in kinds:
        shares = divide(np.array([values[rows].sum(axis=0) for rows in members]), sizes)
        estimates = estimate(
            metric,
            attributes,
            Measure(np.zeros_like(shares), sizes),
            shares,
            min_support=leanings.min_support,
            basis="samples",
            undefined="no samples",
        )
        parts.append(_rows(estimates, leanings.slices, sparsity, shares))
    return pl.concat(parts)


def _rows(estimates: Estimates, slices: Slices, sparsity: float, expected: Floats) -> pl.DataFrame:
    """Lay out one metric at one sparsity: (S, A), or (A,) for a metric about a group."""
    shape, metric = estimates.value.shape, estimates.metric
    of_group = len(shape) == 1
    lines = (1, *shape) if of_group else shape
    usable = estimates.ok & ~np.isnan(expected)
    then = np.where(usable, expected, np.nan)
    change = then - estimates.value
    groups = [estimates.group] if of_group else list(slices.groups)
    values = [None] if of_group else [None if v is None else str(v) for v in slices.values]
    n_attributes = lines[1]
    columns = {
        "metric": [metric] * then.size,
        "attribute": list(estimates.attributes) * lines[0],
        "group": [group for group in groups for _ in range(n_attributes)],
        "group_value": [value for value in values for _ in range(n_attributes)],
        "sparsity": np.full(then.size, sparsity),
        "dense": estimates.value.ravel(),
        "expected": then.ravel(),
        "change": change.ravel(),
        "probability": rise_probability(metric, change).ravel(),
        "n": estimates.support.ravel(),
        "status": estimates.status.ravel().tolist(),
        "reason": estimates.reason.ravel().tolist(),
    }
    schema = {name: ATTRIBUTE_SCHEMA[name] for name in columns}
    frame = pl.DataFrame(columns, schema=schema)
    return frame.with_columns(pl.col(pl.Float64).fill_nan(None))
