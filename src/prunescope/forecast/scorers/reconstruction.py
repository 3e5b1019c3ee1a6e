"""Reconstruction: prune at once, let what stays make up for it, and see which answers do not mend.

What training would mend, least squares on a few unlabelled images mends for the most part, in
seconds. What is left depends on which images those were, so several draws are made.
"""

from __future__ import annotations

from prunescope.forecast.drift import cut_to_reconstruct
from prunescope.forecast.lab import RECONSTRUCTION as MADE
from prunescope.forecast.outlook import Outlook
from prunescope.forecast.scorers.scorer import Case, Scorer

N_DRAWS = 5
N_IMAGES = 256
"""Of the training split, in each draw."""


def look(case: Case) -> Outlook:
    """Expect the mean logits of networks that are pruned less far and reconstructed."""
    lab = case.need_lab("reconstruction")
    sparsity = cut_to_reconstruct(case.sparsity)
    models = (lab.reconstructed(sparsity, N_IMAGES, draw) for draw in range(N_DRAWS))
    return case.after(*lab.moments(models))


RECONSTRUCTION = Scorer(
    "B", "mean logits of networks pruned less far and reconstructed on unlabelled images", look,
    "turns when weights that stay make up for others", N_DRAWS * (MADE + 1),
)  # fmt: skip
