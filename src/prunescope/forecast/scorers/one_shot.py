"""One-shot pruning: remove the smallest weights at once, without training the rest."""

from __future__ import annotations

from prunescope.forecast.drift import cuts_at_once
from prunescope.forecast.lab import cut
from prunescope.forecast.outlook import Outlook
from prunescope.forecast.scorers.scorer import Case, Scorer

N_TRIALS = len(cuts_at_once(0.9))


def look(case: Case) -> Outlook:
    """Expect the mean logits after cuts that are milder than planned: nothing mends them."""
    lab = case.need_lab("one-shot")
    shares = cuts_at_once(case.sparsity)
    models = (lab.changed(cut("magnitude", share, lab.seed)) for share in shares)
    return case.after(*lab.moments(models))


ONE_SHOT = Scorer(
    "B", "mean logits when the smallest weights are removed at once", look,
    "turns when small weights are removed", N_TRIALS,
)  # fmt: skip
