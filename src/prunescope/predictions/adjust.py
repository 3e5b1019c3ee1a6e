"""Adjusting: calibration and thresholds applied to a model's logits."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prunescope.data.samples import GroupValue
from prunescope.errors import DataError, PrunescopeWarning, shorten
from prunescope.predictions.adjustment import Adjustment, Adjustments, Floats
from prunescope.predictions.metadata import Metadata
from prunescope.predictions.record import Predictions
from prunescope.predictions.thresholds import EVERY_MODEL


def adjust(predictions: Predictions, adjustment: Adjustment) -> Predictions:
    """Return a model's predictions with its logits mapped, in float64, and with its thresholds.

    Offsets are added to the logits of classes: what comes out are the model's logits from then on,
    and probabilities are their softmax.

    Parameters
    ----------
    predictions : Predictions
    adjustment : Adjustment

    Thresholds that the predictions have are replaced, or mapped where the adjustment has none.

    Raises
    ------
    DataError
        It names attributes that the model has not, needs a group that the samples have not or whose
        values it does not know, has thresholds or several curves for classes or offsets for
        attributes, or the predictions are adjusted already.

    Examples
    --------
    >>> import polars as pl
    >>> from prunescope.data.samples import Samples
    >>> from prunescope.predictions import Metadata
    >>> samples = Samples(pl.Series(["a", "b"]), ("Bald",), np.array([[1], [0]], np.int8))
    >>> model = Predictions(samples, np.array([[-0.5], [-2.0]]), Metadata(name="sparse"))
    >>> adjust(model, Adjustment(thresholds={"Bald": -1.0})).decisions[:, 0].tolist()
    [True, False]
    """
    samples = predictions.samples
    values = {name: group.values for name, group in samples.groups.items()}
    metadata = check_adjustment(
        adjustment, predictions.metadata, samples.attributes, values, samples.task
    )

    def mapped(z: Floats) -> NDArray[np.float64]:
        return np.stack(map_columns(adjustment, predictions.attributes, z.T), axis=-1)

    group = None if adjustment.group is None else samples.groups[adjustment.group]
    limits = adjustment.limits(predictions.attributes, group)
    if limits is None and predictions.thresholds is not None:
        limits = mapped(predictions.thresholds)
    logits = mapped(predictions.logits) if adjustment.curves else predictions.logits
    if adjustment.offsets and limits is not None:
        logits, limits = np.asarray(logits, np.float64) + limits, None
    return replace(predictions, logits=logits, thresholds=limits, metadata=metadata)


def settle(predictions: Predictions) -> Predictions:
    """Fold thresholds into the logits, less which 0 decides: what a prediction file can hold."""
    if predictions.thresholds is None:
        return predictions
    logits = np.asarray(predictions.logits, np.float64) - predictions.thresholds
    return replace(predictions, logits=logits, thresholds=None)


def map_columns(
    adjustment: Adjustment,
    attributes: Collection[str],
    columns: Any,  # noqa: ANN401 - (A, n)
) -> list[Floats]:
    """Map the logits of each attribute: A arrays (n,)."""
    return [
        adjustment.curves[name].of(z) if name in adjustment.curves else np.asarray(z, np.float64)
        for name, z in zip(attributes, columns, strict=True)
    ]


def check_adjustment(
    adjustment: Adjustment,
    metadata: Metadata,
    attributes: Collection[str],
    groups: Mapping[str, Collection[GroupValue]],
    task: str,
) -> Metadata:
    """Return a model's metadata once it is adjusted.

    Raises
    ------
    DataError
        The adjustment is not for the model, or its samples lack the group.

    Warns
    -----
    PrunescopeWarning
        Values of the group have no thresholds or offsets of their own.
    """
    model = metadata.name or "model"
    Adjustments(adjustments={EVERY_MODEL: adjustment}).check((), attributes)
    if adjustment.fitted_on and metadata.fitted_on:
        raise DataError(
            f"{model} is adjusted already: what was fitted to its own logits is not for adjusted "
            "ones; give its predictions as they were, or leave out the thresholds"
        )
    if adjustment.group is not None:
        _check_group(adjustment, adjustment.group, model, groups)
    adjusted = metadata.model_copy(update={"fitted_on": adjustment.fitted_on or metadata.fitted_on})
    if task == "multilabel":
        if adjustment.offsets:
            raise DataError(
                f"{model} answers attributes, each by its threshold: leave out the offsets, which "
                "are for classes"
            )
        return adjusted
    if adjustment.thresholds or (adjustment.by_value and not adjustment.offsets):
        raise DataError(
            f"{model} is multiclass: its answer is the class with the highest logit; leave out the "
            "thresholds (classes have offsets: prunescope mitigate thresholds)"
        )
    shapes = {adjustment.curves.get(name) for name in attributes}
    if len(shapes) > 1:
        raise DataError(
            f"{model} is multiclass: expected one curve for all classes, or which of them is "
            "highest would change"
        )
    return adjusted


def _check_group(
    adjustment: Adjustment, group: str, model: str, groups: Mapping[str, Collection[GroupValue]]
) -> None:
    """Raise or warn where thresholds by group are not for the values that samples have."""
    if group not in groups:
        raise DataError(
            f"the {adjustment.kind} of {model} depend on {group!r}, which must be known of "
            f"each sample; its groups are {shorten(groups) or 'none'}"
        )
    if not adjustment.by_value:
        return
    found = [str(value) for value in groups[group]]
    without = [value for value in found if value not in adjustment.by_value]
    if without and len(without) == len(found):
        raise DataError(
            f"the {adjustment.kind} of {model} are for {group} = "
            f"{shorten(adjustment.by_value)}; the samples say {shorten(found)}: write its values "
            "alike"
        )
    if without:
        warnings.warn(
            f"{model}: {group} = {shorten(without)} has no {adjustment.kind} of its own, and "
            "gets those of all samples",
            PrunescopeWarning,
            stacklevel=3,
        )
