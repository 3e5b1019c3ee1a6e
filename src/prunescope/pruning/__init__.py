"""Pruning: making a model sparse.

Words, as used here and in the results:

weight
    One number in the weight tensor of a convolution, a transposed one too, of a linear layer, or
    of a projection of attention. Nothing else is pruned.
sparsity
    The share of those weights that are zero because a mask says so. 0.95 leaves one in twenty.
mask
    Which weights of a tensor are kept. `Masks` holds one per layer.
score
    How much a weight matters. The lowest scores go first; equal ones from the last layer and the
    highest index on.
distribution
    How the weights that are kept are shared out among the layers: ``global`` (by score alone),
    ``uniform`` (the same share everywhere), ``erk`` (Erdős–Rényi kernel: small layers denser),
    or given layer by layer.
pattern
    The shape in which weights are kept. ``unstructured``: any; ``2:4`` and ``1:4``: so many of
    every four in a row along the input channels; ``block-1x4``: four in a row or none;
    ``channel``: whole output channels.
schedule
    When masks change during training.
criterion
    A score, a distribution and a pattern: all that turns a model and a sparsity into masks.
method
    A schedule and the training around it, under the name that the field gives it.
"""

import prunescope.models  # noqa: F401 - says what to install where torch is missing
from prunescope.pruning.choices import check_choices
from prunescope.pruning.distributions import DISTRIBUTIONS
from prunescope.pruning.elsewhere import pruned_elsewhere
from prunescope.pruning.export import export_checkpoint, export_onnx, export_weights
from prunescope.pruning.gain import gains
from prunescope.pruning.layers import prunable_weights
from prunescope.pruning.left import count_left
from prunescope.pruning.macs import Macs, count_macs, macs_by_weight
from prunescope.pruning.masks import Masks, strip
from prunescope.pruning.methods import METHODS, Method
from prunescope.pruning.own_loop import Pruner
from prunescope.pruning.patterns import PATTERNS
from prunescope.pruning.pruner import Criterion, PruneOnSchedule
from prunescope.pruning.quantization import quantize
from prunescope.pruning.run import Pruned, prune
from prunescope.pruning.schedules import Alternating, Gradual, OneShot, Schedule
from prunescope.pruning.scores import SCORES
from prunescope.pruning.sparsity import check_sparsity, count_kept
from prunescope.pruning.stays_dense import StaysDense, what_stays_dense
from prunescope.pruning.stays_float import StaysFloat, what_stays_float

__all__ = [
    "DISTRIBUTIONS",
    "METHODS",
    "PATTERNS",
    "SCORES",
    "Alternating",
    "Criterion",
    "Gradual",
    "Macs",
    "Masks",
    "Method",
    "OneShot",
    "PruneOnSchedule",
    "Pruned",
    "Pruner",
    "Schedule",
    "StaysDense",
    "StaysFloat",
    "check_choices",
    "check_sparsity",
    "count_kept",
    "count_left",
    "count_macs",
    "export_checkpoint",
    "export_onnx",
    "export_weights",
    "gains",
    "macs_by_weight",
    "prunable_weights",
    "prune",
    "pruned_elsewhere",
    "quantize",
    "strip",
    "what_stays_dense",
    "what_stays_float",
]
