"""The columns of scores: logits, or probabilities where the caller says so."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import logit

from prunescope.data.samples import Samples
from prunescope.errors import ConfigError, DataError, PrunescopeWarning, one_of
from prunescope.predictions.cells import NOT_ENOUGH, check_numbers

Scores = Literal["logits", "probability"]

ENOUGH = 20
"""Rows from which the range of scores tells something."""


READ_AS_LOGITS = (
    "every score lies in [0, 1] and is read as a logit. If these are probabilities, add "
    "--scores probability (in Python, scores='probability')"
)
"""What is said of scores that are `like_probabilities`."""

ALL_ALIKE = (
    "its scores are the same for every sample, so it answers without looking: were its weights "
    "loaded, and did it get images?"
)


def check_scores(kind: str) -> None:
    """Raise a `ConfigError` where there is no such kind of scores."""
    if kind not in get_args(Scores):
        raise ConfigError(one_of("kind of scores", kind, get_args(Scores)))


def sigmoid(logits: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Return 1 / (1 + exp(-z)) of each logit, in [0, 1].

    Examples
    --------
    >>> sigmoid(np.array([-1000.0, 0.0, 1.0])).round(3).tolist()
    [0.0, 0.5, 0.731]
    """
    p = np.negative(logits, dtype=np.float64)
    with np.errstate(over="ignore"):
        np.exp(p, out=p)
    p += 1
    return np.asarray(np.reciprocal(p, out=p))


def scores_from(
    frame: pl.DataFrame, attributes: tuple[str, ...], path: str | Path
) -> NDArray[np.floating[Any]]:
    """Read the columns ``logit__*``: numbers, none missing."""
    columns = frame.select(f"logit__{attribute}" for attribute in attributes)
    for column in columns:
        check_numbers(column, str(path))
    single = all(dtype == pl.Float32 for dtype in columns.dtypes)
    kind = pl.Float32 if single else pl.Float64
    return np.ascontiguousarray(columns.cast(kind).to_numpy())


def logits_of(
    probabilities: NDArray[np.floating[Any]], samples: Samples, path: str | Path
) -> NDArray[np.float64]:
    """Turn probabilities into logits."""
    outside = ~((probabilities >= 0) & (probabilities <= 1))
    if outside.any():
        row, column = np.argwhere(outside)[0]
        raise DataError(
            f"{path}: row {row + 1} of column 'logit__{samples.attributes[column]}' is "
            f"{probabilities[row, column]}: expected probabilities in [0, 1]. If these are logits, "
            "leave out the option for probabilities"
        )
    p = np.clip(probabilities.astype(np.float64), 1e-12, 1 - 1e-12)
    return np.asarray(np.log(p) if samples.task == "multiclass" else logit(p))


def like_probabilities(scores: NDArray[np.floating[Any]]) -> bool:
    """Tell whether scores all lie in [0, 1], as logits hardly ever do; of few rows, False.

    Examples
    --------
    >>> like_probabilities(np.full((20, 1), 0.3)), like_probabilities(np.full((20, 1), -0.3))
    (True, False)
    """
    return len(scores) >= ENOUGH and bool(((scores >= 0) & (scores <= 1)).all())


def odd(scores: NDArray[np.floating[Any]]) -> list[str]:
    """Say what is odd about logits; of few rows, nothing.

    Examples
    --------
    >>> odd(np.zeros((20, 1))) == [READ_AS_LOGITS, ALL_ALIKE], odd(np.arange(-9.0, 20)[:, None])
    (True, [])
    """
    if len(scores) < ENOUGH:
        return []
    alike = bool((scores == scores[0]).all())
    return [READ_AS_LOGITS] * like_probabilities(scores) + [ALL_ALIKE] * alike


def warn_of_scores(scores: NDArray[np.floating[Any]], kind: str, path: str | Path) -> None:
    """Warn where scores look like something else than the kind that the caller says.

    Fewer than `ENOUGH` rows tell nothing. Nothing is changed: what scores are is never guessed.
    """
    if not like_probabilities(scores):
        return
    if ((scores == 0) | (scores == 1)).all():
        text = f"every score is 0 or 1; {NOT_ENOUGH}"
    elif kind == "logits":
        text = READ_AS_LOGITS
    else:
        return
    warnings.warn(f"{path}: {text}", PrunescopeWarning, stacklevel=4)
