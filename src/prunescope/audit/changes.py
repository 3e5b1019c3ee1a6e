"""How the figures of a compressed model differ from its dense model's, and how those of seeds do.

*Churn* is how many answers differ between dense models of different seeds: flips beside it are more
than chance of training makes, or not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import zip_longest

import numpy as np
from numpy.typing import NDArray

from prunescope.audit.comparison import Comparison, Pairs, compare, from_zero
from prunescope.audit.estimates import CORRELATION_SHIFT, Estimates
from prunescope.audit.flips import flips, top_one_flips
from prunescope.audit.given import Compared, Given
from prunescope.audit.ground import Ground
from prunescope.audit.intervals.ends import of_shares_apart
from prunescope.audit.intervals.extremes import change_of
from prunescope.audit.intervals.jackknife import jackknife
from prunescope.audit.intervals.significance import mcnemar, paired
from prunescope.audit.leaning import inside
from prunescope.audit.summary import WithMean
from prunescope.audit.table import Columns
from prunescope.metrics import Moments, Transitions
from prunescope.metrics.statistics import Floats, divide

Least = Callable[[Estimates], Floats | None]
"""Estimates of the compressed model → the least variance of their changes."""


@dataclass(frozen=True)
class Measured:
    """The estimates of one model.

    Parameters
    ----------
    estimates : list of WithMean
        Every metric of its attributes, or classes.
    top_one : list of WithMean
        Of a multi-class model's one answer.
    predicted : Moments
        Of its decisions.
    """

    estimates: list[WithMean]
    top_one: list[WithMean]
    predicted: Moments


@dataclass(frozen=True)
class Churn:
    """How many answers differ between dense models; of one dense model, nothing is known of it.

    Parameters
    ----------
    flips : dict
        Metric of flips → its estimates, and their mean over attributes.
    columns : list of Columns
        Rows of the audit's table that stand with every compressed model.
    """

    flips: Mapping[str, list[Estimates]] = field(default_factory=dict)
    columns: Sequence[Columns] = ()


def churn_between_dense(given: Given) -> Churn:
    """Estimate churn: the mean over pairs of dense models, both ways."""
    ground, evidence, pairs = given.ground, given.evidence, given.subject.dense_pairs()
    if not pairs:
        reason = "it takes two dense models of different seeds"
        return Churn(columns=[given.row_without_value("churn", reason)])
    of = evidence.top_one_changes if ground.classes else evidence.transitions
    counts = np.asarray(sum(of(*pair).counts for pair in pairs)) / len(pairs)
    labelled = counts[..., :2, :, :]
    labelled[:] = (labelled + labelled.swapaxes(-1, -2)) / 2  # no seed comes first
    found = (top_one_flips if ground.classes else flips)(ground, jackknife(Transitions(counts)))
    rates = {
        one.metric: ground.with_mean(one).shown()
        for one in found
        if one.metric.endswith("flip_rate")
    }
    churn = rates["top1_flip_rate" if ground.classes else "flip_rate"]
    return Churn(rates, [given.rows(replace(one, metric="churn")) for one in churn])


def changes(
    given: Given, before: int, after: int, dense: Measured, compressed: Measured, churn: Churn
) -> Compared:
    """Compare every metric of a compressed model with its dense model's, and judge its flips.

    Parameters
    ----------
    given : Given
    before, after : int
        The dense and the compressed model.
    dense, compressed : Measured
        What they came to.
    churn : Churn
    """
    ground, evidence = given.ground, given.evidence
    transitions = jackknife(evidence.transitions(before, after))
    pairs = paired(transitions[0].counts)
    least = partial(_least, ground, transitions[0].counts)
    found = _compared(ground, dense.estimates, compressed.estimates, pairs, least)
    if not ground.classes:
        return found + _beside(churn, ground, flips(ground, transitions))
    moved = jackknife(evidence.top_one_changes(before, after))
    counts = moved[0].counts  # of changed answers: right before, right after
    n = counts[..., :2, :, :].sum(axis=(-3, -2, -1))
    pairs = {"top1_accuracy": Pairs(counts[..., 1, 0, 1], counts[..., 1, 1, 0], n)}
    found += _compared(ground, dense.top_one, compressed.top_one, pairs)
    return found + _beside(churn, ground, top_one_flips(ground, moved))


def _compared(
    ground: Ground,
    dense: Sequence[WithMean],
    compressed: Sequence[WithMean],
    pairs: Mapping[str, Pairs],
    least: Least = lambda new: None,
) -> Compared:
    """Compare metrics, and their means over the attributes that both models have a value of."""
    found: Compared = []
    others: dict[str, Comparison] = {}
    for old, new in zip(dense, compressed, strict=True):
        metric, floor = new.each.metric, least(new.each)
        if metric != CORRELATION_SHIFT:
            others[metric] = _change(ground, old.each, new.each, pairs, others, floor)
            found.append((new.each, others[metric]))
        if new.mean is not None:
            usable = old.each.ok & new.each.ok
            now, was = (_over(ground, side, usable) for side in (new, old))
            found.append((now, compare(now, was, least=_of_mean(floor, usable))))
    return found


def _change(
    ground: Ground,
    old: Estimates,
    new: Estimates,
    pairs: Mapping[str, Pairs],
    others: Mapping[str, Comparison],
    least: Floats | None,
) -> Comparison:
    """Compare one metric of two models; a gap between groups by the changes of what it is of."""
    if new.extreme is not None:
        return change_of(old, new, others)
    of_share, exact = None if new.trials is None else pairs.get(new.metric), None
    if of_share is not None and not ground.slice_support.clustered:
        exact = mcnemar(of_share.lost, of_share.gained)  # independent samples allow it
    return compare(new, old, exact, of_share, least)


def _least(ground: Ground, transitions: Floats, new: Estimates) -> Floats | None:
    """Return the variance that a change of what a model's own answers are a share of has at least.

    Few answers that are all alike would have none.
    """
    labelled = transitions[..., :2, :, :]
    if new.metric == "precision":
        return of_shares_apart(labelled.sum(axis=-3), labelled[..., 1, :, :])
    if new.metric.endswith("bias_amplification"):
        assert new.group is not None
        assert new.group_value is not None
        answers = labelled[ground.slices.of_group(new.group)].sum(axis=-3)
        return of_shares_apart(*inside(answers, new.group_value))
    return None


def _of_mean(least: Floats | None, usable: NDArray[np.bool_]) -> Floats | None:
    """Return the same of the mean over the usable attributes, were they independent.

    Of shape (..., 1); NaN where none is usable.
    """
    if least is None:
        return None
    total = np.where(usable, least, 0).sum(axis=-1, keepdims=True)
    return divide(total, usable.sum(axis=-1, keepdims=True) ** 2)


def _over(ground: Ground, one: WithMean, usable: NDArray[np.bool_]) -> Estimates:
    """Return the figure over the usable attributes, which are often all that have a value."""
    if one.mean is not None and np.array_equal(usable, one.each.ok):
        return one.mean
    return ground.mean(one.each, usable)


def _beside(churn: Churn, ground: Ground, found: Sequence[Estimates]) -> Compared:
    """Compare how answers flip with how they do between seeds; what has either sign, with 0."""
    result: Compared = []
    for one in found:
        parts = ground.with_mean(one).shown()
        if one.metric.startswith("excess"):
            result += [(part, from_zero(part)) for part in parts]
            continue
        for part, of_seeds in zip_longest(parts, churn.flips.get(one.metric, [])):
            result.append((part, compare(part, of_seeds) if of_seeds else None))
    return result
