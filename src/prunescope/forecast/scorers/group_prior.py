"""Shrinkage to the base rate of a sample's groups: bias amplification, answer by answer."""

from __future__ import annotations

import numpy as np

from prunescope.data.columns import UNKNOWN
from prunescope.forecast.outlook import Outlook
from prunescope.forecast.scorers.prior_shrink import shrunk
from prunescope.forecast.scorers.scorer import Case, Scorer
from prunescope.metrics.statistics import Floats


def look(case: Case) -> Outlook:
    """Expect (1 - λ)·z + λ·c, with c the mean of logit P(a | value) over a sample's groups."""
    return shrunk(case, group_rates(case))


def group_rates(case: Case) -> Floats:
    """Return the base rates of each sample's groups as logits: (N, A).

    Where a value is unknown, or training does not tell its rate, the base rate of all stands in;
    without any group it is (A,).
    """
    samples, base = case.dense.samples, case.base_rates()
    groups = [name for name in samples.groups if name in case.rates.group_rates]
    if not groups:
        return base
    total = np.zeros((len(samples), len(base)), np.float32)
    for name in groups:
        group, told = samples.groups[name], case.rates.group_rates[name]
        of_value = [told.get(str(value), {}) for value in group.values]
        rates = np.array(
            [[of.get(a, case.rates.prevalence[a]) for a in samples.attributes] for of in of_value]
        ).reshape(-1, len(base))
        total += np.vstack([case.rate_logits(rates), base])[
            np.where(group.codes == UNKNOWN, len(rates), group.codes)
        ]
    return total / np.float32(len(groups))


GROUP_PRIOR = Scorer(
    "A", "logits shrunk to the base rate of the sample's groups", look,
    "against the base rate of its groups",
)  # fmt: skip
