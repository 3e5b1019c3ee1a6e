"""A probe: prune less far than planned, train briefly, and see what answers do.

A few steps do not mend a deep cut, so the probe's is milder: after its short training it hurts
about as much as the planned one after its long one. Its accidents are its own, so what it says
counts half, and what `ensemble` says the other half.
"""

from __future__ import annotations

import numpy as np

from prunescope.forecast.drift import cut_to_probe
from prunescope.forecast.lab import PROBE as PASSES
from prunescope.forecast.outlook import Outlook
from prunescope.forecast.scorers.ensemble import ENSEMBLE
from prunescope.forecast.scorers.scorer import Case, Scorer

SHARE = 0.15
"""Of the steps that the planned pruning trains."""


def look(case: Case) -> Outlook:
    """Expect the middle between the probe's margins and those of `ensemble`."""
    lab = case.need_lab("probe")
    logits = lab.ask(lab.probe(cut_to_probe(case.sparsity), SHARE))
    return case.between(case.after(logits, np.zeros(1, np.float32)), ENSEMBLE.look(case))


PROBE = Scorer(
    "C", f"ensemble, and a model pruned less far and trained for {SHARE:.0%} of the steps", look,
    "a probe answers otherwise", PASSES + 1 + ENSEMBLE.passes,
)  # fmt: skip
