"""Which layer hurts whom: every layer compressed alone, and what to compress how far.

A *level* is how far a layer is compressed: a share of its weights, a width in bits, a share of its
channels. *Harm* is the harmful flips of the worst group plus the rare answers that are lost. A
*plan* gives each layer a level, so that the harm, added up, is least within a budget.
"""

from prunescope.sensitivity.harm import Harm, harm_of
from prunescope.sensitivity.measure import layer_sensitivity
from prunescope.sensitivity.plan import Plan, check_budget, plan_layers
from prunescope.sensitivity.result import Sensitivity, SensitivityInfo

__all__ = [
    "Harm",
    "Plan",
    "Sensitivity",
    "SensitivityInfo",
    "check_budget",
    "harm_of",
    "layer_sensitivity",
    "plan_layers",
]
