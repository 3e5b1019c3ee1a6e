"""How well risks rank what happened: with replicates, to tell a figure's interval by.

Average precision and AUROC are those of `prunescope.metrics.ranking`, whose replicates are taken to
first order. *Recall at a budget* is the share of what happened that is found among the riskiest
answers, as many as the budget is of all; ties count as if in random order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from prunescope.metrics.ranking import rank
from prunescope.metrics.statistics import Floats, divide

BUDGETS = (0.01, 0.05, 0.1)

N_BINS = 256
"""Bins of about equal size that answers are sorted into, by risk, for the replicates of recall."""

LEFT_OUT = 2
"""Code of an answer of which it is not known whether it happened."""


@dataclass(frozen=True)
class Figure:
    """A number, its bootstrap replicates (R,), and why it has none (NaN), in words."""

    value: float
    replicates: Floats
    reason: str | None = None

    def minus(self, other: Figure) -> Figure:
        """Return the difference, replicate by replicate."""
        reason = self.reason or other.reason
        return Figure(self.value - other.value, self.replicates - other.replicates, reason)

    @classmethod
    def mean(cls, figures: list[Figure]) -> Figure:
        """Return the mean, replicate by replicate."""
        return cls(
            float(np.mean([one.value for one in figures])),
            np.mean([one.replicates for one in figures], axis=0),
            next((one.reason for one in figures if one.reason), None),
        )


@dataclass(frozen=True)
class Resampling:
    """Which block each sample is in (N,), and how often each replicate draws each block (R, K)."""

    blocks: NDArray[np.int64]
    weights: NDArray[np.float32]


def grade(
    risk: Floats, happened: NDArray[np.uint8], resampling: Resampling
) -> dict[tuple[str, str], Figure]:
    """Return all figures of one risk for one target.

    Parameters
    ----------
    risk : array (N, A)
        Higher: likelier.
    happened : array (N, A) of uint8
        1, 0, or 2 = not known and left out.
    resampling : Resampling

    Returns
    -------
    dict
        (measure, average) → figure. Measures: ``average_precision``, ``auroc``, ``recall_at_1%``
        and so on. Averages: ``pooled`` over all answers; ``macro``, the mean over the attributes
        on which it happened to some answers and not to all.
    """
    blocks, weights = resampling.blocks, resampling.weights
    n_blocks, n_attributes = weights.shape[1], risk.shape[1]
    found: dict[tuple[str, str], Figure] = {}
    flat = risk.reshape(1, -1), happened.reshape(1, -1), np.repeat(blocks, n_attributes)
    apart = risk.T, happened.T, blocks
    for average, (risks, targets, of_block) in (("pooled", flat), ("macro", apart)):
        ranking = rank(list(risks), targets, of_block, n_blocks)
        drawn = ranking.replicates(weights)
        usable = ((ranking.n_positive > 0) & (ranking.n_negative > 0))[0]
        for measure, value, replicates in (
            ("average_precision", ranking.average_precision[0], drawn[1]),
            ("auroc", ranking.auc[0], drawn[0]),
        ):
            found[measure, average] = _over(value, replicates, usable)
        recalls = [
            recall(r, t, of_block, weights)
            for r, t, use in zip(risks, targets, usable, strict=True)
            if use
        ]
        for place, budget in enumerate(BUDGETS):
            values = np.array([value[place] for value, _ in recalls])
            replicates = np.array([drawn[:, place] for _, drawn in recalls]).T
            found[f"recall_at_{budget:.0%}", average] = _over(
                values, replicates, np.ones(len(values), bool)
            )
    return found


def _over(values: Floats, replicates: Floats, usable: NDArray[np.bool_]) -> Figure:
    """Average over the attributes that have a value."""
    if not usable.any():
        nothing = np.full(len(replicates), np.nan)
        return Figure(np.nan, nothing, "it happened to no answer, or to all")
    # where a replicate draws none of an attribute's few flips, it is over the others
    drawn = np.ma.masked_invalid(replicates[:, usable]).mean(axis=1)
    return Figure(float(values[usable].mean()), np.ma.filled(drawn.astype(np.float64), np.nan))


def recall(
    risk: Floats,
    happened: NDArray[np.uint8],
    blocks: NDArray[np.int64],
    weights: NDArray[np.float32],
) -> tuple[Floats, Floats]:
    """Return recall at each of the budgets (B,), and in every replicate (R, B).

    Parameters
    ----------
    risk, happened, blocks : arrays (n,)
    weights : array (R, K)

    Examples
    --------
    >>> risk, happened = np.arange(100.0), (np.arange(100) >= 90).astype(np.uint8)
    >>> value, _ = recall(risk, happened, np.zeros(100, int), np.ones((1, 1), np.float32))
    >>> value.round(3).tolist()
    [0.1, 0.5, 1.0]
    """
    known = np.flatnonzero(happened != LEFT_OUT)
    order = known[np.argsort(-risk[known], kind="stable")]
    ranked, true = risk[order], happened[order]
    last = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
    n_above, true_above = last + 1.0, np.cumsum(true)[last].astype(np.float64)
    value = _interpolated(n_above[None], true_above[None])[0]
    # bins end where a tie ends
    ends = np.unique(np.searchsorted(n_above, np.linspace(0, len(order), N_BINS + 1)[1:]))
    place = np.searchsorted(n_above[ends], np.arange(1, len(order) + 1))
    cell = blocks[order] * len(ends) + place
    size = weights.shape[1] * len(ends)
    counts, trues = (
        np.bincount(cell, w, size).reshape(-1, len(ends)).astype(np.float32) for w in (None, true)
    )
    drawn = [np.cumsum(weights @ part, axis=1, dtype=np.float64) for part in (counts, trues)]
    return value, _interpolated(*drawn)


def _interpolated(n_above: Floats, true_above: Floats) -> Floats:
    """Read recall at the budgets off cumulative counts (R, T)."""
    rows = np.arange(len(n_above))
    found = []
    for budget in BUDGETS:
        wanted = budget * n_above[:, -1]
        after = (n_above < wanted[:, None]).sum(axis=1).clip(0, n_above.shape[1] - 1)
        before = np.maximum(after - 1, 0)
        n_before = np.where(after > 0, n_above[rows, before], 0)
        true_before = np.where(after > 0, true_above[rows, before], 0)
        share = divide(wanted - n_before, n_above[rows, after] - n_before)
        hit = true_before + np.nan_to_num(share) * (true_above[rows, after] - true_before)
        found.append(divide(hit, true_above[:, -1]))
    return np.stack(found, axis=1)
