"""Runs of several stages: train, prune, predict, audit, report.

A *stage* makes one artifact (a checkpoint, a predictions file) from others. A *sweep* prunes one
dense model to several sparsities and audits them together; the demo is a sweep on drawn faces. A
*search* prunes as far as a policy allows; *measures* are set side by side.

A *study* is many runs from one file: `plan` says which, `running` makes them once each, here or on
a cluster, and `results` judges claims by them and draws the figures.
"""

from prunescope.study.demo import DemoResult, run_demo
from prunescope.study.measures import TRAINED, Models, trained_for
from prunescope.study.plan import Plan, plan_study
from prunescope.study.results import StudyResults, write_study_report
from prunescope.study.results.judge import judge_claims
from prunescope.study.running import StudyOutcome, processes, ray_cluster, run_study
from prunescope.study.search import SearchPlan, chosen_model, run_search
from prunescope.study.stages import (
    adopt_model,
    finetune_model,
    match_attributes,
    metadata_of,
    predict_elsewhere,
    predict_split,
    prune_model,
    quantize_model,
    train_model,
)
from prunescope.study.sweep import Sweep, note_steps, run_sweep

__all__ = [
    "TRAINED",
    "DemoResult",
    "Models",
    "Plan",
    "SearchPlan",
    "StudyOutcome",
    "StudyResults",
    "Sweep",
    "adopt_model",
    "chosen_model",
    "finetune_model",
    "judge_claims",
    "match_attributes",
    "metadata_of",
    "note_steps",
    "plan_study",
    "predict_elsewhere",
    "predict_split",
    "processes",
    "prune_model",
    "quantize_model",
    "ray_cluster",
    "run_demo",
    "run_search",
    "run_study",
    "run_sweep",
    "train_model",
    "trained_for",
    "write_study_report",
]
