"""What helps: measures against what pruning broke, each with its price and its proof.

*Adjustments* move thresholds or calibrate logits; *routing* sends the riskiest answers to the dense
model or to a person; *search* prunes as far as a budget allows; *fine-tuning* trains the pruned
model again with another aim. All are fitted on a validation split and judged on another one.
"""

from prunescope.mitigate.search import ORDERS, SPARSITIES, highest_sparsity
from prunescope.mitigate.search_result import TRIAL_SCHEMA, Choice, Search, SearchInfo

__all__ = [
    "ORDERS",
    "SPARSITIES",
    "TRIAL_SCHEMA",
    "Choice",
    "Search",
    "SearchInfo",
    "highest_sparsity",
]
