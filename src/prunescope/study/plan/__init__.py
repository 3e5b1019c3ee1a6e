"""What a study will make: its file, read with errors that name a line, and the runs it asks for.

A *run* makes one model and asks it about every split. A *setting* is an architecture on a data set:
its runs differ by method, sparsity and seed alone, and are audited together. A *grid* is what
stands in one entry of the file: every combination is a run.
"""

from prunescope.study.plan.config import AuditChoices, Grid, StudyConfig, to_recipe
from prunescope.study.plan.estimate import time_steps, work_of
from prunescope.study.plan.make import Plan, make_plan, plan_study
from prunescope.study.plan.reading import parse_study, template
from prunescope.study.plan.runs import DENSE, INT8, Run, Setting

__all__ = [
    "DENSE",
    "INT8",
    "AuditChoices",
    "Grid",
    "Plan",
    "Run",
    "Setting",
    "StudyConfig",
    "make_plan",
    "parse_study",
    "plan_study",
    "template",
    "time_steps",
    "to_recipe",
    "work_of",
]
