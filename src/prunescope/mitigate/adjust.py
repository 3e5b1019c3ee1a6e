"""`fit_adjustment`: thresholds and calibration of a pruned model, from a validation split."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from prunescope.audit.estimates import INSUFFICIENT, OK
from prunescope.data.samples import UNKNOWN, GroupValue
from prunescope.errors import ConfigError, DataError, one_of, shorten
from prunescope.mitigate.calibrate import CALIBRATIONS
from prunescope.mitigate.splits import side_by_side
from prunescope.mitigate.thresholds import CRITERIA, Cuts, Floor, counts_at
from prunescope.notebook import rendered
from prunescope.predictions import Adjustment, Adjustments, Predictions, adjust
from prunescope.predictions.adjustment import map_columns
from prunescope.predictions.sketch import sketch

THRESHOLD_SCHEMA: dict[str, pl.DataType] = {
    "attribute": pl.String(),
    "group": pl.String(),
    "group_value": pl.String(),
    "n": pl.Int64(),
    "threshold_before": pl.Float64(),
    "threshold": pl.Float64(),
    "before": pl.Float64(),
    "value": pl.Float64(),
    "target": pl.Float64(),
    "status": pl.String(),
    "reason": pl.String(),
}
"""Columns of the thresholds, a row per attribute and, where they depend on a group, per value of
it. `before` and `value` are the criterion's metric on the validation split at the threshold before
and after; `n` the samples that it rests on. Where `status` is not ``ok`` the threshold stays."""

NO_THRESHOLD = "no_threshold"
"""Status of a threshold that stays because every other one breaks a floor."""

NO_LOSS = (Floor("balanced_accuracy", 0.0, change=True),)
"""The floor of thresholds by group unless others are named: no value of the group may lose."""


@dataclass(frozen=True)
class FittedAdjustment:
    """An adjustment of one model, and how it was found.

    Parameters
    ----------
    model : str
    adjustment : Adjustment
    table : polars.DataFrame
        A row per threshold, columns as in `THRESHOLD_SCHEMA`; none without a criterion.
    """

    model: str
    adjustment: Adjustment
    table: pl.DataFrame

    def file(self) -> Adjustments:
        """Return what `prunescope audit --thresholds` reads once it is saved."""
        return Adjustments(adjustments={self.model: self.adjustment})

    def apply(self, predictions: Predictions) -> Predictions:
        """Return the model's predictions on any samples, adjusted.

        Raises
        ------
        DataError
            They are another model's.
        """
        if predictions.name != self.model:
            raise DataError(
                f"the adjustment was fitted to {self.model!r}, not to {predictions.name!r}: "
                "another model's logits lie elsewhere"
            )
        return adjust(predictions, self.adjustment)

    def __repr__(self) -> str:
        return f"FittedAdjustment({self.model!r}: {self.table.height:,} thresholds)"

    def _repr_html_(self) -> str:
        """Show the thresholds in a notebook."""
        return rendered(repr(self), self.table)


def fit_adjustment(
    validation: Predictions,
    *,
    criterion: str | None = None,
    calibration: str | None = None,
    dense: Predictions | None = None,
    group: str | None = None,
    floors: Sequence[Floor | str] | None = None,
    min_support: int = 10,
) -> FittedAdjustment:
    """Fit thresholds under a criterion, or a calibration, or both, to a validation split.

    Thresholds and curves rise or fall with nothing but the logit, so that no two answers on an
    attribute change places: AUC and average precision stay exactly as they are. Thresholds by
    group are another matter: they treat equal logits differently, and must be told the group of
    each sample that is answered.

    Parameters
    ----------
    validation : Predictions
        Of the pruned model, with labels where the criterion or calibration needs them.
    criterion : str, optional
        A key of `CRITERIA`.
    calibration : str, optional
        A key of `CALIBRATIONS`; comes before the thresholds.
    dense : Predictions, optional
        Of the dense model on the same samples, for a criterion that follows it.
    group : str, optional
        Give each value of it thresholds of its own.
    floors : sequence of Floor or str, optional
        What no threshold may fall below, such as ``tpr >= -0.02``. Default: nothing; with a group,
        the balanced accuracy that each of its values has.
    min_support : int
        Fewest samples (of the rarer label, where labels count) that a threshold is fitted to.

    Raises
    ------
    ConfigError
        A name is unknown, there is nothing to do, or a criterion lacks what it needs.
    DataError
        The dense model answered other samples or attributes, or the model is multi-class.

    Examples
    --------
    >>> from prunescope.data.samples import Samples
    >>> from prunescope.predictions import Metadata
    >>> labels = np.array([[1], [1], [0], [0]], np.int8)
    >>> samples = Samples(pl.Series(list("abcd")), ("Bald",), labels)
    >>> sparse = Predictions(samples, np.array([[1.0], [-1], [-2], [-3]]), Metadata(name="sparse"))
    >>> found = fit_adjustment(sparse, criterion="prevalence", min_support=1)
    >>> found.adjustment.thresholds
    {'Bald': -1.5}
    """
    if criterion is None and calibration is None:
        raise ConfigError("nothing to fit: name a criterion, a calibration, or both")
    if criterion is not None and criterion not in CRITERIA:
        raise ConfigError(one_of("criterion", criterion, CRITERIA))
    if calibration is not None and calibration not in CALIBRATIONS:
        raise ConfigError(one_of("calibration", calibration, CALIBRATIONS))
    if dense is not None:
        validation, dense = side_by_side(validation, dense)
    _check(validation, criterion, calibration, dense, group)
    curves = {} if calibration is None else CALIBRATIONS[calibration](validation)
    fitted_on = sketch(validation.samples.ids)
    adjustment = Adjustment(curves=curves, calibration=calibration, fitted_on=fitted_on)
    if criterion is None:
        return FittedAdjustment(validation.name, adjustment, pl.DataFrame(schema=THRESHOLD_SCHEMA))
    if floors is None:
        floors = () if group is None else NO_LOSS
    work = _Thresholds(
        validation,
        adjustment,
        criterion,
        dense,
        tuple(Floor.parse(floor) if isinstance(floor, str) else floor for floor in floors),
        min_support,
    )
    table = pl.DataFrame(list(work.rows(group)), schema=THRESHOLD_SCHEMA)
    told = {"thresholds": _named(table.filter(pl.col("group").is_null())), "criterion": criterion}
    if group is not None:
        values = table.filter(pl.col("group").is_not_null()).partition_by("group_value")
        by_value = {part["group_value"][0]: _named(part) for part in values}
        told |= {"group": group, "by_value": by_value}
    return FittedAdjustment(validation.name, adjustment.model_copy(update=told), table)


def _check(
    validation: Predictions,
    criterion: str | None,
    calibration: str | None,
    dense: Predictions | None,
    group: str | None,
) -> None:
    """Raise where a choice lacks what it needs."""
    task = validation.samples.task
    if task == "multiclass" and (criterion is not None or calibration == "isotonic"):
        raise DataError(
            f"{validation.name} is multiclass: its answer is the class with the highest logit, "
            "which has no threshold; calibration 'temperature' alone is for it"
        )
    by_group = validation.thresholds is not None and validation.thresholds.ndim == 2
    if by_group or validation.metadata.fitted_on:
        raise ConfigError(
            f"{validation.name} is adjusted already: fit to the logits that the model gives"
        )
    if group is not None and group not in validation.samples.groups:
        raise ConfigError(one_of("group", group, validation.samples.groups))
    target = None if criterion is None else CRITERIA[criterion].target
    if target == "dense" and dense is None:
        raise ConfigError(
            f"criterion {criterion} follows the dense model: give its predictions on the same "
            "validation split"
        )
    if target == "best value" and group is None:
        raise ConfigError(f"criterion {criterion} compares the values of a group: name one")
    if criterion is None and group is not None:
        raise ConfigError("thresholds by group need a criterion: name one")
    label_free = criterion == "dense-rate" and calibration is None
    if not label_free and (validation.samples.labels == UNKNOWN).all():
        raise DataError(
            f"{validation.name} has no labels of {shorten(validation.attributes)}: "
            f"{criterion or calibration} fits to labels; give a labelled validation split"
        )


def _named(rows: pl.DataFrame) -> dict[str, float]:
    return dict(rows.select("attribute", "threshold").iter_rows())


class _Thresholds:
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
