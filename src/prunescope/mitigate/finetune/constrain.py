"""Constrained recovery: no cell may lose more accuracy than the average, by a tolerance.

Hashemizadeh, Ramirez, Sukumaran, Farnadi, Lacoste-Julien and Gallego-Posada, "Balancing Act:
constraining disparate impact in sparse models", ICLR 2024.
"""

from __future__ import annotations

import torch
from numpy.typing import ArrayLike
from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, PositiveFloat, PositiveInt
from torch import Tensor

from prunescope.data.samples import Samples
from prunescope.errors import CheckpointError, ConfigError, DataError, shorten
from prunescope.mitigate.finetune import units
from prunescope.mitigate.finetune.cells import Cells
from prunescope.mitigate.finetune.replay import Replay
from prunescope.training import Batch, Callback, Processes, TrainState


class Constraint(BaseModel):
    """How strictly cells are held together.

    Parameters
    ----------
    tolerance : float
        By how much a cell's excess gap may be above 0: 0.01 is a point of accuracy.
    rate : float
        η, by which violations are multiplied at each step. Too low, and training ends before the
        multipliers matter; too high, and they overshoot, as accuracies lag behind by a buffer.
    buffer : int
        Over how many of its last outcomes a cell's accuracy is taken.
    min_support : int
        A cell with fewer labels in the training split has no constraint; and a multiplier waits
        until so many outcomes are in the buffer.

    Examples
    --------
    >>> Constraint(tolerance=0.02).buffer
    512
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    tolerance: NonNegativeFloat = 0.01
    rate: PositiveFloat = 0.5
    buffer: PositiveInt = 512
    min_support: int = Field(default=30, ge=1)


class Constrain(Callback):
    """Holds each cell's excess gap below a tolerance, by gradient descent and dual ascent.

    For a group value g and a unit u,

        gap(g, u) = acc_dense(g, u) − acc_sparse(g, u),
        excess(g, u) = gap(g, u) − Σ_h π(h, u) · gap(h, u)  ≤  tolerance,

    where π(h, u) is value h's share of the labels of u. Accuracies have no gradient, so the loss
    gets mean losses in their stead: with multipliers λ, per unit,

        mean ℓ + Σ_g λ(g, u) · (mean ℓ in (g, u) − mean ℓ),

    which is a weight of ``w = 1 + λ(g, u) / π(g, u) − Σ_h λ(h, u)`` on each label. A weight that
    would be negative counts as 0, so that no group is trained to be wrong (a bound that the paper
    does not have). After each step's loss the multipliers rise or fall by the true violation,

        λ ← max(0, λ + η · (excess − tolerance)),

    the sparse accuracy being that of the last outcomes in training (`Replay`). Each of several
    groups has multipliers of its own.

    It is for training with masks that stay. As `Reweigh`, it changes the label loss and leaves
    what others added: give it before a `Distillation`.

    Parameters
    ----------
    samples : Samples
        Of the training split.
    dense : array (N, A)
        The dense model's logits for the same samples.
    groups : sequence of str
    how : Constraint

    Attributes
    ----------
    cells : Cells
    multipliers : tensor (G, U)
        λ, ≥ 0.

    Raises
    ------
    ConfigError
        A group is not there; or the buffer is shorter than the least support.
    DataError
        The logits are not of these samples; or no cell has enough labels.
    """

    def __init__(
        self, samples: Samples, dense: ArrayLike, groups: tuple[str, ...], how: Constraint
    ) -> None:
        logits, labels = torch.as_tensor(dense), torch.from_numpy(samples.labels)
        if logits.shape != labels.shape:
            raise DataError(
                f"dense logits of shape {tuple(logits.shape)} for labels of shape "
                f"{tuple(labels.shape)}: expected those of the training split, in its order"
            )
        if how.buffer < how.min_support:
            raise ConfigError(
                f"a buffer of {how.buffer} outcomes never holds the {how.min_support} of "
                "min_support: give a longer one, or a lower support"
            )
        self.how = how
        self.cells = Cells.of(samples, groups)
        self.constrained = self.cells.support >= how.min_support
        if not self.constrained.any():
            raise DataError(
                f"no group value has {how.min_support} labels of any attribute in the training "
                "split: give more data, or a lower min_support"
            )
        self._shares = self.cells.shares
        self._dense = self._dense_accuracy(samples, logits, labels)
        self.multipliers = torch.zeros(self._dense.shape)
        self.replay = Replay((len(self.cells.values), len(self.cells.units)), how.buffer)
        self._codes = self.cells.codes

    def on_train_start(self, state: TrainState) -> None:
        """Move everything to where the labels are."""
        if len(self.cells.codes) != len(state.dataset):
            raise ConfigError(
                f"constraints on {len(self.cells.codes)} samples, and {len(state.dataset)} are "
                "trained on: expected the same"
            )
        if not Processes.current().alone:
            raise ConfigError(
                "constraints look at whole batches, which several processes share: train in one"
            )
        device = state.device
        self.multipliers = self.multipliers.to(device)
        self.constrained, self._shares, self._dense, self._codes = (
            tensor.to(device)
            for tensor in (self.constrained, self._shares, self._dense, self._codes)
        )
        self.replay.outcomes = self.replay.outcomes.to(device)
        self.replay.written = self.replay.written.to(device)

    def transform_loss(
        self, state: TrainState, loss: Tensor, logits: Tensor, batch: Batch
    ) -> Tensor:
        """Return ``loss + Σ (w − 1)·ℓ / n``, then take in the outcomes and move the multipliers."""
        task = state.dataset.samples.task
        codes = self._codes[torch.from_numpy(batch.positions).to(self._codes.device)]
        loss = loss + units.weighted_loss(logits, batch.labels, self._weights(codes) - 1, task)
        with torch.no_grad():
            right = units.right(logits, batch.labels, task)
            self.replay.add(codes, right, units.known(batch.labels, task))
            self.ascend()
        return loss

    def ascend(self) -> None:
        """Move the multipliers once: λ ← max(0, λ + η · (excess − tolerance))."""
        violation = self.excess() - self.how.tolerance
        ready = self.constrained & (self.replay.filled >= self.how.min_support)
        moved = (self.multipliers + self.how.rate * violation).clamp(min=0)
        self.multipliers = torch.where(ready, moved, self.multipliers)

    def excess(self) -> Tensor:
        """Return the excess gap of each cell by the buffers: (G, U), NaN where one is empty."""
        gap = self._dense - self.replay.accuracy()
        seen = gap.isfinite()
        shares = self._shares * seen
        average = self.cells.within(shares * gap.nan_to_num()) / self.cells.within(shares)
        return gap - average[self.cells.group_of.to(gap.device)]

    def notes(self) -> list[str]:
        """Say which cells have no constraint, and how far the others hold in training."""
        found = []
        left_out = [self.cells.name(int(g), int(u)) for g, u in (~self.constrained).nonzero()]
        if left_out:
            found.append(
                f"without a constraint, as fewer than {self.how.min_support} labels are in the "
                f"training split: {shorten(left_out)}"
            )
        excess = torch.where(self.constrained, self.excess(), torch.nan).nan_to_num(-torch.inf)
        n, n_above = int(self.constrained.sum()), int((excess > self.how.tolerance).sum())
        worst = int(excess.argmax())
        name = self.cells.name(*divmod(worst, len(self.cells.units)))
        if excess.flatten()[worst].isfinite():
            found.append(
                f"{n_above} of {n} excess gaps are above {self.how.tolerance:g} in training at "
                f"its end, the largest {float(excess.max()):+.3f} ({name})"
            )
        return found

    def state_dict(self) -> dict[str, Tensor]:
        """Return multipliers and buffers; settings and dense accuracies, to tell runs apart."""
        return {
            "multipliers": self.multipliers,
            "outcomes": self.replay.outcomes,
            "written": self.replay.written,
            **self._identity(),
        }

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take up the multipliers and buffers of an interrupted run.

        Raises
        ------
        CheckpointError
            That run had other constraints.
        """
        for name, mine in self._identity().items():
            theirs = state[name]
            if theirs.shape != mine.shape or not torch.equal(theirs, mine.cpu()):
                raise CheckpointError(
                    f"the run to resume has constraints with other {name}: resume with the groups, "
                    "the dense model and the settings it began with, or choose another folder"
                )
        self.multipliers = state["multipliers"]
        self.replay.outcomes, self.replay.written = state["outcomes"], state["written"]

    def _identity(self) -> dict[str, Tensor]:
        settings = [float(value) for value in self.how.model_dump().values()]
        return {
            "settings": torch.tensor(settings, dtype=torch.float64),
            "dense accuracies": self._dense.nan_to_num(-1),  # NaN equals nothing
            "support": self.cells.support,
        }

    def _weights(self, codes: Tensor) -> Tensor:
        """Return the weight of each label of a batch, from its rows (B, C): (B, U), ≥ 0."""
        together = self.cells.within(self.multipliers)[self.cells.group_of.to(codes.device)]
        lowest = torch.finfo(self._shares.dtype).tiny
        change = self.multipliers / self._shares.clamp(min=lowest) - together
        table = torch.cat([change, torch.zeros_like(change[:1])])  # the last: unknown, code -1
        return (1 + table[codes].sum(1)).clamp(min=0)

    def _dense_accuracy(self, samples: Samples, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the dense model's accuracy in each cell: (G, U), NaN without a label."""
        counts = units.known(labels, samples.task)
        right = units.right(logits, labels, samples.task) & counts
        total = torch.zeros(len(self.cells.values) + 1, counts.shape[1], dtype=torch.float64)
        for column in self.cells.codes.unbind(1):
            total.index_add_(0, column % len(total), right.double())
        return (total[:-1] / self.cells.support).float()
