"""The search for offsets of classes, on all samples and on those of a group's values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunescope.audit.estimates import INSUFFICIENT, OK
from prunescope.data.columns import UNKNOWN
from prunescope.metrics.statistics import Floats
from prunescope.mitigate.climb import ROUNDING, Ints
from prunescope.mitigate.offsets import CLASS_CRITERIA, CLASS_FLOORS, best_offsets
from prunescope.mitigate.thresholds import NO_THRESHOLD, Floor
from prunescope.mitigate.transport import choices
from prunescope.predictions import Adjustment, Predictions

STEPS = 20
"""Parts of the way from no offsets to the best that are tried where floors forbid all of it."""

Rows = NDArray[np.intp]


class OffsetFinder:
    """Finds the offsets of all classes together.

    Classes with too few true images keep offset 0 (of a group's value, that for all samples), and
    are left aside with their images while those of the others are found. Of these the mean is 0 (of
    a group's value, what it is for all samples).
    """

    def __init__(
        self,
        validation: Predictions,
        adjustment: Adjustment,
        criterion: str,
        dense: Predictions | None,
        floors: tuple[Floor, ...],
        min_support: int,
    ) -> None:
        self.samples, self.floors = validation.samples, floors
        self.criterion, self.min_support = CLASS_CRITERIA[criterion], min_support
        curve = next(iter(adjustment.curves.values()), None)  # one for all classes
        self.logits = validation.logits if curve is None else curve.of(validation.logits)
        self.labels = _classes(validation.samples.labels == 1)
        self.true = self.labels
        if self.criterion.target == "dense":
            assert dense is not None
            self.true = _classes(dense.decisions)
        self.names = validation.attributes
        self.turns = np.argsort(np.array(self.names), kind="stable")

    def rows(self, group: str | None) -> Iterator[dict[str, Any]]:
        """Yield a row over all classes and one for each; then those of each value of a group."""
        nothing = np.zeros(len(self.names))
        usual, found = self._fit(np.arange(len(self.samples)), nothing)
        yield from ({**row, "group": None, "group_value": None} for row in found)
        if group is not None:
            one = self.samples.groups[group]
            for code, value in enumerate(one.values):
                _, found = self._fit(np.flatnonzero(one.codes == code), usual)
                named = {"group": group, "group_value": str(value)}
                yield from ({**row, **named} for row in found)

    def _fit(self, rows: Rows, otherwise: Floats) -> tuple[Floats, list[dict[str, Any]]]:
        """Choose the offsets on some samples; return them and their rows."""
        rows = rows[self.true[rows] != UNKNOWN]
        counts = np.bincount(self.true[rows], minlength=len(self.names))
        fitted = counts >= self.min_support
        status, reason = OK, ""
        if fitted.sum() < 2:
            b, status = otherwise, INSUFFICIENT
            reason = f"fewer than two classes have {self.min_support} samples"
        else:
            wanted = self._best(rows, fitted, otherwise)
            b, way = self._as_far_as_floors_allow(rows, fitted, wanted, otherwise)
            if way < 1:
                reason = f"{way:.2f} of the way keeps all floors, and no more"
            if not way:
                status, reason = NO_THRESHOLD, "none keeps all floors"
        return b, self._told(rows, fitted, b, (status, reason))

    def _best(self, rows: Rows, fitted: NDArray[np.bool_], otherwise: Floats) -> Floats:
        """Return the best offsets of the classes that have enough samples, whatever the floors."""
        inside = rows[fitted[self.true[rows]]]
        z = self.logits if len(inside) == len(self.logits) else self.logits[inside]
        place = fitted.cumsum() - 1
        turns = place[self.turns[fitted[self.turns]]]
        b = otherwise.copy()
        found = best_offsets(
            z if fitted.all() else z[:, fitted], place[self.true[inside]], self.criterion, turns
        )
        b[fitted] = found + otherwise[fitted].mean()
        return b

    def _as_far_as_floors_allow(
        self, rows: Rows, fitted: NDArray[np.bool_], wanted: Floats, otherwise: Floats
    ) -> tuple[Floats, float]:
        """Return offsets between none and those wanted, and how much of that way they are.

        They keep the floors, and the criterion is served no worse than by no offsets.
        """
        nothing = self._counts(rows, np.zeros_like(wanted))
        for step in range(STEPS, -1, -1):
            b = wanted * (step / STEPS)
            if self._holds(self._counts(rows, b), nothing, fitted):
                return b, step / STEPS
        return otherwise, 0.0

    def _counts(self, rows: Rows, b: Floats) -> dict[str, tuple[Ints, Ints, Ints]]:
        """Count hits, answers and true images of each class, by what is fitted to and by labels."""
        answers = choices(self.logits if len(rows) == len(self.logits) else self.logits[rows], b)
        return {
            "true": _count(answers, self.true[rows], len(b)),
            "labels": _count(answers, self.labels[rows], len(b)),
        }

    def _holds(
        self,
        found: dict[str, tuple[Ints, Ints, Ints]],
        nothing: dict[str, tuple[Ints, Ints, Ints]],
        fitted: NDArray[np.bool_],
    ) -> bool:
        """Tell whether all floors hold, and the criterion is served no worse."""
        among = np.flatnonzero(fitted)
        score = self.criterion.score(found["true"][2])
        served, before = (score(one["true"][0][among], one["true"][1][among], among).sum()
                          for one in (found, nothing))  # fmt: skip
        if served < before - ROUNDING:
            return False
        for floor in self.floors:
            value, now = (
                CLASS_FLOORS[floor.metric](*(counts[among] for counts in one["labels"]))
                for one in (found, nothing)
            )
            if not floor.kept(value, now).all():
                return False
        return True

    def _told(
        self, rows: Rows, fitted: NDArray[np.bool_], b: Floats, outcome: tuple[str, str]
    ) -> list[dict[str, Any]]:
        """Describe offsets: a row over all classes, and one for each."""
        criterion, n = self.criterion, len(rows)
        before, after = (self._counts(rows, one)["true"] for one in (np.zeros_like(b), b))
        was, now = (criterion.figure(*found, max(n, 1)) for found in (before, after))
        counts, matched = after[2], criterion.target is not None
        targets = counts / max(n, 1)
        told = [
            {
                "attribute": name,
                "n": int(counts[k]),
                "offset": float(b[k]),
                "before": was[k],
                "value": now[k],
                "target": targets[k] if matched else None,
                "status": outcome[0],
                "reason": "" if outcome[0] == OK else outcome[1],
            }
            for k, name in enumerate(self.names)
        ]
        for k in np.flatnonzero(~fitted):
            few = f"{counts[k]} of at least {self.min_support} samples"
            told[k] |= {"status": INSUFFICIENT, "reason": few}
        whole = {"n": n, "target": 0.0 if matched else None}
        if matched or fitted.any():
            among = np.full(len(b), True) if matched else fitted
            whole["before"] = criterion.whole(was[among], targets[among])
            whole["value"] = criterion.whole(now[among], targets[among])
        return [{**whole, "status": outcome[0], "reason": outcome[1]}, *told]


def _classes(one_hot: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return the class (N,) that is marked; -1 where none is."""
    return np.where(one_hot.any(axis=1), one_hot.argmax(axis=1), UNKNOWN)


def _count(answers: Ints, true: Ints, n_classes: int) -> tuple[Ints, Ints, Ints]:
    """Count hits, answers and true images of each class, of images whose class is known."""
    known = true != UNKNOWN
    answers, true = answers[known], true[known]
    hits = np.bincount(true[answers == true], minlength=n_classes)
    given, there = (np.bincount(each, minlength=n_classes) for each in (answers, true))
    return hits, given, there
