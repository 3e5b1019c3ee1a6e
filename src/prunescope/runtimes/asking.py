"""Asking about all images of a data set, a batch at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from prunescope.data.dataset import Dataset
from prunescope.errors import DataError

BATCH = 64
"""Images at a time, where a model takes any number."""

Pixels: TypeAlias = NDArray[np.uint8]
OnBatch: TypeAlias = Callable[[int, int], None]


def ask_all(
    dataset: Dataset,
    answer: Callable[[Pixels], NDArray[Any]],
    *,
    fixed: int | None = None,
    progress: OnBatch | None = None,
) -> NDArray[np.float64]:
    """Return the scores (N, A) of all images, in the order of the data set.

    Parameters
    ----------
    dataset : Dataset
    answer : callable
        Gets pixels (B, 3, H, W), returns scores (B, A).
    fixed : int, optional
        Images that a batch must have: the last is filled up with its last image.
    progress : callable, optional
        Gets the number of images done and of all, after every batch.
    """
    n = len(dataset)
    scores = np.empty((n, len(dataset.samples.attributes)))
    size = fixed or BATCH
    for start in range(0, n, size):
        rows = np.arange(start, min(start + size, n))
        filled = rows if fixed is None else np.pad(rows, (0, size - len(rows)), mode="edge")
        scores[rows] = answer(dataset.images(filled))[: len(rows)]
        if progress is not None:
            progress(int(rows[-1]) + 1, n)
    return scores


def check_scores(answer: NDArray[Any], n: int, n_attributes: int, source: str) -> NDArray[Any]:
    """Return what a model answered to `n` images as (n, A); sides of 1 are dropped.

    Raises
    ------
    DataError
        It has another shape.

    Examples
    --------
    >>> check_scores(np.zeros((2, 3, 1, 1)), 2, 3, "model.onnx").shape
    (2, 3)
    """
    wide = [side for side in answer.shape[1:] if side > 1]
    if answer.shape[:1] != (n,) or len(wide) > 1 or answer.size != n * n_attributes:
        raise DataError(
            f"{source} has shape {answer.shape} for {n} images, but the data set has "
            f"{n_attributes} attributes or classes: expected ({n}, {n_attributes}). Name those of "
            "the model, in its order, with --attributes"
        )
    return answer.reshape(n, n_attributes)
