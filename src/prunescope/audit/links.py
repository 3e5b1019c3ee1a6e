"""The link: do attributes whose answers grow more uncertain or entangled grow more biased, too.

The paper's second claim: at higher sparsity answers become more uncertain and more correlated, and
that goes with bias. The tests here are of changes from dense to compressed models.

A *cause* is the change of ``uncertainty`` or ``interdependence`` on an attribute. An *effect* is
how much further than before a measure of bias is from its target
(`prunescope.audit.verdicts.TARGETS`), |value - target| - |baseline - target|: of
``bias_amplification`` from 0, of ``rare_value_ratio`` from 1. An effect above 0 is more bias, as
verdicts have it. (By the plain change it would be less bias that a rarer answer, given too often
before, is given more often still.) A *point* is one attribute of one model, for bias amplification
also of one group.

A *link* is Spearman's correlation of cause and effect over points. Points are not independent: an
attribute recurs in every model and every group, and whatever is peculiar to it recurs too. What can
be exchanged are whole attributes, so a permutation gives all causes of an attribute, in all models,
to another attribute. Causes stay in their models, so that differences between models (the sparser,
the more of everything) are there in every permutation and are no evidence: they make up the
``expected`` correlation. To exchange points one by one would find links that are not there.

References
----------
Iofinova, Peste and Alistarh (CVPR 2023), Bias in pruned vision models.
Winkler, Webster, Vidaurre, Nichols and Smith (NeuroImage 2015), Multi-level block permutation.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from prunescope.audit.estimates import INSUFFICIENT, OK, UNDEFINED
from prunescope.audit.intervals.significance import benjamini_hochberg
from prunescope.audit.verdicts import TARGETS
from prunescope.metrics.agreement import doubled_ranks
from prunescope.metrics.statistics import Floats, divide

CAUSES = ("uncertainty", "interdependence")
EFFECTS = ("bias_amplification", "rare_value_ratio")

PERMUTATIONS = 2000

FEWEST = 8
"""Attributes below which a link has the status ``insufficient_support``."""

POINT_SCHEMA: dict[str, pl.DataType] = {
    "cause": pl.String(),
    "effect": pl.String(),
    "model": pl.String(),
    "attribute": pl.String(),
    "group": pl.String(),
    "x": pl.Float64(),
    "y": pl.Float64(),
}
"""Columns of the points: `x` is the cause, `y` the effect."""

LINK_SCHEMA: dict[str, pl.DataType] = {
    "model": pl.String(),
    "cause": pl.String(),
    "effect": pl.String(),
    "rho": pl.Float64(),
    "expected": pl.Float64(),
    "p_value": pl.Float64(),
    "q_value": pl.Float64(),
    "n": pl.Int64(),
    "n_attributes": pl.Int64(),
    "status": pl.String(),
    "reason": pl.String(),
}
"""Columns of the links. `model` is null for all models together; `rho` is Spearman's correlation
over `n` points of `n_attributes` attributes, `expected` its mean over permutations, `q_value` is
corrected (Benjamini-Hochberg) over the links of all models together, or over those of single ones.
Numbers are null unless the status is ok."""

DIGITS = 12
"""Decimals of causes and effects: what lies beyond is rounding error, and has no rank."""

AT_ONCE = 1 << 20
"""Permuted points that are looked at in one go."""

Codes = NDArray[np.int64]


def link_points(table: pl.DataFrame, members: Collection[str] = ()) -> pl.DataFrame:
    """Return the points of every link, in the order of causes, effects and the table.

    Parameters
    ----------
    table : polars.DataFrame
        Of an audit.
    members : collection of str
        Models to leave out: the single seeds of populations, whose means are models of their own.

    Returns
    -------
    polars.DataFrame
        Columns as in `POINT_SCHEMA`.

    Examples
    --------
    >>> row = {"model": "95%", "attribute": "Bald", "group": None, "status": "ok"}
    >>> uncertain = row | {"metric": "uncertainty", "value": 0.3, "baseline": 0.2, "delta": 0.1}
    >>> rare = row | {"metric": "rare_value_ratio", "value": 0.4, "baseline": 0.9, "delta": -0.5}
    >>> link_points(pl.DataFrame([uncertain, rare])).select("cause", "effect", "x", "y").row(0)
    ('uncertainty', 'rare_value_ratio', 0.1, 0.5)
    """
    causes, effects = _sides(table, members)
    parts = [pl.DataFrame(schema=POINT_SCHEMA)]
    for cause in CAUSES:
        for effect in EFFECTS:
            found = effects.filter(effect=effect).join(
                causes.filter(cause=cause), on=["model", "attribute"], maintain_order="left"
            )
            parts.append(found.select(list(POINT_SCHEMA)).cast(pl.Schema(POINT_SCHEMA)))
    return pl.concat(parts)


def links(table: pl.DataFrame, members: Collection[str] = (), *, seed: int = 0) -> pl.DataFrame:
    """Test every link, over all compressed models together and in each alone.

    Parameters
    ----------
    table : polars.DataFrame
        Of an audit.
    members : collection of str
        As in `link_points`.
    seed : int
        Of the permutations, `PERMUTATIONS` for each link.

    Returns
    -------
    polars.DataFrame
        Columns as in `LINK_SCHEMA`. All models together first, then model by model. The p-value is
        two-sided, twice the smaller of the shares of permutations whose correlation is as low and
        as high, with the one at hand counted in. The status is ``insufficient_support`` below
        `FEWEST` attributes, ``undefined`` where cause or effect is the same at every point.
    """
    points = link_points(table, members)
    causes, _ = _sides(table, members)
    compared = table.filter(pl.col("delta").is_not_null(), ~pl.col("model").is_in(list(members)))
    models = compared["model"].unique(maintain_order=True).to_list()
    rows: list[dict[str, Any]] = []
    for model in (None, *models):
        of_model = pl.lit(True) if model is None else pl.col("model") == model
        for effect in EFFECTS:
            for cause in CAUSES:
                found = _link(
                    points.filter(of_model, cause=cause, effect=effect),
                    causes.filter(of_model, cause=cause),
                    seed,
                )
                rows.append({"model": model, "cause": cause, "effect": effect} | found)
    result = pl.DataFrame(rows, schema=LINK_SCHEMA)
    n_together = len(EFFECTS) * len(CAUSES)
    return pl.concat([_corrected(result[:n_together]), _corrected(result[n_together:])])


def _sides(table: pl.DataFrame, members: Collection[str]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the causes, by model and attribute, and the effects, by model, attribute and group."""
    usable = table.filter(
        pl.col("status") == OK,
        pl.col("delta").is_not_null() & pl.col("attribute").is_not_null(),
        ~pl.col("model").is_in(list(members)),
    )
    metric, whole = pl.col("metric"), pl.col("group").is_null()
    causes = usable.filter(metric.is_in(CAUSES) & whole)
    effects = usable.filter(metric.is_in(EFFECTS) & (whole != (metric == "bias_amplification")))
    target = metric.replace_strict(TARGETS, default=None, return_dtype=pl.Float64)
    further = (pl.col("value") - target).abs() - (pl.col("baseline") - target).abs()
    return (
        causes.select("model", "attribute", cause=metric, x=pl.col("delta").round(DIGITS)),
        effects.select("model", "attribute", "group", effect=metric, y=further.round(DIGITS)),
    )


