"""Runs of several stages: train, prune, predict, audit, report.

A *stage* makes one artifact (a checkpoint, a predictions file) from others. A *sweep* prunes one
dense model to several sparsities and audits them together; the demo is a sweep on drawn faces. A
*search* prunes as far as a bias budget allows; *measures* are set side by side.
"""

from prunescope.study.demo import DemoResult, run_demo
from prunescope.study.measures import TRAINED, Models, trained_for
from prunescope.study.search import SearchPlan, chosen_model, run_search
from prunescope.study.stages import (
    adopt_model,
    finetune_model,
    metadata_of,
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
    "SearchPlan",
    "Sweep",
    "adopt_model",
    "chosen_model",
    "finetune_model",
    "metadata_of",
    "note_steps",
    "predict_split",
    "prune_model",
    "quantize_model",
    "run_demo",
    "run_search",
    "run_sweep",
    "train_model",
    "trained_for",
]
