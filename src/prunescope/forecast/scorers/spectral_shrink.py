"""Shrinkage to the base rate and to what the other answers say: faint directions fade first.

A sparse network keeps what its answers have in common (the leading principal components of the
dense logits) and loses what one answer says against the others. On validation faces the share of a
component that a sparse network keeps falls as a power of the component's variance.
"""

from __future__ import annotations

import numpy as np

from prunescope.forecast.outlook import Outlook
from prunescope.forecast.scorers.scorer import TINY, Case, Scorer
from prunescope.metrics.statistics import Floats

FAINTEST = 1e-3
"""Least variance of a component, in shares of the largest: below, it is rounding."""


def look(case: Case) -> Outlook:
    """Expect the dense logits as `spectral_shrink` leaves them."""
    return spectral_shrink(case, case.logits)


def spectral_shrink(case: Case, z: Floats) -> Outlook:
    """Shrink logits (N, A), with λ from the sparsity.

    In units of its own deviation, each attribute's logits are centred on their mean μ and split
    into principal components over the attributes. Component k, of variance w_k, keeps
    (1 - λ/2)·(w_k / w_1)^(λ/2) of itself, and the mean moves to (1 - λ)·μ + λ·logit π.
    """
    share = case.share
    mean = z.mean(axis=0)
    deviation = np.maximum(z.std(axis=0), TINY)
    scaled = (z - mean) / deviation
    variance, components = np.linalg.eigh(np.asarray(scaled.T @ scaled, np.float64))
    relative = np.clip(variance / max(variance[-1], TINY), FAINTEST, 1)
    kept = (1 - share / 2) * relative ** (share / 2)
    filtered = ((components * kept) @ components.T).astype(np.float32)
    centre = (1 - share) * mean + share * case.base_rates()
    expected = scaled @ (filtered * deviation) + centre.astype(np.float32)
    return case.outlook(expected)


SPECTRAL_SHRINK = Scorer(
    "A", "logits shrunk to the base rate and to what the other answers say", look,
    "against the base rate and the other answers",
)  # fmt: skip
