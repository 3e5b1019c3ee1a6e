"""Why did it flip? Where in an image two models see an answer, and what compression moved.

Words, as used here:

score
    What a map explains: the log-odds of an answer. Of an attribute that is its logit; of a class,
    its logit less the log of the sum of the exponentials of all others.
attribution
    How much each pixel speaks for a score: positive for yes, negative against it.
map
    An attribution (H, W), blurred a little and divided by its positive total, so that those of two
    models compare: a value is a share of what speaks for yes.
moved
    Share of what speaks for yes that lies elsewhere in the other map, in [0, 1].
check
    The same map of the same network with drawn weights: a map that hardly changes by that says
    nothing of what the network learned.

References
----------
Selvaraju et al., *Grad-CAM*, ICCV 2017. Sundararajan, Taly and Yan, *Axiomatic Attribution for Deep
Networks*, ICML 2017. Adebayo et al., *Sanity Checks for Saliency Maps*, NeurIPS 2018.
"""

from prunescope.explain.answers import Answers, answers_of, flipped, score_of
from prunescope.explain.checks import Check, randomised
from prunescope.explain.compare import Explanation, Map, check_alike, explain, method_for
from prunescope.explain.layers import feature_map
from prunescope.explain.result import Case, ExplainInfo, Found, find
from prunescope.explain.saliency import METHODS, Attribution, gradcam, integrated_gradients
from prunescope.explain.words import Caption, captions, told, warnings_of, where
from prunescope.explain.write import write_explanations

__all__ = [
    "METHODS",
    "Answers",
    "Attribution",
    "Caption",
    "Case",
    "Check",
    "ExplainInfo",
    "Explanation",
    "Found",
    "Map",
    "answers_of",
    "captions",
    "check_alike",
    "explain",
    "feature_map",
    "find",
    "flipped",
    "gradcam",
    "integrated_gradients",
    "method_for",
    "randomised",
    "score_of",
    "told",
    "warnings_of",
    "where",
    "write_explanations",
]
