"""Random pruning: remove a few weights at random, others each time, and see what answers do."""

from __future__ import annotations

from prunescope.forecast.drift import cut_at_random
from prunescope.forecast.lab import cut
from prunescope.forecast.outlook import Outlook
from prunescope.forecast.scorers.scorer import Case, Scorer

N_TRIALS = 6


def look(case: Case) -> Outlook:
    """Expect the mean logits after small random cuts."""
    lab = case.need_lab("random-pruning")
    share = cut_at_random(case.sparsity)
    draws = range(lab.seed, lab.seed + N_TRIALS)
    models = (lab.changed(cut("random", share, seed)) for seed in draws)
    return case.after(*lab.moments(models))


RANDOM_PRUNING = Scorer(
    "B", "mean logits when a few weights are removed at random", look,
    "turns when weights are removed at random", N_TRIALS,
)  # fmt: skip
