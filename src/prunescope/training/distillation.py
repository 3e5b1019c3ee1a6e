"""Distillation: learning from another model's answers beside the labels."""

from __future__ import annotations

import torch
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat
from torch import Tensor, nn
from torch.nn import functional

from prunescope.data.samples import Task
from prunescope.errors import CheckpointError
from prunescope.models import fold, logits_of, weights_digest
from prunescope.training.batches import Batch, memory_format
from prunescope.training.callbacks import Callback, TrainState
from prunescope.training.devices import autocast


class Distill(BaseModel):
    """How much a model learns from its teacher.

    Parameters
    ----------
    temperature : float
        Both models' logits are divided by it: the higher, the more small differences count.
    weight : float
        Share of the loss that comes from the teacher, in [0, 1]; the labels have the rest.

    Examples
    --------
    >>> Distill(weight=0.5).temperature
    2.0
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    temperature: PositiveFloat = 2.0
    weight: float = Field(default=0.5, ge=0, le=1)


def divergence(student: Tensor, teacher: Tensor, temperature: float, task: Task) -> Tensor:
    """Return how far a student's softened answers are from its teacher's: T² · mean KL.

    Kullback and Leibler's divergence of the student's distribution from the teacher's, at
    temperature T: of each attribute's yes and no, averaged over all cells, or of the classes,
    averaged over images. T² keeps gradients of one size (Hinton et al., 2015). ≥ 0; 0 for equal
    logits.

    Parameters
    ----------
    student, teacher : tensor (B, A)
        Logits.

    Examples
    --------
    >>> divergence(torch.tensor([[1.0, 2]]), torch.tensor([[1.0, 2]]), 2.0, "multilabel").item()
    0.0
    """
    z, t = student / temperature, teacher / temperature
    if task == "multiclass":
        of_image = functional.kl_div(
            z.log_softmax(1), t.log_softmax(1), reduction="batchmean", log_target=True
        )
        return temperature**2 * of_image
    yes = t.sigmoid() * (functional.logsigmoid(t) - functional.logsigmoid(z))
    no = (-t).sigmoid() * (functional.logsigmoid(-t) - functional.logsigmoid(-z))
    return temperature**2 * (yes + no).mean()


class Distillation(Callback):
    """Mixes the loss of training with a teacher's.

    Parameters
    ----------
    teacher : torch.nn.Module
        Maps images to logits as the trained model does. It is copied and stays as it is.
    how : Distill
    """

    def __init__(self, teacher: nn.Module, how: Distill) -> None:
        self.teacher = fold(teacher).eval().requires_grad_(False)
        self.how = how
        self._digest = bytes.fromhex(weights_digest(teacher))

    def on_train_start(self, state: TrainState) -> None:
        """Move the teacher to where the images are, and lay it out as they are."""
        self.teacher.to(state.device)
        self.teacher.to(memory_format=memory_format(state.recipe))  # type: ignore[call-overload]

    def transform_loss(
        self, state: TrainState, loss: Tensor, logits: Tensor, batch: Batch
    ) -> Tensor:
        """Return (1 - weight) · loss + weight · divergence."""
        with torch.no_grad(), autocast(state.recipe, state.device):
            answers = logits_of(self.teacher(batch.images)).float()
        apart = divergence(logits, answers, self.how.temperature, state.dataset.samples.task)
        return (1 - self.how.weight) * loss + self.how.weight * apart

    def state_dict(self) -> dict[str, Tensor]:
        """Return the settings and the teacher's digest, to tell runs apart."""
        return {
            "settings": torch.tensor([self.how.temperature, self.how.weight]),
            "teacher": torch.tensor(list(self._digest), dtype=torch.uint8),
        }

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Check that the run to resume learned as this one does.

        Raises
        ------
        CheckpointError
            It did not.
        """
        mine = self.state_dict()
        if not torch.equal(state["teacher"], mine["teacher"]):
            raise CheckpointError(
                "the run to resume learned from another teacher: resume with the one that it began "
                "with, or choose another folder"
            )
        if not torch.equal(state["settings"], mine["settings"]):
            temperature, weight = state["settings"].tolist()
            raise CheckpointError(
                f"the run to resume distils with temperature {temperature:g} and weight "
                f"{weight:g}, this one with {self.how.temperature:g} and {self.how.weight:g}: "
                "resume with the settings it began with, or choose another folder"
            )
