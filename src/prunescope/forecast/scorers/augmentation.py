"""Test-time augmentation: what an image's mirror images and neighbours do not share fades first.

Sparse networks of other seeds do not share a dense network's accidents; nor do its own answers to
the same image, mirrored or moved by two pixels.
"""

from prunescope.forecast.lab import VIEWS
from prunescope.forecast.outlook import Outlook
from prunescope.forecast.scorers.scorer import Case, Scorer
from prunescope.forecast.scorers.spectral_shrink import spectral_shrink

SHIFT = 2
"""Pixels by which images are moved."""


def look(case: Case) -> Outlook:
    """Expect the mean logits of an image, its mirror image and four moved ones, shrunk."""
    lab = case.need_lab("augmentation")
    logits = lab.ask(lab.model, shift=SHIFT, note="images, mirrored and moved")
    return spectral_shrink(case, case.comparable(logits))


AUGMENTATION = Scorer(
    "B", "spectral-shrink of the mean over mirrored and moved images", look,
    "moved images are answered otherwise", VIEWS,
)  # fmt: skip
