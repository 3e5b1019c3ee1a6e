"""Losses and outcomes unit by unit: of each attribute, or of the one class that an image has."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from prunescope.data.columns import UNKNOWN
from prunescope.data.samples import Task


def known(labels: Tensor, task: Task) -> Tensor:
    """Return which units are labelled: bool (B, U), U = A attributes or 1 class."""
    if task == "multiclass":
        return (labels == 1).any(dim=1, keepdim=True)
    return labels != UNKNOWN


def right(logits: Tensor, labels: Tensor, task: Task) -> Tensor:
    """Return which answers are right: bool (B, U), of no meaning where the label is unknown."""
    if task == "multiclass":
        return (logits.argmax(dim=1) == labels.argmax(dim=1)).unsqueeze(1)
    return (logits > 0) == (labels == 1)


def losses(logits: Tensor, labels: Tensor, task: Task) -> Tensor:
    """Return the cross-entropy of each unit: float (B, U), of no meaning where unknown."""
    if task == "multiclass":
        return functional.cross_entropy(logits, labels.argmax(dim=1), reduction="none").unsqueeze(1)
    return functional.binary_cross_entropy_with_logits(
        logits, (labels == 1).to(logits), reduction="none"
    )


def weighted_loss(logits: Tensor, labels: Tensor, weights: Tensor, task: Task) -> Tensor:
    """Return ``Σ w·ℓ / n`` over the n units of the batch that are labelled; 0 if none is.

    With weights 1 this is the loss of training; n does not depend on the weights.

    Parameters
    ----------
    logits : tensor (B, A)
    labels : tensor (B, A) of int8
    weights : tensor (B, U)
    task : {"multilabel", "multiclass"}

    Examples
    --------
    >>> import torch
    >>> labels = torch.tensor([[1, -1]], dtype=torch.int8)
    >>> weighted_loss(torch.zeros(1, 2), labels, torch.tensor([[2.0, 9.0]]), "multilabel")
    tensor(1.3863)
    """
    counts = known(labels, task)
    cells = losses(logits, labels, task) * weights
    return (cells * counts).sum() / counts.sum().clamp(min=1)