def _link(points: pl.DataFrame, causes: pl.DataFrame, seed: int) -> dict[str, Any]:
    """Test one link: points of some models, and the causes of these models."""
    names = points["attribute"].unique(maintain_order=True)
    counts = {"n": points.height, "n_attributes": len(names)}
    if len(names) < FEWEST:
        reason = f"too few attributes have both changes ({len(names)}): {FEWEST} are needed"
        return counts | {"status": INSUFFICIENT, "reason": reason}
    models = points["model"].unique(maintain_order=True)
    attribute, model = (
        {name: place for place, name in enumerate(found)} for found in (names, models)
    )
    x = np.full((len(models), len(names)), np.nan)
    for one, other, value in causes.select("model", "attribute", "x").iter_rows():
        if one in model and other in attribute:
            x[model[one], attribute[other]] = value
    found = permute(
        x,
        np.array([model[name] for name in points["model"]]),
        np.array([attribute[name] for name in points["attribute"]]),
        points["y"].to_numpy(),
        seed,
    )
    if np.isnan(found.rho):
        return counts | {"status": UNDEFINED, "reason": "one of the changes is the same everywhere"}
    numbers = {"rho": found.rho, "expected": found.expected, "p_value": found.p_value}
    return counts | numbers | {"status": OK}


@dataclass(frozen=True)
class Permuted:
    """Spearman's correlation, its mean over permutations, and its two-sided p-value."""

    rho: float
    expected: float
    p_value: float


