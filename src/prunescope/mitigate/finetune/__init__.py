"""Fine-tuning: training a pruned model again with another aim; its masks stay as they are.

Words, as used here:

measure
    What is done beside plain training. ``none`` is the control that every other is compared with.
unit
    What has one right answer per image: each attribute, or the class.
cell
    A group value × a unit: what a constraint is about.
excess gap
    What pruning cost a cell in accuracy, beyond what it cost on average.
multiplier
    How hard a constraint pulls at the loss; ≥ 0.

Nothing of this is needed at prediction time, no group either: a fine-tuned model is one as any.
"""

import prunescope.models  # noqa: F401 - says what to install where torch is absent
from prunescope.mitigate.finetune.cells import Cells
from prunescope.mitigate.finetune.constrain import Constrain, Constraint
from prunescope.mitigate.finetune.measures import MEASURES, Job
from prunescope.mitigate.finetune.replay import Replay
from prunescope.mitigate.finetune.reweigh import Reweigh, balance_groups, balance_labels
from prunescope.mitigate.finetune.run import Finetuned, finetune

__all__ = [
    "MEASURES",
    "Cells",
    "Constrain",
    "Constraint",
    "Finetuned",
    "Job",
    "Replay",
    "Reweigh",
    "balance_groups",
    "balance_labels",
    "finetune",
]
