"""The middle between what augmented images and what trials on the weights lead to expect."""

from __future__ import annotations

from prunescope.forecast.outlook import Outlook
from prunescope.forecast.scorers.augmentation import AUGMENTATION
from prunescope.forecast.scorers.one_shot import ONE_SHOT
from prunescope.forecast.scorers.random_pruning import RANDOM_PRUNING
from prunescope.forecast.scorers.scorer import Case, Scorer
from prunescope.forecast.scorers.weight_noise import WEIGHT_NOISE


def look(case: Case) -> Outlook:
    """Expect the mean of augmentation on the one side, and of three kinds of trials on the other.

    Some 25 passes over the images in all, the settling of batch normalisation counted in.
    """
    trials = [scorer.look(case) for scorer in (ONE_SHOT, RANDOM_PRUNING, WEIGHT_NOISE)]
    return case.between(AUGMENTATION.look(case), case.between(*trials))


ENSEMBLE = Scorer(
    "B", "mean of augmentation, one-shot, random-pruning and weight-noise", look,
    "turns when weights change",
)  # fmt: skip
