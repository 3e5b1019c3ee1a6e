"""Gaps between groups and worst groups: the largest of several contrasts, and how it changes.

A gap is the largest difference of two values of a group, a worst group's accuracy minus the
largest of minus the accuracies. Chance makes the largest of several numbers larger, so no interval
about it can be had from its variance. But

- the largest is at least as large as the upper end of *each* contrast's interval allows, so the
  largest of the upper ends is an upper end;
- it is no less than any one contrast, so the largest of the lower ends is a lower end, of
  intervals that hold all at once (Bonferroni).

The change of a gap is no more than that of the pair that is widest now, and no less than that of
the pair that was widest before. Which pair that is, the data leave open where several are about as
wide: all that can be are looked at. Both are conservative where several are.

Groups share no samples, so the interval of a contrast follows from those of its groups.

References
----------
Zou and Donner (2008), Construction of confidence limits about effect measures: a general approach.
Statistics in Medicine 27.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from prunescope.audit.comparison import Comparison, compare
from prunescope.audit.estimates import INSUFFICIENT, OK, Estimates
from prunescope.audit.intervals.ends import Ends
from prunescope.metrics.statistics import Floats

GAPS: Mapping[str, tuple[str, ...]] = {
    "demographic_parity_difference": ("selection_rate",),
    "equal_opportunity_difference": ("tpr",),
    "equalized_odds_difference": ("tpr", "fpr"),
    "accuracy_difference": ("accuracy",),
    "ece_difference": ("ece",),
}
"""Group gaps: highest minus lowest value of a metric over a group's values (the largest gap)."""

CLOSED = -1e6
"""What a contrast of values without enough support counts as: less than any other."""

NEAR = 2.0
"""Standard errors within which another contrast may be the largest."""

ONE_ERROR = 0.6827
"""The confidence of an interval that reaches one standard error to each side."""

OF_LARGEST = 0.678
"""E[largest of m standard normal contrasts] / √(2 ln m), about: exact for the two signs of one
difference, and within 3% for the pairs of three to ten groups."""


def pairs_of(n: int) -> NDArray[np.int8]:
    """Return the contrasts of every ordered pair of n values: (n(n - 1), n) of 1, -1 and 0.

    Of fewer than two values one contrast that says nothing: (1, n) of 0.

    Examples
    --------
    >>> pairs_of(2).tolist()
    [[1, -1], [-1, 1]]
    """
    if n < 2:
        return np.zeros((1, n), np.int8)
    high, low = np.nonzero(~np.eye(n, dtype=bool))
    found = np.zeros((len(high), n), np.int8)
    found[np.arange(len(high)), high] = 1
    found[np.arange(len(high)), low] = -1
    return found


