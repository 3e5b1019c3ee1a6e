"""What a model answers about images, and which of its answers another one gives otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from prunescope.data.samples import Task
from prunescope.errors import ConfigError, DataError, first_line
from prunescope.models import Classifier
from prunescope.training.inference import evaluation_mode


@dataclass(frozen=True)
class Answers:
    """What a model answers.

    Parameters
    ----------
    log_odds : array (N, A) of float64
        See `score_of`.
    yes : array (N, A) of bool
        The logit is above 0; of classes, the largest.
    """

    log_odds: NDArray[np.float64]
    yes: NDArray[np.bool_]

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """Of yes (N, A), in [0, 1]."""
        return np.exp(-np.logaddexp(0.0, -self.log_odds))


def score_of(logits: Tensor, column: int, task: Task) -> Tensor:
    """Return the log-odds (N,) of an attribute or a class.

    An attribute's is its logit. A class's is ``z_c − log Σ exp z_k`` over all other classes k, so
    that what is added to all logits, which changes no answer, changes no score.

    Examples
    --------
    >>> logits = torch.tensor([[1.0, 1.0, -1.0]])
    >>> score_of(logits, 0, "multilabel"), score_of(logits, 0, "multiclass")
    (tensor([1.]), tensor([-0.1269]))
    """
    score = logits[:, column]
    if task == "multilabel":
        return score
    others = torch.cat([logits[:, :column], logits[:, column + 1 :]], dim=1)
    return score - others.logsumexp(dim=1)


def answers_of(model: Classifier, images: Tensor) -> Answers:
    """Ask a model about images (N, 3, H, W) of floats in [0, 1].

    Raises
    ------
    DataError
        An answer is not a finite number.
    """
    task = model.spec.task
    with evaluation_mode(model), torch.no_grad():
        logits = model(images)
    check_finite(logits, model)
    columns = [score_of(logits, column, task) for column in range(logits.shape[1])]
    yes = logits > 0
    if task == "multiclass":
        yes = torch.zeros_like(logits, dtype=torch.bool)
        yes[torch.arange(len(logits)), logits.argmax(dim=1)] = True
    return Answers(torch.stack(columns, dim=1).double().numpy(), yes.numpy())


def flipped(dense: Answers, compressed: Answers, row: int) -> list[int]:
    """Return the columns whose answers differ about one image, largest change first.

    Of classes those are the two that the models choose.

    Examples
    --------
    >>> before = Answers(np.array([[2.0, 1.0, -1.0]]), np.array([[True, True, False]]))
    >>> after = Answers(np.array([[-0.1, -3.0, -1.0]]), np.array([[False, False, False]]))
    >>> flipped(before, after, 0)
    [1, 0]
    """
    change = np.abs(dense.probabilities[row] - compressed.probabilities[row])
    differs = dense.yes[row] != compressed.yes[row]
    order = np.argsort(-change, kind="stable")
    return [int(column) for column in order if differs[column]]


def check_finite(values: Tensor, model: Classifier) -> None:
    """Raise where what a model computes is no number.

    Raises
    ------
    DataError
    """
    if not torch.isfinite(values).all():
        raise DataError(
            f"the {model.spec.arch} gives answers or slopes that are not finite, so nothing can be "
            "explained: its weights overflowed or are damaged; save or train the model again"
        )


def slopes_of(model: Classifier, scores: Tensor, of: Sequence[Tensor]) -> list[Tensor | None]:
    """Return the slopes of the sum of scores; None by what they do not depend on.

    Raises
    ------
    ConfigError
        The network lets none pass.
    """
    try:
        return list(torch.autograd.grad(scores.sum(), list(of), allow_unused=True))
    except RuntimeError as error:
        raise ConfigError(
            f"{model.spec.arch} lets no slopes pass from its answers back to its images "
            f"({first_line(error)}), so nothing can be explained: expected a network that could be "
            "trained"
        ) from error
