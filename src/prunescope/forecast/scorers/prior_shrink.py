"""Shrinkage to the base rate: sparse answers tell less apart, and rare ones turn first.

A flip needs a drift beyond the margin, and much of the drift is systematic: a calibrated answer
that tells less is nearer to the base rate.
"""

from __future__ import annotations

import numpy as np

from prunescope.forecast.outlook import Outlook
from prunescope.forecast.scorers.scorer import Case, Scorer
from prunescope.metrics.statistics import Floats


def look(case: Case) -> Outlook:
    """Expect (1 - λ)·z + λ·logit π, with λ from the sparsity."""
    return shrunk(case, case.base_rates())


def shrunk(case: Case, prior: Floats) -> Outlook:
    """Expect logits that have gone a share λ of the way to a prior, (A,) or (N, A)."""
    share = np.float32(case.share)
    typical = np.sqrt(np.mean(np.square(case.spread)))
    return case.outlook((1 - share) * case.logits + share * prior, typical)


PRIOR_SHRINK = Scorer("A", "logits shrunk to the base rate", look, "against the base rate")
