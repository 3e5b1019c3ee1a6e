"""Callbacks of Lightning's Trainer: pruning on a schedule, an audit at every validation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import prunescope.models  # isort: skip # noqa: F401 - says what to install where torch is missing
import torch
from torch import Tensor, nn

from prunescope.errors import CheckpointError, ConfigError, DataError, MissingExtraError

try:
    from lightning.pytorch import Callback, LightningModule, Trainer
    from lightning.pytorch.callbacks import WeightAveraging
except ImportError as error:
    raise MissingExtraError("pruning in Lightning's Trainer", "lightning") from error

from prunescope.integrations.plan import Plan
from prunescope.integrations.validation import Validation

__all__ = ["AuditCallback", "PruneCallback"]


class PruneCallback(Plan, Callback):
    """Prunes a LightningModule by a schedule, and keeps the masks in its checkpoints.

    A training that is resumed by ``ckpt_path`` ends with the bits of an unbroken one. Weights that
    `EMAWeightAveraging` averages are masked as well, if that callback stands before this one.

    Parameters
    ----------
    sparsity, schedule, criterion, ignore
        Of `prunescope.Pruner`.
    steps : int, optional
        Default: the Trainer's, gradients that are gathered over several batches being one step.
    network : str
        The name of the network in the LightningModule, so that the masks have its own names and
        nothing else is pruned; default: the whole.

    Raises
    ------
    ConfigError
        As training starts: there are several optimizers, or the Trainer does not know its length.
    CheckpointError
        Training resumes from a checkpoint that lacks masks.
    """

    def __init__(self, sparsity: float, *, network: str = "", **choices: Any) -> None:  # noqa: ANN401
        super().__init__(sparsity, **choices)
        self.network = network
        self._saved: dict[str, Tensor] | None = None
        self._averaged = False

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Forget other runs; see to it that averages are made before they are masked."""
        self._saved = None
        callbacks = trainer.callbacks  # type: ignore[attr-defined]
        averages = [isinstance(one, WeightAveraging) for one in callbacks]
        self._averaged = any(averages)
        if any(averages[callbacks.index(self) :]):
            raise ConfigError(
                "weights are averaged by a callback that comes after PruneCallback, which would "
                "bring pruned ones back: put PruneCallback behind it"
            )

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin, or go on with the masks of the checkpoint that is resumed from."""
        if len(trainer.optimizers) != 1:
            raise ConfigError(
                f"the LightningModule has {len(trainer.optimizers)} optimizers: expected one, "
                "which trains all that is pruned; use ps.Pruner in a training_step of your own"
            )
        steps = self.steps or trainer.estimated_stepping_batches
        if not isinstance(steps, int) or steps < 1:
            raise ConfigError(
                "the Trainer does not know how many steps it will make: give PruneCallback steps, "
                "or the Trainer max_steps"
            )
        pruner = self.start(self._network_of(pl_module), trainer.optimizers[0], steps)
        if self._saved is not None:
            pruner.load_state_dict(self._saved)
            self._saved = None
        elif trainer.global_step:
            raise CheckpointError(
                f"training resumes at step {trainer.global_step} from a checkpoint that holds no "
                "masks: resume from one that PruneCallback had a part in, or load the weights "
                "alone, by load_from_checkpoint, and begin anew"
            )

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: object, batch_idx: int
    ) -> None:
        """Change the masks if the schedule says so."""
        self.running().step()

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Mask the weights that stand in for the trained ones."""
        if self._averaged and self.pruner is not None:
            self.pruner.apply_(self._network_of(pl_module))

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Let go of the model; mask it, as it may hold averages now."""
        self.running().finish()

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Mask the weights that are saved, as they may be averages."""
        if not self._averaged or self.masks is None:
            return
        prefix = f"{self.network}." if self.network else ""
        weights = checkpoint["state_dict"]
        for name, mask in self.masks.items():
            weight = weights[prefix + name]
            weights[prefix + name] = weight.masked_fill(~mask.to(weight.device), 0)

    def state_dict(self) -> dict[str, Any]:
        """Return what Lightning keeps in its checkpoints."""
        return {} if self.pruner is None else self.pruner.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keep the state until training starts."""
        self._saved = state_dict

    def _network_of(self, module: LightningModule) -> nn.Module:
        try:
            return module.get_submodule(self.network)
        except AttributeError as error:
            raise ConfigError(
                f"{type(module).__name__} has no network {self.network!r}: {error}"
            ) from error


class AuditCallback(Validation, Callback):
    """Audits a LightningModule against the dense one at every validation.

    Its ``validation_step`` returns ``{"logits": logits, "labels": labels}``. The figures go to the
    Trainer's loggers, with the prefix ``audit_``.

    Parameters
    ----------
    dense, pruning, policy, stop_after, **settings
        Of `Validation`.

    Raises
    ------
    ConfigError
        As training starts: several processes share the validation set.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(*args, **kwargs)
        self._answers: list[tuple[Tensor, Tensor]] = []

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Forget other runs; refuse to see a part of the validation set only."""
        self.in_a_row = 0
        if trainer.world_size > 1:
            raise ConfigError(
                f"{trainer.world_size} processes share the validation set, and none sees all "
                "answers: audit after training, or train in one process"
            )

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin a validation."""
        self._answers = []

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Tensor | Mapping[str, Any] | None,
        batch: object,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Take down the answers to a batch of the first data loader.

        Raises
        ------
        DataError
            ``validation_step`` returned something else.
        """
        if dataloader_idx:
            return
        if not isinstance(outputs, Mapping) or not {"logits", "labels"} <= outputs.keys():
            raise DataError(
                f"validation_step of {type(pl_module).__name__} returned a "
                f"{type(outputs).__name__}: AuditCallback expects "
                "{'logits': logits, 'labels': labels}"
            )
        logits, labels = outputs["logits"], outputs["labels"]
        self._answers.append((logits.detach().float().cpu(), labels.detach().cpu()))

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Audit the model, log the figures, and stop training where the policy says so."""
        if trainer.sanity_checking or not self._answers:
            return
        logits, labels = (torch.cat(parts).numpy() for parts in zip(*self._answers, strict=True))
        self._answers = []
        pl_module.log_dict(self.update(logits, labels))
        trainer.should_stop = trainer.should_stop or self.should_stop

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Warn where there was no validation."""
        self.warn_if_unseen()

    def state_dict(self) -> dict[str, Any]:
        """Return what Lightning keeps in its checkpoints."""
        return {"in_a_row": self.in_a_row}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on counting verdicts."""
        self.in_a_row = state_dict["in_a_row"]