def permute(x: Floats, model: Codes, attribute: Codes, y: Floats, seed: int = 0) -> Permuted:
    """Correlate causes with effects, exchanging whole attributes.

    Parameters
    ----------
    x : array (M, A)
        The cause by model and attribute, NaN where unknown. Attributes are exchanged with those
        that it is known of in the same models, so that every permutation has the same points.
    model, attribute : arrays (n,) of int
        Of each point; its cause is known.
    y : array (n,)
        The effect at each point.
    seed : int

    Returns
    -------
    Permuted
        NaN where cause or effect is constant.

    Examples
    --------
    >>> x = np.arange(16.0).reshape(2, 8)
    >>> found = permute(x, np.repeat([0, 1], 8), np.tile(np.arange(8), 2), np.tile(np.arange(8), 2))
    >>> round(found.rho, 3), found.p_value < 0.01, round(abs(found.expected), 1)
    (0.497, True, 0.0)
    """
    values, codes = np.unique(x, return_inverse=True)
    codes = codes.reshape(x.shape)
    right = doubled_ranks(y[None])[0] / 2
    orders = _orders(~np.isnan(x), seed)
    rhos = [
        _rank_correlations(codes[model, some[:, attribute]], len(values), right)
        for some in np.array_split(orders, 1 + len(orders) * len(y) // AT_ONCE)
    ]
    first, *others = np.concatenate(rhos)
    if np.isnan(first):
        return Permuted(np.nan, np.nan, np.nan)
    drawn = np.nan_to_num(np.array(others))
    tails = [(sign * (drawn - first) >= -1e-12).sum() for sign in (1, -1)]
    p_value = min(1.0, 2 * (1 + min(tails)) / (1 + len(drawn)))
    return Permuted(round(float(first), 12), float(drawn.mean()), float(p_value))


def _orders(known: NDArray[np.bool_], seed: int) -> Codes:
    """Draw orders of the attributes, the first as it is: (1 + `PERMUTATIONS`, A)."""
    _, kind = np.unique(known, axis=1, return_inverse=True)
    kind = kind.reshape(-1)
    drawn = np.random.default_rng(seed).random((PERMUTATIONS, len(kind)))
    orders = np.empty((1 + PERMUTATIONS, len(kind)), np.int64)
    orders[0] = np.arange(len(kind))
    orders[1:, np.argsort(kind, kind="stable")] = np.argsort(kind + drawn, axis=1)
    return orders


def _rank_correlations(codes: Codes, n_codes: int, right: Floats) -> Floats:
    """Correlate each line of ordered codes (B, n) with centred ranks (n,), as Spearman does."""
    lines = np.arange(len(codes))[:, None]
    counts = np.bincount((codes + lines * n_codes).ravel(), minlength=len(codes) * n_codes)
    counts = counts.reshape(len(codes), n_codes)
    ranks = np.cumsum(counts, axis=1) - (counts - 1) / 2 - (len(right) + 1) / 2
    left = np.take_along_axis(ranks, codes, axis=1)
    scale = np.sqrt((left * left).sum(axis=1) * (right @ right))
    return np.asarray(divide(left @ right, scale))


def _corrected(part: pl.DataFrame) -> pl.DataFrame:
    """Fill `q_value`."""
    tested = part["p_value"].is_not_null().to_numpy()
    q = np.full(len(tested), np.nan)
    if tested.any():
        q[tested] = benjamini_hochberg(part["p_value"].to_numpy()[tested])
    return part.with_columns(pl.Series("q_value", q).fill_nan(None))
