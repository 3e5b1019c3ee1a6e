"""Risks made into probabilities by the flips of pruned models on the validation split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from prunescope.errors import ConfigError
from prunescope.forecast.calibration import Calibration
from prunescope.forecast.outlook import Outlook, given
from prunescope.forecast.scorers import Case, Scorer
from prunescope.forecast.workshop import Workshop
from prunescope.metrics.statistics import Floats
from prunescope.predictions import Predictions, align


def calibrate(
    scorer: Scorer, case: Case, workshop: Workshop | None, pruned: Sequence[Predictions]
) -> tuple[Calibration | None, list[str]]:
    """Fit risks to the flips of pruned models, if there are any; return that and notes.

    Each model is forecast at its own sparsity, where its file tells it.
    """
    if not pruned:
        return None, []
    if case.validation is None:
        raise ConfigError(
            "to calibrate on a pruned model's validation answers takes the dense model's as well: "
            "give both"
        )
    (dense, *others), notes = align([case.validation, *pruned])
    lab = workshop.lab(dense) if workshop and scorer.tier != "A" else None
    risks = {
        sparsity: scorer.look(replace(case, dense=dense, sparsity=sparsity, lab=lab)).risk
        for sparsity in {sparsity_of(model, case.sparsity) for model in others}
    }
    fitted = Calibration.fit(
        np.concatenate(
            [given(risks[sparsity_of(model, case.sparsity)], dense) for model in others]
        ),
        np.concatenate([given(model.decisions != dense.decisions, dense) for model in others]),
        [model.name for model in others],
    )
    return fitted, notes


def calibrated(calibration: Calibration, dense: Predictions, outlook: Outlook) -> Floats:
    """Return calibrated probabilities of a flip (N, A).

    Of classes that of the class that is named; the others share it as the scorer sees their
    chances, or as the dense model does where the scorer has none.
    """
    found = calibration(outlook.risk)
    if dense.samples.task == "multilabel":
        return found
    named, own = dense.decisions, outlook.flip_probability
    others = np.where(named, 0, dense.probabilities if own is None else own)
    total = others.sum(axis=1, keepdims=True)
    share = np.divide(others, total, out=np.full(others.shape, 0.0), where=total > 0)
    return np.where(named, found, share * given(found, dense))


def sparsity_of(model: Predictions, planned: float) -> float:
    """Return what a pruned model lacks, or what is planned where its file does not tell."""
    return model.metadata.compression.removed or planned
