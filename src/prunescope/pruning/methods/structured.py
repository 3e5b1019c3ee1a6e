"""Structured pruning: channels are removed, and the network is smaller for good."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from prunescope.models import to_unit_range
from prunescope.pruning.methods.method import Job, Method, Outcome
from prunescope.pruning.structured import remove_channels


def run(job: Job) -> Outcome:
    """Remove channels at once, then train what is left."""
    smaller = remove_channels(
        job.model.cpu(),
        job.sparsity,
        example=to_unit_range(torch.from_numpy(job.dataset.images(np.array([0])))),
        score=job.criterion.score,
        distribution=job.criterion.distribution,
        ignore=job.ignore,
    )
    return Outcome(smaller, None, replace(job, model=smaller).train())


STRUCTURED = Method(
    "channels removed for good, from a trained model",
    "dense",
    "paper-pt",
    run,
    distribution="uniform",
    options=("distribution",),
)
