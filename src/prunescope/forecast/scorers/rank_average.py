"""The mean rank of unlike risks: the margin's and those of three kinds of trials."""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata

from prunescope.forecast.outlook import Outlook
from prunescope.forecast.scorers.margin import MARGIN
from prunescope.forecast.scorers.one_shot import ONE_SHOT
from prunescope.forecast.scorers.random_pruning import RANDOM_PRUNING
from prunescope.forecast.scorers.scorer import Case, Scorer
from prunescope.forecast.scorers.weight_noise import WEIGHT_NOISE


def look(case: Case) -> Outlook:
    """Risk = mean rank among all answers, in (0, 1], of four risks."""
    scorers = (MARGIN, ONE_SHOT, RANDOM_PRUNING, WEIGHT_NOISE)
    risks = (scorer.look(case).risk for scorer in scorers)
    ranks = [rankdata(risk).reshape(risk.shape) / risk.size for risk in risks]
    return Outlook(np.mean(ranks, axis=0, dtype=np.float32))


RANK_AVERAGE = Scorer(
    "B", "mean rank of margin, one-shot, random-pruning and weight-noise", look
)  # fmt: skip
