"""Over-representation: whom the compression-identified exemplars (CIEs) gather in.

Each estimate rests on a 2×2 table of compared samples. Inside some part of the data are a CIEs and
b others, outside of it c CIEs and d others.

Odds ratio (a·d) / (b·c), above 1 where CIEs gather inside; its interval is Wald's for the
logarithm, ln OR ± z·√(1/a + 1/b + 1/c + 1/d). Where a count is 0, 0.5 is added to all four first
(Haldane, 1956; Anscombe, 1956), and the reason says so. The p-value is of the counts as they are:
Pearson's χ² without continuity correction or, where a count expected under independence is below
5, Fisher's exact test, two-sided (Cochran, 1954).

Samples are taken as independent. Where they come in clusters (several images of one person),
intervals are too narrow and p-values too small.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import chdtrc, gammaln, ndtri

from prunescope.audit.estimates import INSUFFICIENT, OK, UNDEFINED
from prunescope.data.columns import UNKNOWN
from prunescope.data.samples import Samples
from prunescope.metrics import Slices
from prunescope.metrics.statistics import Floats
from prunescope.predictions.batch import CELLS

GROUP_METRIC = "cie_odds_ratio"
RARE_METRIC = "cie_rare_odds_ratio"

ENRICHMENT_SCHEMA: dict[str, pl.DataType] = {
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
    "p_value": pl.Float64(),
    "share_inside": pl.Float64(),
    "share_outside": pl.Float64(),
}
"""Columns of the estimates. `value`, `low` and `high` are of the odds ratio, `n` is the smallest
margin of the 2×2 table, the shares are of CIEs among the compared samples inside, a / (a + b), and
outside, c / (c + d): their difference is the effect in absolute terms. Numbers are null unless the
status is ok."""

LEAST_EXPECTED = 5
"""Below this expected count the χ² distribution is too rough, and Fisher's exact test is used."""

CORRECTED = "one of the four counts is 0, so 0.5 was added to each"

Counts = NDArray[np.int64]
Cell: TypeAlias = tuple[str | None, str | None, str | None]
"""The attribute, group and group value that an estimate is about."""
Undefined: TypeAlias = tuple[NDArray[np.bool_], str]
"""Which tables have no value, and why."""


