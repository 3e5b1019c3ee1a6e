"""Training: one loop, and recipes that tell it what to do.

Words, as used here:

step
    One update of the weights, by one batch.
epoch
    One pass over the training data; the last may be partial.
recipe
    All that decides how a model is trained, but for the data and the device.
callback
    Something that happens during training without the loop knowing what: pruning, distillation.
resuming
    Going on after an interruption as if there had been none.
inference
    Asking a model about images: logits, in evaluation mode.
"""

import prunescope.models  # noqa: F401 - says what to install where torch is absent
from prunescope.training.augmentation import Augmented
from prunescope.training.batch_norm import reestimate_batch_norm
from prunescope.training.batches import Batch
from prunescope.training.callbacks import (
    Callback,
    EpochRecord,
    History,
    LoopState,
    OnEpoch,
    Progress,
    TrainState,
)
from prunescope.training.devices import device_for, threads
from prunescope.training.distillation import Distill, Distillation
from prunescope.training.inference import ask, infer
from prunescope.training.loop import train
from prunescope.training.losses import LOSSES
from prunescope.training.processes import Processes
from prunescope.training.recipe import RECIPES, Recipe
from prunescope.training.schedules import learning_rate_at
from prunescope.training.unfinished import Unfinished

__all__ = [
    "LOSSES",
    "RECIPES",
    "Augmented",
    "Batch",
    "Callback",
    "Distill",
    "Distillation",
    "EpochRecord",
    "History",
    "LoopState",
    "OnEpoch",
    "Processes",
    "Progress",
    "Recipe",
    "TrainState",
    "Unfinished",
    "ask",
    "device_for",
    "infer",
    "learning_rate_at",
    "reestimate_batch_norm",
    "threads",
    "train",
]
