"""What training minimises, by task; labels that are not known count for nothing."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional

from prunescope.data.columns import UNKNOWN
from prunescope.data.samples import Task


def binary_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the mean binary cross-entropy over the labels that are known; 0 if none is.

    ``mean[log(1 + exp(z)) − y·z]`` over all cells of the batch with y in {0, 1}.

    Parameters
    ----------
    logits : tensor (B, A) of float
    labels : tensor (B, A) of int8
        1, 0, or -1 for unknown.

    Examples
    --------
    >>> import torch
    >>> labels = torch.tensor([[1, -1]], dtype=torch.int8)
    >>> binary_cross_entropy(torch.tensor([[0.0, 7.0]]), labels)
    tensor(0.6931)
    """
    known = labels != UNKNOWN
    cells = functional.binary_cross_entropy_with_logits(
        logits, (labels == 1).to(logits), reduction="none"
    )
    return (cells * known).sum() / known.sum().clamp(min=1)


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the mean cross-entropy over the samples whose class is known; 0 if none is.

    ``mean[log Σ_c exp(z_c) − z_y]`` over the rows with a class y.

    Parameters
    ----------
    logits : tensor (B, C) of float
    labels : tensor (B, C) of int8
        One-hot rows; rows of -1 for unknown.

    Examples
    --------
    >>> import torch
    >>> labels = torch.tensor([[0, 1], [-1, -1]], dtype=torch.int8)
    >>> cross_entropy(torch.zeros(2, 2), labels)
    tensor(0.6931)
    """
    known = (labels == 1).any(dim=1)
    rows = functional.cross_entropy(logits, labels.argmax(dim=1), reduction="none")
    return (rows * known).sum() / known.sum().clamp(min=1)


LOSSES: dict[Task, Callable[[Tensor, Tensor], Tensor]] = {
    "multilabel": binary_cross_entropy,
    "multiclass": cross_entropy,
}
