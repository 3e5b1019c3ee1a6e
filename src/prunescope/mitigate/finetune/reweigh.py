"""Re-weighting: a loss in which small groups, or rare labels, count as much as others."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor

from prunescope.data.samples import Samples
from prunescope.errors import CheckpointError, ConfigError
from prunescope.mitigate.finetune.cells import Cells
from prunescope.mitigate.finetune.units import known, weighted_loss
from prunescope.training import Batch, Callback, Processes, TrainState

MAX_RATIO = 2.0
"""How much more than a common label a rare one counts at most, unless told otherwise.

With 3, a network pruned to 95% predicted rare values 1.15 times as often as they are true, on the
validation split of celeba64."""


def balance_groups(samples: Samples, groups: Sequence[str]) -> Tensor:
    """Weigh samples so that in each unit all values of a group have the same total weight.

    A value with share π of a unit's labels, one of V values that have any, gets the weight
    1 / (V · π). The weights of several groups are multiplied, and those of each unit are scaled to
    a mean of 1 over its labels. A sample whose group value is unknown counts 1 for that group.

    Returns
    -------
    tensor (N, U) of float32
        ≥ 0; 0 where there is no label.

    Raises
    ------
    ConfigError, DataError
        As for `Cells.of`.

    References
    ----------
    Idrissi et al., "Simple data balancing achieves competitive worst-group-accuracy", CLeaR 2022.
    """
    cells = Cells.of(samples, groups)
    n_values = cells.within((cells.support > 0).double())[cells.group_of]
    of_row = 1 / (n_values * cells.shares.double())
    table = torch.cat([of_row, torch.ones_like(of_row[:1])])  # the last: unknown, code -1
    weights = torch.stack([table[column] for column in cells.codes.unbind(1)]).prod(0)
    return _mean_one(weights, known(torch.from_numpy(samples.labels), samples.task))


def balance_labels(samples: Samples, max_ratio: float = MAX_RATIO) -> Tensor:
    """Weigh labels so that a unit's rare ones have the same total weight as its common ones.

    Positives and negatives of each attribute, or the classes, are weighed by one over their share;
    but none by more than `max_ratio` times the least. The mean over a unit's labels is 1.

    The larger the ratio, the more often the rare value is predicted: up to, and beyond, how often
    it is true.

    Returns
    -------
    tensor (N, U) of float32
        ≥ 0; 0 where there is no label.

    Raises
    ------
    ConfigError
        The ratio is below 1.

    Examples
    --------
    >>> import numpy as np
    >>> import polars as pl
    >>> labels = np.array([[1], [0], [0], [0]], np.int8)
    >>> samples = Samples(pl.Series(list("abcd")), ("Bald",), labels)
    >>> balance_labels(samples, max_ratio=2).T
    tensor([[1.6000, 0.8000, 0.8000, 0.8000]])
    """
    if not max_ratio >= 1:
        raise ConfigError(f"a largest ratio of weights of {max_ratio}: expected at least 1")
    labels = torch.from_numpy(samples.labels)
    labelled = known(labels, samples.task)
    if samples.task == "multiclass":
        values, n_values = labels.argmax(dim=1, keepdim=True), labels.shape[1]
    else:
        values, n_values = (labels == 1).long(), 2
    of_value = torch.stack([(labelled & (values == v)).sum(0) for v in range(n_values)]).double()
    weights = torch.where(of_value > 0, 1 / of_value, torch.inf)
    weights = weights.minimum(max_ratio * weights.min(dim=0).values)
    return _mean_one(weights.gather(0, values), labelled)


def _mean_one(weights: Tensor, labelled: Tensor) -> Tensor:
    """Scale the weights of each unit to a mean of 1 over its labels; 0 where there is none."""
    weights = torch.where(labelled, weights, 0.0)
    return (weights * labelled.sum(0) / weights.sum(0).clamp(min=1e-12)).float()


class Reweigh(Callback):
    """Replaces the plain mean over labels by a weighted one, ``Σ w·ℓ / n``.

    It adds ``Σ (w − 1)·ℓ / n`` to the loss that it is given: the label loss is replaced, and what
    other callbacks added stays. Give it *before* a `Distillation`, which then mixes the weighted
    loss with the teacher's.

    Parameters
    ----------
    weights : tensor (N, U) of float
        Of each label of the training samples, such as `balance_groups` and `balance_labels` make.
        A mean of 1 keeps the size of gradients.
    """

    def __init__(self, weights: Tensor) -> None:
        self.weights = weights
        self._changes = weights - 1

    def on_train_start(self, state: TrainState) -> None:
        """Move the weights to where the labels are."""
        n = len(state.dataset)
        if len(self.weights) != n:
            raise ConfigError(
                f"weights of {len(self.weights)} samples for {n} that are trained on: expected "
                "one row for each"
            )
        self._changes = (self.weights - 1).to(state.device)

    def transform_loss(
        self, state: TrainState, loss: Tensor, logits: Tensor, batch: Batch
    ) -> Tensor:
        """Return ``loss + Σ (w − 1)·ℓ / n``."""
        task = state.dataset.samples.task
        changes = self._changes[torch.from_numpy(batch.positions).to(self._changes.device)]
        extra = weighted_loss(logits, batch.labels, changes, task)
        return loss + Processes.current().balance(extra, batch.labels, task)

    def state_dict(self) -> dict[str, Tensor]:
        """Return a digest of the weights, to tell runs apart."""
        digest = hashlib.sha256(self.weights.contiguous().numpy().tobytes()).digest()
        return {"weights": torch.tensor(list(digest), dtype=torch.uint8)}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Check that the run to resume weighed labels as this one does.

        Raises
        ------
        CheckpointError
            It did not.
        """
        if not torch.equal(state["weights"], self.state_dict()["weights"]):
            raise CheckpointError(
                "the run to resume weighs labels in another way: resume with the groups and "
                "settings it began with, or choose another folder"
            )
