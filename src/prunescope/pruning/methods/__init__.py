"""Ways to prune a model, by the names that the field gives them. A new one is a file and a line."""

from prunescope.pruning.methods.acdc import ACDC
from prunescope.pruning.methods.gradual import GMP_PT, GMP_RI, LINEAR_PT
from prunescope.pruning.methods.imp import IMP
from prunescope.pruning.methods.method import Job, Method, Outcome
from prunescope.pruning.methods.one_shot import ONE_SHOT, SNIP
from prunescope.pruning.methods.reconstruct import RECONSTRUCT
from prunescope.pruning.methods.rigl import RIGL
from prunescope.pruning.methods.structured import STRUCTURED

METHODS: dict[str, Method] = {
    "one-shot": ONE_SHOT,
    "reconstruct": RECONSTRUCT,
    "gmp-pt": GMP_PT,
    "gmp-ri": GMP_RI,
    "linear-pt": LINEAR_PT,
    "ac/dc": ACDC,
    "rigl": RIGL,
    "imp": IMP,
    "snip": SNIP,
    "structured": STRUCTURED,
}

__all__ = ["METHODS", "Job", "Method", "Outcome"]
