"""Pruning: making a model sparse.

Words, as used here and in the results:

weight
    One number in the weight tensor of a convolution or a linear layer. Nothing else is pruned.
sparsity
    The share of those weights that are zero because a mask says so. 0.95 leaves one in twenty.
mask
    Which weights of a tensor are kept. `Masks` holds one per layer.
score
    How much a weight matters. The lowest scores go first; equal ones from the last layer and the
    highest index on.
distribution
    How the weights that are kept are shared out among the layers: ``global`` (by score alone),
    ``uniform`` (the same share everywhere), ``erk`` (Erdős–Rényi kernel: small layers denser).
pattern
    The shape in which weights are kept; ``unstructured``: any.
schedule
    When masks change during training.
criterion
    A score, a distribution and a pattern: all that turns a model and a sparsity into masks.
method
    A schedule and the training around it, under the name that the field gives it.
"""

import prunescope.models  # noqa: F401 - says what to install where torch is missing
from prunescope.pruning.distributions import DISTRIBUTIONS
from prunescope.pruning.layers import prunable_weights
from prunescope.pruning.masks import Masks, strip
from prunescope.pruning.methods import METHODS, Method, Pruned, prune
from prunescope.pruning.patterns import PATTERNS
from prunescope.pruning.pruner import Criterion, Pruner
from prunescope.pruning.schedules import Cubic, OneShot, Schedule
from prunescope.pruning.scores import SCORES
from prunescope.pruning.sparsity import check_sparsity, count_kept

__all__ = [
    "DISTRIBUTIONS",
    "METHODS",
    "PATTERNS",
    "SCORES",
    "Criterion",
    "Cubic",
    "Masks",
    "Method",
    "OneShot",
    "Pruned",
    "Pruner",
    "Schedule",
    "check_sparsity",
    "count_kept",
    "prunable_weights",
    "prune",
    "strip",
]
