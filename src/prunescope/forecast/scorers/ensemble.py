"""What images, weights and answers lead to expect, each in its own way: the mean of three."""

from __future__ import annotations

from prunescope.forecast.outlook import Outlook
from prunescope.forecast.scorers.augmentation import AUGMENTATION
from prunescope.forecast.scorers.reconstruction import RECONSTRUCTION
from prunescope.forecast.scorers.scorer import Case, Scorer
from prunescope.forecast.scorers.spectral_shrink import SPECTRAL_SHRINK

PARTS = (RECONSTRUCTION, AUGMENTATION, SPECTRAL_SHRINK)


def look(case: Case) -> Outlook:
    """Expect the mean of reconstruction, augmentation and spectral-shrink."""
    return case.between(*(part.look(case) for part in PARTS))


ENSEMBLE = Scorer(
    "B", "mean of reconstruction, augmentation and spectral-shrink", look,
    "turns when weights that stay make up for others", sum(part.passes for part in PARTS),
)  # fmt: skip