def over_representation(
    cie: NDArray[np.bool_],
    compared: NDArray[np.bool_],
    slices: Slices,
    samples: Samples,
    *,
    min_support: int = 10,
    confidence: float = 0.95,
) -> pl.DataFrame:
    """Tell for each group value whether its samples are likelier to be CIEs than the others.

    Inside are the compared samples with the value, outside those with another value of the same
    group; samples whose value is unknown are left out. The two values of a boolean group say the
    same thing from both sides.

    For each value there is one estimate per attribute, and one over all attributes (the attribute
    null): whether a sample is a CIE on any attribute, among samples compared on at least one. It
    counts samples, not cells, because the answers to one sample are not independent. An attribute
    where a sample is tied cannot make it a CIE.

    Parameters
    ----------
    cie, compared : array (N, A) of bool
        From `find_cies`; a CIE is compared.
    slices : Slices
        Which groups to look at.
    samples : Samples
        N samples with A attributes.
    min_support : int
        With a smaller margin (CIEs, other samples, samples inside, samples outside) the status is
        ``insufficient_support``. Without any CIE, or with nothing else, it is ``undefined`` if
        both sides have enough samples.
    confidence : float
        Of the intervals, in (0, 1).

    Returns
    -------
    polars.DataFrame
        Columns as in `ENRICHMENT_SCHEMA`, metric ``cie_odds_ratio``; value by value, attributes in
        order, all of them together last.

    Examples
    --------
    >>> from prunescope.data.samples import Group
    >>> male = Group.from_series(pl.Series([True] * 100 + [False] * 100))
    >>> ids, labels = pl.Series(map(str, range(200))), np.zeros((200, 1), np.int8)
    >>> samples = Samples(ids, ("Bald",), labels, {"Male": male})
    >>> cie = np.zeros((200, 1), bool)
    >>> cie[:30] = cie[100:110] = True
    >>> table = over_representation(cie, np.ones_like(cie), Slices.of(samples), samples)
    >>> table.filter(attribute="Bald", group_value="True").select("value", "share_inside").row(0)
    (3.857142857142857, 0.3)
    """
    cie = np.column_stack([cie, cie.any(axis=1)])
    compared = np.column_stack([compared, compared.any(axis=1)])
    attributes, step = (*samples.attributes, None), max(1, CELLS // cie.shape[1])
    cells: list[Cell] = []
    tables = [np.zeros((0, 2, 2), np.int64)]
    for group in slices.group_names():
        values = slices.values[slices.of_group(group)]
        members = samples.groups[group].codes == np.arange(len(values))[:, None]  # (values, N)
        inside = np.zeros((len(values), len(attributes), 2), np.int64)
        for start in range(0, len(cie), step):  # exact, as a piece is below 16 million samples
            rows = slice(start, start + step)
            parts = cie[rows], compared[rows] & ~cie[rows]
            for k, part in enumerate(parts):
                found = members[:, rows].astype(np.float32) @ part.astype(np.float32)
                inside[..., k] += np.rint(found).astype(np.int64)
        outside = inside.sum(axis=0) - inside
        tables.append(np.stack([inside, outside], axis=-2).reshape(-1, 2, 2))
        cells += [(a, group, str(value)) for value in values for a in attributes]
    sides = ("compared samples with this value", "compared samples with another value")
    return _estimate(GROUP_METRIC, cells, np.concatenate(tables), sides, min_support, confidence)


def rare_label_representation(
    cie: NDArray[np.bool_],
    compared: NDArray[np.bool_],
    samples: Samples,
    prevalence: Floats,
    *,
    min_support: int = 10,
    confidence: float = 0.95,
) -> pl.DataFrame:
    """Tell for each attribute whether samples with its rarer value are likelier to be CIEs of it.

    Inside are the compared samples labelled with the value that is rarer in training ("true" up
    to a rate of 0.5), outside those labelled with the other; unlabelled ones are left out.

    Parameters
    ----------
    cie, compared : array (N, A) of bool
        From `find_cies`; a CIE is compared.
    samples : Samples
        N samples with A attributes.
    prevalence : array (A,)
        Share of positives in training; NaN where unknown, and then the status is ``undefined``.
    min_support : int
    confidence : float
        Both as in `over_representation`.

    Returns
    -------
    polars.DataFrame
        Columns as in `ENRICHMENT_SCHEMA`, metric ``cie_rare_odds_ratio``, one row per attribute;
        `group` and `group_value` are null.

    Examples
    --------
    >>> labels = np.array([[1]] * 50 + [[0]] * 150, np.int8)
    >>> samples = Samples(pl.Series(map(str, range(200))), ("Bald",), labels)
    >>> cie = np.zeros((200, 1), bool)
    >>> cie[:20] = cie[50:80] = True
    >>> table = rare_label_representation(cie, np.ones_like(cie), samples, np.array([0.25]))
    >>> table.select(pl.col("value").round(3), "share_inside", "share_outside").row(0)
    (2.667, 0.4, 0.2)
    """
    known: NDArray[np.bool_] = ~np.isnan(prevalence)
    rare = samples.labels == (prevalence <= 0.5)
    common = (samples.labels != UNKNOWN) & ~rare
    sides = [_count(cie, compared, side & known) for side in (rare, common)]
    return _estimate(
        RARE_METRIC,
        [(attribute, None, None) for attribute in samples.attributes],
        np.stack(sides, axis=-2),
        ("compared samples with the rarer label", "compared samples with the commoner label"),
        min_support,
        confidence,
        undefined=[(~known, "its rate in training is not known")],
    )


def odds_ratio(counts: Counts, confidence: float = 0.95) -> tuple[Floats, Floats, Floats]:
    """Return the odds ratio and both ends of its interval for 2×2 tables: (T, 2, 2) → (T,) each.

    (a·d) / (b·c), in (0, ∞); 1: no association. Where a count is 0, 0.5 is added to all four.

    Examples
    --------
    >>> [x.round(3).tolist() for x in odds_ratio(np.array([[[10, 20], [5, 40]], [[3, 1], [0, 4]]]))]
    [[4.0, 21.0], [1.205, 0.639], [13.283, 689.986]]
    """
    zero = (counts == 0).any(axis=(1, 2), keepdims=True)
    filled = counts + 0.5 * zero
    (a, b), (c, d) = filled.transpose(1, 2, 0)
    value = a * d / (b * c)
    reach = np.exp(ndtri((1 + confidence) / 2) * np.sqrt((1 / filled).sum(axis=(1, 2))))
    return value, value / reach, value * reach


def independence_p_value(counts: Counts) -> Floats:
    """Return the two-sided p-values of "no association" for 2×2 tables: (T, 2, 2) → (T,).

    Fisher's exact test where a count expected under independence is below 5, else Pearson's χ²
    without continuity correction. Every margin must be above 0.

    Examples
    --------
    >>> independence_p_value(np.array([[[10, 20], [5, 40]], [[3, 1], [0, 4]]])).round(4).tolist()
    [0.0184, 0.1429]
    """
    tables = counts.astype(np.float64)  # products of four counts overflow integers
    rows, columns, total = tables.sum(axis=2), tables.sum(axis=1), tables.sum(axis=(1, 2))
    (a, b), (c, d) = tables.transpose(1, 2, 0)
    statistic = total * (a * d - b * c) ** 2 / (rows.prod(axis=1) * columns.prod(axis=1))
    p = np.asarray(chdtrc(1, statistic))
    exact = rows.min(axis=1) * columns.min(axis=1) < LEAST_EXPECTED * total
    if exact.any():
        p[exact] = _fisher(counts[exact])
    return p


def _fisher(counts: Counts) -> Floats:
    """Add up the probabilities of all tables with the same margins that are no likelier.

    Tables whose probabilities differ by less than 1e-7 of them count as equally likely.
    """
    inside, cies = counts[:, 0].sum(axis=1), counts[:, :, 0].sum(axis=1)
    least = np.maximum(0, inside + cies - counts.sum(axis=(1, 2)))
    n_tables = (np.minimum(inside, cies) - least).max() + 1
    # One more CIE inside is one less outside, and so on: the count a tells the whole table.
    step = (least - counts[:, 0, 0])[:, None] + np.arange(n_tables)
    possible = counts.reshape(-1, 1, 4) + step[..., None] * np.array([1, -1, -1, 1])
    log_weight = -gammaln(possible + 1.0).sum(axis=-1)  # -∞ where a count would be negative
    log_weight -= log_weight.max(axis=1, keepdims=True)
    seen = np.take_along_axis(log_weight, (counts[:, 0, 0] - least)[:, None], axis=1)
    weight = np.exp(log_weight)
    no_likelier = log_weight <= seen + 1e-7
    return np.asarray(np.where(no_likelier, weight, 0.0).sum(axis=1) / weight.sum(axis=1))


def _count(cie: NDArray[np.bool_], compared: NDArray[np.bool_], side: NDArray[np.bool_]) -> Counts:
    """Count CIEs and other compared samples on one side, (N, 1) or (N, A): (A, 2)."""
    parts = (cie & side, compared & ~cie & side)
    return np.stack([part.sum(axis=0, dtype=np.int64) for part in parts], axis=-1)


def _estimate(
    metric: str,
    cells: Sequence[Cell],
    counts: Counts,
    sides: tuple[str, str],
    min_support: int,
    confidence: float,
    undefined: Sequence[Undefined] = (),
) -> pl.DataFrame:
    """Judge which tables (T, 2, 2) bear an estimate, make it, and say why the others do not."""
    margins = np.column_stack([counts.sum(axis=2), counts.sum(axis=1)])
    n, smallest = margins.min(axis=1), margins.argmin(axis=1)
    status = np.where(n < min_support, INSUFFICIENT, OK).astype(object)
    reason = np.full(len(n), None, object)
    for k, what in enumerate((*sides, "CIEs", "compared samples that are no CIE")):
        texts = [f"{x} {what}: at least {min_support} are needed" for x in range(min_support)]
        where = (smallest == k) & (n < min_support)
        reason[where] = np.array(texts, object)[n[where]]
    sized = (margins[:, :2] >= min_support).all(axis=1)
    for where, text in (
        (sized & (margins[:, 2] == 0), "no compared sample is a CIE"),
        (sized & (margins[:, 3] == 0), "every compared sample is a CIE"),
        *undefined,
    ):
        status[where], reason[where] = UNDEFINED, text
    ok = status == OK
    reason[ok & (counts == 0).any(axis=(1, 2))] = CORRECTED

    attribute, group, group_value = zip(*cells, strict=True) if cells else ((), (), ())
    numbers = np.full((6, len(n)), np.nan)
    numbers[:3, ok] = odds_ratio(counts[ok], confidence)
    numbers[3, ok] = independence_p_value(counts[ok])
    numbers[4:, ok] = (counts[ok, :, 0] / margins[ok, :2]).T
    names = ("value", "low", "high", "p_value", "share_inside", "share_outside")
    data = {
        "metric": pl.repeat(metric, len(n), eager=True),
        "attribute": attribute,
        "group": group,
        "group_value": group_value,
        "n": n,
        "status": status.tolist(),
        "reason": reason.tolist(),
        **dict(zip(names, numbers, strict=True)),
    }
    ordered = {name: data[name] for name in ENRICHMENT_SCHEMA}
    table = pl.DataFrame(ordered, schema=ENRICHMENT_SCHEMA)
    return table.with_columns(pl.selectors.float().fill_nan(None))
