"""The search for thresholds: of each attribute, on all samples and on those of a group's values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunescope.audit.estimates import INSUFFICIENT, OK
from prunescope.data.samples import GroupValue
from prunescope.mitigate.thresholds import CRITERIA, NO_THRESHOLD, Cuts, Floor, counts_at
from prunescope.predictions import Adjustment, Predictions
from prunescope.predictions.adjust import map_columns


class ThresholdFinder:
    """Finds the threshold of each attribute, on all samples and on those of a group's values."""

    def __init__(
        self,
        validation: Predictions,
        adjustment: Adjustment,
        criterion: str,
        dense: Predictions | None,
        floors: tuple[Floor, ...],
        min_support: int,
    ) -> None:
        self.samples, self.dense, self.floors = validation.samples, dense, floors
        self.criterion, self.min_support = CRITERIA[criterion], min_support
        limits = validation.thresholds
        limits = np.zeros(len(validation.attributes)) if limits is None else limits
        columns = map_columns(adjustment, validation.attributes, validation.logits.T)
        self.logits = np.stack(columns, axis=1)
        self.now = np.array(map_columns(adjustment, validation.attributes, limits))

    def rows(self, group: str | None) -> Iterator[dict[str, Any]]:
        """Yield a row for each attribute and, if a group is named, for each value of it."""
        everyone = np.arange(len(self.samples))
        values: list[tuple[GroupValue, NDArray[np.intp]]] = []
        if group is not None:
            codes = self.samples.groups[group].codes
            values = [
                (value, np.flatnonzero(codes == code))
                for code, value in enumerate(self.samples.groups[group].values)
            ]
        for a, attribute in enumerate(self.samples.attributes):
            usual = self._row(a, everyone, self.now[a], self._best_value(a, values))
            if self.criterion.target == "best value":  # only the group's values have a target
                usual |= {"threshold": self.now[a], "value": usual["before"], "target": None}
            yield {"attribute": attribute, "group": None, "group_value": None, **usual}
            for value, rows in values:
                found = self._row(a, rows, usual["threshold"], self._best_value(a, values))
                named = {"attribute": attribute, "group": group, "group_value": str(value)}
                yield {**named, **found}

    def _row(
        self, a: int, rows: NDArray[np.intp], otherwise: float, best_value: float | None
    ) -> dict[str, Any]:
        """Choose the threshold of attribute `a` on some samples; `otherwise` if there is none."""
        z, labels = self.logits[rows, a], self.samples.labels[rows, a]
        now = counts_at(z, labels, self.now[a])
        measure = self.criterion.metric
        before, support = (float(one) for one in measure(now))
        target = self._target(a, rows, labels, best_value)
        row = {
            "n": int(support),
            "threshold_before": self.now[a],
            "threshold": otherwise,
            "before": None if np.isnan(before) else before,
            "target": target,
            "status": OK,
            "reason": "",
        }
        if support < self.min_support:
            reason = f"{support:.0f} of at least {self.min_support} samples"
            row |= {"status": INSUFFICIENT, "reason": reason}
        else:
            cuts = Cuts.of(z, labels)
            chosen = cuts.best(self.criterion, target, self.now[a], self.floors, now)
            if chosen is None:
                row |= {"status": NO_THRESHOLD, "reason": "none keeps all floors"}
            else:
                row["threshold"] = chosen
        after = float(measure(counts_at(z, labels, row["threshold"])).value)
        return row | {"value": None if np.isnan(after) else after}

    def _target(
        self,
        a: int,
        rows: NDArray[np.intp],
        labels: NDArray[np.int8],
        best_value: float | None,
    ) -> float | None:
        """Return what the metric shall come closest to; None: it shall be as high as can be."""
        metric, kind = self.criterion.metric, self.criterion.target
        if kind is None:
            return None
        if kind == "best value":
            return best_value
        answers = labels == 1
        if kind == "dense":
            assert self.dense is not None
            answers = self.dense.decisions[rows, a]
        found = float(metric(counts_at(answers, labels, 0.5)).value)
        return None if np.isnan(found) else found

    def _best_value(
        self, a: int, values: list[tuple[GroupValue, NDArray[np.intp]]]
    ) -> float | None:
        """Return the highest value that the metric has now, of group values with enough samples."""
        if self.criterion.target != "best value":
            return None
        measured = (
            self.criterion.metric(
                counts_at(self.logits[rows, a], self.samples.labels[rows, a], self.now[a])
            )
            for _, rows in values
        )
        found = [float(m.value) for m in measured if m.support >= self.min_support]
        return max(found, default=None)
