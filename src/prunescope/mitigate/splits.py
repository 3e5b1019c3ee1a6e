"""Two splits: one to fit measures to, another to judge them by."""

from __future__ import annotations

from prunescope.errors import ConfigError, DataError
from prunescope.predictions import Predictions, align, in_order_of, on_samples_of
from prunescope.predictions.sketch import share_among


def side_by_side(first: Predictions, other: Predictions) -> tuple[Predictions, Predictions]:
    """Return two models' predictions on the samples of the first, which the other must have all.

    Labels and groups that one of them lacks are taken from the other.

    Raises
    ------
    DataError
        Samples are absent, attributes differ, or the two tell different truths.
    """
    (first, other), _ = align([first, on_samples_of(other, first)])
    return first, other


def check_apart(fitted: Predictions, judged: Predictions) -> Predictions:
    """Return a model's predictions on the split to judge by, attributes as where it was fitted.

    Raises
    ------
    DataError
        The splits hold other models, other attributes, or some of the same samples.
    """
    if fitted.name != judged.name:
        raise DataError(
            f"{fitted.name!r} answers the validation split and {judged.name!r} the test split: "
            "expected the predictions of one model"
        )
    ids = fitted.samples.ids
    shared = ids.is_in(judged.samples.ids.implode()).sum()
    if shared:
        raise DataError(
            f"{shared:,} of the {len(ids):,} validation samples of {fitted.name} are test samples, "
            "too: what is fitted to a sample cannot be judged by it"
        )
    return in_order_of(judged, fitted)


def check_unseen(predictions: Predictions, purpose: str) -> None:
    """Raise a `ConfigError` where thresholds or calibration were fitted to some of the samples.

    Parameters
    ----------
    predictions : Predictions
    purpose : str
        What cannot be done then, such as ``judged by them``.
    """
    share = share_among(predictions.metadata.fitted_on, predictions.samples.ids)
    if share:
        raise ConfigError(
            f"the thresholds or calibration of {predictions.name} were fitted to these samples "
            f"({share:.0%} of those that it was fitted to are here), so that nothing can be "
            f"{purpose}: give another split"
        )
