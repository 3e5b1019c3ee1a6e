"""Everything at once: from a trained model, or, as SNIP does, before training."""

from __future__ import annotations

from prunescope.pruning.methods.method import Job, Method, Outcome, on_schedule
from prunescope.pruning.rounding import round_layers_
from prunescope.pruning.schedules import OneShot
from prunescope.training import reestimate_batch_norm


def run(job: Job) -> Outcome:
    """Prune, then train by the recipe; without one, round, and re-estimate batch normalisation."""
    if job.recipe is not None:
        return on_schedule(OneShot())(job)
    job.model.to(job.device).eval()
    masks = job.criterion.update(job.model, job.masks, job.sparsity)
    masks.apply_(job.model)
    round_layers_(job.model, job.bits, job.ignore)
    reestimate_batch_norm(job.model, job.dataset, seed=job.seed)
    return Outcome(job.model, masks, None)


ONE_SHOT = Method(
    "at once, from a trained model",
    "dense",
    None,
    run,
    options=("score", "distribution", "pattern", "layers", "bits"),
)
SNIP = Method(
    "at once, before training, by what gradients say",
    "random",
    "paper-ri",
    on_schedule(OneShot()),
    score="taylor",
)
"""Lee, Ajanthan and Torr, "SNIP: single-shot network pruning", ICLR 2019."""
