"""Runs of several stages: train, prune, predict, audit, report.

A *stage* makes one artifact (a checkpoint, a predictions file) from others. A *sweep* prunes one
dense model to several sparsities and audits them together; the demo is a sweep on drawn faces.
"""

from prunescope.study.demo import DemoResult, run_demo
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
    "DemoResult",
    "Sweep",
    "adopt_model",
    "finetune_model",
    "metadata_of",
    "note_steps",
    "predict_split",
    "prune_model",
    "quantize_model",
    "run_demo",
    "run_sweep",
    "train_model",
]