@dataclass(frozen=True)
class Extreme:
    """The largest of P contrasts of a group's V values, for A attributes.

    Parameters
    ----------
    parts : sequence of Estimates
        Metrics over slices and attributes: (S, A) each.
    rows : slice
        The slices that are the group's values.
    contrasts : array (P, parts · V) of 1, -1 and 0
    sign : int
        -1 where the metric is minus the largest.
    """

    parts: Sequence[Estimates]
    rows: slice
    contrasts: NDArray[np.int8]
    sign: int = 1

    @cached_property
    def usable(self) -> NDArray[np.bool_]:
        """Values with enough support: (V, A)."""
        return np.asarray(np.logical_and.reduce([part.ok[self.rows] for part in self.parts]))

    @cached_property
    def open(self) -> NDArray[np.bool_]:
        """Which contrasts are of usable values alone: (P, A)."""
        lacking = np.concatenate([~self.usable] * len(self.parts)).astype(np.int64)
        return np.asarray((self.contrasts != 0).astype(np.int64) @ lacking == 0)

    def of(self, values: Sequence[Floats]) -> Floats:
        """Return every contrast (P, A) of values (S, A), `CLOSED` where it is not usable."""
        stacked = np.nan_to_num(np.concatenate([value[self.rows] for value in values]))
        return np.where(self.open, self.contrasts.astype(np.float64) @ stacked, CLOSED)

    @cached_property
    def now(self) -> Floats:
        """Every contrast: (P, A)."""
        return self.of([part.value for part in self.parts])

    @cached_property
    def largest(self) -> NDArray[np.intp]:
        """The position of the largest contrast: (A,)."""
        return np.asarray(self.now.argmax(axis=0))

    def reach(self, confidence: float) -> Ends:
        """Return how far each value may lie below and above: (parts · V, A) each."""
        return reach(self.rows, [part.value for part in self.parts],
                     [part.interval(confidence) for part in self.parts])  # fmt: skip

    def sided(self, down: Floats, up: Floats) -> Ends:
        """Return how far each contrast may lie below and above: (P, A) each."""
        plus, minus = (self.contrasts == 1).astype(float), (self.contrasts == -1).astype(float)
        below, above = down**2, up**2
        return np.sqrt(plus @ below + minus @ above), np.sqrt(plus @ above + minus @ below)

    def simultaneous(self, confidence: float) -> float:
        """Return the confidence of each interval with which all hold at once."""
        several = len(self.contrasts) // (2 if self.sign > 0 else 1)
        return 1 - (1 - confidence) / max(several, 1)

    def interval(self, confidence: float) -> Ends:
        """Return the ends of the interval of the largest contrast: (A,) each."""
        _, above = self.sided(*self.reach(confidence))
        below, _ = self.sided(*self.reach(self.simultaneous(confidence)))
        low, high = (self.now - below).max(axis=0), (self.now + above).max(axis=0)
        low, high = (low, high) if self.sign > 0 else (-high, -low)
        return np.clip(low, 0, 1), np.clip(high, 0, 1)

    @cached_property
    def error(self) -> Floats:
        """About the standard error of each contrast: (P, A)."""
        below, above = self.sided(*self.reach(ONE_ERROR))
        return (below + above) / 2

    @cached_property
    def near(self) -> NDArray[np.bool_]:
        """Which contrasts may be the largest: (P, A)."""
        column = np.arange(self.now.shape[1])
        slack = NEAR * (self.error + self.error[self.largest, column])
        return self.open & (self.now >= self.now[self.largest, column] - slack)

    def bias(self) -> Floats:
        """Return by how much chance moves the metric, at most: (A,)."""
        n = np.maximum(self.near.sum(axis=0), 1)
        most = np.where(self.near, self.error, 0).max(axis=0)
        return np.asarray(self.sign * OF_LARGEST * np.sqrt(2 * np.log(n)) * most)


def reach(rows: slice, values: Sequence[Floats], ends: Sequence[Ends]) -> Ends:
    """Return how far ends lie below and above values, one metric after the other; 0 for NaN."""
    sides = (
        [value - low for value, (low, _) in zip(values, ends, strict=True)],
        [high - value for value, (_, high) in zip(values, ends, strict=True)],
    )
    down, up = (np.fmax(np.concatenate([one[rows] for one in side]), 0) for side in sides)
    return down, up


@dataclass(frozen=True)
class Change:
    """The change of the largest contrast from one model to another.

    Parameters
    ----------
    before, after : Extreme
        Of the same contrasts.
    parts : sequence of Comparison
        How each metric changed: (S, A) each.
    """

    before: Extreme
    after: Extreme
    parts: Sequence[Comparison]

    def interval(self, confidence: float) -> Ends:
        """Return the ends of the interval of the change: (A,) each."""
        before, after = self.before, self.after
        deltas = [part.delta for part in self.parts]
        change = after.of(deltas)
        below, above = after.sided(*self._moved(confidence))
        column = np.arange(change.shape[1])
        # the widest pair of one model is beside each that may be the widest of the other, too
        every = after.contrasts[:, :, None]
        strict = after.simultaneous(1 - (1 - confidence) / 2)
        ends = after.reach(strict), before.reach(strict), self._moved(strict)
        widest = after.contrasts[after.largest].T[None]
        low = after.now[after.largest, column] - before.now - _half(widest, every, 0, *ends)
        widest = before.contrasts[before.largest].T[None]
        high = after.now - before.now[before.largest, column] + _half(every, widest, 1, *ends)
        low = np.where(before.near, np.maximum(change - below, low), np.inf).min(axis=0)
        high = np.where(after.near, np.minimum(change + above, high), -np.inf).max(axis=0)
        low, high = (low, high) if after.sign > 0 else (-high, -low)
        return np.clip(low, -1, 1), np.clip(high, -1, 1)

    def _moved(self, confidence: float) -> Ends:
        """Return how far the change of each value may lie below and above."""
        return reach(self.after.rows, [part.delta for part in self.parts],
                     [part.interval(confidence) for part in self.parts])  # fmt: skip


