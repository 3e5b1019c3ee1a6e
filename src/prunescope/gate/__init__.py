"""May this model be shipped? A policy, judged on an audit.

A *policy* is a list of *conditions*, each of which bounds one metric of the audit table, all over
or in many places, on the value or on its change from the dense model. A condition is judged by
`prunescope.audit.Constraint`; its worst row decides whether it is ``pass``, ``warn``, ``fail`` or,
where it applies to nothing, ``skip``. The *verdict* holds that for each model; *renderers* turn it
into JUnit XML and Markdown.
"""

from prunescope.gate.condition import Condition, Defaults
from prunescope.gate.junit import to_junit
from prunescope.gate.markdown import to_markdown
from prunescope.gate.policy import Policy, template
from prunescope.gate.verdict import Checked, ModelVerdict, Row, Verdict

__all__ = [
    "Checked",
    "Condition",
    "Defaults",
    "ModelVerdict",
    "Policy",
    "Row",
    "Verdict",
    "template",
    "to_junit",
    "to_markdown",
]
