"""A probe: prune less far than planned, train briefly, and see what answers do.

A few steps do not mend a deep cut, so the probe's is milder: after its short training it hurts
about as much as the planned one after its long one. Its accidents are its own, so what it says
counts half, and what `spectral-shrink` says the other half.
"""

from __future__ import annotations

import numpy as np

from prunescope.forecast.drift import cut_to_probe
from prunescope.forecast.outlook import Outlook
from prunescope.forecast.scorers.scorer import Case, Scorer
from prunescope.forecast.scorers.spectral_shrink import SPECTRAL_SHRINK

SHARE = 0.15
"""Of the steps that the planned pruning trains."""


def look(case: Case) -> Outlook:
    """Expect the middle between the probe's margins and those of `spectral-shrink`."""
    logits = case.need_lab("probe").probe(cut_to_probe(case.sparsity), SHARE)
    return case.between(case.after(logits, np.zeros(1, np.float32)), SPECTRAL_SHRINK.look(case))


PROBE = Scorer(
    "C", f"a model pruned less far and trained for {SHARE:.0%} of the steps", look,
    "a probe answers otherwise",
)  # fmt: skip