def _half(
    later: NDArray[np.int8], earlier: NDArray[np.int8], side: int, now: Ends, was: Ends, moved: Ends
) -> Floats:
    """Return how far contrasts after minus contrasts before may lie off: (P, A).

    `later` and `earlier` broadcast to (P, parts · V, A); below for side 0, above for side 1.
    """
    other = 1 - side
    mine = np.where(later > 0, now[side], now[other]) * (later != 0)
    theirs = np.where(earlier > 0, was[other], was[side]) * (earlier != 0)
    paired = np.where(later > 0, moved[side], moved[other])
    half = np.where((later == earlier) & (later != 0), paired, mine + theirs)
    return np.asarray(np.sqrt((half**2).sum(axis=1)))


def gap(metric: str, parts: Sequence[Estimates], group: str, rows: slice) -> Estimates:
    """Take the largest gap between a group's values from estimates per slice × attribute."""
    pairs = pairs_of(rows.stop - rows.start)
    contrasts = np.kron(np.eye(len(parts), dtype=np.int8), pairs)
    return _estimate(metric, Extreme(parts, rows, contrasts), group)


def worst(metric: str, part: Estimates, group: str, rows: slice) -> Estimates:
    """Take the lowest value of a metric over a group's supported values."""
    contrasts = -np.eye(rows.stop - rows.start, dtype=np.int8)
    extreme = Extreme([part], rows, contrasts, -1)
    result = _estimate(metric, extreme, group)
    return replace(result, group_value=np.where(result.ok, extreme.largest, -1))


def _estimate(metric: str, extreme: Extreme, group: str) -> Estimates:
    """Judge a metric that compares the values of one group; name the values it left out."""
    parts, rows, usable = extreme.parts, extreme.rows, extreme.usable
    n_left_out, enough = (~usable).sum(axis=0), usable.sum(axis=0) >= 2
    reason = np.full(enough.shape, None, object)
    for left_out in np.unique(n_left_out[n_left_out > 0]):
        plural = "value" if left_out == 1 else "values"
        told = f"{left_out} {plural} of {group} left out for too little support"
        reason[n_left_out == left_out] = told
    reason[~enough] = f"fewer than two values of {group} have enough support"

    n = np.min([part.support[rows] for part in parts], axis=0)
    column = np.arange(usable.shape[1])
    smallest = np.where(usable, n, np.iinfo(np.int64).max).argmin(axis=0)
    place = extreme.largest
    value = np.where(enough, extreme.sign * extreme.now[place, column], np.nan)
    chosen = extreme.contrasts[place].T.astype(np.float64) * extreme.sign
    replicates = np.concatenate([part.replicates[:, rows] for part in parts], axis=1)
    resampled = parts[0].resampled
    return Estimates(
        metric,
        parts[0].attributes,
        value,
        np.where(enough, np.einsum("kva,va->ka", np.nan_to_num(replicates), chosen), np.nan),
        np.where(enough, n[smallest, column], n.max(axis=0, initial=0)),
        parts[0].rests.take((np.arange(*rows.indices(rows.stop))[smallest], column)),
        np.where(enough, OK, INSUFFICIENT).astype(object),
        reason,
        group,
        bounds=extreme.interval if resampled else None,
        bias=extreme.bias() if resampled else None,
        extreme=extreme,
    )


def change_of(before: Estimates, after: Estimates, parts: Mapping[str, Comparison]) -> Comparison:
    """Compare gaps, or worst groups, of two models; `parts` are the changes of other metrics."""
    found = compare(after, before)
    earlier, later = before.extreme, after.extreme
    assert isinstance(earlier, Extreme)
    assert isinstance(later, Extreme)
    if not after.resampled:
        return found
    change = Change(earlier, later, [parts[part.metric] for part in later.parts])
    return replace(found, bounds=change.interval)
