"""Scorers: which answers will flip. Each returns a risk (N, A), higher = likelier.

Tier A looks at the dense model's answers and the training split's base rates alone; B asks the
model itself, changed a little; C trains it a little, too. No scorer looks at the labels of what it
scores.
"""

from collections.abc import Mapping

from prunescope.forecast.scorers.augmentation import AUGMENTATION
from prunescope.forecast.scorers.band import UNCERTAIN_BAND
from prunescope.forecast.scorers.ensemble import ENSEMBLE
from prunescope.forecast.scorers.group_prior import GROUP_PRIOR
from prunescope.forecast.scorers.margin import MARGIN
from prunescope.forecast.scorers.one_shot import ONE_SHOT
from prunescope.forecast.scorers.prior_shrink import PRIOR_SHRINK
from prunescope.forecast.scorers.probe import PROBE
from prunescope.forecast.scorers.random_pruning import RANDOM_PRUNING
from prunescope.forecast.scorers.reconstruction import RECONSTRUCTION
from prunescope.forecast.scorers.scorer import Case, Scorer, Tier
from prunescope.forecast.scorers.spectral_shrink import SPECTRAL_SHRINK
from prunescope.forecast.scorers.temperature import TEMPERATURE
from prunescope.forecast.scorers.weight_noise import WEIGHT_NOISE

SCORERS: Mapping[str, Scorer] = {
    "margin": MARGIN,
    "band": UNCERTAIN_BAND,
    "temperature": TEMPERATURE,
    "prior-shrink": PRIOR_SHRINK,
    "group-prior": GROUP_PRIOR,
    "spectral-shrink": SPECTRAL_SHRINK,
    "augmentation": AUGMENTATION,
    "weight-noise": WEIGHT_NOISE,
    "random-pruning": RANDOM_PRUNING,
    "one-shot": ONE_SHOT,
    "reconstruction": RECONSTRUCTION,
    "ensemble": ENSEMBLE,
    "probe": PROBE,
}

BEST: Mapping[Tier, str] = {"A": "spectral-shrink", "B": "ensemble", "C": "probe"}
"""The scorer of each tier that is taken unless another is named."""

__all__ = ["BEST", "SCORERS", "Case", "Scorer", "Tier"]
