"""Making the runs of a study: here, in several processes, or on a cluster; once each.

The folder is all that engines share. Who holds the lock of a run makes it; a run whose answers are
there is finished for all. So a study goes on where it stopped, whatever stopped it.
"""

from prunescope.study.running.audits import audit_setting
from prunescope.study.running.run import Engine, StudyOutcome, processes, ray_cluster, run_study
from prunescope.study.running.store import Failure, Status, Store, read_log

__all__ = [
    "Engine",
    "Failure",
    "Status",
    "Store",
    "StudyOutcome",
    "audit_setting",
    "processes",
    "ray_cluster",
    "read_log",
    "run_study",
]
