"""Callbacks of transformers' Trainer: pruning on a schedule, an audit at every evaluation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import prunescope.models  # isort: skip # noqa: F401 - says what to install where torch is missing
from safetensors.torch import save_file

from prunescope.errors import CheckpointError, ConfigError, MissingExtraError

try:
    from transformers import (
        EvalPrediction,
        TrainerCallback,
        TrainerControl,
        TrainerState,
        TrainingArguments,
    )
except ImportError as error:
    raise MissingExtraError("pruning in transformers' Trainer", "train") from error

from prunescope.files import replacing
from prunescope.inputs import read_safetensors
from prunescope.integrations.plan import Plan
from prunescope.integrations.validation import STOPPED, Validation
from prunescope.pruning import Pruner

__all__ = ["MASKS", "AuditCallback", "PruneCallback"]

MASKS = "pruning.safetensors"
"""The file in a checkpoint of the Trainer that holds the masks and where pruning stands."""


class PruneCallback(Plan, TrainerCallback):
    """Prunes a Trainer's model by a schedule, and keeps the masks in its checkpoints.

    A training that is resumed from a checkpoint ends with the bits of an unbroken one. Where the
    Trainer loads its best model in the end, `masks` are those of that checkpoint.

    Parameters
    ----------
    sparsity, schedule, criterion, ignore
        Of `prunescope.Pruner`.
    steps : int, optional
        Default: the Trainer's, gradients that are gathered over several batches being one step.
    resume_from : path, optional
        The checkpoint that is resumed from, where it is not in the Trainer's ``output_dir``.

    Raises
    ------
    CheckpointError
        As training starts: it resumes from a checkpoint that lacks masks.
    """

    def __init__(
        self,
        sparsity: float,
        *,
        resume_from: str | Path | None = None,
        **choices: Any,  # noqa: ANN401
    ) -> None:
        super().__init__(sparsity, **choices)
        self.resume_from = None if resume_from is None else Path(resume_from)

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,  # noqa: ANN401 - model, optimizer and more
    ) -> None:
        """Begin, or go on with the masks of the checkpoint that is resumed from."""
        pruner = self.start(kwargs["model"], kwargs["optimizer"], state.max_steps)
        if state.global_step:
            folder = self.resume_from or _checkpoint(args, state)
            _load(pruner, folder)

    def on_step_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: object,
    ) -> None:
        """Change the masks if the schedule says so."""
        self.running().step()

    def on_save(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: object,
    ) -> None:
        """Put the masks into the checkpoint."""
        folder = _checkpoint(args, state)
        if not args.should_save:
            return
        if not folder.is_dir():
            raise ConfigError(
                f"{folder} is not where the Trainer saved its checkpoint: pruning inside of a "
                "search over hyperparameters cannot be resumed; set save_strategy='no'"
            )
        with replacing(folder / MASKS) as beside:
            save_file(self.running().state_dict(), beside)

    def on_train_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: object,
    ) -> None:
        """Let go of the model; where it is the best one now, with the masks of that."""
        pruner = self.running()
        if args.load_best_model_at_end and state.best_model_checkpoint:
            _load(pruner, Path(state.best_model_checkpoint))
        pruner.finish()


class AuditCallback(Validation, TrainerCallback):
    """Audits a Trainer's model against the dense one at every evaluation.

    Give it to the Trainer twice: ``compute_metrics=audit.compute_metrics`` and in ``callbacks``.
    The figures go where the Trainer logs, with the prefix ``eval_audit_``.

    Parameters
    ----------
    dense, pruning, policy, stop_after, **settings
        Of `Validation`.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(*args, **kwargs)
        self._told = False

    def compute_metrics(self, answers: EvalPrediction) -> dict[str, float]:
        """Audit the answers to the evaluation set, which must be that of `dense`.

        For another set, such as a test set, take ``trainer.compute_metrics`` away.

        Raises
        ------
        DataError
            They are to other samples.
        """
        logits = answers.predictions
        self._told = True
        return self.update(logits[0] if isinstance(logits, tuple) else logits, answers.label_ids)

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: object,
    ) -> None:
        """Count the verdicts of a training that is resumed."""
        self.in_a_row = 0
        for logged in state.log_history:
            stopped = logged.get(f"eval_{STOPPED}")
            if stopped is not None:
                self.in_a_row = self.in_a_row + 1 if stopped else 0

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: object,
    ) -> None:
        """Stop training where the policy says so."""
        if not self._told:
            raise ConfigError(
                "AuditCallback was not told the model's answers: give the Trainer "
                "compute_metrics=audit.compute_metrics as well, and a labelled eval_dataset"
            )
        self._told = False
        control.should_training_stop |= self.should_stop

    def on_train_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: object,
    ) -> None:
        """Warn where there was no validation."""
        self.warn_if_unseen()


def _checkpoint(args: TrainingArguments, state: TrainerState) -> Path:
    """Return where the Trainer keeps the checkpoint of this step."""
    return Path(args.output_dir or ".") / f"checkpoint-{state.global_step}"


def _load(pruner: Pruner, folder: Path) -> None:
    """Take up the masks of a checkpoint, whose weights the model has."""
    path = folder / MASKS
    try:
        state, _ = read_safetensors(path, "pt")
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"cannot read the masks of the checkpoint from {path}: {error}; tell PruneCallback "
            "with resume_from which checkpoint the Trainer resumes from, or take another one"
        ) from error
    for name, weight in pruner.masks.check(pruner.model).items():
        if name in state and weight[~state[name].to(weight.device)].any():
            raise CheckpointError(
                f"{path} holds the masks of other weights: {name} is not zero where it is pruned; "
                "tell PruneCallback with resume_from which checkpoint the Trainer resumes from"
            )
    pruner.load_state_dict(state)
