"""Exact tests, and the correction of p-values for many comparisons."""

from __future__ import annotations

import numpy as np
import polars as pl

from prunescope.audit.comparison import Pairs
from prunescope.metrics.statistics import Floats, binomial_cdf


def mcnemar(one_way: Floats, other_way: Floats) -> Floats:
    """Return the exact two-sided p-value that changes go both ways equally often.

    Given n changes in all, those of one way are Binomial(n, 1/2) if neither is likelier. Exact for
    independent samples (McNemar, 1947).

    Examples
    --------
    >>> mcnemar(np.array([1, 5, 0]), np.array([9, 5, 0])).round(4).tolist()
    [0.0215, 1.0, 1.0]
    """
    fewer, n = np.minimum(one_way, other_way), one_way + other_way
    return np.minimum(2 * binomial_cdf(fewer, n, 0.5), 1.0)


def paired(transitions: Floats) -> dict[str, Pairs]:
    """Return how many samples each share that counts right or positive answers gained and lost.

    Parameters
    ----------
    transitions : array (S, A, 3, 2, 2)
        Samples by label, decision of the baseline, decision of the other model.
    """
    gone, come = transitions[..., 1, 0], transitions[..., 0, 1]  # (S, A, 3): yes → no, no → yes
    n = transitions.sum(axis=(-2, -1))
    false, true = n[..., 0], n[..., 1]
    return {
        "accuracy": Pairs(come[..., 1] + gone[..., 0], gone[..., 1] + come[..., 0], false + true),
        "tpr": Pairs(come[..., 1], gone[..., 1], true),
        "fnr": Pairs(gone[..., 1], come[..., 1], true),
        "fpr": Pairs(come[..., 0], gone[..., 0], false),
        "tnr": Pairs(gone[..., 0], come[..., 0], false),
        "selection_rate": Pairs(come.sum(axis=-1), gone.sum(axis=-1), n.sum(axis=-1)),
    }


def benjamini_hochberg(p: Floats) -> Floats:
    """Return the q-values of one family: the least false discovery rate to reject each at.

    min over all j from i on of p_(j) · m / j, in the order of p. Source: Benjamini and Hochberg
    (1995).

    Examples
    --------
    >>> benjamini_hochberg(np.array([0.02, 0.01, 0.9])).round(3).tolist()
    [0.03, 0.03, 0.9]
    """
    order, m = np.argsort(p), len(p)
    q = np.empty(m)
    scaled = p[order] * (m / np.arange(1, m + 1))
    q[order[::-1]] = np.minimum.accumulate(scaled[::-1])
    return np.minimum(q, 1)


def add_q_values(table: pl.DataFrame) -> pl.DataFrame:
    """Fill `q_value`: Benjamini-Hochberg over the rows of one metric and one kind of slice.

    A family is a metric on all samples, or by one group, of one model; averages over attributes
    are families of their own. So what is told of an attribute does not hang on which other groups
    are looked at.
    """
    p = table["p_value"].to_numpy()
    q = np.full(len(p), np.nan)
    family = pl.struct("metric", "group", pl.col("attribute").is_null()).rank("dense")
    families = table.select(family).to_series().to_numpy()
    for number in np.unique(families):
        tested = (families == number) & ~np.isnan(p)
        if tested.any():
            q[tested] = benjamini_hochberg(p[tested])
    return table.with_columns(pl.Series("q_value", q).fill_nan(None))
