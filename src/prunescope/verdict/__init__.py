"""May this model be shipped? One list of criteria, one judge.

A *criterion* is a metric, the rows of the audit that it looks at, and limits; a *policy* is a list
of them, and the shipped one (``criteria.yaml``) is where everybody starts. The *damage* of a row is
how much worse than the dense model it is, its *reach* how much worse it can still be: the upper
confidence bound. Of every model and criterion the judge says *held*, *broken*, *open* or *not
judged*, and from that follows the *answer*: ship, ship with care, do not ship, cannot tell.
"""

from prunescope.verdict.answers import together
from prunescope.verdict.criterion import Criterion
from prunescope.verdict.judge import Finding, Judge
from prunescope.verdict.junit import to_junit
from prunescope.verdict.markdown import to_markdown
from prunescope.verdict.policy import Policy, shipped, template
from prunescope.verdict.verdict import WORDS, Answer, Judged, ModelVerdict, Row, Verdict

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
]
