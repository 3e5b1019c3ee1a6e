"""Dense models against compressed ones: one tidy table with intervals and statuses.

An *estimate* is a metric's value for one model, attribute and slice, with an interval.
Its *status* says whether it may be used: ``ok``, ``insufficient_support`` (the data offer too
little), ``undefined`` (the metric has no value for these answers) or ``not_applicable``. The
*baseline* of a compressed model is the dense model that it was made from, where the files tell,
else the one of the same seed, and *delta* is compressed minus baseline, resampled in pairs.
"""

import sys
from types import ModuleType

from prunescope.audit.affected import Affected, Flip
from prunescope.audit.compare import audit
from prunescope.audit.large_files.streaming import audit_files
from prunescope.audit.result import Audit, AuditInfo, ModelInfo, PopulationInfo, Settings, Sources
from prunescope.audit.table import SCHEMA
from prunescope.audit.where import Where

__all__ = [
    "SCHEMA",
    "Affected",
    "Audit",
    "AuditInfo",
    "Flip",
    "ModelInfo",
    "PopulationInfo",
    "Settings",
    "Sources",
    "Where",
    "audit",
    "audit_files",
]


class _CallablePackage(ModuleType):
    """Lets ``prunescope.audit(...)`` be called, though ``prunescope.audit`` is also a package."""

    __call__ = staticmethod(audit)


sys.modules[__name__].__class__ = _CallablePackage
