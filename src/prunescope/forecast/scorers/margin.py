"""The margin: answers near the threshold flip. The paper's criterion, and the one to beat.

Iofinova, Peste and Alistarh, "Bias in Pruned Vision Models", CVPR 2023, section 5.
"""

from prunescope.forecast.outlook import Outlook
from prunescope.forecast.scorers.scorer import Case, Scorer


def look(case: Case) -> Outlook:
    """Risk = -abs(margin)."""
    return Outlook(-abs(case.margins))


MARGIN = Scorer("A", "distance from the threshold, in logits", look)
