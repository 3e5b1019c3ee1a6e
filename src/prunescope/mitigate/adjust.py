"""`fit_adjustment`: thresholds, offsets, calibration of a pruned model, from a validation split."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import polars as pl

from prunescope.data.columns import UNKNOWN
from prunescope.errors import ConfigError, DataError, one_of, shorten
from prunescope.mitigate.calibrate import CALIBRATIONS
from prunescope.mitigate.offset_finder import OffsetFinder
from prunescope.mitigate.offsets import CLASS_CRITERIA, CLASS_FLOORS
from prunescope.mitigate.splits import side_by_side
from prunescope.mitigate.threshold_finder import ThresholdFinder
from prunescope.mitigate.thresholds import CRITERIA, FLOORS, Floor
from prunescope.notebook import rendered
from prunescope.predictions import Adjustment, Adjustments, Predictions, adjust
from prunescope.predictions.sketch import sketch

THRESHOLD_SCHEMA: dict[str, pl.DataType] = {
    "attribute": pl.String(),
    "group": pl.String(),
    "group_value": pl.String(),
    "n": pl.Int64(),
    "threshold_before": pl.Float64(),
    "threshold": pl.Float64(),
    "offset": pl.Float64(),
    "before": pl.Float64(),
    "value": pl.Float64(),
    "target": pl.Float64(),
    "status": pl.String(),
    "reason": pl.String(),
}
"""Columns of the thresholds or offsets: a row per attribute or class and, where they depend on a
group, per value of it. `before` and `value` are the criterion's metric on the validation split at
the threshold before and after, or without offsets and with them; `n` the samples that it rests on.
Where `status` is not ``ok`` the threshold or offset stays. Attributes have no `offset`, classes no
`threshold`; of classes a row without `attribute` tells the criterion over all of them: its mean,
or by how much the rates miss their targets."""

NO_LOSS = (Floor("balanced_accuracy", 0.0, change=True),)
"""The floor of thresholds by group unless others are named: no value of the group may lose."""

NO_CLASS_LOSS = (Floor("macro_recall", 0.0, change=True),)
"""The same of offsets by group."""

FOR_CLASSES = {
    "balanced-accuracy": "macro-recall",
    "dense-tpr": "dense-rate",
    "equal-balanced-accuracy": "macro-recall, with the group",
    "equal-tpr": "macro-recall, with the group",
    "f1": "macro-f1",
}
"""What to use for classes in place of criteria for attributes."""

FOR_ATTRIBUTES = {"macro-f1": "f1", "macro-recall": "balanced-accuracy"}
"""What to use for attributes in place of criteria for classes."""


@dataclass(frozen=True)
class FittedAdjustment:
    """An adjustment of one model, and how it was found.

    Parameters
    ----------
    model : str
    adjustment : Adjustment
    table : polars.DataFrame
        A row per threshold or offset, columns as in `THRESHOLD_SCHEMA`; none without a criterion.
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
        n = self.table["attribute"].count()
        return f"FittedAdjustment({self.model!r}: {n:,} {self.adjustment.kind})"

    def _repr_html_(self) -> str:
        """Show the thresholds or offsets in a notebook."""
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
    """Fit thresholds or offsets, or a calibration, or both, to a validation split.

    Thresholds and curves rise or fall with nothing but the logit, so that no two answers on an
    attribute change places: AUC and average precision stay exactly as they are. Thresholds by
    group are another matter: they treat equal logits differently, and must be told the group of
    each sample that is answered.

    A model that chooses one of several classes gets an offset for each, which is added to its logit
    (logit adjustment: Menon et al., ICLR 2021). Only differences of offsets count; their mean is 0.
    The logits so adjusted are the model's logits, and probabilities are their softmax.

    Parameters
    ----------
    validation : Predictions
        Of the pruned model, with labels where the criterion or calibration needs them.
    criterion : str, optional
        A key of `CRITERIA` or, for classes, of `CLASS_CRITERIA`.
    calibration : str, optional
        A key of `CALIBRATIONS`; comes before the thresholds.
    dense : Predictions, optional
        Of the dense model on the same samples, for a criterion that follows it.
    group : str, optional
        Give each value of it thresholds, or offsets, of its own.
    floors : sequence of Floor or str, optional
        What no threshold may fall below, such as ``tpr >= -0.02``. Default: nothing; with a group,
        the balanced accuracy (of classes, the mean recall) that each of its values has.
    min_support : int
        Fewest samples (of the rarer label, where labels count; of the class, by what its offset is
        fitted to) that a threshold or offset is fitted to.

    Raises
    ------
    ConfigError
        A name is unknown, there is nothing to do, or a criterion lacks what it needs.
    DataError
        The dense model answered other samples or attributes, or a criterion or calibration is not
        for classes, or not for attributes.

    Examples
    --------
    >>> import numpy as np
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
    known = {**CRITERIA, **CLASS_CRITERIA}
    if criterion is not None and criterion not in known:
        raise ConfigError(one_of("criterion", criterion, known))
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
    of_classes = validation.samples.task == "multiclass"
    if floors is None:
        floors = () if group is None else NO_CLASS_LOSS if of_classes else NO_LOSS
    parsed = _floors(floors, CLASS_FLOORS if of_classes else FLOORS)
    finder = OffsetFinder if of_classes else ThresholdFinder
    work = finder(validation, adjustment, criterion, dense, parsed, min_support)
    table = pl.DataFrame(list(work.rows(group)), schema=THRESHOLD_SCHEMA)
    column = "offset" if of_classes else "threshold"
    named = table.filter(pl.col("attribute").is_not_null())
    told = {
        f"{column}s": _named(named.filter(pl.col("group").is_null()), column),
        "criterion": criterion,
    }
    if group is not None:
        values = named.filter(pl.col("group").is_not_null()).partition_by("group_value")
        by_value = {part["group_value"][0]: _named(part, column) for part in values}
        told |= {"group": group, "by_value": by_value}
    return FittedAdjustment(validation.name, adjustment.model_copy(update=told), table)


def _check(
    validation: Predictions,
    criterion: str | None,
    calibration: str | None,
    dense: Predictions | None,
    group: str | None,
) -> None:
    """Raise where a choice is not for the task, or lacks what it needs."""
    _check_task(validation, criterion, calibration)
    by_group = validation.thresholds is not None and validation.thresholds.ndim == 2
    if by_group or validation.metadata.fitted_on:
        raise ConfigError(
            f"{validation.name} is adjusted already: fit to the logits that the model gives"
        )
    if group is not None and group not in validation.samples.groups:
        raise ConfigError(one_of("group", group, validation.samples.groups))
    chosen = CRITERIA.get(criterion or "")  # those for classes need no more than their namesakes
    target = None if chosen is None else chosen.target
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


def _check_task(validation: Predictions, criterion: str | None, calibration: str | None) -> None:
    """Raise where a choice is for attributes and the model chooses a class, or the reverse."""
    if validation.samples.task == "multilabel":
        if criterion is not None and criterion not in CRITERIA:
            raise DataError(
                f"{validation.name} answers attributes, each by a threshold, and criterion "
                f"{criterion} is for classes: use {FOR_ATTRIBUTES[criterion]}"
            )
        return
    start = f"{validation.name} is multiclass: its answer is the class with the highest logit"
    if criterion is not None and criterion not in CLASS_CRITERIA:
        raise DataError(
            f"{start}, and criterion {criterion} is for attributes: use {FOR_CLASSES[criterion]}"
        )
    if calibration == "isotonic":
        raise DataError(
            f"{start}, which a curve for each class would change: use calibration temperature"
        )


def _floors(floors: Sequence[Floor | str], metrics: Collection[str]) -> tuple[Floor, ...]:
    """Read floors of these metrics."""
    read = [Floor.parse(floor, metrics) if isinstance(floor, str) else floor for floor in floors]
    for floor in read:
        if floor.metric not in metrics:
            raise ConfigError(f"floor: {one_of('metric', floor.metric, sorted(metrics))}")
    return tuple(read)


def _named(rows: pl.DataFrame, column: str) -> dict[str, float]:
    return dict(rows.select("attribute", column).iter_rows())
