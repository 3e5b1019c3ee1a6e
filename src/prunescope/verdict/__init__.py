"""May this model be shipped? One list of criteria, one judge.

A *criterion* is a metric, the rows of the audit that it looks at, and limits; a *policy* is a list
of them, and the shipped one (``criteria.yaml``) is where everybody starts. The *damage* of a row is
how much worse than the dense model it is, its *reach* how much worse it can still be: the upper
confidence bound. Of every model and criterion the judge says *held*, *broken*, *open* or *not
judged*, and from that follows the *answer*: ship, ship with care, do not ship, cannot tell.
"""

import sys
from types import ModuleType

from prunescope.verdict.answers import together
from prunescope.verdict.ask import verdict
from prunescope.verdict.criterion import Criterion
from prunescope.verdict.judge import Finding, Judge
from prunescope.verdict.judgement import WORDS, Answer, Judged, Row
from prunescope.verdict.junit import to_junit
from prunescope.verdict.markdown import to_markdown
from prunescope.verdict.of_models import ModelVerdict, Verdict
from prunescope.verdict.policy import Policy, shipped, template

__all__ = [
    "WORDS",
    "Answer",
    "Criterion",
    "Finding",
    "Judge",
    "Judged",
    "ModelVerdict",
    "Policy",
    "Row",
    "Verdict",
    "shipped",
    "template",
    "to_junit",
    "to_markdown",
    "together",
    "verdict",
]


class _CallablePackage(ModuleType):
    """Lets ``prunescope.verdict(...)`` be called, though ``prunescope.verdict`` is a package."""

    __call__ = staticmethod(verdict)


sys.modules[__name__].__class__ = _CallablePackage
