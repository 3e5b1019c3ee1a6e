"""The uncertain band: answers whose probability lies between 0.1 and 0.9.

Iofinova, Peste and Alistarh, "Bias in Pruned Vision Models", CVPR 2023, section 5.
"""

import numpy as np

from prunescope.forecast.outlook import Outlook
from prunescope.forecast.scorers.scorer import Case, Scorer
from prunescope.metrics.statistics import BAND


def look(case: Case) -> Outlook:
    """Risk = 1 inside the band, 0 outside; the class that is named is uncertain below it, too."""
    p = case.dense.probabilities
    above = p > BAND[0]
    if case.of_classes:
        above |= case.dense.decisions
    return Outlook((above & (p < BAND[1])).astype(np.float32))


UNCERTAIN_BAND = Scorer("A", "whether the probability lies between {} and {}".format(*BAND), look)
